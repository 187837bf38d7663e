"""The merging of clients' sums, which workers computed, on this machine and in a fixed order."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

Computation = Any  # tff.framework.ConcreteComputation
TensorBinding = Any  # TFF's protocol buffer `TensorFlow.Binding`: the tensors of a graph that a TFF value stands for
Value = Any  # a structure of arrays


class Merging:
    """TFF's merging of two sums. It is a TensorFlow graph, which runs in this process, as the sums are here.

    A graph that only adds, as that of a mean does, is not run: NumPy adds in place, to the same bits.
    """

    def __init__(self, merge: Computation) -> None:
        """Takes the merging of two sums, a TensorFlow computation (<sums, sums> -> sums)."""
        self._type = merge.type_signature.result
        content = merge.to_building_block().proto.tensorflow
        graph = tf.compat.v1.GraphDef()
        content.graph_def.Unpack(graph)
        parameters, results = (list(_tensor_names(binding)) for binding in (content.parameter, content.result))
        self.adds = _only_adds(graph, parameters, results)
        imported = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
        tensors = [[imported.graph.as_graph_element(name) for name in names] for names in (parameters, results)]
        merge = imported.prune(*tensors)
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors[0]]
        # A wrapped graph called directly tries to bind tensors by their names first. Where that fails, as here, it writes their
        # values into the text of an error, and drops it.
        self._merge = tf.function(lambda *sums: merge(*sums), input_signature=specs)

    def total(self, partials: Iterable[Value]) -> Value:
        """Merges partial sums one by one; returns the total."""
        total: list[Value] = []
        for partial in partials:
            arrays = tff.structure.flatten(partial)
            if not total:
                total = [np.array(array) for array in arrays]  # a copy, as received arrays cannot be written
            elif self.adds:
                for sum_, array in zip(total, arrays, strict=True):
                    np.add(sum_, array, out=sum_)
            else:
                total = [tensor.numpy() for tensor in self._merge(*map(tf.constant, (*total, *arrays)))]
        return tff.structure.pack_sequence_as(self._type, [array[()] for array in total])


def _only_adds(graph: tf.compat.v1.GraphDef, parameters: list[str], results: list[str]) -> bool:
    """Returns whether each result of a graph is the sum of its two parameters: of one from each half, in their order."""
    nodes = {node.name: node for node in graph.node}
    if len(parameters) != 2 * len(results):
        return False

    def source(tensor: str) -> str:
        name = tensor.removesuffix(":0")
        node = nodes.get(name)  # none for other outputs than the first
        return source(node.input[0]) if node is not None and node.op == "Identity" else name

    def terms(tensor: str) -> list[str]:
        node = nodes.get(source(tensor))
        return [source(name) for name in node.input] if node is not None and node.op in ("Add", "AddV2") else []

    pairs = zip(parameters[: len(results)], parameters[len(results) :], strict=True)
    return all(terms(result) == [source(name) for name in pair] for result, pair in zip(results, pairs, strict=True))


def _tensor_names(binding: TensorBinding) -> Iterator[str]:
    if binding.WhichOneof("binding") == "struct":
        for element in binding.struct.element:
            yield from _tensor_names(element)
    else:
        yield binding.tensor.tensor_name
