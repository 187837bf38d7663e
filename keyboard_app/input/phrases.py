"""Offers of several words: each suggested word with the words that probably follow it."""

from collections.abc import Generator, Sequence

from keyboard_app.input.offers import Kind, Offer
from model.device.suggesting.continuations import Continue


def no_continuation(_context: str, _word: str) -> Generator[None, None, list[str]]:
    """Continues no word."""
    yield from ()
    return []


def continue_offers(
    offers: Sequence[Offer], context: str, continue_word: Continue, capitals: bool = False
) -> Generator[None, None, list[Offer]]:
    """Continues each offered word after a context, in capitals if wanted; yields after each step of a network."""
    continued = []
    for offer in offers:
        if offer.is_word:
            rest = " ".join((yield from continue_word(context, offer.text)))
            offer = offer._replace(rest=rest.upper() if capitals else rest)
        continued.append(offer)
    return continued


def shortened(offer: Offer, words: int) -> Offer:
    """Returns an offer with at most this many words behind its first one."""
    return offer._replace(rest=" ".join(offer.rest.split()[:words]))


def best_of(offers: Sequence[Offer]) -> Offer | None:
    """Returns the best suggested word, or None."""
    return next((offer for offer in offers if offer.is_word), None)


def added_by(offer: Offer, prefix: str) -> str | None:
    """Returns what the first word of an offer adds behind a typed prefix, or None if it changes the prefix."""
    if offer.kind is Kind.CORRECTION or not offer.text.startswith(prefix):
        return None
    return offer.text[len(prefix) :]
