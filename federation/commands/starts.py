"""`federate starts`: compares first weights of new words on validation users."""

import argparse
from pathlib import Path
from typing import Any

from federation.commands.options import add_corpus_option, non_negative_int, positive_int
from model.device.folder import PRETRAINED, load_model


def add_starts_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate starts`."""
    parser.add_argument(
        "--model", type=Path, default=PRETRAINED, help="the model folder that grows (default: the shipped model)"
    )
    parser.add_argument(
        "--words", type=Path, required=True, metavar="FILE", help="found words, as federate words --out writes them"
    )
    add_corpus_option(parser, use="whose training users train and whose validation users are measured")
    parser.add_argument(
        "--contexts",
        metavar="NAME",
        help="a corpus of public text for rows fitted to public contexts (default: leave these rows out)",
    )
    parser.add_argument(
        "--context-words",
        type=positive_int,
        default=1_000,
        help="the newest words of a person whose contexts count (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds", type=non_negative_int, default=30, help="rounds in the starts that train (default: %(default)s)"
    )
    parser.add_argument(
        "--max-words",
        type=positive_int,
        default=8_000,
        help="words of validation users to measure on, shared equally (default: %(default)s)",
    )


def run_starts(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the comparison, prints its table, and returns it for JSON.

    Raises:
      DataError: the model, the words or a corpus are invalid, or no word can join.
    """
    from data.corpus import Part, open_corpus, users_in
    from federation.evaluation.held_out_users import equal_shares
    from federation.growing.counts_files import read_words
    from federation.growing.grown_model import grow, language_of
    from federation.growing.starts_comparison import RowTraining, measured, starts, table
    from federation.reports.tables import print_tables

    model, found, corpus = load_model(options.model), read_words(options.words), open_corpus(options.corpus)
    public = None if options.contexts is None else Part(open_corpus(options.contexts), "train")
    messages = equal_shares(corpus, users_in(corpus, "validation"), options.max_words)
    grown = grow(model, found, language_of(model))
    training, how = Part(corpus, "train"), RowTraining(options.rounds)
    models = starts(model, grown, found.offers, training, public, options.context_words, how)
    rows = measured(model, models, messages)
    print_tables([(f"{len(grown.chosen.words):,} new words on {rows[-1]['new_uses']:,} of their uses", table(rows))])
    return {"new_words": len(grown.chosen.words), "people": len(messages), "starts": rows}
