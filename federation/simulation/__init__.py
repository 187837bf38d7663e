"""Simulated rounds over a corpus's users, central training, and the search over their settings."""
