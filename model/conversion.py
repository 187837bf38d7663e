"""Rewrites a converted LiteRT program to operations that run faster on a device.

LiteRT delegates the operations that XNNPACK supports. Profiled on two cores (AVX-512):

- XNNPACK supports FULLY_CONNECTED only with constant weights. Our weights are variables, so that LiteRT's own kernel ran it, at 30
  GFLOP/s. XNNPACK supports the same product as a BATCH_MATMUL, at 100 GFLOP/s. For a single row, as in `step`, LiteRT's kernel is
  faster, because XNNPACK would first copy all weights.
- XNNPACK does not support ADD_N, and each ADD_N splits the delegated part of the program. Most sums have two terms and become ADD.
"""

import math

from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

_Builtin = schema.BuiltinOperator


def for_the_device(program: bytes, keep_values: bool) -> bytes:
    """Replaces products and sums by operations that XNNPACK supports.

    Unless `keep_values` is set, it also drops the assignments that would fill the variables with megabytes of stored zeros.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(program)
    if not keep_values:
        _drop_initial_values(model)
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            inputs = [i for i in operator.inputs if i >= 0]
            if code == _Builtin.FULLY_CONNECTED and len(inputs) == 2 and _is_product_of_rows(model, graph, inputs):
                options = schema.BatchMatMulOptionsT()
                options.adjX, options.adjY, options.asymmetricQuantizeInputs = False, True, False
                _replace(model, operator, _Builtin.BATCH_MATMUL, inputs, options)
            elif code == _Builtin.ADD_N and len(inputs) == 2:
                _replace(model, operator, _Builtin.ADD, inputs, schema.AddOptionsT())
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _is_product_of_rows(model: schema.ModelT, graph: schema.SubGraphT, inputs: list[int]) -> bool:
    """Returns whether several rows are multiplied by weights that are not constant."""
    rows, weights = (graph.tensors[i] for i in inputs)
    return math.prod(rows.shape[:-1]) > 1 and model.buffers[weights.buffer].data is None


def _replace(model: schema.ModelT, operator: schema.OperatorT, code: int, inputs: list[int], options: object) -> None:
    codes = [c.builtinCode for c in model.operatorCodes]
    if code not in codes:
        added = schema.OperatorCodeT()
        added.builtinCode = added.deprecatedBuiltinCode = code
        added.version = 1  # supported by TFLite 2.8
        model.operatorCodes.append(added)
        codes.append(code)
    if operator.builtinOptions is not None and vars(operator.builtinOptions).get("fusedActivationFunction"):
        raise AssertionError("the converter fused an activation into a product, and the replacement would lose it")
    operator.opcodeIndex, operator.inputs = codes.index(code), inputs
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
    operator.builtinOptions = options


def _drop_initial_values(model: schema.ModelT) -> None:
    assign = _Builtin.ASSIGN_VARIABLE
    initializer = model.subgraphs[-1]
    codes = [model.operatorCodes[op.opcodeIndex].builtinCode for op in initializer.operators]
    if len(initializer.inputs) or len(initializer.outputs) or set(codes) != {assign, _Builtin.VAR_HANDLE}:
        raise AssertionError("the last subgraph is not the initializer of the variables: the converter has changed")
    for operator, code in zip(initializer.operators, codes, strict=True):
        if code == assign:
            model.buffers[initializer.tensors[operator.inputs[1]].buffer].data = None
    initializer.operators, initializer.tensors = [], []
