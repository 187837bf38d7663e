"""The learner: the process beside the coordinator in which TFF runs, and how the coordinator talks to it."""
