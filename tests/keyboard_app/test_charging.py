"""Battery states as Linux reports them."""

from pathlib import Path

import pytest

from keyboard_app.charging import is_charging


@pytest.mark.parametrize(
    ("supplies", "charging"),
    [
        ([], None),
        ([{"type": "Mains"}], None),
        ([{"type": "Battery", "status": "Discharging"}, {"type": "Mains"}], False),
        ([{"type": "Battery", "status": "Charging"}], True),
        ([{"type": "Battery", "status": "Full"}, {"type": "Battery", "status": "Unknown"}], True),
        ([{"type": "Battery", "status": "Full"}, {"type": "Battery", "status": "Discharging"}], False),
        ([{"type": "Battery", "status": "Discharging", "scope": "Device"}], None),  # of a mouse
        ([{"type": "Battery", "status": "Unknown"}], None),
    ],
)
def test_a_discharging_battery(tmp_path: Path, supplies: list[dict[str, str]], charging: bool | None) -> None:
    for number, supply in enumerate(supplies):
        (tmp_path / f"supply-{number}").mkdir()
        for name, value in supply.items():
            (tmp_path / f"supply-{number}" / name).write_text(f"{value}\n")
    assert is_charging(tmp_path) is charging


def test_a_system_without_battery_states(tmp_path: Path) -> None:
    assert is_charging(tmp_path / "nowhere") is None
