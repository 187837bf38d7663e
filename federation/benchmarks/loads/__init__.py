"""The work that the benchmarks measure."""
