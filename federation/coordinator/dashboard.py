"""The coordinator's page for whoever runs it: rounds and devices as they are now, recall and norms by round, errors, join links.

NiceGUI serves it, and all that it loads, from this machine; it needs the control token in its address. What it shows of devices is
whether they are there and where they are in a round: their updates exist here as sums alone.
"""

import hmac
from datetime import datetime
from typing import Any

import segno
from fastapi import FastAPI
from nicegui import ui

from data.errors import DataError
from federation.coordinator.control import Control

_REFRESH_SECONDS = 1.0
_MANY = 1_000_000  # rounds that nobody waits for: until they are stopped
_COLUMNS = {
    "devices": ("device", "state", "rounds", "seen"),
    "rounds": ("round", "state", "selected", "counted", "words", "top-1", "top-3", "update norm", "why"),
    "errors": ("time", "what went wrong"),
}


def add_dashboard(app: FastAPI, control: Control, token: str) -> None:
    """Mounts the page at `/` of an application; `/?token=TOKEN` opens it."""

    @ui.page("/", title="Federated keyboard: coordinator")
    def page(token: str = "", _expected: str = token) -> None:
        if not hmac.compare_digest(token.encode(), _expected.encode()):
            ui.label("Open this page by the address that the coordinator shows: it ends with ?token=…")
            return
        _Page(control)

    ui.run_with(app, favicon="⌨️", show_welcome_message=False)


class _Page:
    """One opened page; `_refresh` puts the newest view into what `__init__` laid out."""

    def __init__(self, control: Control) -> None:
        self._control = control
        ui.colors(primary="#1f4e79")
        with ui.header().classes("items-center justify-between"):
            ui.label("Federated keyboard: coordinator").classes("text-xl")
            self._model = ui.label().classes("text-sm")
        with ui.row().classes("w-full gap-4 items-stretch"):
            self._add_round()
            self._add_join()
        with ui.grid(columns=2).classes("w-full gap-4"):
            self._recall = _chart("Recall on what devices hold back, of the model that each round began with", "%")
            self._norms = _chart("L2 norm of the mean update, and the clipping norm", "")
        self._tables = {}
        for name, columns in _COLUMNS.items():
            with ui.card().classes("w-full"):
                ui.label(name.capitalize()).classes("text-lg")
                listed = [{"name": c, "label": c, "field": c, "align": "left"} for c in columns]
                table = ui.table(columns=listed, rows=[], pagination=10).classes("w-full").props("dense flat")
                self._tables[name] = table
        self._refresh()
        ui.timer(_REFRESH_SECONDS, self._refresh)

    def _add_round(self) -> None:
        with ui.card().classes("grow"):
            self._round = ui.label().classes("text-lg")
            self._progress = ui.linear_progress(0, show_value=False)
            self._wanted = ui.label()
            self._privacy = ui.label()
            with ui.row().classes("items-center"):
                self._count = ui.number("rounds", value=10, min=1, max=_MANY, precision=0).classes("w-24")
                ui.button("Start", icon="play_arrow", on_click=self._start)
                self._pause = ui.button("Pause", icon="pause", on_click=self._toggle_pause)
                ui.button("Stop", icon="stop", color="negative", on_click=self._control.stop)

    def _add_join(self) -> None:
        with ui.card():
            ui.label("Join link, good for one device").classes("text-lg")
            self._code = ui.html(sanitize=False)
            self._link = ui.label().classes("text-xs break-all max-w-xs")
            ui.button("New link", icon="qr_code", on_click=self._show_link)

    def _start(self) -> None:
        self._control.want(int(self._count.value or 1))
        self._refresh()

    def _toggle_pause(self) -> None:
        self._control.pause(not self._control.view()["paused"])
        self._refresh()

    def _show_link(self) -> None:
        link = str(self._control.invite())
        self._link.set_text(link)
        self._code.set_content(segno.make(link, error="l").svg_inline(scale=4, border=2))

    def _refresh(self) -> None:
        try:
            view = self._control.view()
        except DataError as error:
            ui.notify(str(error), type="negative")
            return
        self._model.set_text(f"global model of round {view['model']['round']}, {view['model']['digest'][:12]}…")
        self._show_round(view)
        self._show_charts([r for r in view["rounds"] if r["state"] == "committed"])
        for name, rows in _rows(view).items():
            if self._tables[name].rows != rows:
                self._tables[name].rows = rows

    def _show_round(self, view: dict[str, Any]) -> None:
        current = view["round"]
        if current is None:
            idle = "no round is open" if view["ready"] else "TensorFlow Federated is starting"
            self._round.set_text(view["exhausted"] or idle)
            self._progress.set_value(0)
        else:
            left = "" if current["seconds_left"] is None else f", {current['seconds_left']:.0f} s left"
            given = current["selected"] if current["stage"] == "selection" else current["given"]
            self._round.set_text(
                f"Round {current['number']}: {current['stage']}, {given} of {current['expected']} devices{left}"
            )
            self._progress.set_value(given / max(current["expected"], 1))
        self._wanted.set_text(f"{view['wanted']:,} more rounds wanted" + (", paused" if view["paused"] else ""))
        self._pause.set_text("Go on" if view["paused"] else "Pause")
        spent = view["spent"]
        if spent and spent["epsilon"] is not None:
            self._privacy.set_text(
                f"privacy spent: epsilon {spent['epsilon']:.2f} at delta {spent['delta']:g}, rho {spent['rho']:.3f}"
            )
        else:
            self._privacy.set_text("no differential privacy: secure sums alone")

    def _show_charts(self, rounds: list[dict[str, Any]]) -> None:
        numbers = [r["number"] for r in rounds]
        recall = {k: [None if r.get(k) is None else round(100 * r[k], 2) for r in rounds] for k in ("top1", "top3")}
        norms = {k: [r.get(k) for r in rounds] for k in ("update_norm", "clipping_norm")}
        for chart, series in ((self._recall, recall), (self._norms, norms)):
            drawn = [{"name": k, "type": "line", "data": v} for k, v in series.items()]
            if chart.options["series"] != drawn:
                chart.options["xAxis"]["data"] = numbers
                chart.options["series"] = drawn
                chart.update()


