"""The card of the operator's page for word discoveries: start one, look at the words found, strike some out, save the others."""

import json

from nicegui import ui

from data.errors import UserFacingError
from federation.coordinator.web.owner.word_controls import DiscoveryRecord, WordControls
from federation.protocol.discovery.round_plans import LEAST_K

_COLUMNS = ("word", "devices", "struck out")


class WordCard:
    """The newest discovery and its words."""

    def __init__(self, controls: WordControls) -> None:
        """Lays the card out."""
        self._controls = controls
        self._shown: DiscoveryRecord | None = None
        with ui.card().classes("w-full min-w-0 gap-2"):
            with ui.row().classes("w-full items-center justify-between gap-3"):
                ui.label("New words").classes("text-base")
                with ui.row().classes("items-center gap-2"):
                    self._k = ui.number("devices a word needs", value=LEAST_K, min=LEAST_K, precision=0)
                    self._k.props("dense outlined").classes("w-44")
                    ui.button("Find new words", icon="search", on_click=self._start).props("outline").tooltip(
                        "Two rounds: how many devices have each word, then the words that enough of them have"
                    )
            self._line = ui.label().classes("quiet text-sm")
            listed = [{"name": c, "label": c, "field": c, "align": "left", "sortable": True} for c in _COLUMNS]
            self._table = ui.table(
                columns=listed, rows=[], row_key="word", selection="multiple", pagination=10
            ).classes("w-full")
            self._table.props('dense flat no-data-label="no words yet"')
            with ui.row().classes("gap-2"):
                ui.button("Strike out", icon="block", on_click=lambda: self._strike(True)).props("outline")
                ui.button("Take back in", icon="undo", on_click=lambda: self._strike(False)).props("outline")
                ui.button("Save the words", icon="download", on_click=self._save).props("unelevated").tooltip(
                    "A JSON file of the words that are not struck out, for federate grow"
                )

    def refresh(self) -> None:
        """Shows the newest discovery."""
        record = self._controls.newest()
        if record == self._shown:
            return
        self._shown = record
        self._line.set_text("" if record is None else str(record))
        words = () if record is None else record.words
        self._table.rows = [
            dict(zip(_COLUMNS, (w.word, w.devices, "yes" if w.struck else ""), strict=True)) for w in words
        ]

    def _start(self) -> None:
        try:
            self._controls.start(int(self._k.value or LEAST_K))
        except UserFacingError as error:
            ui.notify(str(error), type="warning")
        self.refresh()

    def _strike(self, struck: bool) -> None:
        chosen = [row["word"] for row in self._table.selected]
        try:
            self._controls.strike(chosen, struck)
        except UserFacingError as error:
            ui.notify(str(error), type="warning")
        self._table.selected = []
        self.refresh()

    def _save(self) -> None:
        try:
            content = self._controls.confirmed()
        except UserFacingError as error:
            ui.notify(str(error), type="warning")
            return
        ui.download.content(json.dumps(content, ensure_ascii=False, indent=1), "words.json")
