"""The coordinator's work beside its API: its clock, and the learner that makes models from sums."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TypeVar

from data.errors import DataError, UserFacingError
from federation.aggregation.sum_check import ImplausibleSumError
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.learner.client import LearnerClient
from federation.coordinator.learner.json_process import LearnerDiedError
from federation.coordinator.learner.messages import DecodeRequest, PrepareRequest, UpdateRequest, temporary_folder
from federation.coordinator.round_machine import Stage
from federation.coordinator.settings_in_force import SettingsInForce
from federation.coordinator.steady_clock import steady_time
from federation.coordinator.storage.lease import LeaseLostError
from federation.coordinator.store import SummedRound
from federation.coordinator.takeover import TakeOver
from federation.protocol.discovery.round_plans import COUNT
from federation.protocol.secure_aggregation.states import RoundAbortedError
from federation.temporary_files import make_empty

_TICK_SECONDS = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
_ATTEMPTS = 3  # number of times in a row that the learner may die on a request

_Answer = TypeVar("_Answer")
_log = logging.getLogger("federation")


class RoundDriver:
    """The work beside the requests: it ends stages in time, unmasks sums, and has the learner make models."""

    def __init__(
        self,
        coordinator: Coordinator,
        folder: Path,
        wake: Callable[[], None],
        settings: SettingsInForce | None = None,
        take_over: TakeOver | None = None,
    ) -> None:
        """Drives a coordinator in `folder`; calls `wake` whenever waiting devices may have a task.

        With `settings`, puts a change of them in force between two rounds; with `take_over`, takes over its model then.
        """
        self._coordinator, self._wake, self._settings = coordinator, wake, settings
        self._folder, self._take_over = folder, take_over
        self._temporary = temporary_folder(folder)
        make_empty(self._temporary)  # a coordinator that was killed may have left a sum there
        self._learner = self._new_learner()
        self._pause = _FIRST_PAUSE  # seconds until a failed step is tried again
        self._died = 0  # number of deaths of the learner in a row

    async def run(self, stopped: asyncio.Event) -> None:
        """Works until it is stopped. Raises a LeaseLostError if another process of a cluster drives the rounds by now."""
        leads = True
        try:
            while not stopped.is_set():
                try:
                    await self.step()
                except LeaseLostError:
                    leads = False
                    raise
                except (UserFacingError, OSError) as error:
                    self._report(" ".join(str(error).split()) or type(error).__name__)
                    await asyncio.sleep(self._pause)
                    self._pause = min(2 * self._pause, _LONGEST_PAUSE)
                else:
                    self._pause = _FIRST_PAUSE
                self._wake()
                await asyncio.sleep(_TICK_SECONDS)
        finally:
            await self._learner.close()
            if leads:  # otherwise the files there are those of the other process
                make_empty(self._temporary)

    async def step(self) -> None:
        """Does the work that is due now.

        Raises:
          UserFacingError, OSError: the store, the disk or the learner fails; the next step tries again.
        """
        if self._settings is not None and self._settings.apply():
            await self._learner.close()  # it reads the settings when it starts
        if self._take_over is not None and self._take_over.apply(steady_time()):
            await self._learner.close()
            self._learner = self._new_learner()
        self._coordinator.tick(steady_time())
        rounds = self._coordinator.rounds
        if rounds.current is not None and rounds.current.stage not in (Stage.SELECTION, Stage.KEYS):
            await self._learner.start()  # TensorFlow loads while devices train
        if (summed := rounds.summed()) is not None:
            await (self._read_words(summed) if summed.kind else self._make_model(summed))
        elif (unmasked := rounds.begin_unmasking()) is not None:
            try:
                total = await asyncio.to_thread(unmasked.machine.secure.unmask)
            except RoundAbortedError as error:
                rounds.fail(str(error), steady_time(), culprits=[device.hex() for device in error.culprits])
            except UserFacingError as error:
                rounds.fail(str(error), steady_time())
            else:
                rounds.keep_sum(unmasked.number, total)
        elif rounds.next_round is None:
            request = PrepareRequest(str(self._newest_state()), self._coordinator.store.newest_unmasked())
            next_round = await self._unless_it_dies(self._learner.prepare(request))
            if next_round is not None:
                rounds.prepared(next_round)

    def _new_learner(self) -> LearnerClient:
        before = self._coordinator.store.newest_takeover()[1]
        return LearnerClient(self._folder, self._coordinator.rounds.first_folder, before)

    async def _make_model(self, summed: SummedRound) -> None:
        rounds, store = self._coordinator.rounds, self._coordinator.store
        with NamedTemporaryFile(prefix="sum-", dir=self._temporary) as file:
            file.write(summed.total)
            file.flush()
            request = UpdateRequest(
                str(self._newest_state()),
                file.name,
                len(store.counted(summed.number)),
                str(rounds.folders.state_folder(summed.number)),
                store.newest_unmasked(),
            )
            try:
                update = await self._unless_it_dies(self._learner.update(request))
                if update is not None:
                    rounds.commit(summed.number, update, steady_time())
            except UserFacingError as error:
                spoiled = isinstance(error, ImplausibleSumError)
                rounds.fail(f"no model could be made from the sum: {error}", steady_time(), spoiled=spoiled)

    async def _read_words(self, summed: SummedRound) -> None:
        """Reads the sum of a round of a word discovery."""
        rounds = self._coordinator.rounds
        try:
            if summed.kind == COUNT:
                rounds.read_counts(summed, steady_time())
                return
            decoded = await self._decoded(summed)
            if decoded is not None:
                rounds.keep_words(summed.number, decoded, steady_time())
        except UserFacingError as error:
            spoiled = isinstance(error, ImplausibleSumError)
            rounds.fail(f"no words could be read from the sum: {error}", steady_time(), spoiled=spoiled)

    async def _decoded(self, summed: SummedRound) -> dict[str, int] | None:
        """Returns the words in a sum of tables with their counts; None if the learner died and is to be asked again."""
        discoveries = self._coordinator.rounds.discoveries
        discoveries.table(summed.number, summed.total)
        with NamedTemporaryFile(prefix="sum-", dir=self._temporary) as file:
            file.write(summed.total)
            file.flush()
            request = DecodeRequest(file.name, discoveries.plan_of(summed.number).to_json())
            decoded = await self._unless_it_dies(self._learner.decode(request))
        return None if decoded is None else decoded.words

    def _newest_state(self) -> Path:
        return self._coordinator.rounds.folders.state_folder(self._coordinator.store.newest_committed())

    async def _unless_it_dies(self, answer: Awaitable[_Answer]) -> _Answer | None:
        """Returns the learner's answer; None if it died and the request should be repeated.

        Raises:
          DataError: the learner refused the request, or died several times in a row.
        """
        try:
            answered = await answer
        except LearnerDiedError as error:
            self._died += 1
            if self._died >= _ATTEMPTS:
                raise DataError(f"{error}, {self._died} times in a row") from error
            self._report(f"{error}: it is restarted")
            return None
        self._died = 0
        return answered

    def _report(self, error: str) -> None:
        try:
            self._coordinator.store.events.add_error(error, steady_time())
        except UserFacingError:
            _log.error("the error could not be stored")
