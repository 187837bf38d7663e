"""The settings of a federation: what they are, and which of them may change once there were rounds."""
