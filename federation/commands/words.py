"""`federate words`: finds words that many people use and the vocabulary lacks, by a simulated word discovery over a corpus."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.corpus import Part, open_corpus
from data.errors import DataError
from data.files import write_by_rename
from data.vocabulary import Vocabulary
from federation.commands.options import (
    BadCallError,
    add_corpus_option,
    add_seed_option,
    positive_int,
    positive_number,
)
from federation.reports.tables import print_tables
from model.device.folder import PRETRAINED, VOCABULARY

if TYPE_CHECKING:
    from federation.discovery.privacy import NoisyThreshold
    from federation.discovery.simulation import Found

_WORDS_PER_DEVICE, _PHRASES_PER_DEVICE = 2000, 10_000
_PRIVATE_PER_DEVICE = 20  # words, and phrases: noise grows with the square root
_BUCKETS, _PHRASE_BUCKETS = 2**18, 2**22
_SHOWN = 20  # words in the table
_DELTA = 1e-6
_MILLION = 1_000_000


def add_words_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate words`."""
    parser.add_argument(
        "--model",
        type=Path,
        default=PRETRAINED,
        help="the model folder whose vocabulary grows (default: the shipped model)",
    )
    add_corpus_option(parser, use="whose training users are the devices")
    parser.add_argument(
        "--k",
        type=positive_int,
        default=10,
        help="people who must have a word for it to be found, at least 3 (default: 10)",
    )
    parser.add_argument(
        "--min-messages",
        type=positive_int,
        default=1,
        help="messages of a person in which a word must occur (default: 1)",
    )
    parser.add_argument(
        "--words-per-device",
        type=positive_int,
        help="most words that a device offers, and most phrases "
        f"(default: {_WORDS_PER_DEVICE} and {_PHRASES_PER_DEVICE}; {_PRIVATE_PER_DEVICE} of each with --dp)",
    )
    parser.add_argument(
        "--buckets",
        type=positive_int,
        default=_BUCKETS,
        help=f"buckets in which words are counted (default: {_BUCKETS})",
    )
    parser.add_argument(
        "--capacity", type=positive_int, help="words that the table has room for (default: as many as its buckets need)"
    )
    parser.add_argument(
        "--dp",
        type=positive_number,
        metavar="EPSILON",
        help="differential privacy for people, for words and for phrases each (default: none)",
    )
    parser.add_argument(
        "--delta",
        type=positive_number,
        default=_DELTA,
        help=f"with --dp: the delta that belongs to epsilon (default: {_DELTA:g})",
    )
    parser.add_argument(
        "--devices",
        type=positive_int,
        help="deal out the messages to this many devices, to measure costs (default: one a person)",
    )
    parser.add_argument(
        "--phrases",
        type=Path,
        metavar="FILE",
        help="also find phrases of one to three words of the vocabulary, into this file (default: none)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the found words, as federate grow reads them (default: do not write them)",
    )
    add_seed_option(parser)


