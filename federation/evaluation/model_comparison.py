"""Models side by side on the same messages, also if their vocabularies differ.

A model with a smaller vocabulary has fewer words to choose from, which lowers its perplexity and raises its recall over the words
that it knows, but costs keystrokes. So models are compared by three kinds of figures that a vocabulary cannot flatter:

- recall over all words, where a word outside a model's vocabulary is a miss;
- the keystroke savings rate, where such a word is typed key by key;
- recall and perplexity over the words that all of the models know.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from data.tokenizer import tokenize
from federation.evaluation.predictions import network_predictions
from federation.evaluation.significance import compare
from federation.processes import map_in_processes
from federation.reports.progress import progress_bar
from federation.reports.tables import Rows
from model.device.folder import Model
from model.device.metrics import Scores, Typing, type_messages


@dataclass(frozen=True)
class Measured:
    """A model's figures on one person's messages: over all words, over the words that all models know, and keystrokes."""

    all_words: Scores
    common: Scores
    typing: Typing


def compare_folders(models: Sequence[Model], people: Sequence[Sequence[str]]) -> list[list[Measured]]:
    """Measures each model on each person's messages; returns the figures by model and by person.

    Runs LiteRT, as devices do, on all processors.
    """
    common = frozenset.intersection(*(frozenset(model.vocabulary.words) for model in models))
    work = [(model, texts) for model in models for texts in people]
    with progress_bar("comparing", len(work)) as bar:
        found = map_in_processes(partial(_measure, common), work, bar)
    return [found[i * len(people) : (i + 1) * len(people)] for i in range(len(models))]


def _measure(common: frozenset[str], model_and_messages: tuple[Model, Sequence[str]]) -> Measured:
    model, messages = model_and_messages
    program, vocabulary = model.start(), model.vocabulary
    found = network_predictions(program, [vocabulary.encode(text) for text in messages], model.phrases)
    words = [token.word for text in messages for token in tokenize(text)]
    known_to_all = np.array([word in common for word in words], bool)
    typing = type_messages(messages, program, vocabulary, phrases=model.phrases)
    return Measured(found.scores(), found.scores(known_to_all), typing)


def comparison_result(names: Sequence[str], measured: Sequence[Sequence[Measured]]) -> dict[str, Any]:
    """Returns the figures of `compare_folders` for JSON, the first model being the one that the others are compared with."""
    rows = []
    for name, people in zip(names, measured, strict=True):
        everything = sum((person.all_words for person in people), Scores())
        common = sum((person.common for person in people), Scores())
        row = {
            "model": name,
            "top1_all_words": everything.top1_all_words,
            "top3_all_words": everything.top3_all_words,
            "ksr": sum((person.typing for person in people), Typing()).savings_rate,
            "out_of_vocabulary": everything.out_of_vocabulary,
            "top1_common": common.top1,
            "top3_common": common.top3,
            "perplexity_common": common.perplexity,
            "words_common": common.words,
        }
        rows.append(row | _difference(people, measured[0]) if people is not measured[0] else row)
    words = sum(person.all_words.words + person.all_words.out_of_vocabulary for person in measured[0])
    return {"words": words, "people": len(measured[0]), "models": rows}


def _difference(people: Sequence[Measured], first: Sequence[Measured]) -> dict[str, Any]:
    """Returns how far recall at 1 over all words is above the first model's, in points, with its 95% interval and p-value."""
    words = np.array([p.all_words.words + p.all_words.out_of_vocabulary for p in people])
    hits, others = (np.array([p.all_words.first for p in one]) for one in (people, first))
    found = compare(hits, others, words)
    interval = found.difference_interval
    return {
        "difference": 100 * found.difference,
        "ci": [100 * interval.low, 100 * interval.high] if interval else None,
        "p": found.p,
    }


def comparison_table(result: dict[str, Any]) -> tuple[str, Rows]:
    """Returns the table of `comparison_result` for people: its title, and rows of cells with column heads first."""
    heads = ["model", "recall at 1, all words", "recall at 3, all words", "keystrokes saved"]
    heads += [f"{figure}, words that all know" for figure in ("recall at 1", "recall at 3", "perplexity")]
    rows: Rows = [[*heads, "points above"]]
    for row in result["models"]:
        cells = [
            f"{row[name]:.1%}" for name in ("top1_all_words", "top3_all_words", "ksr", "top1_common", "top3_common")
        ]
        rows.append([row["model"], *cells, f"{row['perplexity_common']:.1f}", _points(row)])
    title = (
        f"On {result['words']:,} words of {result['people']:,} people; the last column is recall at 1 over all words"
    )
    return f"{title}, compared with the first model", rows


def _points(row: dict[str, Any]) -> str:
    if "difference" not in row:
        return ""
    interval = f" [{row['ci'][0]:+.1f}, {row['ci'][1]:+.1f}]" if row["ci"] else ""
    return f"{row['difference']:+.1f}{interval}"