def _chart(title: str, unit: str) -> Any:
    options = {
        "tooltip": {"trigger": "axis"},
        "legend": {},
        "grid": {"top": 36},
        "xAxis": {"type": "category", "name": "round", "data": []},
        "yAxis": {"type": "value", "scale": True, "axisLabel": {"formatter": "{value}" + unit}},
        "series": [],
        "animation": False,
    }
    with ui.card():
        ui.label(title)
        return ui.echart(options).classes("w-full h-64")


def _rows(view: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    def clock(seconds: float | None) -> str:
        return "" if seconds is None else datetime.fromtimestamp(seconds).strftime("%H:%M:%S")

    def share(value: float | None) -> str:
        return "" if value is None else f"{value:.2%}"

    devices = [(d["id"][:12] + "…", d["state"], d["rounds"], clock(d["seen"])) for d in view["devices"]]
    rounds = [
        (
            *(r["number"], r["state"], r["selected"], r["counted"], r.get("words", "")),
            *(share(r.get("top1")), share(r.get("top3"))),
            *(f"{r['update_norm']:.3f}" if "update_norm" in r else "", r["reason"]),
        )
        for r in reversed(view["rounds"])
    ]
    errors = [(clock(e["time"]), e["text"]) for e in view["errors"]]
    tables: dict[str, list[tuple]] = {"devices": devices, "rounds": rounds, "errors": errors}
    return {name: [dict(zip(_COLUMNS[name], row, strict=True)) for row in rows] for name, rows in tables.items()}
