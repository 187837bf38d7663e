"""TFF's execution engine as processes: a worker on this machine, workers on other machines, and the state on disk."""
