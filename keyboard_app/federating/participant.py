"""A keyboard's part in secure rounds: it asks the coordinator what there is to do, does it, and asks again.

1. The round's plan is read, and keys of this round are made and given.
2. Shares of the secrets that the keyboard masks with go to the others, each sealed for its receiver.
3. The round's global weights are fetched and checked: their digest, sizes, vocabulary, that they are finite.
4. The keyboard measures them on its newest messages, which it holds back, trains them on the older ones, and measures again.
5. The update is checked, clipped, made into integers, masked and given. Only masked numbers leave the device.
6. Once the coordinator has added up, the shares that unmask the sum are given.

The words stay here. The coordinator learns the sum over the devices that took part and nothing else of this one, as long as it
follows the protocol and enrols no devices of its own: it is trusted to be honest, if curious (Bonawitz et al. 2017, Section 2).
"""

import secrets
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import DataError, UserFacingError
from federation.protocol import api_messages
from federation.protocol.api_messages import secure_round
from federation.protocol.binary_messages import BinaryMessage
from federation.protocol.delta_encoding import flatten
from federation.protocol.round_terms import Terms, TrainingResult
from federation.protocol.secure_aggregation import client as secure_client
from federation.protocol.secure_aggregation.messages import Delivery, Neighbourhood, Survivors
from keyboard_app.federating.client import FederationClient, RefusedError, UnreachableError
from keyboard_app.federating.membership import Joined, Membership
from keyboard_app.federating.steps import LEARNING
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning, Progress, newest, subtract
from model.device.learning.gate import held_back_from
from model.device.learning.training import check_finite, train_program
from model.device.metrics import Scores, evaluate
from model.device.weights import Provenance, Weights, digest, load_weights

# The most that a plan may ask of a device: what it would do for itself. A coordinator cannot have it train for hours.
_MOST = FineTuning(learning_rate=10.0, clipping_norm=100.0, passes=5, max_words=20_000)
_MOST_TESTED = (
    500  # words held back that weights are measured on: before and after together, half as long as training on 2,000
)
_WAIT_SECONDS = 10.0  # for each answer to "what is there to do?"


def check_model(content: bytes, plan_digest: str, model: Model) -> tuple[Weights, Provenance]:
    """Weights that a coordinator sent, if they are those that it named, and of this keyboard's sizes and vocabulary.

    Raises:
      DataError: they are damaged, not finite, others than those named, or of another model.
    """
    with tempfile.TemporaryDirectory(prefix="keyboard-") as folder:
        path = Path(folder) / "weights.safetensors"
        path.write_bytes(content)
        weights, provenance = load_weights(path, model.vocabulary.sha256)
    if digest(weights) != plan_digest:
        raise DataError("the coordinator sent other weights than it named: they are refused")
    if provenance.config != model.provenance.config:
        raise DataError("the coordinator's weights are of other sizes than this keyboard's program: they are refused")
    return weights, provenance


def learn(
    model: Model, messages: Sequence[Sequence[int]], how: FineTuning, seed: int
) -> Generator[Progress, None, TrainingResult]:
    """Trains the model's weights on all but the newest messages, and measures them on these before and after.

    Returns what there is to give.

    Raises:
      DataError: there are no words to train on.
      DivergedError: training diverged: nothing is given.
    """
    border = held_back_from([len(message) for message in messages])
    program = model.start()
    kept = newest(messages[border:], _MOST_TESTED)
    before = evaluate(program, kept) if kept else Scores()
    run = yield from train_program(program, messages[:border], how, np.random.default_rng(seed))
    if not run.words:
        raise DataError("this keyboard has recorded too few words to train on yet")
    delta = flatten(subtract(program.weights, model.weights), model.provenance.config.shapes)
    check_finite([delta])
    after = evaluate(program, kept) if kept else Scores()
    found = before.first, before.among_three, before.words, after.first, after.among_three
    return TrainingResult(delta, run.words, run.loss_sum, *found)


class _Session:
    """This keyboard in one round. What it gives in a stage is made once: masks and shares serve one message each."""

    def __init__(self, plan: api_messages.Plan, joined: Joined) -> None:
        """Reads the plan.

        Raises:
          DataError: it asks for more than a device would do for itself, or contradicts itself.
        """
        self.plan, self.terms = plan, Terms.from_json(plan.encoding)
        self.how = FineTuning(plan.learning_rate, plan.clipping_norm, plan.passes, plan.max_words)
        for name, most in vars(_MOST).items():
            if not 0 < getattr(self.how, name) <= most:
                raise DataError(
                    f"the coordinator asks for a {name} of {getattr(self.how, name)}: at most {most} is given"
                )
        self.round, self.identity = secure_round(plan), joined.key
        self.state: Any = None  # of `secure_client`
        self.made: dict[str, bytes] = {}
        self.words = 0


