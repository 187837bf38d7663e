"""The presentation of results: model cards, plots, tables, and progress bars."""
