"""Measures how good a model is: held-out users, personalization, autocorrection, baselines, statistical significance."""
