"""A coordinator over TLS as a process of its own, with arithmetic in place of TFF: for tests of its clients.

usage: coordinator_process.py FOLDER MODEL. Answers each line of its input with one line: `link` with a join link, `want` once
another round is scheduled, `gone` with the number of devices that have left.
"""

import sys
from pathlib import Path

import numpy as np

from federation.protocol.round_terms import Terms
from model.device.folder import load_model
from tests.federation.coordinator.conftest import World
from tests.federation.coordinator.test_keyboards_join import HOW, Federation

folder, shipped = map(Path, sys.argv[1:])
shapes = load_model(shipped).provenance.config.shapes
length = sum(int(np.prod(shape)) for shape in shapes.values())
terms = Terms(length, 4.0, HOW.max_words, 3, 16, 5, 1.0)
federation = Federation(lambda *arguments: World(folder, *arguments), shipped, terms)
answers = {
    "link": federation.link,
    "want": lambda: federation.ask(lambda world: world.coordinator.rounds.schedule(1)),
    "gone": lambda: federation.ask(lambda w: sum(d.gone is not None for d in w.coordinator.store.members.devices())),
}
for line in sys.stdin:
    print(answers[line.strip()](), flush=True)
federation.stop()
