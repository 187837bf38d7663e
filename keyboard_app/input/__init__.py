"""Typing without a window: keys in, text and offers out."""
