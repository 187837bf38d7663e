"""The rounds of a federation: when a round opens, how it ends, and when its model becomes the newest (`global_models`).

1. A scheduled round opens once the learner has prepared it. It is a row in the store.
2. Devices check in and send their messages (`enrolled_devices`, `round_machine`). Masked updates are summed on arrival, not kept.
3. Once there are enough shares to unmask the sum, the store records which devices are in it; then it is unmasked and stored.
4. The learner makes the next model and its own next state from the sum, in folders named after the round.
5. One transaction commits the round; only then is that model the newest.

If the coordinator is killed before step 3, only the round's row remains, as aborted. Once the sum is stored, a restarted
coordinator continues at step 4. Folders of rounds that were not committed are removed. A sum that could be unmasked but made no
model still counts as spent privacy, and its devices as having taken part. Time and cryptography are passed in; for one thread.

Between two rounds, another model can take the place of the newest one, even one with another vocabulary (`take_over`). The rounds
of a word discovery (`federation.coordinator.words`) come before those that are scheduled; in place of step 4, their sum is read.
"""

import math
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from data.errors import DataError
from federation.coordinator.conduct.conduct import FALSE_SHARES
from federation.coordinator.conduct.failures import Failures
from federation.coordinator.global_models import GlobalModels
from federation.coordinator.learner.messages import ModelUpdate, NextRound
from federation.coordinator.learner.round_report import RoundReport, recall_change
from federation.coordinator.model_folders import ModelFolders
from federation.coordinator.round_machine import Round, Rules, Stage, Summation
from federation.coordinator.rounds_in_view import CoordinatorSettings, OpenRound, RoundsInView
from federation.coordinator.store import CoordinatorStore, SummedRound
from federation.coordinator.words.discoveries import Discoveries
from federation.coordinator.words.discovery_store import Discovery, DiscoveryTerms
from federation.coordinator.words.word_sums import check_terms
from federation.protocol.api_messages import Plan, PlanOfRound
from federation.protocol.discovery.round_plans import RoundPlan
from federation.protocol.round_terms import Terms
from model.device.folder import Model
from model.device.weights import digest

_RECHECK_SECONDS = 1.0  # between two looks at whether enough devices may take part

__all__ = ["STOPPED", "CoordinatorSettings", "OpenRound", "Rounds"]

STOPPED = "stopped by the operator"  # reason of a round that did not fail


