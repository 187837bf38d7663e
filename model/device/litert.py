"""LiteRT behind one small interface, with a backend for each library that brings it to Python.

| backend | library | where |
| --- | --- | --- |
| `PythonInterpreter` | `ai-edge-litert`, Google's Python package | desktops |
| `JavaInterpreter` | LiteRT's Android library, `com.google.ai.edge.litert:litert`, by `pyjnius` | Android: the default there |
| `PythonInterpreter` | `tflite-runtime`, the older name of the first | Android, where a build has it in place of the second |

`ai-edge-litert` has no wheels for Android. python-for-android has a recipe for `tflite-runtime`, which compiles TensorFlow Lite
2.8.0 of 2022 against the Python and the NumPy of today; its users report that this fails (its issues 3191 and 3232, both open),
and it builds nothing for x86-64. LiteRT's Android library is prebuilt and maintained and comes with a line in `buildozer.spec`;
`pyjnius`, which calls it, is part of every Kivy app there. That is why it is the default on a phone. It costs a copy of each input
and output, and asks for two things that this project heeds: a signature takes at least one input, and arrays go in as `bytes`,
since `pyjnius` copies a `bytearray` item by item.

**The Java backend has not run on a phone yet**: the tests run it on a desktop's Java against a class that stands in for the
library's, with the same methods and refusals, and LiteRT itself behind it.
"""

import ctypes
import math
import platform
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
_M_MMAP_THRESHOLD = -3  # mallopt(3)
_GIVEN_BACK_FROM = 2**20  # bytes


