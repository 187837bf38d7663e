"""How many devices a coordinator can answer: with SQLite, with PostgreSQL, and as a cluster of two processes.

A device asks every ten minutes. The figures are check-ins a second, by the clock and by the coordinators' own processor time,
which other work on the machine changes less. What a million devices take is computed from the latter: 1,667 check-ins a second.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from federation.benchmarks.loads.check_ins import EVERY_SECONDS, Load, coordinators
from federation.benchmarks.loads.postgres_server import PostgresServer, is_installed, postgres_server
from federation.benchmarks.measuring import Figure

ENROLLED = (10_000, 100_000)
_SECONDS = 10.0  # of each load
_MILLION = 1_000_000


def measure_asking(
    repeats: int, enrolled: Sequence[int] = ENROLLED, seconds: float = _SECONDS
) -> tuple[list[Figure], Mapping[str, Any]]:
    """Measures each kind of coordinator `repeats` times; those with PostgreSQL only if the machine has it.

    Returns:
      Figures, and by kind of coordinator the processor seconds of a check-in and the cores that a million devices would take.

    Raises:
      DataError: a coordinator did not start.
    """
    figures, details = list[Figure](), dict[str, Any]()
    with ExitStack() as opened:
        server = opened.enter_context(postgres_server(durable=True)) if is_installed() else None
        kinds: list[tuple[str, str, int, PostgresServer | None]] = [("sqlite", "SQLite", 1, None)]
        if server is not None:
            kinds.append(("postgresql", "PostgreSQL", 1, server))
            kinds.append(("cluster", "PostgreSQL and 2 processes", 2, server))
        for name, what, count, at in kinds:
            kept, anew = list[Load](), list[Load]()
            with coordinators(count, at, 100) as ready:
                for _ in range(repeats):
                    kept.append(ready.fastest(seconds, keep=True))
                    anew.append(ready.fastest(seconds, keep=False))
            for key, of, loads in (("", "kept connections", kept), ("_tls", "a new TLS connection each", anew)):
                rates, own = [load.rate for load in loads], [load.rate_of_processor for load in loads]
                figures.append(Figure(f"check_ins_{name}{key}", f"check-ins over {of}, {what}", "/s", rates))
                figures.append(Figure(f"check_ins_{name}{key}_cpu", "the same, a second of processor time", "/s", own))
            details[name] = _costs(kept, anew)
        for name, what, at in (("sqlite", "SQLite", None), ("postgresql", "PostgreSQL", server)):
            if name == "postgresql" and at is None:
                continue
            for devices in enrolled:
                asking = max(int(devices / EVERY_SECONDS * seconds), 1)
                with coordinators(1, at, devices, asking) as ready:
                    loads = [ready.steady(devices, seconds) for _ in range(repeats)]
                cores = [(load.processor + load.database) / load.seconds for load in loads]
                label = f"{devices:,} devices that ask every ten minutes, {what}"
                figures.append(Figure(f"asking_{devices}_{name}", f"cores for {label}", "cores", cores))
                slowest = [1e3 * load.slowest for load in loads]
                figures.append(Figure(f"asking_{devices}_{name}_ms", "99 of 100 answered within", "ms", slowest))
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
        "cores_for_a_million_kept": rate * seconds(kept),
        "cores_for_a_million_tls": rate * seconds(anew),
    }
