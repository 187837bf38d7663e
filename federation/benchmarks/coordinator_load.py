"""How many devices a coordinator can answer: with SQLite, with PostgreSQL, and as a cluster of two processes.

A device asks every ten minutes. The figures are check-ins a second, by the clock and by the coordinators' own processor time,
which other work on the machine changes less. What a million devices take is computed from the latter: 1,667 check-ins a second.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from federation.benchmarks.loads.check_ins import EVERY_SECONDS, LEAST_ASKING, Load, coordinators, slowest
from federation.benchmarks.loads.postgres_server import PostgresServer, is_installed, postgres_server
from federation.benchmarks.measuring import Figure

ENROLLED = (10_000, 100_000)
SECONDS = 3.0  # of each load
_MILLION = 1_000_000
_REPEATS = 3  # at most: each load is thousands of check-ins already


def measure_asking(repeats: int, enrolled: Sequence[int], seconds: float) -> tuple[list[Figure], Mapping[str, Any]]:
    """Measures each kind of coordinator `repeats` times, at most three; those with PostgreSQL only if the machine has it.

    Args:
      repeats: number of measurements.
      enrolled: numbers of devices that ask every ten minutes; the largest number is enrolled.
      seconds: length of each load.

    Returns:
      Figures, and by kind of coordinator the processor seconds of a check-in and the cores that a million devices would take.

    Raises:
      DataError: a coordinator did not start.
    """
    figures, details = list[Figure](), dict[str, Any]()
    asking = max(math.ceil(max(enrolled) / EVERY_SECONDS * seconds), LEAST_ASKING)
    with ExitStack() as opened:
        server = opened.enter_context(postgres_server(durable=True)) if is_installed() else None
        kinds: list[tuple[str, str, int, PostgresServer | None]] = [("sqlite", "SQLite", 1, None)]
        if server is not None:
            kinds.append(("postgresql", "PostgreSQL", 1, server))
            kinds.append(("cluster", "PostgreSQL and 2 processes", 2, server))
        for name, what, count, at in kinds:
            loads: dict[str, list[Load]] = {}
            with coordinators(count, at, max(*enrolled, asking), asking) as ready:
                for _ in range(min(repeats, _REPEATS)):
                    loads.setdefault("kept", []).append(ready.fastest(seconds, keep=True))
                    loads.setdefault("tls", []).append(ready.fastest(seconds, keep=False))
                    for devices in enrolled:
                        loads.setdefault(f"{devices}", []).append(ready.steady(devices, seconds))
            for key, of in (("kept", "kept connections"), ("tls", "a new TLS connection each")):
                rates, own = [load.rate for load in loads[key]], [load.rate_of_processor for load in loads[key]]
                figures.append(Figure(f"check_ins_{name}_{key}", f"check-ins over {of}, {what}", "/s", rates))
                own_name = f"check_ins_{name}_{key}_cpu"
                figures.append(Figure(own_name, "the same, in a second of processor time", "/s", own))
            for devices in enrolled:
                found = loads[f"{devices}"]
                cores = [(load.processor + load.database) / load.seconds for load in found]
                label = f"cores for {devices:,} devices that ask every ten minutes, {what}"
                figures.append(Figure(f"asking_{devices}_{name}", label, "cores", cores))
                taken = [1e3 * slowest(found)]
                figures.append(Figure(f"asking_{devices}_{name}_ms", "99 of 100 are answered within", "ms", taken))
            details[name] = _costs(loads["kept"], loads["tls"])
    return figures, details


def _costs(kept: Sequence[Load], anew: Sequence[Load]) -> dict[str, float]:
    def seconds(loads: Sequence[Load]) -> float:
        return sum(load.processor + load.database for load in loads) / sum(load.check_ins for load in loads)

    of_database = sum(load.database for load in kept) / sum(load.check_ins for load in kept)
    rate = _MILLION / EVERY_SECONDS
    return {
        "seconds_kept": seconds(kept),
        "seconds_tls": seconds(anew),
        "seconds_database": of_database,
        "devices_seconds_kept": sum(load.devices for load in kept) / sum(load.check_ins for load in kept),
        "devices_seconds_tls": sum(load.devices for load in anew) / sum(load.check_ins for load in anew),
        "cores_for_a_million_kept": rate * seconds(kept),
        "cores_for_a_million_tls": rate * seconds(anew),
    }
