"""The content of the coordinator's page, made from a `CoordinatorStatus`: lines, tiles, curves and tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from federation.coordinator.learner.round_report import RoundReport, recall_change
from federation.coordinator.round_machine import GIVING, Stage
from federation.coordinator.web.status import CoordinatorStatus, RoundRecord

STAGES = (Stage.SELECTION, *GIVING, Stage.COMMIT)
COLUMNS = {
    "rounds": (
        *("round", "state", "devices", "words", "recall at 1", "recall at 3", "words held back", "update norm"),
        "ended",
    ),
    "errors": ("time", "what went wrong"),
    "events": ("time", "what happened"),
    "settings": ("setting", "value", "can it change?"),
}
# The charts: for each title its curves, by the field of `RoundReport` that they show.
CHARTS = {
    "Recall at 1 on words held back": {"top1": "global model", "top1_after": "after training on the device"},
    "Recall at 3 on words held back": {"top3": "global model", "top3_after": "after training on the device"},
    "L2 norm": {"update_norm": "model update", "clipping_norm": "clipping norm"},
}

Cell = str | int


@dataclass(frozen=True)
class Tile:
    """One figure at a glance."""

    title: str
    figure: str
    note: str


@dataclass(frozen=True)
class RoundProgress:
    """The progress of the round that is under way."""

    line: str
    stage: Stage | None  # None if no round is open
    share: float  # share of the stage that is done, 0 to 1
    note: str


def progress(status: CoordinatorStatus) -> RoundProgress:
    """Returns how far the round is, and how many more are scheduled."""
    more = f"{status.wanted:,} more round{'s' * (status.wanted != 1)}"
    scheduled = f"{more} scheduled{', paused' if status.paused else ''}"
    current = status.round
    if current is None:
        idle = "No round is open" if status.ready else "TensorFlow Federated is starting"
        waits = "".join(f". {text[:1].upper()}{text[1:]}" for text in (status.wait, status.obstacle) if text)
        return RoundProgress(status.exhausted or idle, None, 0.0, scheduled + waits)
    selecting = current.stage == Stage.SELECTION
    needed = current.target if selecting else current.expected
    given = current.selected if selecting else current.given
    left = "" if current.seconds_left is None else f", {current.seconds_left:.0f} s left"
    lost = 0 if selecting else current.selected - current.expected
    dropouts = f"; {lost} of {current.selected} dropped out" if lost else ""
    line = f"Round {current.number}{', new words' if current.of_words else ''}: {current.stage}"
    note = f"{given} of {needed} devices{dropouts}{left}; {scheduled}"
    return RoundProgress(line, current.stage, min(given / max(needed, 1), 1.0), note)


def tiles(status: CoordinatorStatus) -> list[Tile]:
    """Returns the tiles of the model, its recall, the devices, and privacy."""
    codes = status.open_codes
    unused = f"; {codes} unused join link{'s' * (codes != 1)}" if codes else ""
    return [
        Tile("Global model", f"Round {status.model.round:,}", f"{status.model.digest[:12]}…"),
        _recall(committed(status)),
        Tile("Devices", f"{status.members:,}", f"{status.active:,} active{unused}"),
        _privacy(status),
    ]


def _recall(rounds: Sequence[RoundRecord]) -> Tile:
    for record in reversed(rounds):
        report = record.report
        if report.top1 is not None and report.top1_after is not None:
            note = f"{report.top1_after:.1%} after training on the device; {report.tested or 0:,} words held back"
            return Tile(f"Recall at 1, before round {record.number}", f"{report.top1:.1%}", note)
    return Tile("Recall at 1", "–", "devices report it, as sums, from the first round on")


def _privacy(status: CoordinatorStatus) -> Tile:
    spent, after = status.spent, status.spent_after
    if not status.privacy.private:
        return Tile("Privacy", "Secure sums", "no differential privacy: the model may reveal some people's words")
    if spent is None:
        return Tile("Privacy", "–", "differential privacy; TensorFlow Federated is starting")
    if not spent.epsilon:
        note = "" if after is None else f"the first round will spend ε {after.epsilon:.2f} at delta {after.delta:g}"
        return Tile("Privacy spent", "Nothing yet", note)
    upcoming = "" if after is None or status.exhausted else f"; ε {after.epsilon:.2f} after the next round"
    note = f"at delta {spent.delta:g}; rho {spent.rho:.3f} (zCDP){upcoming}"
    return Tile("Privacy spent", f"ε {spent.epsilon:.2f}", note)


def committed(status: CoordinatorStatus) -> list[RoundRecord]:
    """Returns the rounds that made a model, oldest first."""
    return [record for record in status.rounds if record.state == "committed"]


def curves(reports: Sequence[RoundReport]) -> dict[str, dict[str, list[float | None]]]:
    """Returns the values of each chart's curves by round, recall in percent; None where a round did not report the value."""
    return {
        chart: {title: [_point(report, name) for report in reports] for name, title in names.items()}
        for chart, names in CHARTS.items()
    }


def _point(report: RoundReport, name: str) -> float | None:
    value: float | None = getattr(report, name)
    if value is None:
        return None
    return round(100 * value, 2) if name.startswith("top") else round(value, 4)


def tables(status: CoordinatorStatus) -> dict[str, list[dict[str, Cell]]]:
    """Returns the rows of each of the `COLUMNS`, newest first."""
    rows: dict[str, list[tuple[Cell, ...]]] = {
        "rounds": [_round(record) for record in reversed(status.rounds)],
        "errors": [(_clock(error.time), error.text) for error in status.errors],
        "events": [(_clock(event.time), event.text) for event in status.events],
        "settings": [(s.label, s.shown, f"no: {s.fixed}" if s.fixed else "yes") for s in status.settings],
    }
    return {name: [dict(zip(COLUMNS[name], row, strict=True)) for row in found] for name, found in rows.items()}


def _round(record: RoundRecord) -> tuple[Cell, ...]:
    report = record.report
    words, tested = ("" if count is None else f"{count:,}" for count in (report.words, report.tested))
    return (
        record.number,
        f"{record.state}: {record.reason}" if record.reason else record.state,
        "" if record.state == "open" else f"{record.counted} of {record.selected}",
        words,
        recall_change(report.top1, report.top1_after),
        recall_change(report.top3, report.top3_after),
        tested,
        "" if report.update_norm is None else f"{report.update_norm:.3f}",
        _clock(record.ended),
    )


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    when = datetime.fromtimestamp(seconds)
    return when.strftime("%H:%M:%S" if when.date() == datetime.now().date() else "%Y-%m-%d %H:%M:%S")
