"""The operator's page: the round and its devices as they are now, recall and norms by round, join links.

NiceGUI serves the page, and everything that it loads, from this machine; its address must contain the control token. Of each
device, the page shows its status, its traffic and where it is in a round, with its owner's actions (`owner.device_tables`).
Updates, and recall on devices' words, exist here as sums only. `dashboard_view` makes the content of the page.
"""

import hmac
import time

import segno
from fastapi import FastAPI
from nicegui import ui

from data.errors import UserFacingError
from federation.coordinator.web.control_api import MOST_ROUNDS, ControlApi
from federation.coordinator.web.owner.device_tables import DeviceTables
from federation.coordinator.web.page import dashboard_view
from federation.coordinator.web.page.dashboard_dialogs import SettingsDialog, StopDialog
from federation.coordinator.web.page.dashboard_view import CHARTS, COLUMNS, STAGES, Tile
from federation.coordinator.web.page.page_gate import PageGate
from federation.coordinator.web.page.word_card import WordCard
from federation.coordinator.web.status import CoordinatorStatus

_REFRESH_SECONDS = 1.0
_BLUE, _ORANGE, _GREY = "#3b7dd8", "#e0772c", "#8a8f98"  # all are legible on white and on black
_THEMES = {None: ("brightness_auto", "system"), False: ("light_mode", "light"), True: ("dark_mode", "dark")}
_CSS = """
body { background: #f3f5f8; font-variant-numeric: tabular-nums }
body.body--dark { background: #14171c }
.nicegui-content { padding: 0 }
.q-card { border-radius: 14px; box-shadow: 0 1px 2px #0002 }
.body--dark .q-card { background: #1e232b }
.q-table__card { background: transparent; box-shadow: none }
.q-table td { white-space: normal }
.q-table__bottom--nodata .q-icon { display: none }
.quiet { color: #6b7280 } .body--dark .quiet { color: #9aa3b0 }
.stage { border-radius: 999px; padding: .1rem .7rem; font-size: .8rem; background: #8a8f9822; color: #8a8f98 }
.stage.past { color: #3b7dd8; background: #3b7dd822 }
.stage.now { color: white; background: #3b7dd8 }
.code { background: white; border-radius: 10px; width: min(20rem, 76vw) }
.code svg { width: 100%; height: auto; display: block }
"""


def add_dashboard(app: FastAPI, control: ControlApi, token: str) -> None:
    """Mounts the page at `/` of an application; `/?token=TOKEN` opens it."""

    @ui.page("/", title="Federated keyboard: coordinator")
    def page(token: str = "", _expected: str = token) -> None:
        if not hmac.compare_digest(token.encode(), _expected.encode()):
            ui.label("Open this page with the address that the coordinator printed: it ends in ?token=…").classes("p-6")
            return
        _Page(control)

    app.add_middleware(PageGate, token=token)
    ui.run_with(app, favicon="⌨️", show_welcome_message=False)


