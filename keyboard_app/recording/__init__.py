"""The recording: what was typed and what was learned from it, encrypted on this device."""
