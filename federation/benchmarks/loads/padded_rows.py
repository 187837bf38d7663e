"""Training rows as one would first write them: a message each, padded."""

import numpy as np

from data.vocabulary import BOUNDARY, PAD


def one_message_a_row(rows: np.ndarray) -> np.ndarray:
    """The messages of packed rows [n, T + 1] each in a row of its own, [m, T + 1] int64, padded: the same targets.

    A piece of a message that goes on in another row is a row too.
    """
    pieces = []
    for row in rows:
        tokens = row[row != PAD]
        starts = [0, *(i for i in range(1, len(tokens) - 1) if tokens[i] == BOUNDARY)]
        ends = [*starts[1:], len(tokens) - 1]
        pieces += [tokens[a : b + 1] for a, b in zip(starts, ends, strict=True)]
    padded = np.full((len(pieces), rows.shape[1]), PAD, np.int64)
    for row, piece in zip(padded, pieces, strict=True):
        row[: len(piece)] = piece
    return padded
