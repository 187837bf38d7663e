"""The device: typing, recording, learning and taking part in rounds, with and without a window."""
