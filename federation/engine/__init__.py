"""TFF's executors as processes: on this machine, and on other machines as workers."""
