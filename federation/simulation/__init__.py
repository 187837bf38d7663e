"""Simulated rounds over a corpus's users, central training as their baseline, and the search over their settings."""
