"""The results of an audit as a table for people and a file for programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.files import write_by_rename, write_csv
from federation.reports.tables import Rows, markdown, print_tables

Row = dict[str, Any]
Planting = Sequence[tuple[int, int]]

_ATTACKS = ("people", "people_calibrated", "messages", "messages_calibrated")


def write_report(result: dict[str, Any], planting: Planting, out: Path) -> None:
    """Prints the result of `federation.attacks.privacy_audit.audit` and writes `audit.md` and `audit.csv`."""
    tables = [(_title(result), _table(result["rows"], planting))]
    print_tables(tables)
    write_by_rename(out / "audit.md", markdown(tables).encode())
    write_csv(out / "audit.csv", [_flat(row) for row in result["rows"]])


def _flat(row: Row) -> Row:
    return {
        name: f"{value[0]:.4f} to {value[1]:.4f}"
        if isinstance(value, list)
        else f"{value:.6g}"
        if isinstance(value, float)
        else value
        for name, value in row.items()
    }


def _title(result: dict[str, Any]) -> str:
    return (
        f"After {result['rounds']} rounds over {result['members']} members of {result['corpus']} with {result['words']} words "
        f"each, {result['clients_per_round']} in a round, starting from {_start(result)}. Epsilon is at "
        f"delta {result['delta']:g}. Exposure in bits, at most {result['bits']:.0f}; secrets never seen have 1.44 on average, "
        "and reach values marked * with a probability below 0.001. AUC of members against as many others (of the shipped "
        f"model: of both against {result['strangers']} strangers), with 95% intervals."
    )


def _start(result: dict[str, Any]) -> str:
    return f"the model {result['start']}" if result["start"] else f"a model of {result['outsiders']} outsiders"


def _table(rows: Sequence[Row], planting: Planting) -> Rows:
    head = ["", "epsilon", "rho", "exposure: controls"]
    head += [_kind(holders, copies) for holders, copies in planting]
    head += ["AUC people", "calibrated", "AUC messages", "calibrated", "recall at 1", "recall at 3", "perplexity"]
    table = [head]
    for row in rows:
        cells = [row["model"], *(_number(row[name]) if name in row else "" for name in ("epsilon", "rho"))]
        if "top1" not in row:
            table.append(cells + [""] * (len(head) - len(cells)))
            continue
        cells += [_exposure(row, kind) for kind in ((0, 0), *planting)]
        for name in _ATTACKS:
            interval = row.get(f"auc_{name}_ci")
            cells.append(f"{row[f'auc_{name}']:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")
        table.append([*cells, f"{row['top1']:.1%}", f"{row['top3']:.1%}", f"{row['perplexity']:,.0f}"])
    return table


def _kind(holders: int, copies: int) -> str:
    return f"{holders} {'holder' if holders == 1 else 'holders'}, {copies} {'copy' if copies == 1 else 'copies'}"


def _exposure(row: Row, kind: tuple[int, int]) -> str:
    name = f"{kind[0]}x{kind[1]}"
    if f"exposure_{name}" not in row:
        return ""
    return f"{row[f'exposure_{name}']:.1f}{'*' if row[f'chance_{name}'] < 1e-3 else ''}"


def _number(value: float | None) -> str:
    if value is None:
        return "no bound"
    return f"{value:.3g}" if value < 1e3 else f"{value:,.0f}"