class _Page:
    """One open page: `__init__` lays it out, and `_refresh` fills in its content."""

    def __init__(self, control: ControlApi) -> None:
        self._control = control
        ui.colors(primary=_BLUE, negative="#c8402f")
        ui.add_css(_CSS)
        self._theme = ui.dark_mode(None)
        with ui.header().classes("items-center justify-between no-wrap px-4 py-2").style("background: #1f4e79"):
            ui.label("Federated keyboard: coordinator").classes("text-lg ellipsis")
            self._theme_button = ui.button(on_click=self._change_theme).props("flat round color=white")
        with ui.column().classes("w-full max-w-screen-xl mx-auto gap-4 p-4"):
            with ui.element("div").classes("w-full grid grid-cols-2 lg:grid-cols-4 gap-4"):
                self._tiles = [_TileCard() for _ in range(4)]
            with ui.card().classes("w-full gap-3"):
                self._add_round()
            with ui.element("div").classes("w-full grid grid-cols-1 lg:grid-cols-3 gap-4"):
                self._charts = {title: _chart(title, "%" if "Recall" in title else "") for title in CHARTS}
            self._tables: dict[str, ui.table] = {}
            self._devices = DeviceTables(control.devices)
            self._words = WordCard(control.words)
            self._add_table("errors", "no errors")
            self._add_table("rounds", "no round yet: start some")
            with ui.element("div").classes("w-full grid grid-cols-1 lg:grid-cols-2 gap-4"):
                self._add_table("events", "nothing has happened yet")
                with self._add_table("settings", "this coordinator has fixed settings"):
                    ui.button("Change settings", icon="tune", on_click=self._show_settings).props("outline")
        self._add_invitation()
        self._settings = SettingsDialog(control)
        self._stopping = StopDialog(control, self._refresh)
        self._show_theme()
        self._refresh()
        ui.timer(_REFRESH_SECONDS, self._refresh)

    def _add_round(self) -> None:
        with ui.row().classes("w-full items-center justify-between gap-3"):
            self._line = ui.label().classes("text-xl")
            with ui.row().classes("items-center gap-2"):
                self._count = ui.number("rounds", value=5, min=1, max=MOST_ROUNDS, precision=0).props("dense outlined")
                self._count.classes("w-24")
                ui.button("Start", icon="play_arrow", on_click=self._start).props("unelevated").tooltip(
                    "Schedules this many rounds; each begins once enough devices are present"
                )
                ui.button("Start now", icon="fast_forward", on_click=self._start_now).props("outline").tooltip(
                    "Begins a round with the devices that are present, at least three"
                )
                self._pause = ui.button("Pause", icon="pause", on_click=self._toggle_pause).props("outline")
                ui.button("Stop", icon="stop", color="negative", on_click=self._stop).props("outline")
                ui.button("Invite a device", icon="qr_code_2", on_click=self._invite).props("unelevated color=teal-8")
        self._progress = ui.linear_progress(0, show_value=False, size="8px").props("rounded")
        with ui.row().classes("gap-2"):
            self._stages = {stage: ui.label(stage).classes("stage") for stage in STAGES}
        self._note = ui.label().classes("quiet")

    def _add_table(self, name: str, empty: str) -> ui.card:
        with ui.card().classes("w-full min-w-0 gap-1") as card:
            ui.label(name.capitalize()).classes("text-base")
            listed = [{"name": c, "label": c, "field": c, "align": "left"} for c in COLUMNS[name]]
            table = ui.table(columns=listed, rows=[], pagination=10).classes("w-full")
            self._tables[name] = table.props(f'dense flat no-data-label="{empty}"')
        return card

    def _add_invitation(self) -> None:
        with ui.dialog() as self._invitation, ui.card().classes("items-center gap-3"):
            ui.label("Invite a device").classes("text-lg")
            self._code = ui.html(sanitize=False).classes("code")
            ui.label(
                "For one device. The link holds this coordinator's address and its certificate's fingerprint."
            ).classes("quiet text-sm text-center max-w-xs")
            self._until = ui.label().classes("quiet text-sm")
            self._link = ui.label().classes("text-xs break-all max-w-xs")
            with ui.row():
                ui.button("Copy", icon="content_copy", on_click=self._copy).props("flat")
                ui.button("New link", icon="refresh", on_click=self._invite).props("flat")
                ui.button("Close", on_click=self._invitation.close).props("flat")

    def _start(self) -> None:
        self._control.schedule(int(self._count.value or 1))
        self._refresh()

    def _start_now(self) -> None:
        try:
            ui.notify(self._control.start_now(), type="info")
        except UserFacingError as error:
            ui.notify(str(error), type="warning")
        self._refresh()

    def _stop(self) -> None:
        self._stopping.open()

    def _show_settings(self) -> None:
        self._settings.open()

    def _toggle_pause(self) -> None:
        self._control.pause(not self._control.status().paused)
        self._refresh()

    def _invite(self) -> None:
        invited = self._control.invite()
        link = str(invited)
        self._link.set_text(link)
        self._until.set_text(
            f"Valid until {time.strftime('%d %B, %H:%M', time.localtime(self._control.expiry_of(invited)))}."
        )
        self._code.set_content(segno.make(link, error="l").svg_inline(border=3, omitsize=True))
        self._invitation.open()

    def _copy(self) -> None:
        ui.clipboard.write(self._link.text)
        ui.notify("The link was copied", type="positive")

    def _change_theme(self) -> None:
        themes = list(_THEMES)
        self._theme.value = themes[(themes.index(self._theme.value) + 1) % len(themes)]
        self._show_theme()

    def _show_theme(self) -> None:
        icon, name = _THEMES[self._theme.value]
        self._theme_button.set_icon(icon)
        self._theme_button.props(f'aria-label="theme: {name}" title="theme: {name}"')

    def _refresh(self) -> None:
        try:
            status = self._control.status()
        except UserFacingError as error:
            ui.notify(str(error), type="negative")
            return
        for card, tile in zip(self._tiles, dashboard_view.tiles(status), strict=True):
            card.show(tile)
        self._show_round(status)
        rounds = dashboard_view.committed(status)
        for title, curves in dashboard_view.curves([record.report for record in rounds]).items():
            _draw(self._charts[title], [record.number for record in rounds], curves)
        self._devices.refresh()
        self._words.refresh()
        for name, rows in dashboard_view.tables(status).items():
            if self._tables[name].rows != rows:
                self._tables[name].rows = rows

    def _show_round(self, status: CoordinatorStatus) -> None:
        progress = dashboard_view.progress(status)
        self._line.set_text(progress.line)
        self._note.set_text(progress.note)
        self._progress.set_value(progress.share)
        at = -1 if progress.stage is None else STAGES.index(progress.stage)
        for i, label in enumerate(self._stages.values()):
            label.classes(replace="stage" + (" past" if i < at else " now" if i == at else ""))
        self._pause.set_text("Resume" if status.paused else "Pause")
        self._pause.set_icon("play_circle" if status.paused else "pause")


