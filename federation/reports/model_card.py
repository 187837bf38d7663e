"""Model cards in Markdown: descriptions of trained models for people (Mitchell et al. 2019, arXiv 1810.03993).

This file has the part that all cards share: the history, which grows by a line with each step that trained the model. The
cards of simulated runs and of coordinators are in `federation.simulation.card` and `federation.coordinator.card`.
"""

from model.device.weights import Provenance

STEP = "1. "  # the beginning of a line of the history; Markdown numbers the lines
PROMISE = "   Privacy: "  # the beginning of a line below a step that gave a privacy guarantee


def history(card: str) -> list[str]:
    """Returns the lines of a card's history, oldest first."""
    return [line for line in card.splitlines() if line.startswith((STEP, PROMISE))]


def with_step(card: str, step: str) -> str:
    """Returns a card with one more line at the end of its history; a card without a history stays as it is."""
    lines = card.splitlines(keepends=True)
    steps = [place for place, line in enumerate(lines) if line.startswith((STEP, PROMISE))]
    if not steps:
        return card
    return "".join([*lines[: steps[-1] + 1], f"{step}\n", *lines[steps[-1] + 1 :]])


def round_card(provenance: Provenance, clients: int, parent_card: str) -> str:
    """Returns the card of a model after one round with keyboards on one machine."""
    step = f"{STEP}a round of {clients} clients, from weights of SHA-256 `{provenance.parent}`"
    return f"""# Model card

A CIFG-LSTM that predicts the next word of a message, after {provenance.round} federated rounds. These steps made it, in order:

{chr(10).join([*history(parent_card), step])}

It has not been measured since. To measure it, run `uv run federate evaluate --model FOLDER`.
"""
