"""Model cards, Markdown: what a trained model is, for people (Mitchell et al. 2019, arXiv 1810.03993).

Here is what all cards share: a history that grows by a line with each step that trained the model. The card of a simulated
run is in `federation.simulation.card`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from model.device.folder import Model
from model.device.weights import Provenance, digest

STEP = "1. "  # the beginning of a line of the history; Markdown numbers the lines
PROMISE = "   Privacy: "  # the beginning of a line below a step that gave a privacy guarantee


def history(card: str) -> list[str]:
    """Returns the lines of a card's history, oldest first."""
    return [line for line in card.splitlines() if line.startswith((STEP, PROMISE))]


_STEP, _history = STEP, history  # for `federation_card`


def round_card(provenance: Provenance, clients: int, parent_card: str) -> str:
    """Returns the card of a model that one round over keyboards on one machine made."""
    step = f"{STEP}a round of {clients} clients, from weights of SHA-256 `{provenance.parent}`"
    return f"""# Model card

A CIFG-LSTM that predicts the next word of a message, after {provenance.round} federated rounds. These steps made it, in order:

{chr(10).join([*history(parent_card), step])}

It has not been measured since: `uv run federate evaluate --model FOLDER` does that.
"""


def federation_card(
    first: Model, provenance: Provenance, rounds: Sequence[Mapping[str, Any]], done: int, promise: str
) -> str:
    """The card of a model that a coordinator made of what real devices sent, Markdown.

    Args:
      first: the model that its rounds began with.
      provenance: of the model.
      rounds: what is known of the newest rounds, oldest first (`federation.aggregation.server_process.ServerProcess.update`).
      done: how many rounds the coordinator has had in all.
      promise: the `privacy_line` of all of them.
    """
    rounds_of = f"{done} round{'s' * (done != 1)} of `federate serve`"
    began = f"{_STEP}{rounds_of} over real devices, from weights of SHA-256 `{digest(first.weights)}`"
    return f"""# Model card

A CIFG-LSTM that predicts the next word of a message, after {provenance.round} federated rounds. What made it, one after the other:

{chr(10).join([*_history(first.card), began])}

Privacy of what the rounds of this federation learned: {promise}.

Recall as the devices of each round report it, in sums alone, on messages that they hold back: of the model that the round began
with, and of what each device's own training made of it before the round's mean. Other devices take part in other rounds, so that
rows differ by chance too. The model itself was not measured since:
`uv run federate evaluate --model FOLDER` does that.

| round | devices | words trained on | words held back | recall at 1 → after training | recall at 3 → after training |
| ---: | ---: | ---: | ---: | ---: | ---: |
{chr(10).join(_round_row(done - len(rounds) + i, row) for i, row in enumerate(rounds, 1))}
"""


def _round_row(number: int, row: Mapping[str, Any]) -> str:
    recall = [f"{row[k]:.1%} → {row[f'{k}_after']:.1%}" if f"{k}_after" in row else "" for k in ("top1", "top3")]
    cells = (number, *(f"{row[k]:,}" if k in row else "" for k in ("devices", "words", "tested")), *recall)
    return f"| {' | '.join(map(str, cells))} |"