class _TileCard:
    def __init__(self) -> None:
        with ui.card().classes("w-full min-w-0 gap-0"):
            self._title = ui.label().classes("quiet text-sm")
            self._figure = ui.label().classes("text-2xl")
            self._note = ui.label().classes("quiet text-xs")

    def show(self, tile: Tile) -> None:
        self._title.set_text(tile.title)
        self._figure.set_text(tile.figure)
        self._note.set_text(tile.note)


def _chart(title: str, unit: str) -> ui.echart:
    axis = {"nameTextStyle": {"color": _GREY}, "axisLabel": {"color": _GREY, "formatter": "{value}" + unit}}
    options = {
        "tooltip": {"trigger": "axis"},
        "legend": {"bottom": 0, "textStyle": {"color": _GREY}},
        "grid": {"top": 16, "left": 52, "right": 24, "bottom": 76},
        "xAxis": {"type": "category", "name": "round", "nameLocation": "middle", "nameGap": 24, "data": []}
        | {"nameTextStyle": {"color": _GREY}, "axisLabel": {"color": _GREY}},
        "yAxis": {"type": "value", "scale": True, "splitLine": {"lineStyle": {"color": _GREY + "44"}}, **axis},
        "series": [],
        "animation": False,
    }
    with ui.card().classes("w-full min-w-0 gap-1"):
        ui.label(title).classes("text-base")
        return ui.echart(options).classes("w-full h-72")


def _draw(chart: ui.echart, rounds: list[int], curves: dict[str, list[float | None]]) -> None:
    drawn = [
        {"name": title, "type": "line", "data": values, "symbolSize": 7, "color": colour, "symbol": "circle"}
        | {"lineStyle": {"type": line}}
        for colour, line, (title, values) in zip((_BLUE, _ORANGE), ("solid", "dashed"), curves.items(), strict=True)
    ]
    if chart.options["series"] != drawn or chart.options["xAxis"]["data"] != rounds:
        chart.options["xAxis"]["data"] = rounds
        chart.options["series"] = drawn
        chart.update()
