"""From a context and a prefix to ranked words: suggestions, corrections, and the personal layer."""
