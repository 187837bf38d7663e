"""LiteRT behind one small interface, with a backend for each library that makes it available to Python.

| backend | library | where |
| --- | --- | --- |
| `PythonInterpreter` | `ai-edge-litert`, Google's Python package | desktops |
| `JavaInterpreter` | LiteRT's Android library, `com.google.ai.edge.litert:litert`, called by `pyjnius` | Android, by default |
| `PythonInterpreter` | `tflite-runtime`, the older name of the first | Android, in builds that contain it |

`ai-edge-litert` has no wheels for Android. python-for-android has a recipe for `tflite-runtime`, which compiles TensorFlow Lite
2.8.0 of 2022 against current versions of Python and NumPy. Its users report that this fails (python-for-android issues 3191 and
3232, both open), and it does not support x86-64. LiteRT's Android library is prebuilt and maintained and needs one line in
`buildozer.spec`; `pyjnius`, which calls it, is part of every Kivy app on Android. It is therefore the default on phones. It
copies each input and output, and has two requirements that this project meets: a signature has at least one input, and arrays are
passed as `bytes`, because `pyjnius` copies a `bytearray` item by item.

**The Java backend has not run on a phone yet.** The tests run it in a desktop's Java virtual machine against a stand-in for the
class of the library, which has the same methods and refusals and runs LiteRT itself.
"""

import math
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from data.allocator import release_memory

Arrays = Mapping[str, NDArray[Any]]


class Interpreter(Protocol):
    """A LiteRT program with signatures. It is not thread-safe."""

    def inputs(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Returns the shape of each input of a signature by name.

        Raises:
          ValueError, RuntimeError: the signature does not exist.
        """

    def run(self, signature: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Runs a signature on all of its inputs, contiguous arrays of the right types and shapes; returns its outputs.

        Raises:
          ValueError, RuntimeError: LiteRT refused the arrays or failed.
        """


def start(content: bytes, threads: int) -> Interpreter:
    """Returns an interpreter of a program, the content of a LiteRT file, using the library that is installed.

    Raises:
      ValueError, RuntimeError: the content is not a LiteRT program.
      ModuleNotFoundError: no library is installed.
    """
    library = _python_library()
    if library is not None:
        release_memory()
        return PythonInterpreter(library(model_content=content, num_threads=threads))
    if find_spec("jnius") is None:
        raise ModuleNotFoundError("no LiteRT is installed: install ai-edge-litert")
    return JavaInterpreter(content, threads)


_quieting, _quieted = threading.Lock(), False


@contextmanager
def _quietly() -> Iterator[None]:
    """Keeps LiteRT's notices, lines that begin with `INFO: `, off standard error while a process runs its first signature.

    LiteRT writes them from C++, once in a process, and has no switch for them. Every other line of that time is written
    afterwards.
    """
    global _quieted
    if _quieted:
        yield
        return
    with _quieting:
        _quieted = True
        try:
            error = os.dup(2)
        except OSError:  # the process has no standard error
            yield
            return
        with tempfile.TemporaryFile() as caught, os.fdopen(error, "wb", buffering=0) as shown:
            os.dup2(caught.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(error, 2)
                caught.seek(0)
                for line in caught:
                    if not line.startswith(b"INFO: "):
                        shown.write(line)


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
    """The backend for the class `Interpreter` of `ai-edge-litert` and `tflite-runtime`."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._runners: dict[str, Any] = {}

    def _runner(self, signature: str) -> Any:
        if signature not in self._runners:
            self._runners[signature] = self._interpreter.get_signature_runner(signature)
        return self._runners[signature]

    def inputs(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Returns the shape of each input of a signature by name."""
        details = self._runner(signature).get_input_details()
        return {name: tuple(map(int, detail["shape"])) for name, detail in details.items()}

    def run(self, signature: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Runs a signature."""
        with _quietly():
            results: dict[str, NDArray[Any]] = self._runner(signature)(**arrays)
        return results


class _Output(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


# Held while Java objects are created and read, but not while a program runs. Reentrant, because the garbage collector may close an
# interpreter in the thread that holds it.
_java = threading.RLock()
_classes: list[Any] = []  # Python classes that no interpreter uses at present
_CLASSES = 8  # more than the interpreters of a keyboard


class JavaInterpreter:
    """The backend for the class `org.tensorflow.lite.Interpreter` of LiteRT's Android library.

    Create the first one on the main thread: only there does Android find an app's own classes.

    All objects of a `pyjnius` class share its method objects, and a method object stores the object on which it was last looked
    up (pyjnius issue 563). If two threads call the same method of two objects, one call may reach the wrong object. A lock
    prevents that. Long calls must not hold it, or typing would wait for learning. Each interpreter therefore has a Python class
    of its own for the same Java class.
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
            # Taken off the list first: while the interpreter is created, the garbage collector may close another one in this
            # thread, which the reentrant lock allows, and put its class on the list.
            java_class = _classes.pop()
            try:
                self._interpreter = java_class(program, options)
            except BaseException:
                _classes.append(java_class)
                raise
        # Java's garbage collector would wait too long: it does not see the native memory behind a small object.
        weakref.finalize(self, _close, self._interpreter).atexit = False
        self._known: dict[str, dict[str, _Output]] = {}  # outputs by signature; the shapes of a program are fixed

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except self._failure as error:
            raise RuntimeError(str(error).split("\n", 1)[0]) from error  # without Java's stack trace

    def inputs(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Returns the shape of each input of a signature by name."""
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
