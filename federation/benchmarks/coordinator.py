"""The benchmark of the coordinator: masked updates next to NumPy, rounds of many devices, two graphs, and devices that ask."""

from collections.abc import Sequence
from typing import Any

from federation.benchmarks.coordinator_load import ENROLLED, SECONDS, measure_asking
from federation.benchmarks.loads.fleet_round import CONFIG, fleet_rounds
from federation.benchmarks.loads.secure_round import measure
from federation.benchmarks.loads.uploads import measure_uploads
from federation.benchmarks.measuring import Benchmark, Figure
from federation.protocol.round_terms import Terms
from federation.protocol.secure_aggregation.messages import (
    Advert,
    Confirmation,
    Confirmations,
    Delivery,
    MaskedInput,
    Neighbourhood,
    Reveal,
    Shares,
    Survivors,
)
from federation.protocol.secure_aggregation.modular_vectors import packed_size
from federation.protocol.secure_aggregation.neighbours import Assumptions, choose
from model.device.config import ModelConfig, parameters

FLEET = (10, 30, 100, 300, 1_000)  # numbers of devices in a secure round
_COMPLETE = (10, 30, 100)  # numbers of devices that are all neighbours; more would take minutes
_NEIGHBOURS = (30, 100, 300)  # numbers of devices that each have a few neighbours
_LENGTH = 1_000  # numbers in a vector, few because this measures the protocol, not the masking


def measure_coordinator(
    repeats: int,
    fleet: Sequence[int] = FLEET,
    enrolled: Sequence[int] = ENROLLED,
    seconds: float = SECONDS,
    config: ModelConfig | None = None,
) -> Benchmark:
    """Measures masked updates `repeats` times, and one secure round for each number of devices in `fleet`, and check-ins.

    Args:
      repeats: number of measurements.
      fleet: numbers of devices in a round.
      enrolled: numbers of devices that ask every ten minutes.
      seconds: length of each load of check-ins.
      config: the sizes of the model that masked updates are of (default: those of the shipped model).

    The details are `asking`, those of `measure_asking`; `updates`, the updates' sizes; `rounds`, the results of `fleet_rounds`;
    `protocol`, processor seconds and bytes of the protocol in one process; `panels`, all these as points and curves for
    `federation.reports.plots.plot_fleet`.

    Raises:
      DataError: a round was not committed, or the system allows too few connections.
    """
    figures, updates = measure_uploads(repeats, config)
    rounds = fleet_rounds(fleet)
    protocol = _protocol_costs(max(fleet))
    for found in rounds:
        devices = found["devices"]
        figures.append(Figure(f"round_{devices}", f"a secure round of {devices:,} devices", "s", [found["seconds"]]))
    most = rounds[-1]
    figures += [
        Figure(
            "round_cpu",
            f"the coordinator's processor time in a round of {devices:,} devices",
            "s",
            [most["coordinator_processor_seconds"]],
        ),
        Figure("round_devices_cpu", "the processor time of all its devices", "s", [most["devices_processor_seconds"]]),
        Figure(
            "memory", f"the coordinator's peak memory with {devices:,} devices", "MiB", [most["coordinator_peak_mb"]]
        ),
        Figure("sent", "sent by each of these devices, vectors included", "bytes", [most["sent_bytes"]]),
        Figure("received", "received by each of these devices, without the model", "bytes", [most["received_bytes"]]),
    ]
    found_asking, asking = measure_asking(repeats, enrolled, seconds)
    figures += found_asking
    details = {
        "asking": asking,
        "updates": updates,
        "rounds": rounds,
        "protocol": protocol,
        "panels": _panels(rounds, protocol),
    }
    return Benchmark("coordinator", "The coordinator: secure rounds over HTTPS on one machine", figures, details)


def _protocol_costs(most: int) -> dict[str, list[dict[str, float]]]:
    """Returns the cost of the protocol in one process by graph and number of devices; a tenth of the devices drop out."""
    found: dict[str, list[dict[str, float]]] = {}
    for name, sizes, complete_up_to in (("complete", _COMPLETE, most), ("neighbours", _NEIGHBOURS, 0)):
        for devices in sizes:
            if devices <= most:
                cost = measure(devices, _LENGTH, 16, assumptions=Assumptions(complete_up_to=complete_up_to))
                found.setdefault(name, []).append(vars(cost))
    return found


def _panels(rounds: Sequence[dict[str, Any]], protocol: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """Returns points and theoretical curves. Each of n devices has k neighbours: all others up to n = 100, then about log n."""
    sizes = [found["devices"] for found in rounds]
    pairs = [n * choose(n).degree for n in sizes]

    def through_the_ends(values: Sequence[float]) -> list[float]:
        slope = (values[-1] - values[0]) / (pairs[-1] - pairs[0]) if len(pairs) > 1 else 0.0
        return [values[0] + slope * (pair - pairs[0]) for pair in pairs]

    def curve(label: str, law: str, values: Sequence[float], theory: Sequence[float]) -> dict[str, Any]:
        return {"label": label, "law": law, "sizes": sizes, "values": list(values), "theory": list(theory)}

    seconds = [found["seconds"] for found in rounds]
    memory = [found["coordinator_peak_mb"] for found in rounds]
    sent, received = zip(*(_message_bytes(n, max(sizes)) for n in sizes), strict=True)
    affine = "a + b n k through both ends"
    panels = [
        {"title": "A secure round", "unit": "seconds", "curves": [
            curve("measured", affine, seconds, through_the_ends(seconds))]},
        {"title": "The coordinator's peak memory", "unit": "MiB", "curves": [
            curve("measured", affine, memory, through_the_ends(memory))]},
        {"title": "A device's bytes", "unit": "bytes", "curves": [
            curve("sent", "messages to k neighbours", [found["sent_bytes"] for found in rounds], sent),
            curve("received", "from k neighbours, and n names", [found["received_bytes"] for found in rounds], received)]},
    ]  # fmt: skip
    graphs = []
    for name, costs in protocol.items():
        values = [cost["device_seconds"] + cost["server_seconds"] for cost in costs]
        work = [cost["devices"] * cost["degree"] for cost in costs]
        theory = [values[-1] * part / work[-1] for part in work]
        label, law = ("all others", "n (n - 1)") if name == "complete" else ("k neighbours", "n k")
        sizes_of = [cost["devices"] for cost in costs]
        graphs.append({"label": label, "law": law, "sizes": sizes_of, "values": values, "theory": theory})
    panels.append({"title": "The protocol only, all devices", "unit": "processor seconds", "curves": graphs})
    return panels


def _message_bytes(devices: int, target: int) -> tuple[int, int]:
    """Returns the bytes that one of `devices` devices sends and receives in a round, by the message formats.

    A vector has room for a sum over `target` devices.
    """
    topology = choose(devices)
    degree = topology.degree
    vectors = packed_size(Terms(parameters(CONFIG), 1.0, 1, target, 16, 0).layout)
    sent = Advert.size() + Shares.size(degree) + MaskedInput.size(vectors) + Confirmation.size() + Reveal.size(degree)
    received = Neighbourhood.size(degree) + Delivery.size(degree)
    return sent, received + Survivors.size(devices) + Confirmations.size(topology.threshold)
