"""The prior of a word that stands alone: how frequent it is in any context.

The state at the start of a message is no such prior, because it expects words that begin one. The frequencies are the geometric
mean of two estimates, each of which has a bias of its own:

- the average of the model's probabilities along messages that it writes itself;
- Zipf's law over the vocabulary, which is sorted by frequency in its public text.
"""

import numpy as np
from numpy.typing import NDArray

from data.vocabulary import BOUNDARY
from model.device.folder import Model
from model.device.suggesting.reading import Reader, softmax

_STEPS = 300  # words that the model writes
_LONGEST = 20  # words of a message
_SEED = 0


def log_frequencies(model: Model, steps: int = _STEPS) -> NDArray[np.float32]:
    """Returns the natural logarithm of each word's frequency, up to a constant: float32 [V]."""
    rng, reader = np.random.default_rng(_SEED), Reader(model.start(), phrases=model.phrases)
    total, written = np.zeros(len(model.vocabulary)), list[int]()
    for _ in range(steps):
        chances = softmax(reader.logits(written).astype(np.float64))
        total += chances
        word = int(rng.choice(len(chances), p=chances / chances.sum()))
        written = [] if word == BOUNDARY or len(written) == _LONGEST else [*written, word]
    zipf = np.arange(1, len(total) + 1)
    return np.asarray((np.log(np.maximum(total / steps, 1e-12)) - np.log(zipf)) / 2, np.float32)
