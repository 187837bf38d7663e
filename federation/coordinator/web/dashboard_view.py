"""What the coordinator's page says, made of the `overview`: lines, tiles, curves and tables, without a page to show them on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from federation.coordinator.round_machine import Stage

STAGES = (Stage.SELECTION, Stage.KEYS, Stage.SHARES, Stage.REPORTING, Stage.UNMASKING, Stage.COMMIT)
COLUMNS = {
    "devices": ("device", "state", "rounds", "last seen"),
    "rounds": ("round", "state", "devices", "words", "recall at 1", "recall at 3", "held back", "norm", "ended"),
    "errors": ("time", "what went wrong"),
}
# The charts: what each shows, and its curves by the name that a round's report has for them.
CHARTS = {
    "Recall at 1 on words held back, summed": {"top1": "global model", "top1_after": "after training on the device"},
    "Recall at 3 on words held back, summed": {"top3": "global model", "top3_after": "after training on the device"},
    "L2 norm": {"update_norm": "mean update", "clipping_norm": "one device, at most"},
}
_AWAY_SECONDS = 90.0  # a device rests with a question every ten seconds, one in a window every minute

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Tile:
    """One figure at a glance."""

    title: str
    figure: str
    note: str


@dataclass(frozen=True)
class Going:
    """Where the round is: a line, the stage (none where no round is open), the share of it that is done, and a note."""

    line: str
    stage: str
    share: float
    note: str


def going(view: Row) -> Going:
    """The round that goes on, and what comes behind it."""
    wanted = f"{view['wanted']:,} more rounds wanted" + (", paused" if view["paused"] else "")
    current = view["round"]
    if current is None:
        idle = "No round is open" if view["ready"] else "TensorFlow Federated is starting"
        return Going(view["exhausted"] or idle, "", 0.0, wanted)
    selecting = current["stage"] == Stage.SELECTION
    of = current["target"] if selecting else current["expected"]
    given = current["selected"] if selecting else current["given"]
    left = "" if current["seconds_left"] is None else f", {current['seconds_left']:.0f} s left"
    lost = 0 if selecting else current["selected"] - current["expected"]
    out = f"; {lost} of {current['selected']} dropped out" if lost else ""
    line = f"Round {current['number']}: {current['stage']}"
    return Going(line, current["stage"], min(given / max(of, 1), 1.0), f"{given} of {of} devices{out}{left}; {wanted}")


def tiles(view: Row, now: float) -> list[Tile]:
    """The model, its recall, the devices, and privacy."""
    model, devices = view["model"], [d for d in view["devices"] if d["state"] != "left"]
    there = sum(now - d["seen"] < _AWAY_SECONDS for d in devices)
    codes = view["open_codes"]
    waiting = f"; {codes} join link{'s' * (codes != 1)} not used yet" if codes else ""
    return [
        Tile("Global model", f"Round {model['round']:,}", f"{model['digest'][:12]}…"),
        _recall(committed(view)),
        Tile("Devices", f"{len(devices):,}", f"{there:,} heard of just now{waiting}"),
        _privacy(view["spent"]),
    ]


def _recall(rounds: Sequence[Row]) -> Tile:
    told = [r for r in rounds if "top1_after" in r]
    if not told:
        return Tile("Recall at 1", "–", "devices report it as sums, from the first round on")
    newest = told[-1]
    trained = f"{newest['top1_after']:.1%} after training on the device; {newest['tested']:,} words held back"
    return Tile(f"Recall at 1, before round {newest['number']}", f"{newest['top1']:.1%}", trained)


def _privacy(spent: Row) -> Tile:
    if not spent or spent["epsilon"] is None:
        return Tile("Privacy", "Secure sums", "no differential privacy")
    note = f"at delta {spent['delta']:g}; rho {spent['rho']:.3f} (zCDP)"
    return Tile("Privacy spent", f"ε {spent['epsilon']:.2f}", note)


def committed(view: Row) -> list[Row]:
    """The rounds that made a model, oldest first."""
    return [r for r in view["rounds"] if r["state"] == "committed"]


def curves(rounds: Sequence[Row]) -> dict[str, dict[str, list[float | None]]]:
    """For each chart and curve its value in each round, recall in percent; None where a round does not tell it."""
    return {
        chart: {title: [_point(row, name) for row in rounds] for name, title in names.items()}
        for chart, names in CHARTS.items()
    }


def _point(row: Row, name: str) -> float | None:
    value = row.get(name)
    return None if value is None else round(100 * value, 2) if name.startswith("top") else round(value, 4)


def tables(view: Row, now: float) -> dict[str, list[dict[str, Any]]]:
    """The rows of each of `COLUMNS`, newest first but for devices."""
    devices = [(d["id"][:12] + "…", _state(d, now), d["rounds"], _clock(d["seen"])) for d in view["devices"]]
    errors = [(_clock(e["time"]), e["text"]) for e in view["errors"]]
    found: dict[str, Sequence[tuple]] = {
        "devices": devices,
        "rounds": [_round(r) for r in reversed(view["rounds"])],
        "errors": errors,
    }
    return {name: [dict(zip(COLUMNS[name], row, strict=True)) for row in rows] for name, rows in found.items()}


def _state(device: Row, now: float) -> str:
    return "away" if device["state"] == "free" and now - device["seen"] >= _AWAY_SECONDS else device["state"]


def _round(row: Row) -> tuple:
    recall = [f"{row[k]:.1%} → {row[f'{k}_after']:.1%}" if f"{k}_after" in row else "" for k in ("top1", "top3")]
    state = row["state"] if not row["reason"] else f"{row['state']}: {row['reason']}"
    counts = [f"{row[k]:,}" if k in row else "" for k in ("words", "tested")]
    norm = f"{row['update_norm']:.3f}" if "update_norm" in row else ""
    of = "" if row["state"] == "open" else f"{row['counted']} of {row['selected']}"
    return (row["number"], state, of, counts[0], *recall, counts[1], norm, _clock(row["ended"]))


def _clock(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds).strftime("%H:%M:%S")
