"""Learning from what was typed, and what came of it."""
