"""The model card: what a trained model is, for people (Mitchell et al. 2019, arXiv 1810.03993)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from model.device.metrics import Scores
from model.device.weights import Provenance

if TYPE_CHECKING:
    from federation.learning import Server
    from federation.simulation import Settings

_DRAWN = {"uniform": "uniformly", "words": "so that everybody's words come at one pace"}
_STEP = "1. "  # how a line of the history begins: Markdown numbers them


def model_card(
    settings: "Settings",
    provenance: Provenance,
    rounds: Sequence[dict[str, float]],
    before: Scores,
    after: Scores,
    command: str,
    parent_card: str,
) -> str:
    """The card of a simulated run's model, Markdown."""
    client, server = settings.client, settings.server
    history = [*_history(parent_card), f"{_STEP}`{command}`"]
    return f"""# Model card

A CIFG-LSTM that predicts the next word of a message, trained by {provenance.round} federated rounds, which TensorFlow Federated
simulated over the training users of a corpus. These commands made it, one after the other:

{chr(10).join(history)}

The last of them:

| what | value |
| --- | --- |
| corpus | `{settings.corpus}`, training users only (SHA-256 of the user's id modulo 10 is neither 0 nor 1) |
| starts from | weights of SHA-256 `{provenance.parent}` |
| algorithm | {server.algorithm}, server learning rate {server.learning_rate:g}{_decay(server)} |
| rounds | {len(rounds)}, {settings.clients_per_round} clients each, drawn {_DRAWN[settings.cohort]} |
| the model | {_model(settings.average_from)} |
| client | SGD, learning rate {client.learning_rate:g}, gradients clipped to norm {client.clipping_norm:g} |
| client's words | at most {client.max_words} a round, drawn at random, {client.passes} pass(es) |
| seed | {settings.seed} |
| targets trained on | {sum(int(r["words"]) for r in rounds):,} (ends of messages count) |
| time | {sum(r["seconds"] for r in rounds) / 60:.0f} minutes of rounds |

Recall on {after.words:,} words of validation users, in shares as equal as their lengths allow:

| | recall at 1 | recall at 3 | perplexity |
| --- | --- | --- | --- |
| before | {before.top1:.1%} | {before.top3:.1%} | {before.perplexity:.1f} |
| after | {after.top1:.1%} | {after.top3:.1%} | {after.perplexity:.1f} |

**Limits.** The model speaks as the people of its corpus wrote, unkind words included, in lower case, and knows the
{provenance.config.vocabulary:,} words of its vocabulary. Nothing but the cap on a client's words keeps single messages from being
memorized: there is no differential privacy.
"""


def _model(average_from: int) -> str:
    return (
        f"the mean of the global models after round {average_from} and all later ones" if average_from else "the last"
    )


def _decay(server: "Server") -> str:
    return f", falling to zero over {server.decay_rounds} rounds along half a cosine" if server.decay_rounds else ""


def round_card(provenance: Provenance, clients: int, parent_card: str) -> str:
    """The card of a model that one real round made, Markdown."""
    history = [
        *_history(parent_card),
        f"{_STEP}a round of {clients} clients, from weights of SHA-256 `{provenance.parent}`",
    ]
    return f"""# Model card

A CIFG-LSTM that predicts the next word of a message, after {provenance.round} federated rounds. What made it, one after the other:

{chr(10).join(history)}

It was not measured since: `uv run federate evaluate --model FOLDER` does that.
"""


def _history(card: str) -> list[str]:
    return [line for line in card.splitlines() if line.startswith(_STEP)]
