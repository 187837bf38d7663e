"""Who masks with whom: every device with all others up to 100 of them, above that with k neighbours on a random ring.

Bell et al. 2020 (CCS, "Secure Single-Server Aggregation with (Poly)Logarithmic Overhead"), Section 3: the graph of Harary, in
which devices stand on a ring in random order and each is joined to the k / 2 next ones on either side, keeps the protocol of
Bonawitz et al. 2017 secure and robust with k of the order of the logarithm of the cohort. `choose` takes the smallest k for which
the three things that can go wrong are improbable enough, by exact hypergeometric tails and union bounds rather than the paper's
closed forms:

- **exposed**: some device has t or more corrupted neighbours, who can tell the coordinator both its secrets.
- **disconnected**: without the corrupted and the dropped devices the graph falls apart, so that the coordinator learns the sums of
  its parts. On the ring that takes two gaps of k / 2 such devices each.
- **stuck**: some device has fewer than t neighbours left to recover its secret, so that the round aborts.

With a `wary` choice t is so large that 2 t exceeds k plus a device's corrupted neighbours: then a coordinator that tells some
neighbours that a device dropped out and others that it did not learns one of its secrets at most, as each tells one share only.
The complete graph's threshold, more than half of the neighbours, is of this kind too (with no corrupted devices).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import DataError

MIN_DEVICES = 3  # of a sum over two, either device knows the other's part
COMPLETE_UP_TO = 100
_INSECURE = 2.0**-40  # greatest probability of exposed or disconnected
_ABORTED = 2.0**-20  # greatest probability of stuck


@dataclass(frozen=True)
class Assumptions:
    """What a cohort must withstand, as shares of its devices."""

    dropout: float = 0.3  # fall silent between their advert and the end
    corrupt: float = 0.05  # tell the coordinator what they know
    wary: bool = False  # whether the coordinator might lie about who dropped out
    complete_up_to: int = COMPLETE_UP_TO  # devices: so many mask with all others


USUAL = Assumptions()


@dataclass(frozen=True)
class Topology:
    """A graph's degree, and how many of a device's neighbours recover its secrets."""

    degree: int
    threshold: int


def choose(devices: int, assumptions: Assumptions = USUAL) -> Topology:
    """The topology of a cohort.

    Raises:
      DataError: there are fewer than three devices, or no graph withstands so many that drop out or are corrupted.
    """
    if devices < MIN_DEVICES:
        raise DataError(f"a secure sum needs at least {MIN_DEVICES} devices; here are {devices}")
    if devices <= assumptions.complete_up_to:
        return Topology(devices - 1, (devices - 1) // 2 + 1)
    corrupt, dropped = (math.floor(devices * share) for share in (assumptions.corrupt, assumptions.dropout))
    for degree in range(2, devices - 1, 2):
        if _disconnected(devices, degree, corrupt + dropped) > _INSECURE / 2:
            continue
        exposing = _tails(devices - 1, corrupt, degree) * devices
        least = int(np.argmax(exposing <= _INSECURE / 2))  # so many corrupted neighbours nobody has
        threshold = max((degree + least + 1) // 2, degree // 2 + 1) if assumptions.wary else max(least, 2)
        sticking = _tails(devices - 1, dropped, degree) * devices
        if threshold <= degree and sticking[degree - threshold + 1] <= _ABORTED:
            return Topology(degree, threshold)
    raise DataError(
        f"no graph of {devices} devices withstands {dropped} that drop out and {corrupt} that are corrupted"
    )


def _tails(population: int, marked: int, drawn: int) -> np.ndarray:
    """P[X >= x] for x = 0 ... drawn + 1, X hypergeometric: the marked among so many drawn from a population."""

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) if 0 <= k <= n else -math.inf

    total = log_choose(population, drawn)
    mass = [
        math.exp(log_choose(marked, x) + log_choose(population - marked, drawn - x) - total) for x in range(drawn + 1)
    ]
    return np.append(np.cumsum(mass[::-1])[::-1], 0.0)


def _disconnected(devices: int, degree: int, removed: int) -> float:
    """Bounds the probability that a ring falls apart without so many devices at random: some two gaps, all of them removed."""
    gaps = devices * (devices - degree - 1) / 2
    return gaps * math.prod(max(removed - i, 0) / (devices - i) for i in range(degree))


def connect(devices: Sequence[bytes], topology: Topology, seed: int) -> dict[bytes, tuple[bytes, ...]]:
    """Each device's neighbours in the order of their names.

    Args:
      devices: their names.
      topology: with a degree that is even, or one less than the devices.
      seed: of the ring's order; drawn after the devices are known, so that no device chooses its neighbours.
    """
    ordered = sorted(devices)
    if topology.degree == len(ordered) - 1:
        return {device: tuple(other for other in ordered if other != device) for device in ordered}
    ring = [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]
    reach = [step for step in range(-(topology.degree // 2), topology.degree // 2 + 1) if step]
    return {device: tuple(sorted(ring[(i + step) % len(ring)] for step in reach)) for i, device in enumerate(ring)}


def connected(neighbours: dict[bytes, tuple[bytes, ...]], devices: frozenset[bytes]) -> bool:
    """Whether the graph is in one piece when only these devices are left of it."""
    reached: set[bytes] = set()
    ahead = [min(devices)] if devices else []
    while ahead:
        device = ahead.pop()
        if device not in reached:
            reached.add(device)
            ahead += [other for other in neighbours[device] if other in devices]
    return reached == devices
