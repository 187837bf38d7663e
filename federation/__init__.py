"""The desktop: TFF processes, simulated and real rounds, evaluation, the demo. Importing this imports nothing."""
