"""The coordinator at work beside its API: its clock, and the worker process in which TFF makes models of sums."""

import asyncio
import logging
import sys
import time
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from data.errors import DataError, UserFacingError
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.learner.client import LearnerClient, LearnerDiedError
from federation.coordinator.round_machine import Stage
from federation.coordinator.web.device_api import DeviceApi

_TICK_SECONDS = 0.1
_LEARNER_SECONDS = 600.0  # for one answer, TensorFlow's start included
_ATTEMPTS = 3  # to have a model made of a sum, by a worker that dies


class Serving:
    """What goes on beside the requests: time passes, sums are unmasked, models are made."""

    def __init__(self, coordinator: Coordinator, api: DeviceApi, folder: Path) -> None:
        self.coordinator, self.api = coordinator, api
        self.learner = LearnerClient([sys.executable, "-P", "-m", "federation.coordinator.learner.main", folder])
        self._attempts = 0

    async def run(self, stopped: asyncio.Event) -> None:
        """Works until it is stopped."""
        try:
            while not stopped.is_set():
                try:
                    await self.step()
                except (UserFacingError, OSError) as error:
                    self._tell(str(error))
                    await asyncio.sleep(1)
                self.api.tell()
                await asyncio.sleep(_TICK_SECONDS)
        finally:
            await self.learner.close()

    async def step(self) -> None:
        """Does what there is to do now.

        Raises:
          DataError, OSError: the store or the disk refuses; the next step tries again.
        """
        coordinator = self.coordinator
        coordinator.tick(time.time())
        if coordinator.round is not None and coordinator.round.stage not in (Stage.SELECTION, Stage.KEYS):
            await self.learner.start()  # TensorFlow loads while devices train
        if (summed := coordinator.summed()) is not None:
            await self._learn(summed.number, summed.total)
        elif (unmasked := coordinator.begin_unmasking()) is not None:
            try:
                total = await asyncio.to_thread(unmasked.secure.unmask)
            except UserFacingError as error:
                coordinator.fail(str(error), time.time())
            else:
                coordinator.keep_sum(total)
        elif coordinator.next is None:
            request = {"do": "prepare", "from": str(self._newest_state())}
            told = await self._ask(request | {"unmasked": coordinator.store.newest_unmasked()})
            if told is not None:
                coordinator.prepared(told)

    async def _learn(self, number: int, total: bytes) -> None:
        coordinator = self.coordinator
        with NamedTemporaryFile(prefix="sum-") as file:
            file.write(total)
            file.flush()
            request = {
                "do": "update",
                "from": str(self._newest_state()),
                "sum": file.name,
                "devices": len(coordinator.store.counted(number)),
                "to": str(coordinator.shelf.state_folder(number)),
                "unmasked": coordinator.store.newest_unmasked(),
            }
            try:
                told = await self._ask(request)
                if told is not None:
                    coordinator.commit(number, told, time.time())
            except UserFacingError as error:
                coordinator.fail(f"no model came of the sum: {error}", time.time())

    def _newest_state(self) -> Path:
        return self.coordinator.shelf.state_folder(self.coordinator.store.newest_committed())

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """An answer of the learner; None where it died and the same should be asked again."""
        try:
            answer = await self.learner.ask(request, _LEARNER_SECONDS)
        except LearnerDiedError as died:
            self._attempts += 1
            if self._attempts >= _ATTEMPTS:
                raise DataError(f"{died}, {self._attempts} times in a row") from died
            self._tell(f"{died}: it is started again")
            return None
        self._attempts = 0
        return answer

    def _tell(self, error: str) -> None:
        logging.getLogger("federation").error("%s", error)
        try:
            self.coordinator.store.add_error(error, time.time())
        except UserFacingError:
            logging.getLogger("federation").error("and the store cannot be written")
