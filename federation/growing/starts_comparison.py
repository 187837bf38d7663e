"""Compares first weights of new words on people who did not help to find them: `federate starts`.

1. `<unk>`'s row and a share of its probability (`federation.growing.new_rows`);
2. rows fitted to the words' contexts in public text, and
3. to those of the training users, of which a secure sum would be enough (`federation.growing.fitted_rows`);
4. federated rounds that train the rows of the new words alone, from 1 and from 3 on;
5. as many rounds that train everything, from 1 on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from data.corpus import Corpus
from federation.aggregation.algorithms import learning_process, weights_of
from federation.aggregation.server_settings import Server
from federation.engine.local import engine
from federation.evaluation.predictions import network_predictions
from federation.growing.fitted_rows import with_fitted_rows
from federation.growing.grown_model import Grown
from federation.growing.new_rows import shares_of
from federation.growing.preceding_states import sums_of_states
from federation.growing.row_rounds import rows_process, rows_weights, run_rounds
from federation.processes import map_in_processes
from federation.reports.progress import progress_bar
from federation.simulation.clients import Clients
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning
from model.device.metrics import Scores, Typing, type_messages
from model.device.weights import Weights

UNKNOWN_ROW = "the row of <unk>"
PUBLIC = "fitted to public contexts"
FEDERATED = "fitted to contexts of training users"


@dataclass(frozen=True)
class RowTraining:
    """How the rounds of a comparison train."""

    number: int = 30
    clients: int = 5
    seed: int = 6
    client: FineTuning = field(default_factory=lambda: FineTuning(learning_rate=1.0, passes=1, max_words=1_000))
    rows_server: Server = field(default_factory=lambda: Server("fedadam", 0.01))
    server: Server = field(default_factory=lambda: Server("fedadam", 0.003))


def starts(
    model: Model,
    grown: Grown,
    offers: int,
    training: Corpus,
    public: Corpus | None,
    context_words: int,
    rounds: RowTraining,
) -> dict[str, Model]:
    """Returns models that grew by the same words and start them in different ways, by name.

    Args:
      model: the model before.
      grown: the model with `<unk>`'s rows.
      offers: the words that all devices offered, as `shares_of` takes it.
      training: the people of the rounds and of the federated contexts.
      public: public text; None: leaves its contexts out.
      context_words: the newest words of a person whose contexts count.
      rounds: how the rounds train.
    """
    shares = shares_of(grown.chosen.words, offers)

    def fitted(corpus: Corpus) -> Weights:
        people = (list(corpus.messages(user)) for user in corpus.users())
        sums = sums_of_states(model, grown.model.vocabulary, people, context_words)
        return with_fitted_rows(model.weights, shares, sums)

    found = {UNKNOWN_ROW: grown.model.weights}
    if public is not None:
        found[PUBLIC] = fitted(public)
    found[FEDERATED] = fitted(training)
    if rounds.number:
        clients = Clients(training, grown.model.vocabulary, grown.model.provenance.config.window)
        for name in (UNKNOWN_ROW, FEDERATED):
            found[f"{name}, then {rounds.number} rounds of these rows alone"] = _after(
                grown.model, found[name], len(model.vocabulary), clients, rounds
            )
        found[f"{UNKNOWN_ROW}, then {rounds.number} rounds"] = _after(
            grown.model, grown.model.weights, None, clients, rounds
        )
    return {name: replace(grown.model, weights=weights) for name, weights in found.items()}


def _after(model: Model, weights: Weights, first: int | None, clients: Clients, how: RowTraining) -> Weights:
    """Returns the weights after rounds; with `first`, the id of the first new word, only the rows of new words change."""
    config = model.provenance.config
    with engine(), progress_bar("rounds", how.number) as bar:
        if first is None:
            process = learning_process(config, weights, how.client, how.server)
        else:
            process = rows_process(config, weights, first, how.client, how.rows_server)
        state = run_rounds(process, config, clients, how.client, how.number, how.clients, how.seed, bar)
        return weights_of(state, config) if first is None else rows_weights(state, weights, first)


@dataclass(frozen=True)
class _Measured:
    everything: Scores
    new: Scores
    others: Scores
    typing: Typing

    def __add__(self, other: "_Measured") -> "_Measured":
        return _Measured(
            self.everything + other.everything,
            self.new + other.new,
            self.others + other.others,
            self.typing + other.typing,
        )


def measured(before: Model, models: Mapping[str, Model], people: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Measures the model before and each model that grew from it on people's messages.

    Returns:
      For each model its `start`; recall over all words, `top1` and `top3`; the keystroke savings rate `ksr`; `perplexity_others`,
      over words that the model before has; and over uses of the new words `new_uses`, `new_top1`, `new_top3`, `new_perplexity`.
    """
    everything = {"the model before": before, **models}
    work = [(model, texts) for model in everything.values() for texts in people]
    with progress_bar("measuring", len(work)) as bar:
        found = map_in_processes(partial(_measure, len(before.vocabulary)), work, bar)
    rows = []
    for place, name in enumerate(everything):
        figures = sum(
            found[place * len(people) : (place + 1) * len(people)], _Measured(Scores(), Scores(), Scores(), Typing())
        )
        rows.append(
            {
                "start": name,
                "top1": figures.everything.top1_all_words,
                "top3": figures.everything.top3_all_words,
                "ksr": figures.typing.savings_rate,
                "perplexity_others": figures.others.perplexity,
                "new_uses": figures.new.words,
                "new_top1": figures.new.top1,
                "new_top3": figures.new.top3,
                "new_perplexity": figures.new.perplexity,
            }
        )
    return rows


def _measure(first: int, model_and_messages: tuple[Model, Sequence[str]]) -> _Measured:
    model, messages = model_and_messages
    program, vocabulary = model.start(), model.vocabulary
    found = network_predictions(program, [vocabulary.encode(text) for text in messages], model.phrases)
    new = found.targets >= first
    typing = type_messages(messages, program, vocabulary, phrases=model.phrases)
    return _Measured(found.scores(), found.scores(new), found.scores(~new), typing)


def table(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Returns a table of `measured`."""
    head = ["first weights", "recall at 1", "at 3", "keystrokes saved", "perplexity, other words"]
    head += ["new words: recall at 1", "at 3", "perplexity"]
    return [
        head,
        *(
            [
                row["start"],
                *(f"{row[name]:.2%}" for name in ("top1", "top3", "ksr")),
                f"{row['perplexity_others']:.1f}",
                *(
                    (f"{row['new_top1']:.1%}", f"{row['new_top3']:.1%}", f"{row['new_perplexity']:,.0f}")
                    if row["new_uses"]
                    else ("", "", "")
                ),
            ]
            for row in rows
        ),
    ]