class Interpreter(Protocol):
    """A LiteRT program with signatures. Not for two threads at once."""

    def inputs(self, signature: str) -> dict[str, tuple[int, ...]]:
        """What a signature takes, by name and shape.

        Raises:
          ValueError, RuntimeError: there is no such signature.
        """

    def run(self, signature: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Runs a signature on contiguous arrays, all that it takes, of the types and shapes it takes; returns what it gives.

        Raises:
          ValueError, RuntimeError: LiteRT refused the arrays, or failed.
        """


def start(content: bytes, threads: int) -> Interpreter:
    """An interpreter of a program, the contents of a LiteRT file, by the library that is here.

    Raises:
      ValueError, RuntimeError: it is no LiteRT program.
      ModuleNotFoundError: no library is here.
    """
    library = _python_library()
    if library is not None:
        _give_memory_back()
        return PythonInterpreter(library(model_content=content, num_threads=threads))
    if find_spec("jnius") is None:
        raise ModuleNotFoundError("no LiteRT is installed: install ai-edge-litert")
    return JavaInterpreter(content, threads)


def _give_memory_back() -> None:
    """Lets glibc, the library that most Linux desktops run on, give the memory of interpreters back that are gone.

    By itself it would keep blocks of up to 32 MB once one of that size was freed, some 80 MB after each learning, and smaller ones
    as long as anything lies behind them.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    if platform.libc_ver()[0] != "glibc":
        return None
    library = ctypes.CDLL(None)
    library.mallopt(_M_MMAP_THRESHOLD, _GIVEN_BACK_FROM)
    return library


def _python_library() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter
    except ModuleNotFoundError:
        pass
    try:
        from tflite_runtime.interpreter import Interpreter

        return Interpreter
    except ModuleNotFoundError:
        return None


class PythonInterpreter:
    """By the class `Interpreter` that `ai-edge-litert` and `tflite-runtime` have alike."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._runners: dict[str, Any] = {}

    def _runner(self, signature: str) -> Any:
        if signature not in self._runners:
            self._runners[signature] = self._interpreter.get_signature_runner(signature)
        return self._runners[signature]

    def inputs(self, signature: str) -> dict[str, tuple[int, ...]]:
        """What a signature takes, by name and shape."""
        details = self._runner(signature).get_input_details()
        return {name: tuple(map(int, detail["shape"])) for name, detail in details.items()}

    def run(self, signature: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Runs a signature."""
        results: dict[str, NDArray[Any]] = self._runner(signature)(**arrays)
        return results


class _Output(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


_java = (
    threading.RLock()
)  # held while Java's objects are made and read, not while a program runs; again where one is collected
_classes: list[Any] = []  # that no interpreter has at present
_CLASSES = 8  # more interpreters than a keyboard has at once


class JavaInterpreter:
    """By the class `org.tensorflow.lite.Interpreter` of LiteRT's Android library.

    The first one must be made on the main thread, where alone Android finds an app's own classes.

    `pyjnius` notes on a method, which all objects of a class share, on which of them it was looked up last (its issue 563): of two
    threads that call the same method of two objects one may reach the other's. Hence the lock. What takes time must not hold it,
    or typing would wait for learning; so each interpreter has a Python class of its own for the same Java class.
    """

    def __init__(self, content: bytes, threads: int) -> None:
        from jnius import JavaException, autoclass

        self._failure = JavaException
        self._map, self._buffer = autoclass("java.util.HashMap"), autoclass("java.nio.ByteBuffer")
        with _java, self._failing():
            if not _classes:
                _classes.extend(_interpreter_class() for _ in range(_CLASSES))
            program = self._buffer.allocateDirect(len(content)).order(autoclass("java.nio.ByteOrder").nativeOrder())
            program.put(bytes(content)).rewind()
            options = autoclass("org.tensorflow.lite.Interpreter$Options")()
            options.setNumThreads(threads)
            # Taken off the list first: while the interpreter is made, Python's collector may close another one in this thread,
            # which the lock lets pass, and put that one's class on the list.
            java_class = _classes.pop()
            try:
                self._interpreter = java_class(program, options)
            except BaseException:
                _classes.append(java_class)
                raise
        # Java's collector would take its time: it does not see how much memory there is behind so small an object.
        weakref.finalize(self, _close, self._interpreter).atexit = False
        self._known: dict[str, dict[str, _Output]] = {}  # outputs by signature; the shapes of a program are fixed

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except self._failure as error:
            raise RuntimeError(str(error).split("\n", 1)[0]) from error  # behind it comes Java's stack

    def inputs(self, signature: str) -> dict[str, tuple[int, ...]]:
        """What a signature takes, by name and shape."""
        with _java, self._failing():
            names = self._interpreter.getSignatureInputs(signature)
            return {n: tuple(self._interpreter.getInputTensorFromSignature(n, signature).shape()) for n in names}

    def _outputs(self, signature: str) -> dict[str, _Output]:
        if signature not in self._known:
            names = self._interpreter.getSignatureOutputs(signature)
            tensors = {name: self._interpreter.getOutputTensorFromSignature(name, signature) for name in names}
            self._known[signature] = {
                name: _Output(tuple(tensor.shape()), np.dtype(tensor.dataType().toString().lower()))
                for name, tensor in tensors.items()
            }
        return self._known[signature]

    def run(self, signature: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Runs a signature."""
        with _java, self._failing():
            given, wanted, buffers = self._map(), self._map(), {}
            outputs = self._outputs(signature)
            for name, array in arrays.items():
                given.put(name, self._buffer.wrap(array.tobytes()))
            for name, (shape, dtype) in outputs.items():
                buffers[name] = self._buffer.allocate(math.prod(shape) * dtype.itemsize)
                wanted.put(name, buffers[name])
        with self._failing():
            self._interpreter.runSignature(given, wanted, signature)
        with _java:
            contents = {name: bytearray(buffer.array().tostring()) for name, buffer in buffers.items()}
        return {n: np.frombuffer(contents[n], o.dtype).reshape(o.shape) for n, o in outputs.items()}


def _interpreter_class() -> Any:
    from jnius import JavaClass, JavaMethod, MetaJavaClass

    text, tensor, buffer = "Ljava/lang/String;", "Lorg/tensorflow/lite/Tensor;", "Ljava/nio/ByteBuffer;"
    members = {
        "__javaclass__": "org/tensorflow/lite/Interpreter",
        "__javaconstructor__": [(f"({buffer}Lorg/tensorflow/lite/Interpreter$Options;)V", False)],
        "getSignatureInputs": JavaMethod(f"({text})[{text}"),
        "getSignatureOutputs": JavaMethod(f"({text})[{text}"),
        "getInputTensorFromSignature": JavaMethod(f"({text}{text}){tensor}"),
        "getOutputTensorFromSignature": JavaMethod(f"({text}{text}){tensor}"),
        "runSignature": JavaMethod(f"(Ljava/util/Map;Ljava/util/Map;{text})V"),
        "close": JavaMethod("()V"),
    }
    return MetaJavaClass("Interpreter", (JavaClass,), members)


def _close(interpreter: Any) -> None:
    with _java:
        interpreter.close()
        _classes.append(type(interpreter))
