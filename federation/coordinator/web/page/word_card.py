"""The card of the operator's page for word discoveries: start one, look at the words found, choose, and save them."""

import json
from collections.abc import Callable
from functools import partial

from nicegui import ui

from data.errors import UserFacingError
from federation.coordinator.web.owner.word_controls import DiscoveryRecord, WordControls
from federation.protocol.discovery.round_plans import LEAST_K

_COLUMNS = ("word", "devices", "struck out", "no typo")


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
                for label, icon, change, effect in (
                    ("Strike out", "block", self._strike, "The chosen words do not join the vocabulary"),
                    ("No typo", "done", self._keep, "The chosen words join although they look like typos of others"),
                    ("Undo", "undo", self._undo, "The chosen words are as they were found"),
                ):
                    made = ui.button(label, icon=icon, on_click=partial(self._change, change)).props("outline")
                    made.tooltip(effect)
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
            dict(zip(_COLUMNS, (w.word, w.devices, *("yes" if n else "" for n in (w.struck, w.no_typo))), strict=True))
            for w in words
        ]

    def _start(self) -> None:
        try:
            self._controls.start(int(self._k.value or LEAST_K))
        except UserFacingError as error:
            ui.notify(str(error), type="warning")
        self.refresh()

    def _strike(self, words: list[str]) -> None:
        self._controls.strike(words, True)

    def _keep(self, words: list[str]) -> None:
        self._controls.keep_as_typed(words, True)

    def _undo(self, words: list[str]) -> None:
        self._controls.strike(words, False)
        self._controls.keep_as_typed(words, False)

    def _change(self, change: Callable[[list[str]], None]) -> None:
        chosen = [row["word"] for row in self._table.selected]
        if not chosen:
            ui.notify("choose words in the table first", type="warning")
            return
        try:
            change(chosen)
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