def run_words(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the simulated discovery, prints its tables, and returns its result for JSON.

    Raises:
      DataError: the model folder or the corpus is missing, or the discovery fails.
      BadCallError: a number is out of bounds.
    """
    from federation.discovery.corpus_devices import coverage, messages_of_devices, word_counts
    from federation.protocol.discovery.offer import OfferTerms, may_be_offered, words_to_offer
    from federation.protocol.discovery.phrase_offer import may_be_phrase, phrases_to_offer
    from federation.protocol.discovery.round_plans import LEAST_K
    from federation.protocol.discovery.word_counts import CountTerms
    from federation.protocol.discovery.word_table import TableTerms
    from federation.protocol.json_messages import JsonMessage
    from model.device.suggesting.offensive import offensive_words

    if options.k < LEAST_K:
        raise BadCallError(f"--k {options.k} is below {LEAST_K}: words of fewer people could identify them")
    if not options.delta < 1:
        raise BadCallError(f"--delta {options.delta:g} must be below 1: choose less than one over the number of people")
    bounded: dict[str, type[JsonMessage]] = {
        "buckets": CountTerms,
        "capacity": TableTerms,
        "min_messages": OfferTerms,
        "words_per_device": OfferTerms,
    }
    for name, terms_of in bounded.items():
        if (value := getattr(options, name)) is not None:
            try:
                terms_of.check_field(name, value, f"--{name.replace('_', '-')}")
            except DataError as error:
                raise BadCallError(str(error)) from error
    if not options.model.is_dir():
        raise DataError(f"there is no model folder {options.model}")
    vocabulary, corpus = Vocabulary.load(options.model / VOCABULARY), open_corpus(options.corpus)
    people, offensive = Part(corpus, "train"), offensive_words()
    private = _PRIVATE_PER_DEVICE if options.dp else None
    per_device = options.words_per_device or private or _WORDS_PER_DEVICE
    phrases_per_device = options.words_per_device or private or _PHRASES_PER_DEVICE
    terms = OfferTerms(options.min_messages, per_device)
    # Before anything takes long, so that wrong options are reported at once.
    privacy = _noise(options, per_device)
    phrase_privacy = _noise(options, phrases_per_device) if options.phrases else None
    offers = [
        words_to_offer(messages, vocabulary, (), terms, offensive)
        for messages in messages_of_devices(people, options.devices)
    ]

    def is_new(word: str) -> bool:
        return may_be_offered(word) and word not in vocabulary and word not in offensive

    found = _discover(options, offers, is_new, options.buckets, options.capacity, privacy)
    held_out = word_counts(Part(corpus, "validation"))
    before = coverage(held_out, vocabulary)
    after = coverage(held_out, vocabulary, frozenset(found.words))
    _print_found(found, held_out, before, after, private=privacy is not None)
    if privacy is not None:
        _print_privacy(privacy, "words")
    result = {
        "words": [{"word": word, "devices": devices} for word, devices in found.words.items()],
        **_summary(found, options.k, privacy),
        "coverage": before,
        "coverage_with_words": after,
        "vocabulary": vocabulary.sha256,
    }
    if options.out:
        write_by_rename(options.out, (json.dumps(result, ensure_ascii=False) + "\n").encode())
        print(f"{options.out}: {len(found.words):,} words", file=sys.stderr)
    if options.phrases:
        phrase_terms = OfferTerms(options.min_messages, phrases_per_device)
        offers = [
            phrases_to_offer(messages, vocabulary, (), phrase_terms, offensive)
            for messages in messages_of_devices(people, options.devices)
        ]
        phrases = _discover(
            options, offers, lambda p: may_be_phrase(p, vocabulary), _PHRASE_BUCKETS, None, phrase_privacy
        )
        content = {"phrases": [{"phrase": phrase, "devices": devices} for phrase, devices in phrases.words.items()]}
        content |= _summary(phrases, options.k, phrase_privacy)
        write_by_rename(options.phrases, (json.dumps(content, ensure_ascii=False) + "\n").encode())
        print(f"{options.phrases}: {len(phrases.words):,} phrases", file=sys.stderr)
        result |= {"phrases": len(phrases.words)}
        if privacy is not None and phrase_privacy is not None:
            result |= _both(privacy, phrase_privacy)
    return result


def _noise(options: argparse.Namespace, per_device: int) -> "NoisyThreshold | None":
    if not options.dp:
        return None
    from federation.discovery.privacy import noisy_threshold

    return noisy_threshold(options.dp, options.delta, per_device, options.k)


def _print_privacy(privacy: "NoisyThreshold", what: str) -> None:
    print(
        f"{what}: epsilon {privacy.epsilon:g} at delta {privacy.delta:g} for a person with all their {what}: noise of standard "
        f"deviation {privacy.stddev:.1f} on each count, released from {privacy.threshold} (not for the decoder of the sums)",
        file=sys.stderr,
    )


def _both(words: "NoisyThreshold", phrases: "NoisyThreshold") -> dict[str, float]:
    """Prints and returns the privacy of words and phrases together."""
    from federation.discovery.privacy import together

    epsilon, delta = together([words, phrases])
    _print_privacy(phrases, "phrases")
    print(f"words and phrases together: epsilon {epsilon:.2f} at delta {delta:g}", file=sys.stderr)
    return {"epsilon_with_phrases": epsilon, "delta_with_phrases": delta}


def _discover(
    options: argparse.Namespace,
    offers: list[list[str]],
    may_be_found: Callable[[str], bool],
    buckets: int,
    capacity: int | None,
    privacy: "NoisyThreshold | None",
) -> "Found":
    from federation.discovery.simulation import discover

    # The seed is that of the hashes alone: whoever knew the seed of the noise could subtract it.
    return discover(offers, may_be_found, options.k, buckets, options.seed % 2**32, capacity, privacy)


def _summary(found: "Found", k: int, privacy: "NoisyThreshold | None") -> dict[str, Any]:
    from federation.discovery.costs import costs_of

    summary: dict[str, Any] = {
        "devices": found.devices,
        "offers": found.offers,
        "k": k,
        "published_buckets": found.published,
        "probability_decoded_below_k": found.exposure,
        "dropped": found.dropped,
        "capacity": found.capacity,
        "costs": costs_of(found),
    }
    if privacy is not None:
        summary |= {"epsilon": privacy.epsilon, "delta": privacy.delta, "threshold": privacy.threshold}
        summary |= {"noise_stddev": privacy.stddev}
        del summary["offers"], summary["dropped"]  # they are exact, so they are not private
    return summary


def _print_found(found: "Found", held_out: Any, before: float, after: float, private: bool) -> None:
    from federation.discovery.costs import cost_rows

    total = max(sum(held_out.values()), 1)
    rows = [["word", "devices", "share of validation users' words"]]
    rows += [[word, f"{n:,}", f"{held_out[word] / total:.3%}"] for word, n in list(found.words.items())[:_SHOWN]]
    print_tables(
        [
            (f"{len(found.words):,} new words of {found.devices:,} devices; the first {len(rows) - 1}", rows),
            ("costs", cost_rows(found, _MILLION, private)),
        ]
    )
    print(
        f"words of validation users that the vocabulary has: {before:.1%}, with the new words {after:.1%}\n"
        f"probability that a word of one device is decoded, because its bucket has words of others: {found.exposure:.2%}",
        file=sys.stderr,
    )
    if found.dropped:
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in found.dropped.items())
        print(f"decoded words that were dropped: {reasons}", file=sys.stderr)
