"""`federate lexicon`: makes the lexicon of a model folder, which says which entries of its vocabulary are words."""

import argparse
import sys
from pathlib import Path
from typing import Any

from data.corpus import Part, open_corpus
from data.errors import DataError
from data.vocabulary import Vocabulary
from federation.commands.options import add_corpus_option
from model.device.folder import LEXICON, PRETRAINED, VOCABULARY
from model.device.suggesting.lexicon import save_lexicon


def add_lexicon_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate lexicon`."""
    parser.add_argument(
        "--model",
        type=Path,
        default=PRETRAINED,
        help="the model folder whose lexicon is replaced (default: the shipped model)",
    )
    add_corpus_option(parser, use="whose training users show how people write")


def run_lexicon(options: argparse.Namespace) -> dict[str, Any]:
    """Writes the lexicon into the model folder and returns its result for JSON.

    Raises:
      DataError: the model folder, the corpus, the dictionary or the word frequencies are missing.
    """
    from federation.lexicon import EnglishDictionary, WrittenForms, make_lexicon, word_frequencies

    if not options.model.is_dir():
        raise DataError(f"there is no model folder {options.model}")
    vocabulary = Vocabulary.load(options.model / VOCABULARY)
    written = WrittenForms.of(Part(open_corpus(options.corpus), "train"))
    lexicon = make_lexicon(vocabulary, word_frequencies(), EnglishDictionary().forms, written)
    path = options.model / LEXICON
    save_lexicon(path, lexicon)
    no_words = [w for i, w in enumerate(vocabulary.words) if not lexicon.is_word(i)]
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes; {len(no_words):,} of {len(vocabulary):,} entries are not words", file=sys.stderr)
    return {"lexicon": str(path), "bytes": size, "no_words": len(no_words)}
