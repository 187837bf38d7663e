"""The probability that a device spoils rounds, computed from which rounds were spoiled and which were not.

A sum that honest devices cannot have (`federation.aggregation.sum_check`) shows that at least one device in it sent a false
vector, but not which one: its mask hides it. Likewise a share that cannot be opened shows that its owner or its holder lies. This
is the problem of group testing with errors, and the rule is Bayes':

1. An `Observation` names some devices. Either all of them behaved well together (a round made a model), or at least one of them
   did not (its sum was refused, or two devices contradict each other).
2. A hypothesis is the set of all devices that misbehave: none, one, two or three. Each device is in it with probability `PRIOR`.
3. If k devices of an observation misbehave, it is bad with probability 1 - (1 - `_GOOD`) (1 - `PERSISTENCE`)^k. A device that
   misbehaves need not do so in every round, and with probability `_GOOD` an observation is bad without one.
4. The suspicion of a device is the probability of all hypotheses that contain it, given the observations.
5. A device is convicted when its suspicion reaches `_CONVICTED` and two bad observations or more contain it.

Assumptions: few devices misbehave, and most of their rounds are spoiled; the rounds differ in their devices, which `groups` takes
care of. A device that lies in a third of its rounds or fewer can bring suspicion on others. Dropouts, killed processes and
failures of the coordinator are no observations, so that bad luck of that kind makes no device suspect. If all devices are
in every round, no device can be told from the others.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations
from operator import mul

import numpy as np

PRIOR = 0.01
PERSISTENCE = 0.75  # probability that a misbehaving device spoils an observation that it is in
_CONVICTED = 0.98
_GOOD = 1e-4  # probability that an observation is bad although its devices all behave well
# Most devices for which sets of three, or of two, are hypotheses: more would take seconds.
_MOST_FOR_THREE, _MOST_FOR_TWO = 24, 150


@dataclass(frozen=True)
class Observation:
    """Devices that all behaved well (`good`), or at least one of which did not."""

    devices: frozenset[str]
    good: bool


def suspicions(observations: Sequence[Observation]) -> dict[str, float]:
    """Returns the probability of misbehaving for each device that was in a bad observation; any other is not suspect."""
    devices = sorted(set[str]().union(*(o.devices for o in observations if not o.good)))
    if not devices:
        return {}
    place = {device: i for i, device in enumerate(devices)}
    present = np.zeros((len(observations), len(devices) + 1), np.int8)  # the last column stands for "nobody"
    for row, observation in enumerate(observations):
        present[row, [place[d] for d in observation.devices if d in place]] = 1
    good = np.array([o.good for o in observations])

    largest = 3 if len(devices) <= _MOST_FOR_THREE else 2 if len(devices) <= _MOST_FOR_TWO else 1
    nobody = len(devices)
    sets = np.array(
        [
            (*chosen, *([nobody] * (largest - size)))
            for size in range(largest + 1)
            for chosen in combinations(range(len(devices)), size)
        ]
    )
    number = np.arange(largest + 1)
    behaves = np.log((1 - _GOOD) * (1 - PERSISTENCE) ** number)  # log of the probability of a good observation
    spoils = np.log1p(-np.exp(behaves))
    log_weight = (sets != nobody).sum(axis=1) * math.log(PRIOR / (1 - PRIOR))
    for row, was_good in zip(present, good, strict=True):
        log_weight += (behaves if was_good else spoils)[row[sets].sum(axis=1)]
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    total = np.zeros(len(devices) + 1)
    for column in sets.T:
        np.add.at(total, column, weight)
    return {device: float(total[i]) for device, i in place.items()}


def convicted(observations: Sequence[Observation], suspicion: Mapping[str, float]) -> set[str]:
    """Returns the devices that are convicted by observations, given the suspicions that follow from them."""
    bad = Counter(device for o in observations if not o.good for device in o.devices)
    return {device for device, s in suspicion.items() if s >= _CONVICTED and bad[device] > 1}


def chances_of_spoiling(suspicion: Sequence[float]) -> list[float]:
    """Returns about how probable it is that a round is spoiled, with none, the first, the first two ... of these devices."""
    fine = accumulate((1 - PERSISTENCE * min(s, 1.0) for s in suspicion), mul, initial=1.0)
    return [1 - chance for chance in fine]
