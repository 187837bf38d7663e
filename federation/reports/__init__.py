"""The forms in which results are shown: model cards, plots, tables, and progress bars."""
