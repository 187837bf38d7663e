"""Building blocks of the window: controls, text, charts, containers and the keyboard focus."""
