"""The device: typing, recording, learning and taking part in rounds, with or without a window."""
