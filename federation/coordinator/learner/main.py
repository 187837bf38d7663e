"""The worker process in which TFF turns a round's sum into the next global model (`federation.aggregation.server_process`).

It reads one request a line from standard input, JSON, and answers one a line. The folders it names are the coordinator's:

    {"do": "prepare", "from": STATE}                                        → what the round after the state in STATE is told
    {"do": "update", "from": STATE, "sum": FILE, "devices": N, "to": STATE} → the same after the sum of N devices; its metrics

Either has "unmasked" too, the place of the newest round whose sum was unmasked: what that spent of privacy is in what is told.
A state's folder holds TFF's state, `weights.safetensors`, and last of all `next.json`, by which it is whole.
"""

import json
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.errors import UserFacingError
from data.files import write_by_rename
from federation.aggregation.accounting import BudgetExhaustedError
from federation.aggregation.server_process import ServerProcess
from federation.coordinator.federation_settings import FederationSettings
from federation.coordinator.model_folders import NEXT
from federation.engine.local import engine
from federation.protocol.secure_aggregation.modular_vectors import unpack
from federation.reports.model_card import privacy_line
from model.device.folder import WEIGHTS, load_model
from model.device.weights import Provenance, Weights, save_weights


def main() -> None:
    """`python -m federation.coordinator.learner.main FOLDER`: FOLDER is the coordinator's, with its settings and its first model."""
    # TensorFlow's libraries write where they like; answers go where nobody else writes.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    folder = Path(sys.argv[1])
    with engine():
        learner = Learner(FederationSettings.load(folder), folder / "models" / f"{0:06}")
        for line in sys.stdin:
            try:
                answer: dict[str, Any] = {"result": learner.do(json.loads(line))}
            except (UserFacingError, OSError, RuntimeError) as error:
                answer = {"error": " ".join(str(error).split()) or type(error).__name__}
            answers.write(json.dumps(answer) + "\n")


class Learner:
    """The process that TFF compiled, and what is asked of it."""

    def __init__(self, settings: FederationSettings, first_model: Path) -> None:
        model = load_model(first_model)
        self._privacy = settings.privacy
        self._provenance: Provenance = model.provenance
        self._process = ServerProcess(
            model.provenance.config,
            model.weights,
            settings.training,
            settings.server(),
            settings.summation,
            settings.privacy,
            settings.seed,
            settings.noise_seed,
        )

    def do(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answers a request.

        Raises:
          DataError: the sum is not of the round's terms, or not one that honest devices have.
        """
        state = self._process.load(Path(request["from"]))
        if request["do"] == "prepare":
            return self._next(state, request["unmasked"])
        terms = self._process.prepare(state).terms
        sums = unpack(terms.layout, Path(request["sum"]).read_bytes())
        state, metrics = self._process.update(state, (sums[0], sums[1]), request["devices"])
        folder = Path(request["to"])
        shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was cut off
        self._process.save(state, folder)
        self._save_weights(folder, self._process.weights(state))
        told = self._next(state, request["unmasked"])
        write_by_rename(folder / NEXT, json.dumps(told).encode())
        return told | {"metrics": metrics}

    def _save_weights(self, folder: Path, weights: Weights) -> None:
        save_weights(folder / WEIGHTS, weights, self._provenance)

    def _next(self, state: Any, unmasked: int) -> dict[str, Any]:
        """The terms of the next round, or why there is none, and the privacy spent so far, in numbers and as a promise."""
        spent = self._process.spent(state, unmasked)
        promise = privacy_line(self._privacy, spent)
        told: dict[str, Any] = {"terms": None, "exhausted": "", "spent": asdict(spent), "promise": promise}
        told["unmasked"] = unmasked
        try:
            told["terms"] = self._process.prepare(state).terms.to_content()
        except BudgetExhaustedError as exhausted:
            told["exhausted"] = str(exhausted)
        return told


if __name__ == "__main__":
    main()
