"""The learner's work: TFF turns a round's sum into the next global model (`federation.aggregation.server_process`).

The folder of a state holds TFF's state, `weights.safetensors` and the next round, which is written last: a folder that has it is
complete.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.errors import UserFacingError
from federation.aggregation.accounting import BudgetExhaustedError
from federation.aggregation.privacy import privacy_line
from federation.aggregation.server_process import ServerProcess
from federation.aggregation.sum_check import ImplausibleSumError
from federation.coordinator.learner.messages import (
    DecodedWords,
    DecodeRequest,
    ModelUpdate,
    NextRound,
    PrepareRequest,
    Request,
)
from federation.coordinator.learner.round_report import RoundReport
from federation.coordinator.settings.federation_settings import FederationSettings
from federation.discovery.decoding import decode_table
from federation.protocol.discovery.round_plans import RevealPlan, most_published
from federation.protocol.round_terms import Terms
from federation.protocol.secure_aggregation.modular_vectors import unpack
from model.device.folder import WEIGHTS, load_model
from model.device.weights import save_weights

# TFF's `LearningAlgorithmState@SERVER`, with its named parts as mappings (`ServerProcess`).
ServerState = Any


class Learner:
    """The process that TFF compiled for a federation, applied to states in folders."""

    def __init__(self, settings: FederationSettings, first_model: Path, before: int = 0) -> None:
        """Compiles the process, which takes seconds.

        Raises:
          DataError: the model is damaged, or the settings contradict each other.
        """
        model = load_model(first_model)
        self._privacy = settings.privacy
        self._provenance = model.provenance
        self._process = ServerProcess(
            # Devices train, with their own programs. TFF compiles their part all the same: soonest with the shortest rows.
            replace(model.provenance.config, window=1),
            model.weights,
            settings.training,
            settings.server(),
            settings.summation,
            settings.privacy,
            settings.seed,
            settings.noise_seed,
            before,
        )

    def answer(self, request: Request) -> NextRound | ModelUpdate | DecodedWords:
        """Answers a request.

        Raises:
          DataError: the sum does not fit the round's terms, or is over too few or too many devices.
          ImplausibleSumError: honest devices cannot produce such a sum.
        """
        if isinstance(request, DecodeRequest):
            return decode(request)
        state = self._process.load(Path(request.state))
        if isinstance(request, PrepareRequest):
            return self._next_round(state, request.unmasked)
        terms = self._process.prepare(state).terms
        delta, counts = unpack(terms.layout, Path(request.sum_file).read_bytes())
        state, metrics = self._process.update(state, (delta, counts), request.devices)
        folder = Path(request.new_state)
        shutil.rmtree(folder, ignore_errors=True)  # left by an attempt that was cut off
        self._process.save(state, folder)
        save_weights(folder / WEIGHTS, self._process.weights(state), self._provenance)
        next_round = self._next_round(state, request.unmasked)
        next_round.save(folder)
        report = RoundReport.from_json(metrics | {"spent": vars(self._process.spent(state, request.unmasked))})
        return ModelUpdate(next_round, report)

    def _next_round(self, state: ServerState, unmasked: int) -> NextRound:
        terms: Terms | None = None
        exhausted = ""
        try:
            terms = self._process.prepare(state).terms
        except BudgetExhaustedError as error:
            exhausted = str(error)
        spent = self._process.spent(state, unmasked)
        after = self._process.spent(state, max(self._process.rounds(state), unmasked) + 1)
        return NextRound(terms, exhausted, spent, privacy_line(self._privacy, spent), unmasked, after)


def decode(request: DecodeRequest) -> DecodedWords:
    """Returns the words in a sum of tables.

    Raises:
      ImplausibleSumError: the table cannot be decoded, although it has room for all words that honest devices may put into it.
    """
    plan = RevealPlan.from_json(request.plan)
    (table,) = unpack(plan.layout, Path(request.sum_file).read_bytes())
    offers = plan.cohort * most_published(plan.counts)  # the first sum bounds them more closely, and is not here
    try:
        return DecodedWords(decode_table(table, plan.table, offers))
    except UserFacingError as error:
        raise ImplausibleSumError(str(error)) from error
