"""`federate grow`: makes the next model, with words and phrases that many people use."""

import argparse
import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.errors import DataError
from federation.commands.options import BadCallError, positive_number
from federation.growing.private_phrases import DEVICES_WEIGHT
from model.device.folder import PRETRAINED, check_free_for_model, load_model
from model.device.weights import digest


def add_grow_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate grow`."""
    parser.add_argument(
        "--model", type=Path, default=PRETRAINED, help="the model folder that grows (default: the shipped model)"
    )
    parser.add_argument(
        "--words", type=Path, metavar="FILE", help="found words, as federate words --out writes them (default: none)"
    )
    parser.add_argument(
        "--include",
        nargs="+",
        default=[],
        metavar="WORD",
        help="found words that are no typos, although they look like some (default: none)",
    )
    parser.add_argument(
        "--exclude", nargs="+", default=[], metavar="WORD", help="found words to leave out (default: none)"
    )
    parser.add_argument(
        "--phrases",
        type=Path,
        metavar="FILE",
        help="phrases of one to three words, as federate words --phrases writes them (default: none)",
    )
    parser.add_argument(
        "--phrases-weight",
        type=positive_number,
        default=DEVICES_WEIGHT,
        help="weight of a device beside an occurrence in the public text of phrases.bin (default: %(default)g)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the model folder to write")


def run_grow(options: argparse.Namespace) -> dict[str, Any]:
    """Writes the next model and returns the result for JSON.

    Raises:
      BadCallError: neither words nor phrases are given.
      DataError: a file or the model is invalid, or no word and no phrase can join.
    """
    from federation.growing.chosen_words import Chosen, lines_about, with_wishes
    from federation.growing.counts_files import read_phrases, read_words
    from federation.growing.grown_model import grow, grown_card, language_of, save_grown
    from federation.growing.private_phrases import add_counts

    if options.words is None and options.phrases is None:
        raise BadCallError("give found words by --words, or counts of phrases by --phrases, or both")
    if options.words is None and (options.include or options.exclude):
        raise BadCallError("--include and --exclude choose among found words: name their file by --words")
    check_free_for_model(options.out)
    parent, chosen, devices = load_model(options.model), Chosen((), {}), 0
    found = None if options.words is None else read_words(options.words)
    counts = None if options.phrases is None else read_phrases(options.phrases)
    if counts is not None and parent.phrases is None:
        raise DataError(f"{options.model} has no phrases to add to: make some with federate phrases")
    model, share = parent, 0.0
    if found is not None:
        found = replace(found, found=tuple(with_wishes(found.found, options.include, options.exclude)))
        grown = grow(parent, found, language_of(parent))
        model, chosen, share, devices = grown.model, grown.chosen, grown.share, found.devices
    if counts is not None and model.phrases is not None:
        phrases = add_counts(model.phrases, counts, model.vocabulary, options.phrases_weight)
        model = replace(model, phrases=phrases)
    source = " and ".join(_named(file) for file in (options.words, options.phrases) if file is not None)
    card = grown_card(parent, model, chosen.words, devices, source, options.command_line)
    save_grown(options.out, replace(model, card=card))
    for line in lines_about(chosen):
        print(line, file=sys.stderr)
    joined = [f"{len(model.vocabulary):,} entries"]
    if chosen.words:
        joined.append(f"{len(chosen.words):,} of them new, which share {share:.0%} of the probability of unknown words")
    if counts is not None:
        joined.append(f"counts of {len(counts.found):,} phrase{'s' * (len(counts.found) != 1)} joined the phrases")
    print(f"{options.out}: {', '.join(joined)}", file=sys.stderr)
    return {
        "model": str(options.out),
        "sha256": digest(model.weights),
        "vocabulary": len(model.vocabulary),
        "vocabulary_sha256": model.vocabulary.sha256,
        "new_words": [word.text for word in chosen.words],
        "left_out": chosen.left_out,
        "share_of_unknown": share,
    }


def _named(file: Path) -> str:
    return f"`{file.name}`, SHA-256 `{hashlib.sha256(file.read_bytes()).hexdigest()}`"
