"""The model card: what a trained model is, for people (Mitchell et al. 2019, arXiv 1810.03993)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from model.device.metrics import Scores

if TYPE_CHECKING:
    from federation.simulation import Settings


def model_card(
    settings: "Settings",
    rounds: int,
    before: Scores,
    after: Scores,
    history: Sequence[dict[str, float]],
    command: str,
) -> str:
    """The card of a simulated run's model, Markdown."""
    client, server, words = settings.client, settings.server, sum(r["words"] for r in history)
    return f"""# Model card

A CIFG-LSTM that predicts the next word of a chat message, trained by federated rounds only: TensorFlow Federated simulated them
over the training users of the corpus.

| what | value |
| --- | --- |
| command | `{command}` |
| corpus | `{settings.corpus}`, training users only (SHA-256 of the user's id modulo 10 is neither 0 nor 1) |
| starts from | {settings.init} |
| algorithm | {server.algorithm}, server learning rate {server.learning_rate:g} |
| rounds | {rounds}, {settings.clients_per_round} clients each, drawn uniformly |
| client | SGD, learning rate {client.learning_rate:g}, gradients clipped to norm {client.clipping_norm:g} |
| client's words | at most {client.max_words} a round, drawn at random, {client.passes} pass(es) |
| seed | {settings.seed} |
| targets trained on | {words:,} (ends of messages count) |
| time | {sum(r["seconds"] for r in history) / 60:.0f} minutes of rounds |

Recall on {after.words:,} words of validation users, in equal shares:

| | recall at 1 | recall at 3 | perplexity |
| --- | --- | --- | --- |
| before | {before.top1:.1%} | {before.top3:.1%} | {before.perplexity:.1f} |
| after | {after.top1:.1%} | {after.top3:.1%} | {after.perplexity:.1f} |

**Limits.** It knows American English chat of 2018 between strangers on prompted topics, in lower case, and 10,000 words of it. It
repeats what people write, unkind words included. Nothing was done to keep single messages from being memorized but the cap on a
client's words and a vocabulary of words that at least three people wrote: there is no differential privacy yet.
"""
