"""Measurements of a model: held-out users, personalization, autocorrection, baselines, statistical significance."""
