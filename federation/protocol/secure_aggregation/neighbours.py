"""The choice of the devices that mask with each other: all of them in cohorts of up to 100, else k neighbours on a random ring.

Bell et al. 2020 (CCS, "Secure Single-Server Aggregation with (Poly)Logarithmic Overhead"), Section 3: in a Harary graph, devices
stand on a ring in random order, and each is connected to the k / 2 next ones on either side. It keeps the protocol of Bonawitz et
al. 2017 secure and robust with k of the order of the logarithm of the cohort. `choose` takes the smallest k for which three
failures are improbable enough, by exact hypergeometric tails and union bounds rather than the paper's closed forms:

- **exposed**: so many of a device's k neighbours are corrupted, c or more, that lies about dropouts reveal both its secrets.
- **disconnected**: without the corrupted devices and the dropouts the graph falls apart, so that the coordinator learns the sums
  of its parts. On the ring that takes two gaps of k / 2 such devices each.
- **stuck**: a device has fewer than t neighbours left to recover its secret, so that the round aborts.

**The threshold t is more than half of k plus the corrupted neighbours, at every size.** A device's secrets are split among its k
neighbours; the device itself keeps no share. Each honest neighbour reveals one share of a device, a corrupted one reveals both.
Two secrets of one device take 2 t shares, more than there are. For the same reason no two lists of survivors can both be signed
by t neighbours of a device (`client`). A device checks what it can see, 2 t > k (`keeps_secrets`).

Dropouts are random here. A coordinator that lies about them chooses them, but still cannot make a gap of honest devices: a device
at its edge has at most k / 2 neighbours left, fewer than t, and reveals nothing. Each of two gaps would have to contain t - k / 2
corrupted devices among k / 2 in a row. Of 1,000 devices with 50 corrupted ones that happens with a probability below 2^-35.

By default a ring withstands 15% of its devices dropping out after their keys, with a probability of at most 2^-20 that the round
aborts, and 5% of its devices corrupted. More dropouts abort the round, and nothing is revealed. Of 1,000 devices, each then has
106 neighbours with a threshold of 67; 30% dropouts would take 314 neighbours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError

MIN_DEVICES = 3  # in a sum over two, each device knows the other's part
COMPLETE_UP_TO = 100
_INSECURE = 2.0**-40  # greatest probability of exposed or disconnected
_ABORTED = 2.0**-20  # greatest probability of stuck


@dataclass(frozen=True)
class Assumptions:
    """The failures that a cohort must withstand, as fractions of its devices."""

    dropout: float = 0.15  # devices that drop out between their advert and the end
    corrupt: float = 0.05  # devices that tell the coordinator what they know, while it lies about who dropped out
    complete_up_to: int = COMPLETE_UP_TO  # devices in the largest cohort in which all mask with all others


USUAL = Assumptions()


@dataclass(frozen=True)
class Topology:
    """A graph's degree, and the number of a device's neighbours that can recover its secrets together."""

    degree: int
    threshold: int


def choose(devices: int, assumptions: Assumptions = USUAL) -> Topology:
    """Returns the topology of a cohort.

    Raises:
      DataError: there are fewer than three devices, or no graph withstands the assumed dropouts and corrupted devices.
    """
    if devices < MIN_DEVICES:
        raise DataError(f"a secure sum needs at least {MIN_DEVICES} devices, not {devices}")
    corrupt, dropped = (math.floor(devices * share) for share in (assumptions.corrupt, assumptions.dropout))
    if devices <= assumptions.complete_up_to:
        return Topology(devices - 1, (devices - 1 + corrupt) // 2 + 1)
    for degree in range(2, devices - 1, 2):
        if _disconnected(devices, degree, corrupt + dropped) > _INSECURE / 2:
            continue
        exposing = _tails(devices - 1, corrupt, degree) * devices
        least = int(np.argmax(exposing <= _INSECURE / 2))  # no device has this many corrupted neighbours
        threshold = (degree + least - 1) // 2 + 1
        sticking = _tails(devices - 1, dropped, degree) * devices
        if threshold <= degree and sticking[degree - threshold + 1] <= _ABORTED:
            return Topology(degree, threshold)
    raise DataError(
        f"no graph of {devices} devices withstands {dropped} dropouts and {corrupt} corrupted devices: assume fewer"
    )


def keeps_secrets(threshold: int, neighbours: int) -> bool:
    """Returns whether lies about dropouts reveal at most one of two secrets that are split among honest neighbours.

    `neighbours` is the number of devices that hold a share. The device that splits its secrets is not among them.
    """
    return neighbours >= MIN_DEVICES - 1 and neighbours < 2 * threshold <= 2 * neighbours


def _tails(population: int, marked: int, drawn: int) -> NDArray[np.float64]:
    """Returns P[X >= x] for x = 0 ... drawn + 1, X hypergeometric: the number of marked members among those drawn."""

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) if 0 <= k <= n else -math.inf

    total = log_choose(population, drawn)
    mass = [
        math.exp(log_choose(marked, x) + log_choose(population - marked, drawn - x) - total) for x in range(drawn + 1)
    ]
    return np.append(np.cumsum(mass[::-1])[::-1], 0.0)


def _disconnected(devices: int, degree: int, removed: int) -> float:
    """Returns a bound on the probability that a ring falls apart when devices are removed at random: two gaps removed entirely."""
    gaps = devices * (devices - degree - 1) / 2
    return gaps * math.prod(max(removed - i, 0) / (devices - i) for i in range(degree))


def connect(devices: Sequence[bytes], topology: Topology, seed: int) -> dict[bytes, tuple[bytes, ...]]:
    """Returns each device's neighbours in the order of their names.

    Args:
      devices: the devices' names.
      topology: the graph's topology; its degree is even, or one less than the number of devices.
      seed: seed of the ring's order; drawn once the devices are known, so that no device can choose its neighbours.
    """
    ordered = sorted(devices)
    if topology.degree == len(ordered) - 1:
        return {device: tuple(other for other in ordered if other != device) for device in ordered}
    ring = [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]
    reach = [step for step in range(-(topology.degree // 2), topology.degree // 2 + 1) if step]
    return {device: tuple(sorted(ring[(i + step) % len(ring)] for step in reach)) for i, device in enumerate(ring)}


def connected(neighbours: dict[bytes, tuple[bytes, ...]], devices: frozenset[bytes]) -> bool:
    """Returns whether the graph is connected when only these devices are left."""
    reached: set[bytes] = set()
    ahead = [min(devices)] if devices else []
    while ahead:
        device = ahead.pop()
        if device not in reached:
            reached.add(device)
            ahead += [other for other in neighbours[device] if other in devices]
    return reached == devices
