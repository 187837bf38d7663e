"""What is changed in a program that TensorFlow's converter made, before it is shipped: operations put as LiteRT runs them best.

Profiled on two cores (AVX-512), LiteRT's kernels beside those of XNNPACK, to which LiteRT hands what it can by itself:

- XNNPACK takes a FULLY_CONNECTED only if its weights are constants. Here they are learned, so that each one ran in LiteRT's own
  kernel, at 30 GFLOP/s. The same product as a BATCH_MATMUL is taken, and runs at 100. With a single row, as in `step`, LiteRT's
  kernel is the faster one: XNNPACK would copy all of the weights first.
- It takes no ADD_N, and each one cuts the program in two for it; sums of two, which is what most are, it takes as an ADD.
"""

import math

from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

_Builtin = schema.BuiltinOperator


def for_the_device(program: bytes, keep_values: bool) -> bytes:
    """Puts products and sums as XNNPACK takes them.

    Unless `keep_values`, the assignments are dropped by which the program would fill its variables with stored zeros, megabytes
    of them.
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
    """Whether several rows are multiplied with weights that are no constants."""
    rows, weights = (graph.tensors[i] for i in inputs)
    return math.prod(rows.shape[:-1]) > 1 and model.buffers[weights.buffer].data is None


def _replace(model: schema.ModelT, operator: schema.OperatorT, code: int, inputs: list[int], options: object) -> None:
    codes = [c.builtinCode for c in model.operatorCodes]
    if code not in codes:
        added = schema.OperatorCodeT()
        added.builtinCode = added.deprecatedBuiltinCode = code
        added.version = 1  # which TFLite 2.8 knows
        model.operatorCodes.append(added)
        codes.append(code)
    if operator.builtinOptions is not None and vars(operator.builtinOptions).get("fusedActivationFunction"):
        raise AssertionError("the converter has fused an activation into a product, which would be lost")
    operator.opcodeIndex, operator.inputs = codes.index(code), inputs
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
    operator.builtinOptions = options


def _drop_initial_values(model: schema.ModelT) -> None:
    assign = _Builtin.ASSIGN_VARIABLE
    initializer = model.subgraphs[-1]
    codes = [model.operatorCodes[op.opcodeIndex].builtinCode for op in initializer.operators]
    if len(initializer.inputs) or len(initializer.outputs) or set(codes) != {assign, _Builtin.VAR_HANDLE}:
        raise AssertionError("the converter no longer puts the variables' initializer last")
    for operator, code in zip(initializer.operators, codes, strict=True):
        if code == assign:
            model.buffers[initializer.tensors[operator.inputs[1]].buffer].data = None
    initializer.operators, initializer.tensors = [], []
