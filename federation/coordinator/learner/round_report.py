"""The report of a round that made a model: sums over its devices, and the privacy spent."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from federation.aggregation.privacy import Spent


@dataclass(frozen=True)
class RoundReport:
    """The metrics of `ServerProcess.update` and the privacy that all rounds so far have spent; None where nothing was reported.

    Recall is measured on `tested` words that the devices hold back: with the weights that the round started from, and, as
    `…_after`, with each device's weights after its own training.
    """

    devices: int | None = None  # number of devices in the sum
    words: int | None = None  # words trained on
    loss: float | None = None  # nats per word, each batch before its step
    clipping_norm: float | None = None  # greatest L2 norm of a model delta
    update_norm: float | None = None  # L2 norm of the step from the previous model to this one
    tested: int | None = None  # words held back
    top1: float | None = None
    top3: float | None = None
    top1_after: float | None = None
    top3_after: float | None = None
    spent: Spent | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the fields that are known, as JSON values; infinite figures stay infinite."""
        known = {name: value for name, value in vars(self).items() if value is not None}
        return known if self.spent is None else known | {"spent": dict(vars(self.spent))}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Reads the output of `to_json`; ignores unknown fields.

        Raises:
          TypeError: the privacy spent lacks a figure.
        """
        known = {f.name: content[f.name] for f in fields(cls) if f.name in content}
        spent = known.pop("spent", None)
        return cls(**known, spent=Spent(**spent) if spent else None)


def recall_change(before: float | None, after: float | None) -> str:
    """Returns recall before and after the devices' own training, for people; empty where it was not reported."""
    return "" if before is None or after is None else f"{before:.1%} → {after:.1%}"
