"""The model card of a simulated run, in Markdown."""

from collections.abc import Sequence

from federation.aggregation.privacy import Privacy, Spent, privacy_line
from federation.aggregation.server_settings import Server
from federation.aggregation.sum_settings import FLOAT_BITS, SumSettings
from federation.reports.model_card import PROMISE, STEP, history
from federation.simulation.settings import SimulationSettings
from model.device.learning.finetuning import FineTuning
from model.device.metrics import Scores
from model.device.sampling import SAMPLED
from model.device.trainable import trainable_parameters, trainable_shapes
from model.device.weights import Provenance

_SAMPLED = {"uniform": "sampled uniformly", "words": "sampled in proportion to their word count"}


def simulation_card(
    settings: SimulationSettings,
    provenance: Provenance,
    rounds: Sequence[dict[str, float]],
    before: Scores,
    after: Scores,
    command: str,
    parent_card: str,
    spent: Spent,
) -> str:
    """Returns the card of the model that a simulated run made.

    Args:
      settings: the run's settings.
      provenance: the model's provenance.
      rounds: the rows of the run's `metrics.csv`.
      before: scores on validation users of the model that the run started from.
      after: scores on validation users of the run's model.
      command: the command line of the run.
      parent_card: the card of the model that the run started from, whose history continues here.
      spent: the privacy that the run spent.
    """
    client, server = settings.client, settings.server
    promise = [f"{PROMISE}{privacy_line(settings.privacy, spent)}"] if settings.privacy.private else []
    return f"""# Model card

A CIFG-LSTM that predicts the next word of a message, trained by {provenance.round} federated rounds, which TensorFlow Federated
simulated over the training users of a corpus. These commands made it, in order:

{chr(10).join([*history(parent_card), f"{STEP}`{command}`", *promise])}

The last command:

| setting or figure | value |
| --- | --- |
| corpus | `{settings.corpus}`, training users only (SHA-256 of the user's id modulo 10 is neither 0 nor 1) |
| starts from | weights of SHA-256 `{provenance.parent}` |
| algorithm | {server.algorithm}, server learning rate {server.learning_rate:g}{_momentum(server)}{_decay(server)} |
| trained weights | {_trained(settings, provenance)} |
| rounds | {len(rounds)}, {settings.clients_per_round} clients each, {_sampling(settings)} |
| sums | {_sums(settings.summation)} |
| privacy | {privacy_line(settings.privacy, spent)} |
| final model | {_final_model(settings.average_from)} |
| client | {_training(client)} |
| client's words | at most {client.max_words} a round, drawn at random, {client.passes} pass(es) |
| seed | {settings.seed} |
| targets trained on | {sum(int(r["words"]) for r in rounds):,} (ends of messages count) |
| time | {sum(r["seconds"] for r in rounds) / 60:.0f} minutes of rounds |

Recall on {after.words:,} words of validation users, in shares as equal as their lengths allow:

| | recall at 1 | recall at 3 | perplexity |
| --- | --- | --- | --- |
| before | {before.top1:.1%} | {before.top3:.1%} | {before.perplexity:.1f} |
| after | {after.top1:.1%} | {after.top3:.1%} | {after.perplexity:.1f} |

**Limits.** The model writes as the people of its corpus do, unkind words included, in lower case, and knows only the
{provenance.config.vocabulary:,} words of its vocabulary. {_protection(settings.privacy)}
"""


def _trained(settings: SimulationSettings, provenance: Provenance) -> str:
    config, part = provenance.config, settings.client.trainable
    names = ", ".join(trainable_shapes(config, part))
    return f"{part}: {names}; {trainable_parameters(config, part):,} of {trainable_parameters(config):,}"


def _training(client: FineTuning) -> str:
    sampled = ", softmax over sampled candidates" if client.softmax == SAMPLED else ""
    return f"SGD, learning rate {client.learning_rate:g}, gradients clipped to norm {client.clipping_norm:g}{sampled}"


def _momentum(server: Server) -> str:
    return f" with momentum {server.momentum:g}" if server.momentum else ""


def _decay(server: Server) -> str:
    return f", falling to zero over {server.decay_rounds} rounds along half a cosine" if server.decay_rounds else ""


def _sampling(settings: SimulationSettings) -> str:
    if settings.privacy.private:
        return f"everybody in turn, nobody twice in {settings.privacy.period} rounds"
    return _SAMPLED[settings.cohort]


def _sums(summation: SumSettings | None) -> str:
    if summation is None:
        return "of floats, deltas without clipping, weighted by words"
    clipped = f"deltas clipped to norm {summation.clipping_norm:g}"
    if summation.clipping_quantile:
        clipped += f" at first, then to the {summation.clipping_quantile:g} quantile of their norms"
    if summation.bits == FLOAT_BITS:
        kind = "of floats"
    else:
        kind = f"of integers of {summation.bits} bits, with room for {summation.cohort}"
    weighted = "equal weights" if summation.max_weight == 1 else f"weighted by words, at most {summation.max_weight}"
    return f"{kind}, {clipped}{', outliers zeroed' if summation.zeroing else ''}, {weighted}"


def _final_model(average_from: int) -> str:
    if average_from:
        return f"the mean of the global models after round {average_from} and all later rounds"
    return "the global model after the last round"


def _protection(privacy: Privacy) -> str:
    if not privacy.private:
        return (
            "Only the cap on a client's words keeps single\n"
            "messages from being memorized: there is no differential privacy."
        )
    return (
        "The epsilon above covers only these rounds. It does\n"
        "not cover what the initial weights had learned, the choice of the vocabulary's words (each written by at least three\n"
        "training users), the settings, or the losses in the run's folder."
    )
