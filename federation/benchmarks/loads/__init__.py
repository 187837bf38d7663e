"""The work that the benchmarks measure, and the devices and displays that it needs."""
