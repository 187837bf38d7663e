"""The first weights of new words: `<unk>`, which has stood for them so far, shares its probability with them.

The network has read and predicted `<unk>` wherever a new word stood. Each new word w starts with the embedding of `<unk>` and, of
its share s(w) of the uses of `<unk>`, with the output bias

    b(w) = b(<unk>) + log s(w),        and then    b(<unk>) + log(1 - sum of s(w))    for `<unk>` itself.

So in every context the new words and `<unk>` have together the probability that `<unk>` had, and everything else is predicted as
before: the larger model is the same function of the text. Rounds then teach what tells the words apart. Other first rows were
worse on validation users (`federation/records/README.md`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.vocabulary import UNKNOWN
from federation.growing.counts_files import Counted
from model.device.weights import Weights

# The share of `<unk>` that found words have together if their file does not say how many words devices offered. ChitChat's words
# of at least ten people have 25% of the offers, and 32% of the uses.
_USUAL_SHARE = 0.3
_LARGEST_SHARE = 0.95  # something is left for words that nobody has found


def shares_of(words: Sequence[Counted], offers: int) -> NDArray[np.float64]:
    """Returns the share of `<unk>`'s probability that each of N words takes, float64 [N].

    Args:
      words: the words, with the number of devices that offered each.
      offers: the number of words that all devices offered, each counted once for each device; 0 if it is not known.
    """
    devices = np.array([word.devices for word in words], np.float64)
    total = devices.sum()
    together = min(total / offers, _LARGEST_SHARE) if offers else _USUAL_SHARE
    shares: NDArray[np.float64] = devices * (together / max(total, 1.0))
    return shares


def with_new_rows(weights: Weights, shares: NDArray[np.float64]) -> Weights:
    """Returns weights with a row for each of N new words, which have these shares of `<unk>`, [N]; their sum is below 1."""
    embedding, bias = weights["embedding"], weights["output_bias"]
    rows = np.repeat(embedding[UNKNOWN : UNKNOWN + 1], len(shares), axis=0)
    biases = np.concatenate([bias, bias[UNKNOWN] + np.log(shares)])
    biases[UNKNOWN] += np.log1p(-shares.sum())
    grown = {"embedding": np.concatenate([embedding, rows]), "output_bias": biases.astype(np.float32)}
    return {name: grown.get(name, array) for name, array in weights.items()}
