"""The model card: what a trained model is, for people (Mitchell et al. 2019, arXiv 1810.03993)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import FLOAT_BITS, SumSettings
from model.device.metrics import Scores
from model.device.weights import Provenance

if TYPE_CHECKING:
    from federation.aggregation.accounting import Spent
    from federation.aggregation.algorithms import Server
    from federation.simulation.run import SimulationSettings

_DRAWN = {"uniform": "drawn uniformly", "words": "drawn so that everybody's words come at one pace"}
_PROMISE = "   Privacy: "  # what follows a step that promised something
_STEP = "1. "  # how a line of the history begins: Markdown numbers them


def model_card(
    settings: "SimulationSettings",
    provenance: Provenance,
    rounds: Sequence[dict[str, float]],
    before: Scores,
    after: Scores,
    command: str,
    parent_card: str,
    spent: "Spent",
) -> str:
    """The card of a simulated run's model, Markdown."""
    client, server = settings.client, settings.server
    history = [*_history(parent_card), f"{_STEP}`{command}`", *_promised(settings.privacy, spent)]
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
| rounds | {len(rounds)}, {settings.clients_per_round} clients each, {_drawn(settings)} |
| sums | {_sums(settings.summation)} |
| privacy | {privacy_line(settings.privacy, spent)} |
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
{provenance.config.vocabulary:,} words of its vocabulary. {_protection(settings.privacy)}
"""


def _model(average_from: int) -> str:
    return (
        f"the mean of the global models after round {average_from} and all later ones" if average_from else "the last"
    )


def _decay(server: "Server") -> str:
    return f", falling to zero over {server.decay_rounds} rounds along half a cosine" if server.decay_rounds else ""


def round_card(provenance: Provenance, clients: int, parent_card: str) -> str:
    """The card of a model that one round over keyboards on one machine made, Markdown."""
    history = [
        *_history(parent_card),
        f"{_STEP}a round of {clients} clients, from weights of SHA-256 `{provenance.parent}`",
    ]
    return f"""# Model card

A CIFG-LSTM that predicts the next word of a message, after {provenance.round} federated rounds. What made it, one after the other:

{chr(10).join(history)}

It was not measured since: `uv run federate evaluate --model FOLDER` does that.
"""


def privacy_line(privacy: Privacy, spent: "Spent") -> str:
    """What is promised to a person whose words the model learned from, and how, in one line."""
    if not privacy.private:
        return "no differential privacy"
    how = {"tree": "tree aggregation by the server", "distributed": "discrete Gaussian noise from the devices"}
    return (
        f"epsilon {spent.epsilon:.3g} at delta {spent.delta:g}, rho {spent.rho:.3g} (zCDP), for all that one person gives; "
        f"{how[privacy.mechanism]}, noise multiplier {privacy.noise_multiplier:g}, each at most once in {privacy.period} rounds"
    )


def _promised(privacy: Privacy, spent: "Spent") -> list[str]:
    return [f"{_PROMISE}{privacy_line(privacy, spent)}"] if privacy.private else []


def _protection(privacy: Privacy) -> str:
    if not privacy.private:
        return (
            "Nothing but the cap on a client's words keeps single\n"
            "messages from being memorized: there is no differential privacy."
        )
    return (
        "The epsilon above is of these rounds alone: it covers\n"
        "neither what the weights they start from had learned, nor the choice of the vocabulary's words, which at least three\n"
        "training users wrote each, nor the settings, nor the losses in the run's folder."
    )


def _drawn(settings: "SimulationSettings") -> str:
    if settings.privacy.private:
        return f"everybody in turn, nobody twice in {settings.privacy.period} rounds"
    return _DRAWN[settings.cohort]


def _sums(summation: SumSettings | None) -> str:
    if summation is None:
        return "of floats, deltas as they are, weighted by words"
    clipped = f"deltas clipped to norm {summation.clipping_norm:g}"
    if summation.clipping_quantile:
        clipped += f" at first, then to the {summation.clipping_quantile:g} quantile of their norms"
    kind = (
        "of floats"
        if summation.bits == FLOAT_BITS
        else f"of integers of {summation.bits} bits, with room for {summation.cohort}"
    )
    weighted = (
        "all clients alike" if summation.max_weight == 1 else f"weighted by words, at most {summation.max_weight}"
    )
    return f"{kind}, {clipped}{', outliers zeroed' if summation.zeroing else ''}, {weighted}"


def _history(card: str) -> list[str]:
    return [line for line in card.splitlines() if line.startswith((_STEP, _PROMISE))]
