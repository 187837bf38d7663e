"""The choice of the devices that may take part in the next round while it is unknown which device spoils rounds.

The least suspect devices are chosen until the next round is as likely to be spoiled as not. If it makes a model, suspicion falls
on the devices left over; if not, on those chosen: either way about half of the suspects are ruled out. Once the round of those
chosen is hardly in doubt, one more suspect is tested with them, so that nobody is blamed for a single failed round. Meanwhile the
federation learns from the rounds of the devices that are ruled out. A group has at least the minimum of devices of a round.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random

from federation.coordinator.conduct.suspicion import chances_of_spoiling

_NO_CONCERN = 0.25  # chance of a spoiled round up to which all devices may take part
_EVEN, _HARDLY = 0.5, 0.1
_TESTS = 2  # bad observations of a device after which it needs no further test
_ATTEMPTS = 50


def choose_group(
    present: Sequence[str], suspicion: Mapping[str, float], bad: Sequence[Collection[str]], minimum: int, rng: Random
) -> frozenset[str] | None:
    """Returns the devices that may take part in the next round; None if all may.

    Args:
      present: the devices that could take part.
      suspicion: the suspicion of devices (`suspicion.suspicions`); devices without one have none.
      bad: the devices of each bad observation. A device in two of them needs no further test.
      minimum: the minimum number of devices in a round.
      rng: decides between devices that are about equally suspect, so that none of them can foresee its group.
    """
    if chances_of_spoiling([suspicion.get(device, 0.0) for device in present])[-1] <= _NO_CONCERN:
        return None
    group = _group(present, suspicion, bad, minimum, lambda device: round(suspicion.get(device, 0.0), 3), rng)
    for attempt in range(_ATTEMPTS):  # a round that would be bad again teaches nothing: devices are mixed more and more
        if not any(group.issuperset(devices) for devices in bad):
            break
        noise = {device: suspicion.get(device, 0.0) + rng.random() * attempt / _ATTEMPTS for device in present}
        group = _group(present, suspicion, bad, minimum, noise.__getitem__, rng)
    return group


def _group(
    present: Sequence[str],
    suspicion: Mapping[str, float],
    bad: Sequence[Collection[str]],
    minimum: int,
    key: Callable[[str], float],
    rng: Random,
) -> frozenset[str]:
    order = sorted(present, key=lambda device: (key(device), rng.random()))
    risks = chances_of_spoiling([suspicion.get(device, 0.0) for device in order])
    size = max([minimum, *(size for size in range(minimum, len(order) + 1) if risks[size] <= _EVEN)])
    tests = [device for device in order[size:] if sum(device in devices for devices in bad) < _TESTS]
    return frozenset(order[:size] + (tests[:1] if risks[size] <= _HARDLY else []))
