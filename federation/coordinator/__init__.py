"""The coordinator of real rounds: devices of other people join it, and it adds up what they learned without seeing it."""
