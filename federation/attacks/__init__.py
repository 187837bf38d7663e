"""Attacks on our own system: what a model reveals about people, and what a malicious device can do to a model."""
