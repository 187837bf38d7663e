"""The merging of clients' sums: the same bits as TFF's graph."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np


def test_sums_are_merged_as_by_the_graph_whether_it_only_adds_or_not() -> None:
    import tensorflow as tf
    import tensorflow_federated as tff

    from federation.engine.merging import Merging

    array, number = tff.TensorType(np.float32, [4]), tff.TensorType(np.int32)
    sums = tff.to_type(OrderedDict(a=array, b=(array, number)))

    def merging(merge: Callable) -> Merging:
        return Merging(tff.tensorflow.computation(merge, [sums, sums]))

    def added(x: dict, y: dict) -> dict:
        return tf.nest.map_structure(tf.add, x, y)

    def largest(x: dict, y: dict) -> dict:
        return tf.nest.map_structure(tf.maximum, x, y)

    def crossed(x: dict, y: dict) -> dict:
        return OrderedDict(a=x["b"][0] + y["a"], b=(x["a"] + y["b"][0], x["b"][1] + y["b"][1]))

    rng = np.random.default_rng(0)
    parts = [[rng.normal(size=4).astype(np.float32) for _ in range(2)] for _ in range(5)]
    for merge, adds in ((added, True), (largest, False), (crossed, False)):
        found = merging(merge)
        assert found.adds == adds
        expected: list[Any] = [*parts[0], np.int32(0)]
        for i, (a, b) in enumerate(parts[1:], 1):
            x = OrderedDict(a=expected[0], b=(expected[1], expected[2]))
            y = OrderedDict(a=a, b=(b, np.int32(i)))
            expected = [np.asarray(value) for value in tf.nest.flatten(merge(x, y))]
        for sent in parts[0]:
            sent.flags.writeable = False  # as received arrays are
        partials = (
            tff.structure.from_container(OrderedDict(a=a, b=(b, np.int32(i))), recursive=True)
            for i, (a, b) in enumerate(parts)
        )
        for one, other in zip(tff.structure.flatten(found.total(partials)), expected, strict=True):
            np.testing.assert_array_equal(one, other)