class Participant:
    """A keyboard that belongs to a federation. `model` is the newest global model it has; the rest is handed in."""

    def __init__(
        self,
        client: FederationClient,
        membership: Membership,
        model: Model,
        messages: Callable[[Model], Sequence[Sequence[int]]],
        adopt: Callable[[Model], None],
        idle: Callable[[], bool] = lambda: True,
    ) -> None:
        """Takes part from now on.

        Args:
          client: the line to the coordinator.
          membership: open, and joined.
          model: the global model that the keyboard has.
          messages: the person's messages, encoded for a model, oldest first.
          adopt: takes a newer global model over.
          idle: whether the device has nothing better to do; looked at before each batch.

        Raises:
          DataError: the keyboard belongs to no federation.
        """
        joined = membership.joined
        if joined is None:
            raise DataError("this keyboard belongs to no federation: join one with --join LINK")
        self.model = model
        self.step = ""  # of `round_steps.STEPS`, the one it is at or has done last; empty outside of rounds
        self.waiting = False  # for the others, to go on to the next step
        self._client, self._membership, self._joined = client, membership, joined
        self._messages, self._adopt, self._idle = messages, adopt, idle
        self._digest = digest(model.weights)
        self._session: _Session | None = None
        self._called = ""  # a round that it was selected for and that has not begun

    @property
    def busy(self) -> bool:
        """Whether this keyboard is in the middle of a round, or selected for one that is about to begin."""
        return self._session is not None or self._called != ""

    def turn(self, wait: float = _WAIT_SECONDS) -> Generator[Progress, None, str]:
        """Asks what there is to do, and does it; returns a line about it, empty where there was nothing.

        Raises:
          UnreachableError: the coordinator did not answer; the next turn goes on where this one was.
          DataError: the coordinator refuses this device.
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
                self._membership.came_of(self._joined.url, name, call.outcome or api_messages.NOT_COUNTED)
            return f"round {name} is over: what this keyboard gave is {call.outcome or api_messages.NOT_COUNTED}"
        if (
            call.task == api_messages.REST
            and call.model != self._digest
            and call.model_round > self.model.provenance.round
        ):
            self._fetch(call.model)
            return f"took over the global model of round {call.model_round}"
        if call.task in (api_messages.REST, api_messages.WAIT):
            return ""
        try:
            return (yield from self._take_part(call))
        except RefusedError as refused:
            if refused.status == api_messages.UNKNOWN_DEVICE:
                raise
            if refused.status in (api_messages.LATE, api_messages.EARLY):
                return str(refused)  # the round went on in the meantime: the next turn hears how
            return self._drop_out(call.round_name, str(refused))
        except UnreachableError:
            raise
        except (UserFacingError, RuntimeError) as error:  # LiteRT reports what fails in a program as a RuntimeError
            return self._drop_out(call.round_name, str(error))

    def _take_part(self, call: api_messages.Call) -> Generator[Progress, None, str]:
        name, stage = call.round_name, call.task
        if stage == api_messages.KEYS and self._session is None:
            self._session = _Session(self._client.plan(name), self._joined)
        self.waiting = False
        session = self._session
        if session is None or (stage != api_messages.KEYS and api_messages.KEYS not in session.made):
            raise DataError("this keyboard was started anew and has lost the round's secrets")
        if stage not in session.made:
            needed = self._client.needs(name, stage)
            session.made[stage] = yield from self._make(session, stage, needed)
        self._client.give(name, stage, session.made[stage])
        self.waiting = True
        return f"round {name}: gave {stage}, {len(session.made[stage]):,} bytes"

    def _make(self, session: _Session, stage: str, needed: bytes) -> Generator[Progress, None, bytes]:
        """What this keyboard gives in a stage; the session is a state further then."""
        message: BinaryMessage
        self.step = LEARNING if stage == api_messages.REPORTING else stage
        if stage == api_messages.KEYS:
            session.state, message = secure_client.advertise(session.round, session.identity, secrets.token_bytes)
        elif stage == api_messages.SHARES:
            neighbourhood = Neighbourhood.from_bytes(needed)
            session.state, message = secure_client.share(session.state, neighbourhood, secrets.token_bytes)
        elif stage == api_messages.REPORTING:
            delivery = Delivery.from_bytes(needed)
            learned = yield from self._learn(session)
            self.step = stage
            yield Progress(0, 1, 0, 0.0)  # masking takes a moment
            rng = np.random.default_rng(secrets.randbits(128))
            vectors = session.terms.contribution(learned, rng)
            session.state, message = secure_client.mask(session.state, delivery, vectors)
            size, plan = len(message.to_bytes()), session.plan
            clipped = bool(np.linalg.norm(learned.delta) > session.terms.clipping_norm)
            self._membership.sent(self._joined.url, plan.round_name, plan.model, learned.words, size, clipped)
            session.words = learned.words
        elif stage == api_messages.UNMASKING:
            session.state, message = secure_client.reveal(session.state, Survivors.from_bytes(needed))
        else:
            raise DataError(f"the coordinator asks for {stage!r}, which this keyboard does not know: update it")
        return message.to_bytes()

    def _learn(self, session: _Session) -> Generator[Progress, None, TrainingResult]:
        if session.plan.model != self._digest:
            self._fetch(session.plan.model)
        training = learn(self.model, self._messages(self.model), session.how, session.plan.seed)
        while True:
            if not self._idle():
                raise DataError("the device is in use again: it learns another time")
            try:
                yield next(training)
            except StopIteration as done:
                return done.value

    def _fetch(self, wanted: str) -> None:
        weights, provenance = check_model(self._client.model(wanted), wanted, self.model)
        self.model, self._digest = self.model.with_weights(weights, provenance), wanted
        self._adopt(self.model)

    def withdraw(self) -> None:
        """Leaves the round that it is in, if any, so that the others need not wait."""
        if self.busy:
            self._drop_out(self._session.plan.round_name if self._session else self._called, "")

    def _end(self) -> None:
        self._session, self._called, self.step, self.waiting = None, "", "", False

    def _drop_out(self, round_name: str, reason: str) -> str:
        self._end()
        with suppress(UserFacingError):
            self._client.withdraw(round_name)
        return f"left round {round_name}: {' '.join(reason.split())}"
