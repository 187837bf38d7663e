"""Colours, fonts, and shapes, down to pixels."""
