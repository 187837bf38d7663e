"""A keyboard's part in secure rounds: it asks the coordinator what to do, does it, and asks again.

1. It reads the round's plan, makes keys for this round and sends the public ones.
2. It sends shares of the secrets behind its masks to the other devices, each encrypted for its receiver.
3. It fetches the round's global weights and checks their digest, sizes and vocabulary, and that they are finite.
4. It measures the weights on its newest messages, which are held out, trains them on the older ones, and measures again. The order
   of training is its own draw, and not only the plan's seed.
5. It checks the update, clips it, encodes it as integers, masks them and sends them. Only masked numbers leave the device. Before
   they do, it records the update and the model that it starts from (`keyboard_app.federating.model_history`).
6. Once the coordinator has added up the masked integers of all devices, the keyboard signs which devices are in the sum.
7. Once enough other devices have signed the same, it sends the shares that unmask the sum.

A round of a word discovery has no steps 3 and 4, and in step 5 the keyboard encodes and masks words
(`keyboard_app.federating.word_offers`).

A keyboard that has lost its place in a round asks later what became of its update. One whose model has another vocabulary than the
federation's fetches the whole model first, outside of rounds (`keyboard_app.federating.received_models`).

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
from federation.protocol.api_messages import Plan, secure_round
from federation.protocol.device_round import DeviceRound
from federation.protocol.discovery.round_plans import RoundPlan, WordPlan
from federation.protocol.round_terms import TrainingResult
from keyboard_app.federating.client import FederationClient, RefusedError, UnreachableError
from keyboard_app.federating.membership import Joined, Membership
from keyboard_app.federating.model_history import NotAllowedError, Question
from keyboard_app.federating.received_models import check_weights_of, fetch_model
from keyboard_app.federating.round_training import check_plan, has_enough, learn
from keyboard_app.federating.steps import DONE, DONE_WITH_WORDS, LEARNING
from keyboard_app.federating.word_offers import WordSource, check_word_plan, offered_words, word_vectors
from keyboard_app.learning.background import reason
from keyboard_app.learning.word_count import count_words
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning, Progress, newest
from model.device.learning.gate import held_back_from
from model.device.programs import NoProgramError
from model.device.weights import digest

_OUTCOMES = {
    api_messages.COUNTED: "what this keyboard {did} is counted",
    api_messages.NOT_COUNTED: "what this keyboard {did} is not counted",
    api_messages.UNKNOWN: "the coordinator does not know whether what this keyboard {did} is counted",
}
_TOO_LITTLE = "this keyboard has too few words to take part in a round yet: it takes part once you have written more"
# The errors of a failed step of a round: LiteRT raises a RuntimeError, a full disk an OSError; libraries raise one of the others
# at numbers that no check foresaw. The round is lost, and the keyboard goes on.
_FAILURES = (UserFacingError, RuntimeError, OSError, ValueError, ArithmeticError, MemoryError)
_WAIT_SECONDS = 10.0  # for the answer to a check-in
_NO_MEMBER = (api_messages.UNKNOWN_DEVICE, api_messages.REMOVED)  # refusals of a device that is not a member any more


def ask_for_outcomes(client: FederationClient, membership: Membership, url: str) -> None:
    """Asks the coordinator for the outcomes of updates that are not known yet, and records the answers.

    Raises:
      UnreachableError: the coordinator did not answer.
      RefusedError: this keyboard is not a member of the federation any more, so the coordinator tells it no outcome.
    """
    for name in membership.unresolved():
        try:
            outcome = client.outcome(name)
        except RefusedError as refused:
            if refused.status in _NO_MEMBER:
                raise
            continue  # an older coordinator, which does not have this call
        if outcome in api_messages.OUTCOMES:
            membership.record_outcome(url, name, outcome)


class _Session:
    """The state of this keyboard in one round: the plan, and its part in the protocol."""

    def __init__(self, plan: RoundPlan, joined: Joined) -> None:
        """Begins the round of a plan that `check_plan` or `check_word_plan` accepts."""
        self.plan = plan
        self.part = DeviceRound(secure_round(plan), joined.key)
        self.sent = False  # whether its masked numbers were made


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
        draw: Callable[[int], int] = secrets.randbits,
        enough: bool = False,
        words: WordSource | None = None,
    ) -> None:
        """Prepares to take part; each call of `turn` does a part of the work.

        Args:
          client: the connection to the coordinator.
          membership: open, with a federation joined.
          model: the global model that the keyboard has.
          messages: the person's messages, encoded for a model, oldest first.
          adopt: installs a newer global model.
          idle: returns whether the device is not in use; called before each training batch.
          draw: takes a number and returns as many unpredictable bits, for all that is random in an update; only tests replace
            the default.
          enough: whether it is known that the messages are enough to train on, so that they need not be counted.
          words: the person's words, for word discoveries; None to take part in none.

        Raises:
          DataError: the keyboard belongs to no federation.
        """
        joined = membership.joined
        if joined is None:
            raise DataError("this keyboard belongs to no federation: join one with --join LINK")
        self.model = model
        self.step = ""  # of `steps.STEPS`, the one in progress or done last; empty outside of rounds
        self.waiting = False  # whether it waits for other devices before the next step
        self.question: Question | None = None  # to the person, about the newest model, before it takes part again
        self._client, self._membership, self._joined = client, membership, joined
        self._messages, self._adopt, self._idle, self._draw = messages, adopt, idle, draw
        self._history = membership.history()
        self._words = words or WordSource()
        self._digest = digest(model.weights)
        self._session: _Session | None = None
        self.enough = enough  # whether the messages are enough to train on
        self.note = ""  # why this keyboard is not in a round, if that is its own fault or the coordinator's wish
        self.pause = 0.0  # seconds after which the coordinator wants to be asked again; 0: at this keyboard's own pace
        self.outdated = False  # whether it stays out of rounds because its app has no program for the newest model
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
        if session is None:
            if not self._idle():
                self.withdraw()
                return ""
            self._ask_for_outcomes()
            if self._kept_out():
                self.withdraw()
                return ""
        name = session.plan.round_name if session else ""
        ready = session is not None or self._has_enough()
        try:
            shares = session is not None or self._words.shares()
            call = self._client.check_in(self.model.vocabulary.sha256, name, wait, ready, shares)
        except RefusedError as refused:
            if refused.status != api_messages.OTHER_VOCABULARY:
                raise
            self._end()
            return self._change_vocabulary()
        self.outdated, self.pause = False, call.pause
        self.note = "" if ready else _TOO_LITTLE
        if session is None:
            self._called = call.round_name if call.task == api_messages.WAIT else ""
            self.step = api_messages.WAIT if self._called else ""
        self.waiting = self.busy
        if session is not None and call.round_name != name:
            self._end()
            if not session.sent:
                return "the round ended before this keyboard had sent anything"
            if call.outcome not in api_messages.OUTCOMES:  # `_ask_for_outcomes` will ask for it
                return "the round continues without this keyboard"
            self._membership.record_outcome(self._joined.url, name, call.outcome)
            did = "learned" if isinstance(session.plan, Plan) else "offered"
            return f"the round is over: {_OUTCOMES[call.outcome].format(did=did)}"
        if (
            call.task == api_messages.REST
            and call.model != self._digest
            and call.model_round > self.model.provenance.round
        ):
            return self._install(call.model)
        if call.task in (api_messages.REST, api_messages.WAIT):
            return ""
        try:
            return (yield from self._take_part(call))
        except RefusedError as refused:
            if refused.status in _NO_MEMBER:
                raise
            if refused.status in (api_messages.LATE, api_messages.EARLY):
                return str(refused)  # the round has moved to another stage; the next turn asks for it
            return self._drop_out(call.round_name, str(refused))
        except UnreachableError:
            raise
        except NotAllowedError as error:
            self.question = error.question
            return self._drop_out(call.round_name, str(error))
        except _FAILURES as error:
            return self._drop_out(call.round_name, reason(error))

    def _ask_for_outcomes(self) -> None:
        """Asks for the outcomes of updates of rounds that this keyboard left before they ended.

        Raises:
          UnreachableError: the coordinator did not answer.
          RefusedError: this keyboard is not a member any more. The outcomes are then recorded as unknown.
        """
        try:
            ask_for_outcomes(self._client, self._membership, self._joined.url)
        except RefusedError:
            for name in self._membership.unresolved():
                self._membership.record_outcome(self._joined.url, name, api_messages.UNKNOWN)
            raise

    def _kept_out(self) -> bool:
        """Returns whether this keyboard stays out of rounds until the person says yes to the newest model; sets `question`."""
        asked = {question.model: question for question in self._history.questions()}
        self.question = asked.get(self._client.newest_model()) if asked else None
        return self.question is not None

    def _change_vocabulary(self) -> str:
        """Fetches the newest model, whose vocabulary is not that of this keyboard's model.

        Raises:
          UnreachableError: the model has changed meanwhile.
          DataError: the model is not valid.
        """
        newest = self._client.federation()
        if newest.vocabulary_sha256 != self.model.vocabulary.sha256:
            try:
                return self._install(newest.model, another_vocabulary=True)
            except NoProgramError as error:
                self.outdated, self.note = True, f"this keyboard does not take part in rounds for now: {error}"
                return ""
            except RefusedError as refused:
                if refused.status != api_messages.NOT_FOUND:
                    raise
        raise UnreachableError("the federation's model is just changing: try again later")

    def _install(self, wanted: str, another_vocabulary: bool = False) -> str:
        try:
            self._fetch(wanted, another_vocabulary)
        except NotAllowedError as error:
            self.question = error.question
            return str(error)
        return "received a newer shared model"

    def _has_enough(self) -> bool:
        """Returns whether the messages are enough to train on; does not count them again once they are."""
        self.enough = self.enough or has_enough([len(message) for message in self._messages(self.model)])
        return self.enough

    def _take_part(self, call: api_messages.Call) -> Generator[Progress, None, str]:
        name, stage = call.round_name, call.task
        if stage == api_messages.KEYS and self._session is None:
            plan = self._client.plan(name)
            if isinstance(plan, Plan):
                check_plan(plan, name, self.model)
                own = plan.model == self._digest
                self._history.check(plan.model, self.model.provenance.round if own else call.model_round)
            else:
                check_word_plan(plan, name, self.model)
            self._session = _Session(plan, self._joined)
        self.waiting = False
        session = self._session
        if session is None or (stage != api_messages.KEYS and not session.part.has(api_messages.KEYS)):
            raise DataError("it was closed during the round, and takes part in the next one")
        message = yield from self._message(session, stage)
        self._client.give(name, stage, message)
        self.waiting = True
        if not isinstance(session.plan, Plan) and stage in DONE_WITH_WORDS:
            return DONE_WITH_WORDS[stage]
        return DONE.get(stage, f"did its part of the step {stage}")

    def _message(self, session: _Session, stage: str) -> Generator[Progress, None, bytes]:
        """Returns this keyboard's message of a stage. A repeated call returns the same bytes."""
        part, plan = session.part, session.plan
        needed = b"" if part.has(stage) else self._client.needs(plan.round_name, stage)
        if part.has(stage) or stage != api_messages.REPORTING:
            self.step = stage
            message = part.message(stage, needed, tuple)
            if stage == api_messages.UNMASKING and not isinstance(plan, Plan):
                self._membership.gives_shares(self._joined.url, plan.round_name)
            return message
        self.step = LEARNING if isinstance(plan, Plan) else stage
        part.check(stage, needed)
        if isinstance(plan, Plan):
            message = yield from self._learned(part, plan, needed)
        else:
            message = self._offered(part, plan, needed)
        session.sent = True
        return message

    def _learned(self, part: DeviceRound, plan: Plan, needed: bytes) -> Generator[Progress, None, bytes]:
        """Returns the masked update of a round, once it is recorded."""
        learned, counted = yield from self._learn(plan)
        self.step = api_messages.REPORTING
        yield Progress(0, 1, 0, 0.0)  # shows the new step: masking takes a moment
        terms = plan.terms
        vectors = terms.contribution(learned, np.random.default_rng(self._draw(128)))
        message = part.message(api_messages.REPORTING, needed, lambda: vectors)
        clipped = bool(np.linalg.norm(learned.delta) > terms.clipping_norm)
        self._membership.sent(self._joined.url, plan.round_name, plan.model, counted, len(message), clipped)
        return message

    def _offered(self, part: DeviceRound, plan: WordPlan, needed: bytes) -> bytes:
        """Returns the masked words of a round of a word discovery, once they are recorded."""
        url, record = self._joined.url, self._membership.word_record()
        offered = offered_words(plan, self._words, record, url, self.model, self._draw)
        message = part.message(api_messages.REPORTING, needed, lambda: word_vectors(plan, offered.words))
        count = len(offered.words)
        self._membership.sent(url, plan.round_name, plan.model, count, len(message), clipped=False, offered=offered)
        return message

    def _learn(self, plan: Plan) -> Generator[Progress, None, tuple[TrainingResult, int]]:
        """Trains; returns the result, and the words trained on without punctuation and ends of messages, for the person."""
        if plan.model != self._digest:
            self._fetch(plan.model)
        self._history.accept(self._digest, self.model.provenance.round)
        # A coordinator can repeat the plan's seed, so nothing that is random here may depend on it alone.
        seed, repeated = (plan.seed, self._draw(128)), self._history.updates(self._digest) > 0
        how = FineTuning(
            *(plan.learning_rate, plan.clipping_norm, plan.passes, plan.max_words, plan.trainable, plan.softmax)
        )
        messages = self._messages(self.model)
        learned_from = newest(messages[: held_back_from([len(message) for message in messages])], how.max_words)
        counted = count_words(learned_from, self.model.vocabulary)
        training = learn(self.model, messages, how, seed, repeated)
        while True:
            if not self._idle():
                raise DataError("you are typing, and this keyboard takes part in a later round")
            try:
                progress = next(training)
            except StopIteration as end:
                learned: TrainingResult = end.value
                return learned, counted
            yield progress

    def _fetch(self, wanted: str, another_vocabulary: bool = False) -> None:
        """Fetches a model and adopts it; in a round, and unless it is asked for, only one of the same vocabulary and sizes."""
        if another_vocabulary:
            model = fetch_model(self._client, wanted, self.model)
        else:
            own = self.model.provenance
            content = self._client.model(wanted)
            model = self.model.with_weights(*check_weights_of(content, wanted, own.vocabulary_sha256, own.config))
        self._history.accept(wanted, model.provenance.round)
        self._adopt(model)  # first, so that a model that cannot be saved is fetched again
        self.model, self._digest = model, wanted

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
        return f"left the round{': ' if reason else ''}{' '.join(reason.split())}"
