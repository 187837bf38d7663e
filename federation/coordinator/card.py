"""The card of a model that a coordinator made (Mitchell et al. 2019, arXiv 1810.03993)."""

from collections.abc import Sequence

from federation.coordinator.learner.round_report import RoundReport, recall_change
from federation.reports.model_card import STEP, history
from model.device.folder import Model
from model.device.weights import Provenance, digest


def federation_card(
    first: Model, provenance: Provenance, reports: Sequence[RoundReport], done: int, promise: str
) -> str:
    """Returns the card of a model that a coordinator made from the updates of real devices, as Markdown.

    Args:
      first: the model that the federation started from.
      provenance: the new model's provenance.
      reports: reports of the newest rounds, oldest first.
      done: number of rounds that made a model, the reported ones included.
      promise: the `privacy_line` of all these rounds.
    """
    rounds = f"{done} round{'s' * (done != 1)} of `federate serve`"
    step = f"{STEP}{rounds} over real devices, from weights of SHA-256 `{digest(first.weights)}`"
    rows = (_row(done - len(reports) + i, report) for i, report in enumerate(reports, 1))
    return f"""# Model card

A CIFG-LSTM that predicts the next word of a message, after {provenance.round} federated rounds. It was made in these steps:

{chr(10).join([*history(first.card), step])}

Privacy of this federation's rounds: {promise}.

The table gives recall on messages that the devices of each round hold back, as they report it through secure sums: of the model
that the round started from, and of that model after each device's own training, before the round's mean. Each round has different
devices, so rows also differ by chance. The resulting model has not been evaluated: run
`uv run federate evaluate --model FOLDER` for that.

| round | devices | words trained on | words held back | recall at 1 → after training | recall at 3 → after training |
| ---: | ---: | ---: | ---: | ---: | ---: |
{chr(10).join(rows)}
"""


def _row(number: int, report: RoundReport) -> str:
    counts = ("" if count is None else f"{count:,}" for count in (report.devices, report.words, report.tested))
    recall = (recall_change(report.top1, report.top1_after), recall_change(report.top3, report.top3_after))
    return f"| {' | '.join((str(number), *counts, *recall))} |"
