"""A keyboard's part in secure rounds: it asks the coordinator what to do, does it, and asks again.

1. It reads the round's plan, makes keys for this round and sends the public ones.
2. It sends shares of the secrets behind its masks to the other devices, each encrypted for its receiver.
3. It fetches the round's global weights and checks their digest, sizes and vocabulary, and that they are finite.
4. It measures the weights on its newest messages, which are held out, trains them on the older ones, and measures again.
5. It checks the update, clips it, encodes it as integers, masks them and sends them. Only masked numbers leave the device.
6. Once the coordinator has added up the masked integers of all devices, the keyboard signs which devices are in the sum.
7. Once enough other devices have signed the same, it sends the shares that unmask the sum.

Its words stay on the device. The coordinator learns the sum over the devices that took part and nothing else about this one, as
long as it follows the protocol and enrols no devices of its own: it is trusted to be honest but curious (Bonawitz et al. 2017,
Section 2). `federation.protocol.device_round` contains the cryptographic part.
"""

import secrets
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress

import numpy as np

from data.errors import DataError, UserFacingError
from federation.protocol import api_messages
from federation.protocol.api_messages import secure_round
from federation.protocol.delta_encoding import flatten
from federation.protocol.device_round import DeviceRound
from federation.protocol.round_terms import TrainingResult
from federation.protocol.secure_aggregation.modular_vectors import Vector
from keyboard_app.federating.client import FederationClient, RefusedError, UnreachableError
from keyboard_app.federating.membership import Joined, Membership
from keyboard_app.federating.steps import LEARNING
from keyboard_app.learning.background import reason
from model.device.config import parameters
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning, Progress, newest, subtract
from model.device.learning.gate import held_back_from
from model.device.learning.training import check_finite, train_program
from model.device.metrics import Scores, evaluate
from model.device.weights import Provenance, Weights, digest, from_bytes

# Number of held-out words on which weights are measured. Both measurements together take half as long as training on 2,000 words.
_MOST_TESTED = 500
# What a failed step of a round raises: LiteRT a RuntimeError; libraries, at numbers that no check foresaw, one of the others. The
# round is lost, and the keyboard goes on.
_FAILURES = (UserFacingError, RuntimeError, ValueError, ArithmeticError, MemoryError)
_WAIT_SECONDS = 10.0  # for the answer to a check-in


def check_model(content: bytes, plan_digest: str, model: Model) -> tuple[Weights, Provenance]:
    """Checks weights that a coordinator sent, and returns them with their provenance.

    Raises:
      DataError: they are damaged or not finite, have another digest than the plan, other sizes or another vocabulary.
    """
    try:
        weights, provenance = from_bytes(content, "the coordinator's model", model.vocabulary.sha256)
    except UserFacingError as error:  # its words may be the sender's
        raise DataError(f"{reason(error):.300}") from error
    if digest(weights) != plan_digest:
        raise DataError("the coordinator sent other weights than it named: they are refused")
    if provenance.config != model.provenance.config:
        raise DataError("the coordinator's weights have other sizes than this keyboard's program: they are refused")
    return weights, provenance


def learn(
    model: Model, messages: Sequence[Sequence[int]], how: FineTuning, seed: int
) -> Generator[Progress, None, TrainingResult]:
    """Trains the model's weights on all but the newest messages, and measures them on the newest before and after.

    Returns:
      The keyboard's contribution to the sum, not masked yet.

    Raises:
      DataError: there are too few words to train on.
      DivergedError: training diverged.
    """
    split = held_back_from([len(message) for message in messages])
    program = model.start()
    held_out = newest(messages[split:], _MOST_TESTED)
    before = evaluate(program, held_out) if held_out else Scores()
    run = yield from train_program(program, messages[:split], how, np.random.default_rng(seed))
    if not run.words:
        raise DataError("this keyboard has recorded too few words to train on yet")
    delta = flatten(subtract(program.weights, model.weights), model.provenance.config.shapes)
    check_finite([delta])
    after = evaluate(program, held_out) if held_out else Scores()
    counts = before.first, before.among_three, before.words, after.first, after.among_three
    return TrainingResult(delta, run.words, run.loss_sum, *counts)


