"""The commands of `federate`: the options of each, and what runs when it is called."""
