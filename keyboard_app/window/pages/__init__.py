"""The pages of the window: what it learned, my data, federation, settings, the first questions, and their pickers."""
