"""Tables: on the terminal, and in Markdown."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

Rows = list[list[str]]

_WIDTH = 160  # characters, if standard error is not a terminal


def print_tables(tables: Sequence[tuple[str, Rows]]) -> None:
    """Prints tables on standard error, as wide as the terminal; without a terminal, 160 characters wide."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console.width = _WIDTH
    for title, (head, *rows) in tables:
        table = Table(title=title, title_justify="left")
        for i, cell in enumerate(head):
            table.add_column(cell, justify="right" if i else "left")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def markdown(tables: Sequence[tuple[str, Rows]]) -> str:
    """Returns tables as a Markdown page."""
    parts = []
    for title, (head, *rows) in tables:
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
        parts.append(f"**{title}**\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n")
    return "\n".join(parts)
