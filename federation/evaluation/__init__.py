"""How good a model is: held-out users, personalization, baselines, and the significance of differences."""
