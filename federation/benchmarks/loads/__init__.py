"""The workloads that the benchmarks measure, and the devices and displays that they need."""
