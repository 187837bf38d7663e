"""Colours, fonts, icons and shapes, down to the pixels."""
