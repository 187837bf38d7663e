"""The pages beside the keys: what it learned, my data, the federation, and the settings."""
