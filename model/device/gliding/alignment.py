"""Alignment of a trace with the keys of words: which point was meant for which key, at what cost.

A word with the keys k_1 … k_n is aligned at points i_1 ≤ … ≤ i_n of the trace. Its cost is the least sum, over all alignments, of

    lead(i_1) + touch(k_1, i_1) + way(k_1, k_2; i_1 … i_2) + touch(k_2, i_2) + … + touch(k_n, i_n) + tail(i_n)

- `touch` is how unlikely a touch of the key at the point is, by Student's t distribution around the key's centre, which the
  candidate's shift moves: a touch far off is unlikely, but not impossible. The first and the last key have spreads and weights of
  their own. People slow down at a key, more at a sharp corner or a double letter, so that the speed counts too.
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
    shifts: Floats,
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
      shifts: how far the hand seems to be off all keys if the candidate was meant, [candidates, 2] in units.
      parameters: spreads and weights.
    """
    longest, letters = int(counts.max()), len(centres)
    touches = _Touches(trace, centres, spreads, shifts, parameters)
    pairs = keys[:, : longest - 1].astype(np.intp) * letters + keys[:, 1:longest]
    used, place = np.unique(pairs, return_inverse=True)
    place = place.reshape(pairs.shape)
    ways = _ways(trace, centres[used // letters], centres[used % letters], parameters)
    passed = np.float32(trace.step) * np.arange(len(trace.points), dtype=np.float32)
    tail = np.float32(parameters.tail) * passed[::-1]
    best = touches.costs(keys[:, 0], np.full(len(keys), _FIRST)) + np.float32(parameters.lead) * passed
    costs = np.where(counts == 1, (best + tail).min(axis=1), np.float32(np.inf))
    for key in range(1, longest):
        kind = np.where(counts == key + 1, _LAST, np.where(doubled[:, key], _DOUBLE, _BETWEEN))
        sums = ways[place[:, key - 1]]
        best = np.minimum.accumulate(best - sums, axis=1) + sums + touches.costs(keys[:, key], kind)
        ends = counts == key + 1
        costs[ends] = (best[ends] + tail).min(axis=1)
    return costs


class _Touches:
    """The costs of touching keys at each point of a trace."""

    def __init__(
        self,
        trace: Trace,
        centres: NDArray[np.float64],
        spreads: NDArray[np.float64],
        shifts: Floats,
        parameters: GlideParameters,
    ) -> None:
        p = parameters
        self._points, self._log_speed, self._shifts = trace.points.T.astype(np.float32), trace.log_speed, shifts
        self._centres = centres.astype(np.float32)
        self._narrowness = (1 / (spreads * [1, p.tall])).astype(np.float32)
        # Of each kind of touch, in the order of the constants.
        spread = np.array([p.first_spread, p.spread, p.spread, p.last_spread])
        self._kind_narrowness = (1 / (spread * _DEGREES**0.5)).astype(np.float32)
        self._weight = ((_DEGREES + 2) / 2 * np.array([p.first, p.between, p.between, p.last])).astype(np.float32)
        self._pace = np.array([0, p.pace, p.pace + p.pace_at_double, 0], np.float32)

    def costs(self, keys: NDArray[np.uint8], kinds: NDArray[np.intp]) -> Floats:
        """Returns the costs of touching a key of each candidate in a certain way, [candidates, points]."""
        centres, narrowness = self._centres[keys] + self._shifts, self._narrowness[keys]
        narrowness *= self._kind_narrowness[kinds][:, None]
        squares = ((self._points[0] - centres[:, :1]) * narrowness[:, :1]) ** 2
        squares += ((self._points[1] - centres[:, 1:]) * narrowness[:, 1:]) ** 2
        costs: Floats = self._weight[kinds][:, None] * np.log1p(squares, out=squares)
        costs += self._pace[kinds][:, None] * self._log_speed
        return costs


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
