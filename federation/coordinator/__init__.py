"""The coordinator of real rounds: devices join it, and it sums their model updates without seeing any single one."""
