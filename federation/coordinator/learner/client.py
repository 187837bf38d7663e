"""The coordinator's side of the learner.

TensorFlow runs in the learner's process alone, so that the coordinator starts quickly and stays small.
"""

import os
import sys

from federation.aggregation.sum_check import ImplausibleSumError
from federation.coordinator.learner.json_process import JsonProcess
from federation.coordinator.learner.messages import (
    DecodedWords,
    DecodeRequest,
    ModelUpdate,
    NextRound,
    PrepareRequest,
    UpdateRequest,
    request_to_json,
)

_ANSWER_SECONDS = 600.0  # includes the time that TensorFlow needs to start


class LearnerClient(JsonProcess):
    """The learner of a coordinator's folder (`federation.coordinator.learner.main`)."""

    def __init__(self, folder: str | os.PathLike[str], first_model: str | os.PathLike[str], before: int = 0) -> None:
        """Prepares a learner; the first request starts its process.

        Args:
          folder: the coordinator's folder, with the federation's settings.
          first_model: the model folder that the rounds build on.
          before: the number of rounds before that model, as the privacy spent counts them.
        """
        command = [sys.executable, "-P", "-m", "federation.coordinator.learner.main", folder, first_model, str(before)]
        super().__init__(command, [ImplausibleSumError])

    async def prepare(self, request: PrepareRequest) -> NextRound:
        """Returns the round that follows a state.

        Raises:
          LearnerDiedError: the process ended, or did not answer in time; the request may be repeated.
          DataError: the state or the settings are damaged.
        """
        return NextRound.from_json(await self.ask(request_to_json(request), _ANSWER_SECONDS))

    async def update(self, request: UpdateRequest) -> ModelUpdate:
        """Returns the model update that the learner makes from a round's sum.

        Raises:
          LearnerDiedError: the process ended, or did not answer in time; the request may be repeated.
          ImplausibleSumError: honest devices cannot have this sum.
          DataError: no model can be made from the sum for another reason.
        """
        return ModelUpdate.from_json(await self.ask(request_to_json(request), _ANSWER_SECONDS))

    async def decode(self, request: DecodeRequest) -> DecodedWords:
        """Returns the words in the sum of the second round of a word discovery.

        Raises:
          LearnerDiedError: the process ended, or did not answer in time; the request may be repeated.
          ImplausibleSumError: the table cannot be decoded, which those of honest devices can.
        """
        return DecodedWords(**await self.ask(request_to_json(request), _ANSWER_SECONDS))
