"""The dialogs of the operator's page that stop rounds and change settings."""

from collections.abc import Callable

from nicegui import ui

from data.errors import UserFacingError
from federation.coordinator.settings.settings_change import Value
from federation.coordinator.web.control_api import ControlApi

# The settings that the page can change: those of how rounds are run, which a federation's operator comes to adjust.
_CHANGED_HERE = (
    *("minimum", "target", "over_selection", "settle_seconds"),
    *("selection_seconds", "keys_seconds", "shares_seconds"),
    *("reporting_seconds", "consistency_seconds", "unmasking_seconds"),
    *("learning_rate", "passes", "max_words"),
)


class StopDialog:
    """Asks how rounds are to stop: after the one under way, or at once."""

    def __init__(self, control: ControlApi, stopped: Callable[[], None]) -> None:
        """Lays the dialog out, closed; `stopped` is called after rounds were stopped."""
        self._control, self._stopped = control, stopped
        with ui.dialog() as self._dialog, ui.card().classes("gap-3 max-w-md"):
            ui.label("Stop the rounds?").classes("text-lg")
            self._text = ui.label().classes("quiet text-sm")
            with ui.row().classes("gap-2"):
                self._finish = ui.button("Finish this round", on_click=lambda: self._stop(finish=True))
                self._finish.props("unelevated")
                self._end = ui.button(on_click=lambda: self._stop(finish=False), color="negative").props("outline")
                ui.button("Cancel", on_click=self._dialog.close).props("flat")

    def open(self) -> None:
        """Opens the dialog, which says what stopping means now."""
        current = self._control.status().round
        self._finish.set_visibility(current is not None)
        self._end.set_text("Stop" if current is None else "End it now")
        if current is None:
            text = "No round is under way. The scheduled rounds will not run."
        else:
            text = (
                f"Round {current.number} is under way. It can be finished first. If it is ended now, nothing of it is kept or "
                "counted, and what its devices trained for it is dropped. No more rounds will run until you start some."
            )
        self._text.set_text(text)
        self._dialog.open()

    def _stop(self, finish: bool) -> None:
        self._dialog.close()
        self._control.stop(finish)
        self._stopped()


class SettingsDialog:
    """Changes settings from the next round on."""

    def __init__(self, control: ControlApi) -> None:
        """Lays the dialog out, closed."""
        self._control = control
        self._before: dict[str, Value] = {}
        self._labels: dict[str, str] = {}
        with ui.dialog() as self._dialog, ui.card().classes("gap-3 w-full max-w-xl"):
            ui.label("Change settings").classes("text-lg")
            ui.label("A change holds from the next round on.").classes("quiet text-sm")
            with ui.element("div").classes("w-full grid grid-cols-1 sm:grid-cols-2 gap-3"):
                self._fields = {name: ui.number().props("dense outlined") for name in _CHANGED_HERE}
            self._problem = ui.label().classes("text-negative text-sm")
            with ui.row():
                ui.button("Save", on_click=self._save).props("unelevated")
                ui.button("Cancel", on_click=self._dialog.close).props("flat")

    def open(self) -> None:
        """Opens the dialog with the settings in force."""
        self._before = {}
        for setting in self._control.status().settings:
            if (field := self._fields.get(setting.name)) is None or not isinstance(setting.value, int | float):
                continue
            self._before[setting.name], self._labels[setting.name] = setting.value, setting.label
            field.props(f'label="{setting.label}" suffix="{setting.unit.strip()}"')
            field.value = setting.value
            field.set_enabled(not setting.fixed)
        self._problem.set_text("")
        self._dialog.open()

    def _save(self) -> None:
        chosen: dict[str, Value] = {}
        for name, before in self._before.items():
            value = self._fields[name].value
            if value is None or (isinstance(before, int) and value != int(value)):
                kind = "a whole number" if isinstance(before, int) else "a number"
                self._problem.set_text(f"{self._labels[name]}: give {kind}")
                return
            if value != before:
                chosen[name] = type(before)(value)
        try:
            line = self._control.change(chosen)
        except (UserFacingError, OSError) as error:
            self._problem.set_text(str(error))
            return
        self._dialog.close()
        ui.notify(line, type="positive")
