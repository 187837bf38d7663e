"""Synthetic hands: traces of gestures as people of several kinds would make them.

A person aims at each key of a word and moves from one to the next.

1. **Aim.** The touched points scatter around the keys' centres (Gaussian, wider between the ends of a gesture than at its
   landing; Quinn and Zhai 2018, "Modeling Gesture-Typing Movements"). A hand has an offset of its own, may be smaller than
   the keyboard, and drifts: neighbouring errors correlate. Points between two others are cut short.
2. **Movement.** Strokes of minimum jerk (Flash and Hogan 1985), whose durations follow Fitts' law, overlap in time as those of the
   kinematic theory do (Plamondon 1995): the more they overlap, the rounder the corners. Another kind of hand moves along a smooth
   curve through the points. A thumb's strokes are bowed.
3. **Ends and halts.** The finger rests before it starts and before it lifts, lifts too early, overshoots a corner or the end, or
   ends in a hook; double letters are a pause or a loop. It hesitates on its way. A resting finger rolls a little.
4. **Screen.** Positions are low-passed, sampled at 30 to 120 Hz, jittered, rounded to pixels. Points are lost, one or several in a
   row, or reported twice; nothing is reported before the finger has left a small circle.
5. **Mistakes.** Some words lack a letter or have one beside it.

A `SyntheticKind` holds the ranges of all of these; a `SyntheticHand` is one person, drawn from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.signal import lfilter

from federation.evaluation.glides.synthetic_kinds import SyntheticKind
from model.device.gliding.geometry import KeyGeometry, qwerty
from model.device.gliding.gesture import Gesture

_STEP = 4.0  # ms between the points of a movement before the screen samples it
_DOUBLE_PAUSE = 90.0  # ms
_PIXELS = 36  # of the screen in a unit
_PHONE_WIDTH = 360.0  # pixels of ten keys


@dataclass(frozen=True)
class SyntheticHand:
    """A person's habits: the values drawn from a `SyntheticKind`, and the direction of the offset."""

    habits: dict[str, float]
    offset: NDArray[np.float64]  # [2], units

    @classmethod
    def of(cls, kind: SyntheticKind, rng: np.random.Generator) -> "SyntheticHand":
        """Draws a person."""
        habits = {f.name: float(rng.uniform(*getattr(kind, f.name))) for f in fields(kind)}
        angle = rng.uniform(0, 2 * np.pi)
        offset = habits["offset"] * np.array([np.cos(angle), np.sin(angle)]) + [habits["right"], habits["down"]]
        return cls(habits, offset)

    @property
    def keys(self) -> KeyGeometry:
        """The keys of the person's phone: QWERTY with keys of the person's aspect."""
        return qwerty(0.0, 0.0, _PHONE_WIDTH, 3 * _PHONE_WIDTH / 10 * self.habits["aspect"])

    def trace(self, word: str, geometry: KeyGeometry, rng: np.random.Generator) -> Gesture:
        """Returns a gesture for a word; every letter of the word but apostrophes needs a key."""
        letters = self._mistaken([c for c in word.lower() if c != "'"], geometry, rng)
        aimed, pauses = self._aimed(letters, geometry, rng)
        moved = self._moved(aimed, pauses, rng)
        x, y, t = self._reported(moved, rng)
        return Gesture(*_in_pixels(x, y, geometry), t)

    def _mistaken(self, letters: list[str], geometry: KeyGeometry, rng: np.random.Generator) -> list[str]:
        if len(letters) < 3 or rng.random() >= self.habits["mistakes"]:
            return letters
        place = int(rng.integers(1, len(letters)))
        if rng.random() < 0.5:
            return letters[:place] + letters[place + 1 :]
        own = geometry.centres[geometry.letters.index(letters[place])]
        distances = np.hypot(*(geometry.centres - own).T)
        return [*letters[:place], geometry.letters[int(rng.choice(np.argsort(distances)[1:5]))], *letters[place + 1 :]]

    def _aimed(
        self, letters: Sequence[str], geometry: KeyGeometry, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], list[bool]]:
        """Returns the points that the finger aims at, [keys, 2] in units, and whether it pauses there for a double letter."""
        keys, pauses = [letters[0]], [False]
        for letter in letters[1:]:
            if letter == keys[-1]:
                pauses[-1] = True
            else:
                keys.append(letter)
                pauses.append(False)
        habits, count = self.habits, len(keys)
        centres = geometry.centres[[geometry.letters.index(key) for key in keys]]
        turn = np.array(
            [[np.cos(habits["tilt"]), -np.sin(habits["tilt"])], [np.sin(habits["tilt"]), np.cos(habits["tilt"])]]
        )
        scatter = habits["scatter"] * np.array([1.0, habits["flatness"]])
        errors, keep = rng.normal(0, 1, (count, 2)), habits["drift"]
        for place in range(1, count):
            errors[place] = keep * errors[place - 1] + np.sqrt(1 - keep**2) * errors[place]
        errors[0] *= habits["landing"]
        errors[-1] *= habits["lift"] if count > 1 else 1.0
        aimed = habits["size"] * centres @ turn.T + self.offset + scatter * errors
        cut = aimed.copy()
        cut[1:-1] += habits["cutting"] * ((aimed[:-2] + aimed[2:]) / 2 - aimed[1:-1])
        for place in range(1, count - 1):
            if rng.random() < habits["overshoot"]:
                cut[place] += rng.uniform(0.1, 0.4) * _unit(aimed[place] - aimed[place - 1])
        return cut, pauses

    def _moved(
        self, aimed: NDArray[np.float64], pauses: Sequence[bool], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Returns the movement, [points, 3]: x and y in units and milliseconds."""
        habits = self.habits
        if rng.random() < habits["false_start"]:
            aimed = np.concatenate([aimed[:1] + rng.normal(0, 0.4, (1, 2)), aimed])
            pauses = [False, *pauses]
        if len(aimed) == 1:
            aimed, pauses = np.repeat(aimed, 2, axis=0) + rng.normal(0, 0.08, (2, 2)), [*pauses, False]
        if rng.random() < habits["early_lift"]:
            aimed = aimed.copy()
            aimed[-1] -= rng.uniform(0.1, 0.4) * _unit(aimed[-1] - aimed[-2])
        if rng.random() < habits["hook"]:
            ahead = np.arctan2(*(aimed[-1] - aimed[-2])[::-1]) + rng.choice([0.0, rng.uniform(-np.pi, np.pi)])
            tip = aimed[-1] + rng.uniform(0.3, 1) * habits["hook_length"] * np.array([np.cos(ahead), np.sin(ahead)])
            aimed, pauses = np.concatenate([aimed, tip[None]]), [*pauses, False]
        steps = np.hypot(*np.diff(aimed, axis=0).T)
        lasting = habits["pace"] * (60 + 90 * np.log2(1 + steps)) * np.exp(rng.normal(0, 0.15, len(steps)))
        waits = np.array([_DOUBLE_PAUSE * rng.uniform(0.3, 1.5) if pause else 0.0 for pause in pauses])
        smooth = len(aimed) > 2 and rng.random() < habits["smooth"]
        moved = _along_curve(aimed, lasting) if smooth else self._strokes(aimed, lasting, waits, rng)
        moved = self._halted(moved, rng)
        for place, paused in enumerate(pauses):
            if paused and rng.random() < habits["loop"]:
                nearest = int(np.hypot(*(moved - aimed[place]).T).argmin())
                turn = np.linspace(0, 2 * np.pi, int(120 / _STEP))
                circle = rng.uniform(0.15, 0.35) * np.stack([np.cos(turn) - 1, np.sin(turn)], 1)
                moved = np.concatenate([moved[:nearest], moved[nearest] + circle, moved[nearest:]])
        return np.column_stack([moved, _STEP * np.arange(len(moved))])

    def _halted(self, moved: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Returns the movement with the rests at its ends and the hesitations on its way."""
        before, after = (rng.exponential(self.habits["rest"] + 1e-9) for _ in range(2))
        halts = {0: before, len(moved) - 1: after}
        for _ in range(rng.poisson(self.habits["halts"])):
            halts[int(rng.integers(1, len(moved) - 1))] = rng.uniform(80, 400)
        for place in sorted(halts, reverse=True):
            count = int(halts[place] / _STEP)
            turn = np.cumsum(rng.normal(0, 1, (count, 2)), axis=0) / max(np.sqrt(count), 1)
            still = moved[place] + self.habits["roll"] * (turn - np.linspace(0, 1, count)[:, None] * turn[-1:])
            moved = np.concatenate([moved[:place], still, moved[place:]])
        return moved

    def _strokes(
        self,
        aimed: NDArray[np.float64],
        lasting: NDArray[np.float64],
        waits: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        ways, starts, clock = np.diff(aimed, axis=0), np.zeros(len(lasting)), 0.0
        for number, way in enumerate(ways):
            clock += waits[number]
            if number:
                straight = (1 + _unit(way) @ _unit(ways[number - 1])) / 2
                share = self.habits["overlap"] * (0.6 + 0.6 * straight) * rng.uniform(0.7, 1.3)
                clock -= min(share, 0.6) * min(lasting[number], lasting[number - 1]) * (waits[number] == 0)
            starts[number] = clock
            clock += lasting[number]
        times = np.arange(0, clock + _STEP, _STEP)
        moved = np.repeat(aimed[:1], len(times), 0)
        for way, start, lasts in zip(ways, starts, lasting, strict=True):
            u = np.clip((times - start) / lasts, 0, 1)[:, None]
            done = 10 * u**3 - 15 * u**4 + 6 * u**5
            bow = self.habits["bow"] * np.sin(np.pi * done) * np.array([-way[1], way[0]])
            moved = moved + done * way + bow
        return moved

    def _reported(
        self, moved: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Returns what the screen reports: x and y in units, and milliseconds."""
        habits, points, times = self.habits, moved[:, :2].copy(), moved[:, 2]
        keep = np.exp(-_STEP / max(habits["lag"], 1e-3))
        points, _ = lfilter([1 - keep], [1, -keep], points, axis=0, zi=keep * points[:1])
        at = np.arange(0, times[-1] + 1, 1000 / habits["rate"])
        lost = rng.random(len(at)) < habits["gaps"]
        if rng.random() < habits["stalls"]:
            first = int(rng.integers(len(at)))
            lost[first : first + int(rng.uniform(60, 160) * habits["rate"] / 1000)] = True
        lost[0] = False
        at = at[~lost]
        x, y = (np.interp(at, times, points[:, axis]) for axis in (0, 1))
        left = np.hypot(x - x[0], y - y[0]) > habits["slop"]
        first = int(left.argmax()) if left.any() else len(left)
        kept = (np.arange(len(at)) == 0) | (np.arange(len(at)) >= first)
        x, y = (values[kept] + rng.normal(0, habits["jitter"], kept.sum()) for values in (x, y))
        x, y = (np.round(_PIXELS * values) / _PIXELS for values in (x, y))
        reports = 1 + (rng.random(len(x)) < habits["repeats"])
        return np.repeat(x, reports), np.repeat(y, reports), np.repeat(at[kept], reports)


def _along_curve(aimed: NDArray[np.float64], lasting: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a smooth movement through the points: a cubic spline in time that starts and ends at rest."""
    times = np.concatenate([[0], np.cumsum(lasting)])
    moved: NDArray[np.float64] = CubicSpline(times, aimed, bc_type="clamped")(
        np.arange(0, times[-1] + _STEP, _STEP).clip(max=times[-1])
    )
    return moved


def _unit(way: NDArray[np.float64]) -> NDArray[np.float64]:
    return way / max(float(np.hypot(*way)), 1e-9)


def _in_pixels(
    x: NDArray[np.float64], y: NDArray[np.float64], geometry: KeyGeometry
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = geometry.in_pixels(np.stack([x, y], 1))
    return points[:, 0], points[:, 1]