class Rounds(RoundsInView):
    """One round at a time, and the model that they improve. `changed` grows whenever waiting devices should check in again."""

    def __init__(
        self,
        store: CoordinatorStore,
        folders: ModelFolders,
        shipped: Path,
        settings: CoordinatorSettings,
        secure_sum: Callable[[PlanOfRound, Rules], Summation],
        now: float,
    ) -> None:
        """Continues the rounds of an earlier coordinator.

        Args:
          store: records of rounds and devices.
          folders: models and the learner's states.
          shipped: the model folder to start from if there is no model yet.
          settings: how rounds are run.
          secure_sum: returns the server's side of secure aggregation for a round's plan and rules.
          now: seconds since 1970.

        Raises:
          DataError: a model is damaged.
          StoreError: the store cannot be read or written.
        """
        super().__init__(store, folders)
        self.settings = settings
        self.changing = False  # whether settings are about to change, so that no round may open
        self.taking_over = False  # likewise, whether another model is about to be taken over
        self._secure_sum = secure_sum
        self._models = GlobalModels(store, folders)
        self.failures, self.discoveries = Failures(store, settings.backoff_seconds), Discoveries(store)
        self.conduct = self.failures.conduct
        self._recheck = now
        self._idle = -1  # number of changes of the store at which no round was to open
        self._continue(now)
        newest = store.newest_committed()
        self.model = folders.newest_model(newest, shipped)
        self.model_digest = digest(self.model.weights)
        self.next_round = NextRound.load(folders.state_folder(newest))
        self._drop_outdated_next_round()

    def _continue(self, now: float) -> None:
        """Goes on from what an earlier coordinator left: a round that was under way is lost with the memory of its process."""
        self._abort_open_rounds(now)

    def _abort_open_rounds(self, now: float, but: int | None = None) -> None:
        """Ends the rounds that an earlier coordinator left open, except one that goes on."""
        if self._store.abort_open_rounds("the coordinator was restarted", now, but):
            again = "the round is repeated" if self._store.schedule()[0] else "no more rounds are scheduled"
            said = f"the coordinator ended in the middle of a round, and nothing of it is kept: {again}"
            self._store.events.add_error(said, now)

    @property
    def first_folder(self) -> Path:
        """Folder of the model that the rounds build on: the first of the federation, or the one taken over last."""
        return self._models.first_folder

    def take_over(self, model: Model, now: float) -> None:
        """Makes another model the newest global one; later rounds build on it, and the learner has to begin anew with it.

        Raises:
          DataError: a round is under way, or its model is being made.
        """
        if self.open_round is not None or self._store.summed() is not None:
            raise DataError("a round is not over yet: another model can be taken over between two rounds")
        taken = self._models.take_over(model, self.model, self.settings.privacy, now)
        old = f"{self.model_digest[:12]}… of {len(self.model.vocabulary):,} words"
        self.model, self.model_digest, self.next_round = taken, digest(taken.weights), None
        self.changed += 1
        self._store.events.add(
            f"the model {self.model_digest[:12]}… of {len(taken.vocabulary):,} words has taken the place of the model {old}: "
            "devices fetch it before they take part again, and the server optimizer begins anew",
            now,
        )

    def schedule(self, rounds: int) -> None:
        """Schedules this number of rounds from now on, in place of those scheduled before."""
        self._restart()
        self._store.set_schedule(rounds, paused=False)

    def pause(self, paused: bool) -> None:
        """Pauses or resumes: while paused no new round opens, and the one under way continues."""
        if not paused:
            self._restart()
        self._store.set_schedule(self._store.schedule()[0], paused)

    def _restart(self) -> None:
        """Ends the wait after failed rounds, and looks at once whether enough devices may take part."""
        self.failures.restart()
        self._recheck = -math.inf

    def start_now(self, now: float) -> int:
        """Lets the round begin as soon as the minimum is there, and opens one if none is open.

        Returns how many devices are missing for the minimum.

        Raises:
          DataError: the round has begun already, or no round can open yet.
        """
        if self.open_round is None:
            if self._store.summed() is not None:
                raise DataError("the model of the last round is being made: try again in a few seconds")
            if self.next_round is None or self.changing or self.taking_over:
                raise DataError("TensorFlow Federated is starting: try again in a minute")
            if self.next_round.terms is None:
                raise DataError(f"no round can begin: {self.next_round.exhausted}")
            self.schedule(max(self._store.schedule()[0], 1))
            self.tick(now)
        if self.open_round is None:
            raise DataError(self.failures.obstacle or "no round could be opened: try again in a few seconds")
        with self.noticing(self.open_round.machine) as current:
            missing = current.hurry(now)
        self._close_if_aborted(now)
        return missing

    def discover_words(self, terms: DiscoveryTerms, now: float) -> Discovery:
        """Starts a word discovery (`Discoveries.start`); its rounds come before those that are scheduled.

        Raises:
          DataError: another one is going on, rounds are paused, the federation promises differential privacy, or k is above the
            target of devices in a sum.
        """
        if self.settings.privacy.private:
            raise DataError(
                "this federation promises differential privacy, which a word discovery over its devices does not have"
            )
        if self._store.schedule()[1]:
            raise DataError("rounds are paused: resume them first")
        check_terms(terms.k, self.settings.rules.target)
        started = self.discoveries.start(self.model.vocabulary.sha256, terms, now)
        self._restart()
        self.tick(now)
        return started

    def read_counts(self, summed: SummedRound, now: float) -> None:
        """Reads the sum of the first round of a word discovery.

        Raises:
          ImplausibleSumError: honest devices cannot have this sum.
          DataError: the sum is not one of a first round.
        """
        self.discoveries.read_counts(summed.number, summed.total, now)
        self._close(summed.number, now)

    def keep_words(self, number: int, decoded: Mapping[str, int], now: float) -> None:
        """Keeps the words that the learner decoded from the sum of the second round of a word discovery.

        Raises:
          DataError: the sum is not one of a second round.
        """
        self.discoveries.keep_words(number, decoded, self.model.vocabulary.words, now)
        self._close(number, now)

    def _close(self, number: int, now: float) -> None:
        """Closes a round whose sum has become a model or words."""
        if self.current is not None and self.current.stage == Stage.COMMIT:
            self.current.committed()
            self.failures.convict_culprits(self.current, now)
            self.open_round = None
        self.failures.succeeded(self._store.counted(number), now)
        self.changed += 1

    def forget_next(self) -> None:
        """Forgets the round that the learner has prepared, also on the disk, so that it is prepared again."""
        self.next_round = None
        NextRound.remove(self.folders.state_folder(self._store.newest_committed()))

    def stop(self, now: float, finish: bool = False) -> None:
        """Schedules no more rounds; with `finish` the one under way continues, otherwise it ends, unless it has its sum.

        A round that is ended in this way did not fail: nothing of it is kept or counted, and no later round waits because of it.
        """
        self._store.set_schedule(0, paused=False)
        self.discoveries.stop(now)
        opened = self.open_round
        if opened is None:
            self._store.events.add("no more rounds are scheduled: stopped", now)
        elif finish or opened.machine.stage == Stage.COMMIT:
            self._store.events.add(f"round {opened.number} is the last one for now: it is finished first", now)
        else:
            self._interrupt(opened, STOPPED, now)

    def suspend(self, now: float) -> None:
        """Ends the round that is under way, unless it has its sum, because the coordinator ends; the next start repeats it."""
        if self.open_round is not None and self.open_round.machine.stage != Stage.COMMIT:
            self._interrupt(self.open_round, "ended with the coordinator", now)

    def _interrupt(self, opened: OpenRound, reason: str, now: float) -> None:
        """Ends a round that did not fail."""
        with self.noticing(opened.machine) as current:
            current.abort(reason)
        self.open_round = None
        self._store.abort_round(opened.number, reason, len(opened.machine.cohort), now)
        again = "it is repeated at the next start" if self._store.schedule()[0] else "no more rounds are scheduled"
        self._store.events.add(
            f"round {opened.number} was {reason}: nothing of it is kept or counted, and {again}", now
        )
        self._drop_outdated_next_round()

    def tick(self, now: float) -> None:
        """Ends stages whose time is over, closes a round that was aborted, and opens the next scheduled one."""
        if self.current is not None:
            with self.noticing(self.current) as current:
                current.tick(now)
            self.failures.convict_culprits(current, now)
            self._close_if_aborted(now)
        # Nobody but this process changes what follows, so that thousands of check-ins need not read it again.
        if self.open_round is not None or self._idle == self._store.database.changes:
            return
        scheduled, paused = self._store.schedule()
        if self.changing or self.taking_over:
            return
        if paused or self._store.summed() is not None:
            self._idle = self._store.database.changes
            return
        discovery = self.discoveries.next_discovery(self.model.vocabulary.sha256, now)
        if discovery is not None:
            if self._may_begin(now):
                self._open_of_words(discovery, now)
            return
        if not scheduled:
            self._idle = self._store.database.changes
        if not scheduled or self.next_round is None:
            return
        if self.next_round.terms is None:
            self.pause(True)
            self._store.events.add_error(f"paused: {self.next_round.exhausted}", now)
        elif self._may_begin(now):
            self._open(self.next_round.terms, now)

    def prepared(self, next_round: NextRound) -> None:
        """Stores the next round as the learner has prepared it."""
        self.next_round = next_round
        next_round.save(self.folders.state_folder(self._store.newest_committed()))

    def begin_unmasking(self) -> OpenRound | None:
        """Returns the round whose sum is ready to be unmasked, which may take seconds; then call `keep_sum` or `fail`.

        From here on its devices have taken part and the privacy is spent, whatever happens next.

        Raises:
          DataError, StoreError: the store refuses to record who is in the sum.
        """
        opened = self.open_round
        if opened is None or opened.machine.stage != Stage.COMMIT:
            return None
        if not opened.unmasking:
            self._store.begin_unmasking(opened.number, len(opened.machine.cohort), opened.machine.counted)
            opened.unmasking = True
        return opened

    def keep_sum(self, number: int, total: bytes) -> None:
        """Stores the unmasked sum of a round: a restarted coordinator continues from here.

        Raises:
          DataError: the round is not open in the store.
        """
        self._store.keep_sum(number, total)

    def fail(self, reason: str, now: float, culprits: Collection[str] = (), spoiled: bool = False) -> None:
        """Aborts the round whose sum cannot be unmasked or made into a model.

        Args:
          reason: why, for people.
          now: seconds since 1970.
          culprits: the devices that announced other secrets than they shared.
          spoiled: whether honest devices cannot have this sum.
        """
        summed = self._store.summed()
        devices = self._store.counted(summed.number) if spoiled and summed is not None else ()
        if self.current is not None:
            with self.noticing(self.current) as current:
                current.culprits |= dict.fromkeys(culprits, FALSE_SHARES)
                current.abort(reason)
            self._close_if_aborted(now, devices)
        elif summed is not None:  # summed before the coordinator was restarted
            self._store.abort_round(summed.number, reason, len(self._store.counted(summed.number)), now)
            self._after_abort(summed.number, reason, None, devices, now)

    def summed(self) -> SummedRound | None:
        """Returns the round whose sum is to become a model; then call `commit` or `fail`."""
        return self._store.summed()

    def commit(self, number: int, update: ModelUpdate, now: float) -> None:
        """Makes the weights that the learner left in the round's `state_folder` the newest global model.

        Raises:
          DataError: the round's sum is gone, or the weights do not fit the model; nothing was changed.
        """
        made = self._models.commit(number, self.model, update, now)
        self.model, self.model_digest, self.next_round = made, digest(made.weights), update.next_round
        self._close(number, now)
        self._store.events.add(_ended(number, update.report, self._store.schedule()[0]), now)
        self._models.remove_old(number)

    def _open(self, terms: Terms, now: float) -> None:
        name = secrets.token_hex(8)
        number = self._store.start_round(name, self.model_digest, now)
        training, rules = self.settings.training, self.settings.rules
        plan = Plan(
            name,
            self.model_digest,
            self.model.vocabulary.sha256,
            training.learning_rate,
            training.clipping_norm,
            training.passes,
            training.max_words,
            number,
            terms,
            training.trainable,
            training.softmax,
        )
        self._begin(number, plan, rules, "", now)

    def _open_of_words(self, discovery: Discovery, now: float) -> None:
        """Opens a round of a word discovery: over fewer than k devices it could find nothing."""
        name, rules = secrets.token_hex(8), self.settings.rules
        plan = self.discoveries.plan(discovery, name, self.model_digest, rules.target)
        number = self._store.start_round(name, self.model_digest, now)
        self.discoveries.opened(number, discovery, plan)
        rules = replace(rules, minimum=max(rules.minimum, discovery.terms.k))
        group = self.discoveries.devices(discovery)
        self._begin(number, plan, rules, f", of a word discovery ({discovery.state}),", now, group)

    def _begin(
        self, number: int, plan: RoundPlan, rules: Rules, what: str, now: float, group: frozenset[str] | None = None
    ) -> None:
        self.open_round = OpenRound(number, plan, self._machine(number, plan, rules, now, group))
        self.changed += 1
        self._store.events.add(
            f"round {number}{what} is open: it needs at least {rules.minimum} devices, and selects at most {rules.selected}",
            now,
        )

    def _machine(self, number: int, plan: RoundPlan, rules: Rules, now: float, group: frozenset[str] | None) -> Round:
        del number
        machine = Round(plan.round_name, rules, self._secure_sum(plan, rules), now)
        machine.group = group
        return machine

    def _may_begin(self, now: float) -> bool:
        if now < self._recheck and self.failures.obstacle:
            return False
        self._recheck = now + _RECHECK_SECONDS
        return self.failures.may_begin(self.settings.rules.minimum, now)

    def _close_if_aborted(self, now: float, spoiled: Collection[str] = ()) -> None:
        opened = self.open_round
        if opened is None or opened.machine.stage != Stage.ABORTED:
            return
        self._store.abort_round(opened.number, opened.machine.reason, len(opened.machine.cohort), now)
        self.open_round = None
        self._after_abort(opened.number, opened.machine.reason, opened.machine, spoiled, now)

    def _after_abort(
        self, number: int, reason: str, machine: Round | None, spoiled: Collection[str], now: float
    ) -> None:
        self._drop_outdated_next_round()
        if self.failures.failed(number, reason, machine, spoiled, self.settings.rules.minimum, now):
            self.pause(True)

    def _drop_outdated_next_round(self) -> None:
        """Drops the prepared round if its privacy accounting lacks an unmasked sum, so that the learner prepares it again."""
        if self.next_round is not None and self.next_round.unmasked != self._store.newest_unmasked():
            self.next_round = None


def _ended(number: int, report: RoundReport, scheduled: int) -> str:
    """Returns one line about a round that made a model."""
    words = "" if report.words is None else f" and {report.words:,} words"
    change = recall_change(report.top1, report.top1_after)
    recall = f"; recall at 1 on words held back, before and after training on the device: {change}" if change else ""
    devices = report.devices or 0
    more = f"{scheduled:,} more round{'s' * (scheduled != 1)} scheduled"
    return f"round {number} made a new model from {devices} device{'s' * (devices != 1)}{words}{recall}; {more}"
