"""The global models of a federation: the one that a round made, and the one that is taken over in its place.

A model is written to its folder first. Then one transaction of the store makes it the newest: a coordinator that is killed between
the two goes on from the model before.
"""

import json
import math
import secrets
from dataclasses import replace
from pathlib import Path

from federation.aggregation.privacy import Privacy
from federation.coordinator.card import federation_card
from federation.coordinator.learner.messages import ModelUpdate
from federation.coordinator.learner.round_report import RoundReport
from federation.coordinator.model_folders import ModelFolders
from federation.coordinator.store import CoordinatorStore
from model.device.folder import WEIGHTS, Model, load_model
from model.device.weights import Provenance, digest, load_weights, next_provenance

_ON_CARD = 20  # newest rounds that a model's card reports


class GlobalModels:
    """Makes models the newest. Every method raises a StoreError if the store cannot be read or written."""

    def __init__(self, store: CoordinatorStore, folders: ModelFolders) -> None:
        self._store, self._folders = store, folders

    @property
    def first_folder(self) -> Path:
        """Folder of the model that the rounds build on: the first of the federation, or the one taken over last."""
        return self._folders.model_folder(self._store.newest_takeover()[0])

    def commit(self, number: int, before: Model, update: ModelUpdate, now: float) -> Model:
        """Makes the weights that the learner left in the round's `state_folder` the newest model, and returns it.

        Args:
          number: of the round.
          before: the model that the round started from.
          update: the learner's report on the round.
          now: seconds since 1970.

        Raises:
          DataError: the round's sum is gone, or the weights do not fit the model; nothing was changed.
        """
        weights, _ = load_weights(self._folders.state_folder(number) / WEIGHTS, before.vocabulary.sha256)
        provenance = next_provenance(before.weights, before.provenance)
        made = replace(before, weights=weights, provenance=provenance, card=self._card(provenance, update))
        self._folders.save(number, made)
        self._store.commit_round(number, json.dumps(update.report.to_json()), now)
        return made

    def take_over(self, model: Model, before: Model, privacy: Privacy, now: float) -> Model:
        """Makes another model the newest in place of the one `before`, and returns it with its number of rounds.

        Its number of rounds goes on from that of the model before if it is not higher: keyboards do not go back to a lower one.
        Rounds with differential privacy begin a new period, so that the privacy spent counts on.
        """
        number, period = self._store.next_number(), privacy.period if privacy.private else 1
        rounds = math.ceil(max(self._store.made(), self._store.newest_unmasked()) / period) * period
        provenance = replace(model.provenance, round=max(model.provenance.round, before.provenance.round + 1))
        taken = replace(model, provenance=provenance)
        self._folders.save(number, taken)
        self._store.take_over(number, secrets.token_hex(8), digest(before.weights), rounds, now)
        return taken

    def remove_old(self, newest: int) -> None:
        """Removes the folders that nobody needs once the model of round `newest` is committed (`ModelFolders.remove_old`)."""
        self._folders.remove_old(newest, self._store.newest_takeover()[0])

    def _card(self, provenance: Provenance, update: ModelUpdate) -> str:
        taken = self._store.newest_takeover()[0]
        rows = (row for row in self._store.rounds(_ON_CARD) if row.state == "committed" and row.number > taken)
        reports = [*(RoundReport.from_json(json.loads(row.report)) for row in rows), update.report]
        first = load_model(self.first_folder)
        done = provenance.round - first.provenance.round
        return federation_card(first, provenance, reports[-_ON_CARD:], done, update.next_round.promise)
