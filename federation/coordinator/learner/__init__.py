"""The process beside the coordinator in which TFF runs."""
