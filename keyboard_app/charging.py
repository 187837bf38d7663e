"""The charging state of this machine: learning and rounds wait while it runs on battery."""

import sys
from contextlib import suppress
from pathlib import Path

SUPPLIES = Path("/sys/class/power_supply")  # on Linux: https://docs.kernel.org/power/power_supply_class.html


def is_charging(supplies: Path = SUPPLIES) -> bool | None:
    """Returns whether no battery is discharging; None if there is no battery or the system does not say."""
    if hasattr(sys, "getandroidapilevel"):
        return _is_charging_on_android()
    states = []
    with suppress(OSError):
        for supply in sorted(supplies.iterdir()):
            # A battery with the scope "Device" powers a peripheral, such as a mouse.
            if _read(supply / "type") == "Battery" and _read(supply / "scope") != "Device":
                states.append(_read(supply / "status"))
    known = [state for state in states if state not in ("", "Unknown")]
    return "Discharging" not in known if known else None


def _is_charging_on_android() -> bool:
    """Returns the state that android.os.BatteryManager reports, since an app may not read the system's files."""
    from jnius import autoclass, cast

    activity = autoclass("org.kivy.android.PythonActivity").mActivity
    context = autoclass("android.content.Context")
    manager = cast("android.os.BatteryManager", activity.getSystemService(context.BATTERY_SERVICE))
    return bool(manager.isCharging())


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
