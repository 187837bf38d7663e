"""`federate phrases`: counts the phrases of a model folder in public text and chooses their weight beside its network."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.corpus import Part, open_corpus, users_in
from data.vocabulary import Vocabulary
from federation.commands.options import (
    CORPORA,
    BadCallError,
    JoinCorpora,
    add_corpus_option,
    positive_int,
    positive_number,
)
from model.device.folder import PHRASES, load_model
from model.device.suggesting.phrases import MAX_BYTES, MOST_TOKENS, save_phrases

_LEAST_BYTES = 100_000  # the counts of single words take a third of it


def add_phrases_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate phrases`."""
    parser.add_argument(
        "--model", type=Path, required=True, help="the model folder whose vocabulary and network are used"
    )
    add_corpus_option(parser, default=None)
    parser.add_argument(
        "--license", default="", help="the licence of the corpus, which the file states (default: none)"
    )
    parser.add_argument(
        "--order", type=positive_int, default=4, help="tokens in the longest n-grams, 1 to 6 (default: 4)"
    )
    parser.add_argument(
        "--max-bytes", type=positive_int, default=MAX_BYTES, help=f"greatest size of the file (default: {MAX_BYTES})"
    )
    parser.add_argument(
        "--weight",
        type=positive_number,
        help="weight of the phrases, below 1 (default: the likeliest on held-out users)",
    )
    parser.add_argument(
        "--weigh-on",
        nargs="+",
        action=JoinCorpora,
        metavar="NAME",
        help=f"choose the weight by validation users of these corpora: {CORPORA} (default: those of --corpus)",
    )
    parser.add_argument(
        "--max-words",
        type=positive_int,
        default=20_000,
        help="words to choose the weight by, shared equally by the users (default: 20000)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=f"the file to write (default: {PHRASES} in the model folder)"
    )


def run_phrases(options: argparse.Namespace) -> dict[str, Any]:
    """Counts the training users' n-grams, chooses their weight, writes the file, and returns the result for JSON.

    Raises:
      BadCallError: an option is out of its range.
      DataError: the model folder or a corpus is invalid.
    """
    from dataclasses import replace

    from federation.evaluation.held_out_users import equal_shares
    from federation.phrases import choose_weight, make_phrases

    if options.order > MOST_TOKENS:
        raise BadCallError(f"--order {options.order} is above {MOST_TOKENS}")
    if not _LEAST_BYTES <= options.max_bytes <= MAX_BYTES:
        raise BadCallError(f"--max-bytes {options.max_bytes:,} is not from {_LEAST_BYTES:,} to {MAX_BYTES:,}")
    if options.weight is not None and options.weight >= 1:
        raise BadCallError(f"--weight {options.weight:g} is not below 1")
    model, corpus = load_model(options.model), open_corpus(options.corpus)
    weighed_on = open_corpus(options.weigh_on or options.corpus)
    held_out = [] if options.weight else users_in(weighed_on, "validation")
    encoded = _encoded(Part(corpus, "train"), model.vocabulary)
    phrases = make_phrases(encoded, model.vocabulary, options.order, _source(options.corpus), options.max_bytes)
    if options.weight is None:
        texts = (text for messages in equal_shares(weighed_on, held_out, options.max_words) for text in messages)
        phrases = choose_weight(phrases, model, map(model.vocabulary.encode, texts))
    else:
        phrases = replace(phrases, weight=options.weight)
    phrases = replace(phrases, license=options.license)
    path = options.out or options.model / PHRASES
    save_phrases(path, phrases)
    size = path.stat().st_size
    ngrams, contexts = len(phrases.words), len(phrases.context_words)
    line = f"{path}: {size:,} bytes, {ngrams:,} n-grams after {contexts:,} contexts, weight {phrases.weight:.3f}"
    print(line, file=sys.stderr)
    return {"phrases": str(path), "bytes": size, "ngrams": ngrams, "contexts": contexts, "weight": phrases.weight}


def _encoded(part: Part, vocabulary: Vocabulary) -> Iterator[list[int]]:
    for user in part.users():
        for text in part.messages(user):
            yield vocabulary.encode(text)


def _source(corpus: str) -> str:
    """Returns the names of corpora without the folders of this machine, for people."""
    names = (
        name.partition(":")[0] if name.startswith("self-dialogues:") else Path(name).name for name in corpus.split(",")
    )
    return f"training users of {', '.join(names)}"
