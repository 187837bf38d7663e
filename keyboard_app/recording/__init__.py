"""The recording: typed messages and the personal weights learned from them, encrypted on this device."""
