"""Messages as rows of token ids: inputs `row[:-1]`, targets `row[1:]`, one position apart.

A message of n words is `<s> w1 … wn <s>`, n + 1 positions. `<s>` both ends one message and starts the next, and the model
forgets what came before when it reads it, so messages lie in a row one behind the other without touching. A target of `<pad>`
is no target.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from data.vocabulary import BOUNDARY, PAD

_OPEN_ROWS = 64  # rows looked at for room: enough to fill 96% of the positions of ChitChat, and packing stays linear


def pack(messages: Iterable[Sequence[int]], window: int) -> np.ndarray:
    """Packs encoded messages into training rows of shape [n, window + 1], int32, nearly without padding.

    A message that fits into a row is never split. A longer one fills rows of its own, each starting where the one before ended,
    and its rest opens a row that others join.
    """
    rows: list[list[int]] = []
    roomy: list[list[int]] = []  # rows that end with <s> and have positions left
    for message in messages:
        if len(message) == 0:
            continue
        tokens = [BOUNDARY, *message, BOUNDARY]
        row = next((r for r in roomy if len(r) + len(message) < window + 1), None)
        if row is not None:
            row.extend(tokens[1:])
        else:
            while len(tokens) > window + 1:
                rows.append(tokens[: window + 1])
                tokens = tokens[window:]
            row = tokens
            rows.append(row)
            roomy.append(row)
        if len(row) > window - 1:  # not even a word and its <s> fit
            roomy = [r for r in roomy if r is not row]
        elif len(roomy) > _OPEN_ROWS:
            roomy.pop(0)
    packed = np.full((len(rows), window + 1), PAD, np.int32)
    for i, row in enumerate(rows):
        packed[i, : len(row)] = row
    return packed


def targets(rows: np.ndarray) -> int:
    """How many targets the rows hold: ends of messages count, padding does not."""
    return int(np.count_nonzero(rows[:, 1:] != PAD))


def lanes(messages: Sequence[Sequence[int]], count: int, window: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Lays messages out in `count` parallel streams for evaluation, so that state can be carried from window to window.

    Returns the streams, [count, 1 + a multiple of window] int32, and for each message the (lane, position) of its first word:
    the position in `stream[1:]`, where its targets stand.
    """
    streams: list[list[int]] = [[BOUNDARY] for _ in range(count)]
    places = []
    for message in messages:
        lane = min(range(count), key=lambda i: len(streams[i]))
        places.append((lane, len(streams[lane]) - 1))
        streams[lane].extend([*message, BOUNDARY])
    longest = max(len(s) for s in streams) - 1
    length = max(1, -(-longest // window)) * window
    laid = np.full((count, length + 1), PAD, np.int32)
    for i, stream in enumerate(streams):
        laid[i, : len(stream)] = stream
    return laid, places
