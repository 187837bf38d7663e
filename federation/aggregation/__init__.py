"""The server's work on model deltas: algorithms, clipping, sums, noise, and the accounting of privacy."""
