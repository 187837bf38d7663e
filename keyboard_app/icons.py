"""The icons on keys and buttons: strokes on a grid of 24 by 24, the origin at the bottom left."""

from math import cos, pi, sin

Stroke = list[tuple[float, float]]


def _arc(x: float, y: float, radius: float, start: float, end: float, steps: int = 20) -> Stroke:
    """Part of a circle, angles in degrees counted from the right against the clock."""
    angles = [(start + (end - start) * step / steps) * pi / 180 for step in range(steps + 1)]
    return [(x + radius * cos(angle), y + radius * sin(angle)) for angle in angles]


def _circle(x: float, y: float, radius: float) -> Stroke:
    return _arc(x, y, radius, 0, 360, 28)


_SHIFT: Stroke = [(8.5, 11.5), (8.5, 7), (15.5, 7), (15.5, 11.5), (20, 11.5), (12, 20), (4, 11.5), (8.5, 11.5)]

ICONS: dict[str, list[Stroke]] = {
    "shift": [_SHIFT],
    "caps": [_SHIFT, [(8.5, 3.8), (15.5, 3.8)]],
    "backspace": [
        [(8.5, 5), (21, 5), (21, 19), (8.5, 19), (2.5, 12), (8.5, 5)],
        [(11.5, 9), (17, 15)],
        [(11.5, 15), (17, 9)],
    ],
    "send": [[(4, 4), (21, 12), (4, 20), (6.5, 12), (4, 4)], [(6.5, 12), (13, 12)]],
    "smile": [
        _circle(12, 12, 9),
        _arc(12, 12.5, 5, 205, 335),
        [(9, 14.6), (9, 15.4)],
        [(15, 14.6), (15, 15.4)],
    ],
    "globe": [
        _circle(12, 12, 9),
        [(3, 12), (21, 12)],
        [(12 + 4 * x, y) for x, y in zip((cos(t * pi / 12) for t in range(25)), (12 + 9 * sin(t * pi / 12) for t in range(25)), strict=True)],
    ],
    "chart": [[(4, 4), (4, 20)], [(4, 4), (21, 4)], [(7, 8), (11, 12.5), (14, 10.5), (20, 18)]],
    "person": [_circle(12, 16, 4), _arc(12, 4, 7.5, 0, 180)],
    "settings": [
        [(3, 18), (13, 18)],
        [(19, 18), (21, 18)],
        _circle(16, 18, 2.4),
        [(3, 12), (5, 12)],
        [(11, 12), (21, 12)],
        _circle(8, 12, 2.4),
        [(3, 6), (12, 6)],
        [(18, 6), (21, 6)],
        _circle(15, 6, 2.4),
    ],
    "private": [
        [(5, 4), (19, 4), (19, 13), (5, 13), (5, 4)],
        [(8, 13), *_arc(12, 16, 4, 180, 0), (16, 13)],
        [(12, 7.5), (12, 9.5)],
    ],
    "back": [[(11, 19), (4, 12), (11, 5)], [(4, 12), (20, 12)]],
    "close": [[(6, 6), (18, 18)], [(6, 18), (18, 6)]],
    "search": [_circle(10.5, 13.5, 6.5), [(15.2, 8.8), (21, 3)]],
    "delete": [
        [(4, 18), (20, 18)],
        [(9, 18), (9, 21), (15, 21), (15, 18)],
        [(6, 18), (7, 3), (17, 3), (18, 18)],
    ],
    "left": [[(15, 19), (8, 12), (15, 5)]],
    "right": [[(9, 19), (16, 12), (9, 5)]],
    "less": [[(6, 12), (18, 12)]],
    "more": [[(6, 12), (18, 12)], [(12, 6), (12, 18)]],
    "down": [[(5, 15), (12, 8), (19, 15)]],
    "check": [[(5, 12), (10, 7), (20, 18)]],
    "undo": [[(8, 19), (4, 15), (8, 11)], [(4, 15), (14, 15), *_arc(14, 10, 5, 90, -90), (9, 5)]],
    "keyboard": [
        [(2, 6), (22, 6), (22, 18), (2, 18), (2, 6)],
        [(6, 14.5), (6.4, 14.5)],
        [(10, 14.5), (10.4, 14.5)],
        [(14, 14.5), (14.4, 14.5)],
        [(18, 14.5), (18.4, 14.5)],
        [(8, 9.5), (16, 9.5)],
    ],
    "clock": [_circle(12, 12, 9), [(12, 17), (12, 12), (15.5, 10)]],
}
