"""Runs the Java backend in a Java virtual machine, with a stand-in for LiteRT's Android library (java/) that calls LiteRT.

usage: java_runtime.py CLASSES MODEL PROFILE, with the project on the path. It compares the backend with the Python backend, and
then runs the whole device on it, without a window.
"""

import gc
import itertools
import random
import runpy
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import jnius_config
import numpy as np
from ai_edge_litert.interpreter import Interpreter

jnius_config.add_classpath(sys.argv[1])
from jnius import JavaException, PythonJavaClass, autoclass, java_method  # noqa: E402 (needs the class path)

STRING, BYTES = "Ljava/lang/String;", "[B"


class LiteRT(PythonJavaClass):
    """Runs the programs of the stand-in, in several threads at once.

    Its methods call no method of a Java object: `pyjnius` would call it on another thread's object if that thread looked up the
    same method a moment later (`JavaInterpreter` says more). The backend's lock does not help here, since it is not held while a
    program runs. A thread that filled a ByteBuffer here could fill another thread's, or overwrite a program that is being loaded.
    """

    __javainterfaces__ = ("org/tensorflow/lite/Library",)

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.programs: dict[int, Interpreter] = {}
        self.given: dict[int, dict[str, bytes]] = defaultdict(dict)
        self.found: dict[int, dict[str, np.ndarray]] = {}

    def details(self, program: int, signature: str, outputs: bool) -> dict[str, dict]:
        if signature not in self.programs[program].get_signature_list():
            return {}
        runner = self.programs[program].get_signature_runner(signature)
        return runner.get_output_details() if outputs else runner.get_input_details()

    @java_method(f"({BYTES}I)I")
    def open(self, program, threads):
        try:
            interpreter = Interpreter(model_content=program.tostring(), num_threads=threads)
        except (ValueError, RuntimeError):
            return -1
        number = next(self.numbers)
        self.programs[number] = interpreter
        return number

    @java_method(f"(I{STRING}Z){STRING}")
    def names(self, program, signature, outputs):
        return ",".join(self.details(program, signature, outputs))

    @java_method(f"(I{STRING}{STRING}Z){STRING}")
    def shape(self, program, signature, name, outputs):
        return ",".join(map(str, self.details(program, signature, outputs)[name]["shape"]))

    @java_method(f"(I{STRING}{STRING}Z){STRING}")
    def type(self, program, signature, name, outputs):
        return np.dtype(self.details(program, signature, outputs)[name]["dtype"]).name.upper()

    @java_method(f"(I{STRING}{BYTES})I")
    def set(self, program, name, content):
        self.given[program][name] = content.tostring()
        return len(content)

    @java_method(f"(I{STRING})Z")
    def runs(self, program, signature):
        inputs = self.details(program, signature, outputs=False)
        arrays = {
            n: np.frombuffer(c, inputs[n]["dtype"]).reshape(inputs[n]["shape"])
            for n, c in self.given.pop(program).items()
        }
        try:
            self.found[program] = self.programs[program].get_signature_runner(signature)(**arrays)
        except (ValueError, RuntimeError):
            return False
        return True

    @java_method(f"(I{STRING}){STRING}")
    def get(self, program, name):
        return self.found[program][name].tobytes().decode("latin-1")

    @java_method("(I)V")
    def close(self, program):
        del self.programs[program]


library = LiteRT()
autoclass("org.tensorflow.lite.Interpreter").use(library)

from data.errors import DataError  # noqa: E402
from model.device import litert  # noqa: E402
from model.device.folder import load_model  # noqa: E402
from model.device.litert import JavaInterpreter, PythonInterpreter, start  # noqa: E402
from model.device.runtime import Program  # noqa: E402
from model.device.sampling import draw  # noqa: E402


def results(program: Program) -> list[np.ndarray]:
    config, rng = program.config, np.random.default_rng(0)
    found = []
    for _ in range(3):
        rows = rng.integers(1, config.vocabulary, (config.batch, config.window + 1), dtype=np.int32)
        found.append(np.array(program.train(rows, 0.5, 1.0)))
    candidates = draw(rows, config.vocabulary, config.candidates, rng)
    found += [np.array(program.learn(rows, candidates, 0.5, 1.0)) for _ in range(2)]
    found += program.weights.values()
    evaluation, state = program.evaluate(rows, program.initial_state(config.batch))
    logits, after = program.step(3, program.initial_state(1))
    return [*found, *evaluation, *state, logits, *after]


def interrupted(frame: FrameType, event: str, argument: object) -> Callable | None:
    """Traces a thread, so that it yields to others at random between any two instructions of the backend and of this file.

    Python switches threads in any case, but too rarely for a race to show within seconds.
    """
    if frame.f_code.co_filename not in (__file__, litert.__file__):
        return None
    frame.f_trace_opcodes = True
    if event == "opcode" and random.random() < 0.05:
        time.sleep(0)
    return interrupted


model = load_model(Path(sys.argv[2]))
assert isinstance(start(model.program, 1), PythonInterpreter)
by_python = results(model.start())
sys.modules["ai_edge_litert.interpreter"] = None  # type: ignore[assignment] # as on a phone
assert isinstance(start(model.program, 1), JavaInterpreter)
by_java = results(model.start())
assert all(
    left.dtype == right.dtype and np.array_equal(left, right) for left, right in zip(by_python, by_java, strict=True)
)
assert all(array.flags.writeable for array in by_java)

# Several programs run at once, as when a person types while the keyboard learns.
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(4, initializer=sys.settrace, initargs=(interrupted,)) as pool:
    beside = pool.map(results, [model.start() for _ in range(8)])
for found in beside:
    assert all(np.array_equal(left, right) for left, right in zip(by_python, found, strict=True))

try:
    Program(b"no program", model.provenance.config, model.weights)
    sys.exit("content that is not a program was accepted")
except DataError:
    pass
interpreter = start(model.program, 1)
for signature, arrays in (
    ("step", {"token": np.zeros(2, np.int32)}),
    ("get_weights", {}),
    ("nothing", {"token": np.zeros(1, np.int32)}),
):
    try:
        interpreter.run(signature, arrays)
        sys.exit(f"{signature} ran in spite of wrong inputs")
    except RuntimeError as error:
        assert isinstance(error.__cause__, JavaException)
        assert "\n" not in str(error)

sys.argv = [sys.argv[0], sys.argv[3], sys.argv[2]]
runpy.run_path(str(Path(__file__).parents[1] / "keyboard_app" / "device_alone.py"), run_name="__main__")
del interpreter, sys.meta_path[0]  # the import blocker of device_alone.py, which keeps its device alive
gc.collect()
assert not library.programs, "unused interpreters are closed"
print(next(library.numbers), "programs by Java")
