"""`federate discover`: finds new words over the devices of a running coordinator, and saves those that its owner confirms."""

import argparse
import shlex
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.errors import DataError
from federation.commands.options import BadCallError, positive_int
from federation.commands.serve import add_folder
from federation.protocol.discovery.offer import OfferTerms

_POLL_SECONDS = 1.0


def add_discover_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate discover`."""
    parser.epilog = (
        "Look at the words before you save them: a device that lies can add words and raise counts. federate grow --words FILE "
        "adds the saved words to a model's vocabulary."
    )
    add_folder(parser)
    parser.add_argument("--start", action="store_true", help="start a word discovery (default: show the newest one)")
    parser.add_argument(
        "--k", type=positive_int, default=10, help="devices that must have a word, at least 3 (default: %(default)s)"
    )
    parser.add_argument(
        "--min-messages",
        type=positive_int,
        default=OfferTerms().min_messages,
        help="messages of its person in which a device must find a word (default: %(default)s)",
    )
    parser.add_argument(
        "--words-per-device",
        type=positive_int,
        default=OfferTerms().words_per_device,
        help="words that a device offers at most (default: %(default)s)",
    )
    parser.add_argument("--wait", action="store_true", help="wait for the end of the discovery (default: do not wait)")
    parser.add_argument("--strike", nargs="+", default=[], metavar="WORD", help="strike words out (default: none)")
    parser.add_argument(
        "--take-back", nargs="+", default=[], metavar="WORD", help="take struck words back in (default: none)"
    )
    parser.add_argument(
        "--no-typo",
        nargs="+",
        default=[],
        metavar="WORD",
        help="words that join although they look like typos (default: none)",
    )
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help="write the words that are not struck out as JSON (default: write none)",
    )


def run_discover(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate discover`; returns the discovery, with the words that are not struck out.

    Raises:
      BadCallError: `--save` is given for a discovery that was just started and is not waited for.
      DataError: no coordinator is running in the folder, it refuses, or the discovery failed.
      OSError: the file cannot be written.
    """
    if options.start and not options.wait and (options.save or options.strike or options.take_back or options.no_typo):
        raise BadCallError(
            "--start with --save, --strike, --take-back or --no-typo needs --wait: there are no words before the end"
        )
    from federation.coordinator.web.control_client import ControlClient
    from federation.coordinator.web.owner.word_controls import save_words
    from federation.reports.tables import print_tables

    client = ControlClient(options.folder)
    if options.start:
        client.start_discovery(
            k=options.k, min_messages=options.min_messages, words_per_device=options.words_per_device
        )
    record = client.discovery()
    while options.wait and record.ended is None:
        time.sleep(_POLL_SECONDS)
        record = client.discovery()
    if record.state == "failed":
        raise DataError(f"{record}: look at the errors on the dashboard, then start it again")
    for words, struck in ((options.strike, True), (options.take_back, False)):
        if words:
            client.strike(words, struck)
    if options.no_typo:
        client.keep_as_typed(options.no_typo, True)
    record = client.discovery()
    if record.words:
        rows = [[w.word, f"{w.devices:,}", "yes" if w.struck else "", "yes" if w.no_typo else ""] for w in record.words]
        print_tables([("New words", [["word", "devices", "struck out", "no typo"], *rows])])
    print(record, file=sys.stderr)
    if options.save:
        save_words(options.save, client.confirmed_words())
        print(f"saved in {options.save}: federate grow --words {shlex.quote(str(options.save))}", file=sys.stderr)
    listed = [{"word": w.word, "devices": w.devices} for w in record.words if not w.struck]
    return {"words": listed} | {name: value for name, value in asdict(record).items() if name != "words"}
