"""Secure aggregation in a cluster: each process adds its devices' masked updates to a sum of its own, which is in the database.

All processes know which devices are in the sum (`replicated_round`). Only the one that unmasks it needs the vectors.
"""

import secrets
from collections.abc import Callable

import numpy as np
from sqlalchemy import delete, insert, select

from data.errors import DataError
from federation.coordinator.round_machine import Rules, Stage
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.storage.database import Database
from federation.coordinator.storage.tables import partial_sums
from federation.protocol.api_messages import PlanOfRound, secure_round
from federation.protocol.secure_aggregation import server
from federation.protocol.secure_aggregation.messages import MaskedInput
from federation.protocol.secure_aggregation.modular_vectors import pack, reduce, unpack
from federation.protocol.secure_aggregation.states import Collecting, RunningSum, Unmasking


class PartialSum:
    """The sum of the masked updates that this process received in a round."""

    def __init__(self, database: Database, number: int, plan: PlanOfRound) -> None:
        self._database, self._number, self._round = database, number, secure_round(plan)
        self._process = secrets.token_hex(8)  # new in each process, and in one that has to begin anew
        self._sum = RunningSum(self._round.layout)

    def with_update(self, message: bytes) -> RunningSum:
        """Stores the sum with one more masked update, within the open transaction; call `keep` once that has succeeded.

        Raises:
          DataError: the message is not a masked update of this round.
        """
        read = MaskedInput.from_bytes(message)
        if read.context != self._round.context:
            raise DataError("the message belongs to another round, model or layout")
        total, layout = RunningSum(self._round.layout), self._round.layout
        total.vectors = tuple(
            np.add(*pair) for pair in zip(self._sum.vectors, unpack(layout, read.packed), strict=True)
        )
        total.devices = self._sum.devices + 1
        row = {"round": self._number, "process": self._process, "devices": total.devices}
        own = (partial_sums.c.round == self._number) & (partial_sums.c.process == self._process)
        with self._database.transaction() as db:
            if self._sum.devices:
                db.execute(delete(partial_sums).where(own))
            db.execute(insert(partial_sums).values(**row, sum=pack(layout, reduce(layout, total.vectors))))
        return total

    def keep(self, total: RunningSum) -> None:
        """Goes on from a sum that is stored."""
        self._sum = total

    def of_all(self) -> RunningSum:
        """Returns the sum of all processes."""
        total, layout = RunningSum(self._round.layout), self._round.layout
        query = select(partial_sums.c.devices, partial_sums.c.sum).where(partial_sums.c.round == self._number)
        for devices, packed in self._database.rows(query):
            for vector, part in zip(total.vectors, unpack(layout, bytes(packed)), strict=True):
                np.add(vector, part, out=vector)
            total.devices += devices
        return total


class SharedSummation(SecureSummation):
    """The states of a round without the masked vectors, which `partial` has. `draw` returns the seed of the graph."""

    def __init__(self, plan: PlanOfRound, rules: Rules, partial: PartialSum, draw: Callable[[], int]) -> None:
        super().__init__(plan, rules)
        self.partial, self._draw = partial, draw

    def receive(self, stage: Stage, device: str, message: bytes) -> None:
        """Takes a device's message of a stage; in the stage of reporting, only notes that the device is in the sum."""
        if stage != Stage.REPORTING:
            super().receive(stage, device, message)
            return
        self._state = server.count_masked(self._at(Collecting), bytes.fromhex(device))

    def gather(self) -> None:
        """Reads the sum of all processes, so that it can be unmasked. Raises a DataError if a part of it is missing."""
        self._state = server.with_sum(self._at(Unmasking), self.partial.of_all())

    def _seed(self) -> int:
        return self._draw()
