"""Alignment of a trace with the keys of words: which point was meant for which key, at what cost.

A word with the keys k_1 … k_n is aligned at points i_1 ≤ … ≤ i_n of the trace. Its cost is the least sum, over all alignments, of

    lead(i_1) + touch(k_1, i_1) + way(k_1, k_2; i_1 … i_2) + touch(k_2, i_2) + … + touch(k_n, i_n) + tail(i_n)

- `touch` is how unlikely a touch of the key at the point is, by Student's t distribution around the key's centre: a touch far
  off is unlikely, but not impossible. The first and the last key have spreads and weights of their own. People slow down at a
  key, more at a sharp corner or a double letter, so that the speed counts too.
- `way` integrates along the trace how far it is from the straight line between the two keys, and how far its direction is from
  that of the line.
- `lead` and `tail` are the lengths before the first key and after the last one: hooks, overshoots, late lifts.

All candidates are aligned at once by dynamic programming, as in dynamic time warping (Sakoe and Chiba 1978). A way's cost is the
difference of two running sums, so that a key takes one running minimum over the points.
"""

import numpy as np
from numpy.typing import NDArray

from model.device.gliding.gesture_trace import Trace
from model.device.gliding.parameters import GlideParameters

Floats = NDArray[np.float32]
_DEGREES = 4.0  # of freedom of Student's t
_FARTHEST_OFF = 1.0  # units; a deviation beyond counts as this much
_FIRST, _BETWEEN, _DOUBLE, _LAST = range(4)  # kinds of touches


def alignment_costs(
    trace: Trace,
    keys: NDArray[np.uint8],
    counts: NDArray[np.intp],
    doubled: NDArray[np.bool_],
    centres: NDArray[np.float64],
    spreads: NDArray[np.float64],
    parameters: GlideParameters,
) -> Floats:
    """Returns the cost of each candidate's best alignment in nats, float32 [candidates].

    Args:
      trace: the trace.
      keys: the keys of each candidate, [candidates, keys]; what stands after its last key does not matter.
      counts: their number, [candidates], at least 1.
      doubled: which of the keys are typed twice, [candidates, keys].
      centres: the centres of all keys, [letters, 2] in units.
      spreads: the spread of each key, across and down, as a multiple of the usual one, [letters, 2].
      parameters: spreads and weights.
    """
    longest, letters = int(counts.max()), len(centres)
    touch = _touches(trace, centres, spreads, parameters)
    pairs = keys[:, : longest - 1].astype(np.intp) * letters + keys[:, 1:longest]
    used, place = np.unique(pairs, return_inverse=True)
    place = place.reshape(pairs.shape)
    ways = _ways(trace, centres[used // letters], centres[used % letters], parameters)
    passed = np.float32(trace.step) * np.arange(len(trace.points), dtype=np.float32)
    tail = np.float32(parameters.tail) * passed[::-1]
    best = touch[_FIRST, keys[:, 0]] + np.float32(parameters.lead) * passed
    costs = np.where(counts == 1, (best + tail).min(axis=1), np.float32(np.inf))
    for key in range(1, longest):
        kind = np.where(counts == key + 1, _LAST, np.where(doubled[:, key], _DOUBLE, _BETWEEN))
        sums = ways[place[:, key - 1]]
        best = np.minimum.accumulate(best - sums, axis=1) + sums + touch[kind, keys[:, key]]
        ends = counts == key + 1
        costs[ends] = (best[ends] + tail).min(axis=1)
    return costs


def _touches(
    trace: Trace, centres: NDArray[np.float64], spreads: NDArray[np.float64], parameters: GlideParameters
) -> Floats:
    """Returns the cost of touching each key at each point, [kinds, letters, points]."""
    off = (trace.points[None] - centres[:, None]) / (spreads * [1, parameters.tall])[:, None]
    squares = (off**2).sum(-1)

    def touch(weight: float, spread: float) -> NDArray[np.float64]:
        cost: NDArray[np.float64] = weight * (_DEGREES + 2) / 2 * np.log1p(squares / (_DEGREES * spread**2))
        return cost

    between = touch(parameters.between, parameters.spread) + parameters.pace * trace.log_speed
    kinds = [touch(parameters.first, parameters.first_spread), between]
    kinds += [between + parameters.pace_at_double * trace.log_speed, touch(parameters.last, parameters.last_spread)]
    return np.asarray(np.stack(kinds), np.float32)


def _ways(trace: Trace, starts: NDArray[np.float64], ends: NDArray[np.float64], parameters: GlideParameters) -> Floats:
    """Returns the cost of each way integrated from the trace's start to each of its points, [ways, points]."""
    steps, middles = np.diff(trace.points, axis=0), (trace.points[:-1] + trace.points[1:]) / 2
    length = np.maximum(np.hypot(*(ends - starts).T), 1e-9)
    ahead = (ends - starts) / length[:, None]
    beside = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    along = ahead @ middles.T - (ahead * starts).sum(1)[:, None]
    across = beside @ middles.T - (beside * starts).sum(1)[:, None]
    beyond = along - np.clip(along, 0, length[:, None])
    off = np.minimum(across**2 + beyond**2, _FARTHEST_OFF**2)
    turned = 1 - ahead @ (steps / np.maximum(np.hypot(*steps.T), 1e-9)[:, None]).T
    costs = (parameters.deviation * off + parameters.direction * turned) * trace.step
    return np.asarray(np.concatenate([np.zeros((len(starts), 1)), np.cumsum(costs, axis=1)], axis=1), np.float32)
