"""Runs the program under the LiteRT library that a Python has, without importing anything of this project.

usage: old_runtime.py PROGRAM ARRAYS.npz    (weights by name, and `rows`); test_other_runtimes.py reads the printed JSON
"""

import json
import sys
from pathlib import Path

import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter

arrays = dict(np.load(sys.argv[2]))
rows = arrays.pop("rows")
tokens, targets = (np.ascontiguousarray(part) for part in (rows[:, :-1], rows[:, 1:]))
interpreter = Interpreter(model_content=Path(sys.argv[1]).read_bytes())
run = {name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()}
run["set_weights"](**arrays)
found = run["get_weights"](unused=np.float32(0))
equal = all(np.array_equal(found[name], array) for name, array in arrays.items())
settings = {"learning_rate": np.float32(0.5), "clipping_norm": np.float32(1), "trained": np.ones(6, np.float32)}
losses = [float(run["train"](tokens=tokens, targets=targets, **settings)["loss"]) for _ in range(3)]
small = {name: array[:512] if name in ("embedding", "output_bias") else array for name, array in arrays.items()}
small |= {"tokens": tokens % 512, "targets": targets % 512}
losses.append(float(run["learn"](**small, **settings)["loss"]))
state = {"hidden": np.zeros((1, arrays["projection"].shape[0]), np.float32)}
state["cell"] = np.zeros((1, arrays["projection"].shape[1]), np.float32)
logits = run["step"](token=np.array([2], np.int32), **state)["logits"]
state = {name: np.repeat(array, len(rows), axis=0) for name, array in state.items()}
ranks = run["evaluate"](tokens=tokens, targets=targets, **state)["rank"]
print(json.dumps({"losses": losses, "best": int(logits[0, 3:].argmax()), "ranks": ranks.tolist(), "equal": equal}))
