"""The dashboard's tables of devices and join links, with the owner's actions on them.

devices       name, status, rounds, traffic, last seen, last error      Rename, Remove (asks first), Let back in
              (the 200 that were seen latest; `federate devices` lists all)
invitations   for whom, status, valid until                             Revoke (asks first)
"""

from collections.abc import Callable
from typing import Any

from nicegui import events, ui

from data.errors import UserFacingError
from federation.coordinator.web.owner.device_controls import DeviceControls
from federation.coordinator.web.owner.device_rows import device_row, link_row

_DEVICE_COLUMNS = {
    "device": "device",
    "status": "status",
    "rounds": "rounds",
    "traffic": "sent / received",
    "seen": "last seen",
    "error": "last error",
    "actions": "",
}
_LINK_COLUMNS = {"device": "for", "status": "status", "until": "valid until", "actions": ""}
_DEVICES_SHOWN, _LINKS_SHOWN = 200, 50

_SMALL = 'flat dense no-caps size="12px"'
_DEVICE_ACTIONS = f"""
<q-td :props="props" class="text-right">
  <q-btn v-if="props.row.out" {_SMALL} color="primary" label="Let back in" @click="$parent.$emit('return', props.row)" />
  <q-btn v-if="props.row.member" {_SMALL} label="Rename" @click="$parent.$emit('rename', props.row)" />
  <q-btn v-if="props.row.member" {_SMALL} color="negative" label="Remove" @click="$parent.$emit('remove', props.row)" />
</q-td>
"""
_LINK_ACTIONS = f"""
<q-td :props="props" class="text-right">
  <q-btn v-if="props.row.open" {_SMALL} color="negative" label="Revoke" @click="$parent.$emit('revoke', props.row)" />
</q-td>
"""


class DeviceTables:
    """Both tables; `refresh` fills them in."""

    def __init__(self, controls: DeviceControls) -> None:
        """Lays out the tables in the current place of the page."""
        self._controls = controls
        self._devices = _table("Devices", _DEVICE_COLUMNS, "no device has joined yet: invite one", _DEVICE_ACTIONS)
        self._devices.on("rename", self._rename)
        self._devices.on("remove", self._remove)
        self._devices.on("return", self._let_back)
        self._links = _table("Invitations", _LINK_COLUMNS, "no device has been invited yet", _LINK_ACTIONS)
        self._links.on("revoke", self._revoke)

    def refresh(self) -> None:
        """Shows the devices and links as they are now."""
        devices = [device_row(device) for device in self._controls.devices(_DEVICES_SHOWN)]
        names = {str(row["id"]): str(row["device"]) for row in devices}
        links = [link_row(link, names) for link in self._controls.links(_LINKS_SHOWN)]
        for table, rows in ((self._devices, devices), (self._links, links)):
            if table.rows != rows:
                table.rows = rows

    def _rename(self, event: events.GenericEventArguments) -> None:
        row = event.args
        with ui.dialog(value=True) as dialog, ui.card().classes("gap-3"):
            ui.label(f"Name of {row['device']}").classes("text-lg")
            name = ui.input("name", value=row["name"]).props("autofocus outlined dense maxlength=60").classes("w-64")
            name.on("keydown.enter", lambda: self._do(dialog, lambda: self._controls.rename(row["id"], name.value)))
            with ui.row():
                ui.button(
                    "Save", on_click=lambda: self._do(dialog, lambda: self._controls.rename(row["id"], name.value))
                )
                ui.button("Cancel", on_click=dialog.close).props("flat")

    def _remove(self, event: events.GenericEventArguments) -> None:
        self._ask(
            f"Remove {event.args['device']}?",
            "It takes part in no more rounds and cannot come back without a new link. What it contributed to earlier rounds stays "
            "in the model.",
            "Remove",
            lambda: self._controls.remove(event.args["id"]),
        )

    def _let_back(self, event: events.GenericEventArguments) -> None:
        self._ask(
            f"Let {event.args['device']} back in?",
            "It may take part in the next rounds. If it makes them fail again, it is left out again, for twice as long.",
            "Let back in",
            lambda: self._controls.let_back(event.args["id"]),
        )

    def _revoke(self, event: events.GenericEventArguments) -> None:
        self._ask(
            f"Revoke the invitation for {event.args['device']}?",
            "Nobody can join with this link any more.",
            "Revoke",
            lambda: self._controls.revoke(event.args["id"]),
        )

    def _ask(self, question: str, consequence: str, action: str, act: Callable[[], None]) -> None:
        with ui.dialog(value=True) as dialog, ui.card().classes("gap-3 max-w-md"):
            ui.label(question).classes("text-lg")
            ui.label(consequence).classes("quiet")
            with ui.row():
                color = "primary" if action == "Let back in" else "negative"
                ui.button(action, color=color, on_click=lambda: self._do(dialog, act))
                ui.button("Cancel", on_click=dialog.close).props("flat")

    def _do(self, dialog: ui.dialog, act: Callable[[], None]) -> None:
        try:
            act()
        except UserFacingError as error:
            ui.notify(str(error), type="negative")
        dialog.close()
        self.refresh()


def _table(title: str, columns: dict[str, str], empty: str, actions: str) -> ui.table:
    listed: list[dict[str, Any]] = [{"name": n, "label": c, "field": n, "align": "left"} for n, c in columns.items()]
    with ui.card().classes("w-full min-w-0 gap-1"):
        ui.label(title).classes("text-base")
        table = ui.table(columns=listed, rows=[], row_key="id", pagination=10).classes("w-full")
        table.props(f'dense flat no-data-label="{empty}"')
        table.add_slot("body-cell-actions", actions)
    return table
