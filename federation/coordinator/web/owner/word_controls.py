"""The owner's actions for word discoveries, and their part of the control API."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query

from data.errors import DataError
from data.files import write_by_rename
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.steady_clock import steady_time
from federation.coordinator.words.discovery_store import DEFAULT_K, Discovery, DiscoveryTerms, FoundWord
from federation.protocol.discovery.offer import OfferTerms

DEFAULT_OFFER = OfferTerms()


@dataclass(frozen=True)
class DiscoveryRecord:
    """The newest word discovery, for its owner. Times are seconds since 1970."""

    number: int
    state: str  # count, reveal, found or failed
    started: float
    ended: float | None
    k: int
    devices: int  # in the first sum; 0 before it
    buckets: int  # published
    words: tuple[FoundWord, ...]
    note: str

    def __str__(self) -> str:
        found = sum(not word.struck for word in self.words)
        said = f": {self.note}" if self.note else ""
        if self.state == "failed":
            return f"word discovery {self.number} has failed{said}"
        if self.state == "found":
            words = f"{found:,} {'word' if found == 1 else 'words'} of at least {self.k:,} of {self.devices:,} devices"
            struck = len(self.words) - found
            return f"word discovery {self.number}: {words}{f', {struck:,} struck out' if struck else ''}{said}"
        step = "counts how many devices have each word" if self.state == "count" else "reveals the words"
        return f"word discovery {self.number} {step}"


class WordControls:
    """The owner's actions on word discoveries; `tick` is called after each change."""

    def __init__(self, coordinator: Coordinator, tick: Callable[[], None]) -> None:
        self._rounds, self._tick = coordinator.rounds, tick

    def start(
        self,
        k: int = DEFAULT_K,
        min_messages: int = DEFAULT_OFFER.min_messages,
        words_per_device: int = DEFAULT_OFFER.words_per_device,
    ) -> None:
        """Starts a discovery.

        Raises:
          DataError: it cannot begin, or a number is not within its bounds.
        """
        terms = DiscoveryTerms(k, OfferTerms(min_messages, words_per_device))
        self._rounds.discover_words(terms, steady_time())
        self._tick()

    def newest(self) -> DiscoveryRecord | None:
        """Returns the newest discovery."""
        newest = self._rounds.discoveries.newest
        return None if newest is None else _record(newest)

    def strike(self, words: list[str], struck: bool) -> None:
        """Strikes words out, or takes them back in.

        Raises:
          DataError: the newest discovery has not found them.
        """
        self._rounds.discoveries.strike(words, struck)

    def keep_as_typed(self, words: list[str], no_typo: bool) -> None:
        """Records that words are no typos, although they may look like some, or takes that back.

        Raises:
          DataError: the newest discovery has not found them.
        """
        self._rounds.discoveries.keep_as_typed(words, no_typo)

    def confirmed(self) -> dict[str, Any]:
        """Returns the words that are not struck out, as `federate grow` reads them.

        Raises:
          DataError: no discovery has found any.
        """
        return self._rounds.discoveries.as_json()


def word_routes(controls: WordControls) -> APIRouter:
    """Returns the calls of the control API."""
    routes = APIRouter(prefix="/control/words")

    @routes.get("")
    async def newest() -> dict[str, Any]:
        """The newest discovery and its words, the struck ones included."""
        record = controls.newest()
        return {} if record is None else asdict(record)

    @routes.post("", status_code=HTTPStatus.NO_CONTENT)
    async def start(
        k: int = DEFAULT_K,
        min_messages: int = DEFAULT_OFFER.min_messages,
        words_per_device: int = DEFAULT_OFFER.words_per_device,
    ) -> None:
        """Starts a discovery."""
        controls.start(k, min_messages, words_per_device)

    @routes.get("/confirmed")
    async def confirmed() -> dict[str, Any]:
        """The words that are not struck out, as `federate grow` reads them."""
        return controls.confirmed()

    @routes.post("/strikes", status_code=HTTPStatus.NO_CONTENT)
    async def strike(word: Annotated[list[str], Query()], struck: bool = True) -> None:
        """Strikes words out, or takes them back in."""
        controls.strike(word, struck)

    @routes.post("/no-typos", status_code=HTTPStatus.NO_CONTENT)
    async def keep_as_typed(word: Annotated[list[str], Query()], no_typo: bool = True) -> None:
        """Records that words are no typos, or takes that back."""
        controls.keep_as_typed(word, no_typo)

    return routes


def record_from(content: dict[str, Any]) -> DiscoveryRecord:
    """Reads the newest discovery as the control API gives it.

    Raises:
      DataError: there has been none.
    """
    if not content:
        raise DataError("there has been no word discovery yet: start one with --start")
    return DiscoveryRecord(**content | {"words": tuple(FoundWord(**word) for word in content["words"])})


def save_words(path: Path, content: dict[str, Any]) -> None:
    """Writes confirmed words for `federate grow`, by rename.

    Raises:
      OSError: the file cannot be written.
    """
    write_by_rename(path, json.dumps(content, ensure_ascii=False, indent=1).encode())


def _record(found: Discovery) -> DiscoveryRecord:
    devices, buckets = (found.counted.devices, len(found.counted.buckets)) if found.counted else (0, 0)
    times = found.started, found.ended
    return DiscoveryRecord(found.id, found.state, *times, found.terms.k, devices, buckets, found.words, found.note)
