"""The language model: its mathematics once, its weights, its program for the device, its suggestions, its metrics."""
