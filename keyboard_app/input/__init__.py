"""Typing without a window: keys go in, text and offers come out."""