def check_plan(plan: api_messages.Plan, round_name: str, model: Model) -> None:
    """Checks that a plan is for this round and this keyboard's model. Its numbers are within the bounds that their types carry.

    Raises:
      DataError: the plan is for another round, for a model of other sizes, or for another vocabulary.
    """
    if plan.round_name != round_name:
        raise DataError("the coordinator sent the plan of another round: it is refused")
    if (plan.terms.length, plan.vocabulary_sha256) != (parameters(model.provenance.config), model.vocabulary.sha256):
        raise DataError("the coordinator's plan is for another model than this keyboard's: it is refused")


class _Session:
    """The state of this keyboard in one round: the plan, and its part in the protocol."""

    def __init__(self, plan: api_messages.Plan, joined: Joined) -> None:
        """Begins the round of a plan that `check_plan` accepts."""
        self.plan = plan
        self.how = FineTuning(plan.learning_rate, plan.clipping_norm, plan.passes, plan.max_words)
        self.part = DeviceRound(secure_round(plan), joined.key)
        self.words = 0  # number of words that the update was learned from; 0 before that


class Participant:
    """A keyboard that belongs to a federation. `model` is the newest global model that it has."""

    def __init__(
        self,
        client: FederationClient,
        membership: Membership,
        model: Model,
        messages: Callable[[Model], Sequence[Sequence[int]]],
        adopt: Callable[[Model], None],
        idle: Callable[[], bool] = lambda: True,
    ) -> None:
        """Prepares to take part; each call of `turn` does a part of the work.

        Args:
          client: the connection to the coordinator.
          membership: open, with a federation joined.
          model: the global model that the keyboard has.
          messages: the person's messages, encoded for a model, oldest first.
          adopt: installs a newer global model.
          idle: returns whether the device is not in use; called before each training batch.

        Raises:
          DataError: the keyboard belongs to no federation.
        """
        joined = membership.joined
        if joined is None:
            raise DataError("this keyboard belongs to no federation: join one with --join LINK")
        self.model = model
        self.step = ""  # of `steps.STEPS`, the one in progress or done last; empty outside of rounds
        self.waiting = False  # whether it waits for other devices before the next step
        self._client, self._membership, self._joined = client, membership, joined
        self._messages, self._adopt, self._idle = messages, adopt, idle
        self._digest = digest(model.weights)
        self._session: _Session | None = None
        self._called = ""  # name of a round that has selected this keyboard and has not begun; else empty

    @property
    def busy(self) -> bool:
        """Whether this keyboard is in a round, or selected for one that has not begun."""
        return self._session is not None or self._called != ""

    def turn(self, wait: float = _WAIT_SECONDS) -> Generator[Progress, None, str]:
        """Asks the coordinator for a task, waiting at most `wait` seconds for its answer, and does the task.

        Returns:
          A line for people about what was done; empty if there was nothing to do.

        Raises:
          UnreachableError: the coordinator did not answer; the next turn continues from the same point.
          RefusedError: the coordinator refuses this device.
        """
        session = self._session
        if session is None and not self._idle():
            self.withdraw()
            return ""
        name = session.plan.round_name if session else ""
        call = self._client.check_in(self.model.vocabulary.sha256, name, wait)
        if session is None:
            self._called = call.round_name if call.task == api_messages.WAIT else ""
            self.step = api_messages.WAIT if self._called else ""
        self.waiting = self.busy
        if session is not None and call.round_name != name:
            self._end()
            if session.words:
                self._membership.record_outcome(self._joined.url, name, call.outcome or api_messages.NOT_COUNTED)
            return f"round {name} is over: this keyboard's update is {call.outcome or api_messages.NOT_COUNTED}"
        if (
            call.task == api_messages.REST
            and call.model != self._digest
            and call.model_round > self.model.provenance.round
        ):
            self._fetch(call.model)
            return f"installed the global model of round {call.model_round}"
        if call.task in (api_messages.REST, api_messages.WAIT):
            return ""
        try:
            return (yield from self._take_part(call))
        except RefusedError as refused:
            if refused.status == api_messages.UNKNOWN_DEVICE:
                raise
            if refused.status in (api_messages.LATE, api_messages.EARLY):
                return str(refused)  # the round has moved to another stage; the next turn asks for it
            return self._drop_out(call.round_name, str(refused))
        except UnreachableError:
            raise
        except _FAILURES as error:
            return self._drop_out(call.round_name, reason(error))

    def _take_part(self, call: api_messages.Call) -> Generator[Progress, None, str]:
        name, stage = call.round_name, call.task
        if stage == api_messages.KEYS and self._session is None:
            plan = self._client.plan(name)
            check_plan(plan, name, self.model)
            self._session = _Session(plan, self._joined)
        self.waiting = False
        session = self._session
        if session is None or (stage != api_messages.KEYS and not session.part.has(api_messages.KEYS)):
            raise DataError("this keyboard was restarted during the round and has lost the round's secrets")
        message = yield from self._message(session, stage)
        self._client.give(name, stage, message)
        self.waiting = True
        return f"round {name}: sent {stage}, {len(message):,} bytes"

    def _message(self, session: _Session, stage: str) -> Generator[Progress, None, bytes]:
        """Returns this keyboard's message of a stage. A repeated call returns the same bytes."""
        part, vectors = session.part, tuple[Vector, ...]()
        needed = b"" if part.has(stage) else self._client.needs(session.plan.round_name, stage)
        if part.has(stage) or stage != api_messages.REPORTING:
            self.step = stage
            return part.message(stage, needed, lambda: vectors)
        self.step = LEARNING
        part.check(stage, needed)
        learned = yield from self._learn(session)
        self.step = stage
        yield Progress(0, 1, 0, 0.0)  # shows the new step: masking takes a moment
        terms, plan = session.plan.terms, session.plan
        vectors = terms.contribution(learned, np.random.default_rng(secrets.randbits(128)))
        message = part.message(stage, needed, lambda: vectors)
        clipped = bool(np.linalg.norm(learned.delta) > terms.clipping_norm)
        self._membership.sent(self._joined.url, plan.round_name, plan.model, learned.words, len(message), clipped)
        session.words = learned.words
        return message

    def _learn(self, session: _Session) -> Generator[Progress, None, TrainingResult]:
        if session.plan.model != self._digest:
            self._fetch(session.plan.model)
        training = learn(self.model, self._messages(self.model), session.how, session.plan.seed)
        while True:
            if not self._idle():
                raise DataError("the device is in use again: this keyboard takes part in a later round")
            try:
                progress = next(training)
            except StopIteration as end:
                learned: TrainingResult = end.value
                return learned
            yield progress

    def _fetch(self, wanted: str) -> None:
        weights, provenance = check_model(self._client.model(wanted), wanted, self.model)
        self.model, self._digest = self.model.with_weights(weights, provenance), wanted
        self._adopt(self.model)

    def withdraw(self) -> None:
        """Leaves the current round, if there is one, so that the other devices need not wait for this one."""
        if self.busy:
            self._drop_out(self._session.plan.round_name if self._session else self._called, "")

    def _end(self) -> None:
        self._session, self._called, self.step, self.waiting = None, "", "", False

    def _drop_out(self, round_name: str, reason: str) -> str:
        self._end()
        with suppress(UserFacingError):
            self._client.withdraw(round_name)
        return f"left round {round_name}: {' '.join(reason.split())}"
