"""The messages between the coordinator and the learner, each as one line of JSON.

A request is `{"do": "prepare" | "update" | "decode", …}`, an answer `{"result": …}` or `{"error": "one line for people",
"kind": "name of the error's class"}`.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from data.files import write_by_rename
from federation.aggregation.privacy import Spent
from federation.coordinator.learner.round_report import RoundReport
from federation.protocol.round_terms import Terms


def temporary_folder(folder: Path) -> Path:
    """Returns where the coordinator of a folder keeps temporary files. They may hold a round's sum: nobody else may read them."""
    return folder / "temporary"


_FILE = "next.json"  # in a state's folder, written last: a folder that has it is complete


@dataclass(frozen=True)
class PrepareRequest:
    """A request for the terms of the round that follows a state."""

    state: str  # folder of the learner's state
    unmasked: int  # place of the newest round whose sum was unmasked (`CoordinatorStore.newest_unmasked`)


@dataclass(frozen=True)
class UpdateRequest:
    """A request for the model and the state that a round's sum leads to."""

    state: str  # folder of the state that the round started from
    sum_file: str  # file of the summed vectors of the round's `Terms.layout`, packed
    devices: int  # number of devices in the sum
    new_state: str  # folder for the next state and the new weights
    unmasked: int  # as in `PrepareRequest`


@dataclass(frozen=True)
class DecodeRequest:
    """A request for the words in the sum of the second round of a word discovery."""

    sum_file: str  # file of the summed tables, packed by the plan's layout
    plan: str  # JSON: the `RevealPlan`


@dataclass(frozen=True)
class DecodedWords:
    """The answer to a `DecodeRequest`: words, with the number of devices that offered them."""

    words: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return asdict(self)


Request = PrepareRequest | UpdateRequest | DecodeRequest


@dataclass(frozen=True)
class NextRound:
    """The next round as the learner prepares it."""

    terms: Terms | None  # None once the privacy budget is exhausted
    exhausted: str  # reason why there are no terms; otherwise empty
    spent: Spent | None  # privacy spent by all rounds so far
    promise: str  # privacy guarantee in one line, for the model card
    unmasked: int  # place of the newest round whose sum `spent` counts
    spent_after: Spent | None = None  # privacy spent once the next round has ended as well

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Reads the output of `to_json`.

        Raises:
          DataError: the terms contradict themselves.
          KeyError, TypeError: a field is missing or unknown.
        """
        terms, spent, after = content["terms"], content["spent"], content.get("spent_after")
        return cls(
            Terms.from_content(terms) if terms else None,
            content["exhausted"],
            Spent(**spent) if spent else None,
            content["promise"],
            content["unmasked"],
            Spent(**after) if after else None,
        )

    def save(self, state_folder: Path) -> None:
        """Saves the round in the folder of the state that it follows."""
        write_by_rename(state_folder / _FILE, json.dumps(self.to_json()).encode())

    @staticmethod
    def remove(state_folder: Path) -> None:
        """Removes the saved round of a state, so that the learner prepares it again."""
        (state_folder / _FILE).unlink(missing_ok=True)

    @classmethod
    def load(cls, state_folder: Path) -> Self | None:
        """Returns the saved round, or None if there is none that this version can read: the learner then prepares it again."""
        try:
            return cls.from_json(json.loads((state_folder / _FILE).read_text("utf-8")))
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True)
class ModelUpdate:
    """The answer to an `UpdateRequest`, whose `new_state` folder then holds the new weights."""

    next_round: NextRound
    report: RoundReport

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return {"next_round": self.next_round.to_json(), "report": self.report.to_json()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Reads the output of `to_json`.

        Raises:
          DataError: the terms contradict themselves.
          KeyError, TypeError: a field is missing or unknown.
        """
        return cls(NextRound.from_json(content["next_round"]), RoundReport.from_json(content["report"]))


_REQUESTS: dict[str, type[Request]] = {"prepare": PrepareRequest, "update": UpdateRequest, "decode": DecodeRequest}


def request_to_json(request: Request) -> dict[str, Any]:
    """Returns a request as JSON values."""
    (name,) = (name for name, kind in _REQUESTS.items() if isinstance(request, kind))
    return {"do": name} | asdict(request)


def request_from_json(content: dict[str, Any]) -> Request:
    """Reads the output of `request_to_json`.

    Raises:
      KeyError, TypeError: there is no such request, or a field is missing or unknown.
    """
    return _REQUESTS[content["do"]](**{name: value for name, value in content.items() if name != "do"})
