"""Attacks on our own system: what a model gives away, and what a malicious device can do."""
