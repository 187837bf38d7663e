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
model.start().step(2, model.start().initial_state(1))  # so that LiteRT is loaded before the measurement
before = resident()
program = model.start()
rows = np.random.default_rng(0).integers(1, config.vocabulary, (config.batch, config.window + 1), dtype=np.int32)
program.train(rows, 0.5, 1.0)
trained = resident()
program.step(2, program.initial_state(1))
stepped = resident()
del program
print(json.dumps({"trained": trained - before, "stepped": stepped - before, "gone": resident() - before}))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library gives memory back as it sees fit")
def test_the_memory_of_training_is_released() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    mib = json.loads(done.stdout)
    assert mib["trained"] > 50
    assert mib["stepped"] < 30
    assert mib["gone"] < 8
