"""The devices' conduct in rounds: which of them spoil rounds, who is left out and for how long, and which groups are tested."""
