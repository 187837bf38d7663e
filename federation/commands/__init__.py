"""The commands of `federate`: the options of each, and the function that runs it."""
