"""How results are shown: model cards, plots, tables, and progress bars."""
