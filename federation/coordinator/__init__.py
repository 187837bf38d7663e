"""The coordinator of real rounds: other people's devices join it, and it sums what they learned without seeing any one update."""
