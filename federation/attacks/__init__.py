"""Attacks on our own system: measurements of a model's leaks about people, and of a malicious device's effect on a model."""
