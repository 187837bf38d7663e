"""What the server does with model deltas: algorithms, clipping, sums, noise, and the accounting of privacy."""
