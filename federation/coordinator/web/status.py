"""What whoever runs the coordinator may see: rounds, devices, sums, what went wrong. No one device's update is in it."""

import json
import math
from typing import Any

from federation.coordinator.coordinator import Coordinator

_ROUNDS, _ERRORS = 200, 20  # newest ones


def overview(coordinator: Coordinator, now: float) -> dict[str, Any]:
    """The whole view, as plain JSON."""
    wanted, paused = coordinator.store.wishes()
    in_round = coordinator.round
    coming = coordinator.next
    return {
        "model": {"round": coordinator.model.provenance.round, "digest": coordinator.model_digest},
        "wanted": wanted,
        "paused": paused,
        "ready": coming is not None,
        "exhausted": coming.exhausted if coming else "",
        "spent": _finite(coming.spent) if coming else {},
        "round": None
        if in_round is None
        else {
            "number": coordinator.round_number,
            "stage": str(in_round.stage),
            "seconds_left": None if math.isinf(in_round.deadline) else max(0.0, in_round.deadline - now),
            "selected": len(in_round.cohort),
            "expected": len(in_round.expected),
            "given": len(in_round.given),
            "minimum": in_round.rules.minimum,
            "target": in_round.rules.target,
        },
        "devices": [
            {
                "id": device.id,
                "enrolled": device.enrolled,
                "seen": device.seen,
                "rounds": device.rounds,
                "state": coordinator.device_state(device.id) if device.gone is None else "left",
            }
            for device in coordinator.store.devices()
        ],
        "open_codes": coordinator.store.open_codes(),
        "rounds": [
            {
                "number": row.number,
                "state": row.state,
                "started": row.started,
                "ended": row.ended,
                "reason": row.reason,
                "selected": row.cohort,
                "counted": row.counted,
                **_finite(json.loads(row.report)),
            }
            for row in coordinator.store.rounds(_ROUNDS)
        ],
        "errors": [{"time": time, "text": text} for time, text in coordinator.store.errors(_ERRORS)],
    }


def _finite(content: Any) -> Any:
    """The same without infinities, which JSON lacks: None in their place."""
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    return None if isinstance(content, float) and not math.isfinite(content) else content
