"""The memory of a program, measured in a separate process."""

import json
import platform
import subprocess
import sys

import pytest

MEASURE = """
import json
from pathlib import Path
import numpy as np
from model.device.folder import PRETRAINED, load_model

def resident():
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmRSS"))) / 1024

model = load_model(PRETRAINED)
config = model.provenance.config
network = model.network()
network.step(2, network.initial_state(1))  # so that everything is loaded before the measurement
before = resident()
network = model.network()
network.step(2, network.initial_state(1))
typing = resident()
program = model.start()
del program  # so that LiteRT is loaded
before, typing = resident(), typing - before
program = model.start()
rows = np.random.default_rng(0).integers(1, config.vocabulary, (config.batch, config.window + 1), dtype=np.int32)
program.train(rows, 0.5, 1.0)
trained = resident()
program.step(2, program.initial_state(1))
stepped = resident()
del program
print(json.dumps({"typing": typing, "trained": trained - before, "stepped": stepped - before, "gone": resident() - before}))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library gives memory back as it sees fit")
def test_typing_needs_no_copy_of_the_weights_and_the_memory_of_training_is_released() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    mib = json.loads(done.stdout)
    assert mib["typing"] < 2
    assert mib["trained"] > 50
    assert mib["stepped"] < 10  # the trained weights take 5.4 MiB
    assert mib["gone"] < 8
