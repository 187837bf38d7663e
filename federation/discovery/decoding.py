"""Reads the words and their counts out of a summed table (`federation.protocol.discovery.word_table`), with TFF's decoder.

The decoder peels: it looks for a cell that holds a single word, subtracts that word from all its cells, and goes on with the cells
that hold a single word then. A device that does not follow the protocol could put a word where it does not belong, so that
TFF's decoder adds and subtracts it forever. So a cell counts as holding a single word only if the word belongs into it, and if its
count is below p / R, for the prime p and R repetitions. That bounds the peelings. After a word was peeled from a cell, the total
that was subtracted of it equals, modulo p, the count that this cell had. The total only grows, each time by less than p / R, so it
does not come around to an earlier value modulo p within R peelings. Each peeling therefore takes a count that none before it took,
and the word's cells have at most R. A word is peeled at most R times.

A word that a device counted too often is thus read like others, and `federation.discovery.findings` drops it by its count.
"""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff  # noqa: F401 (must be imported before its parts)
from numpy.typing import NDArray
from tensorflow_federated.python.analytics.heavy_hitters.iblt import iblt_tensor

from data.errors import DataError
from federation.discovery.table_checks import reason_unreadable
from federation.protocol.discovery.word_table import PRIME, TableTerms, table_size


class _Decoder(iblt_tensor.IbltTensorDecoder):
    """TFF's decoder, which peels each word a bounded number of times."""

    def _decode(self, iblt: Any, repetition: Any, index: Any) -> Any:
        """Returns word, count and chunks of a cell; the word is empty if the cell does not hold exactly one of its words."""
        word, count, chunks = iblt_tensor.IbltTensorDecoder._decode(self, iblt, repetition, index)
        bounded = (count >= 1) & (count <= (PRIME - 1) // self.repetitions)
        belongs = tf.equal(self._get_hash_indices(word)[repetition], index) & bounded
        return tf.where(belongs, word, ""), tf.where(belongs, count, 0), tf.where(belongs, chunks, 0)

    def _remove_element(self, iblt: Any, data_string: Any, hash_indices: Any, chunks: Any, count: Any) -> Any:
        """Returns the table without a word, in fewer operations than TFF, whose tracing takes seconds."""
        check = tf.reshape(self._get_hash_check(data_string), [1])
        column = tf.concat([chunks, tf.ones([1], tf.int64), check], 0) * count
        cells = tf.stack([tf.range(self.repetitions, dtype=tf.int64), hash_indices], 1)
        return tf.tensor_scatter_nd_update(iblt, cells, (tf.gather_nd(iblt, cells) - column) % self.field_size)


def decode_table(total: NDArray[np.uint64], terms: TableTerms, offers: int) -> dict[str, int]:
    """Returns the words of a table with the number of devices that have each.

    If a device did not follow the protocol, a number can be greater than that of all devices. It is 0 for a word whose counts
    contradict each other, and for one that is not UTF-8, which then has replacement characters.

    Args:
      total: [table_size], the exact sum of the devices' tables.
      terms: the terms of the sum.
      offers: the greatest number of words that all devices may enter, each counted once for each device.

    Raises:
      DataError: the sum has another shape, or cannot be decoded; the message says why.
    """
    if total.shape != (table_size(terms),):
        raise DataError(f"the sum of these tables has {table_size(terms)} numbers, not the shape {list(total.shape)}")
    reduced = (total % np.uint64(PRIME)).astype(np.int64)
    if not reduced.any():
        return {}
    cells = terms.repetitions * terms.rows * (terms.chunks + 2)
    decoder = _Decoder(
        iblt=tf.constant(reduced[:cells].reshape(terms.repetitions, terms.rows, terms.chunks + 2)),
        iblt_values=tf.constant(reduced[cells:].reshape(terms.repetitions, terms.rows, 1)),
        value_shape=(1,),
        capacity=terms.capacity,
        string_max_bytes=terms.longest_bytes,
        repetitions=terms.repetitions,
        seed=terms.seed,
    )
    try:
        words, counts, values, left = (part.numpy() for part in decoder.get_freq_estimates_tf())
    except tf.errors.InvalidArgumentError:  # TFF's decoder cannot return an empty list
        words, counts, values, left = np.zeros(0), np.zeros(0), np.zeros((0, 1)), 1
    if left:
        raise DataError(
            f"the sum of the tables cannot be decoded ({len(words):,} words could be read): "
            f"{reason_unreadable(total, terms, offers)}"
        )
    found: dict[str, int] = {}
    for word, count, value in zip(words.tolist(), counts.tolist(), values[:, 0].tolist(), strict=True):
        text = word.decode("utf-8", "replace")
        found[text] = 0 if text in found or count != value or text.encode() != word else count
    return found
