"""Which phrases a device offers."""

from hypothesis import given
from hypothesis import strategies as st

from federation.protocol.discovery.offer import OfferTerms
from federation.protocol.discovery.phrase_offer import may_be_phrase, phrases_to_offer

KNOWN = frozenset(["see", "you", "at", "the", "gym", "my", "snap", "is", "damn", ".", "password"])


def offered(*messages: str, least: int = 1, most: int = 100) -> list[str]:
    return phrases_to_offer(messages, KNOWN, (), OfferTerms(least, most), {"damn"})


def test_phrases_are_words_of_the_vocabulary_that_follow_each_other() -> None:
    assert set(offered("See you at")) == {"see", "you", "at", "see you", "you at", "see you at"}
    assert set(offered("see you. At")) == {"see", "you", "at", "see you"}, "punctuation divides"
    assert set(offered("see zebra you")) == {"see", "you"}, "new words divide"
    assert set(offered("see damn you")) == {"see", "you"}, "offensive words divide"
    assert set(offered("see (you) at")) == {"see", "you", "at"}, "brackets divide"


def test_accounts_and_secrets_are_in_no_phrase() -> None:
    assert set(offered("see you@gym at the")) == {"see", "at", "the", "at the"}
    assert "snap is" in offered("my snap is gym")
    assert "gym" not in offered("my snap is gym")
    assert set(offered("password is see you")) == {"password", "is", "password is"}


def test_phrases_of_most_messages_come_first_and_each_message_counts_once() -> None:
    messages = ["see you see you", "see you", "the gym the gym the gym"]
    assert (
        offered(*messages, least=2, most=2)
        == [p for p in offered(*messages, least=2) if p in ("see", "you", "see you")][:2]
    )
    assert "the gym" not in offered(*messages, least=2)
    assert phrases_to_offer(messages, KNOWN, {"see", "see you"}, OfferTerms(2), ()) == ["you"]


@given(st.lists(st.lists(st.sampled_from(sorted(KNOWN | {"zebra"})), max_size=8).map(" ".join), max_size=5))
def test_every_phrase_has_the_form_that_is_checked(messages: list[str]) -> None:
    for phrase in offered(*messages):
        assert may_be_phrase(phrase, KNOWN)
        assert any(phrase in message for message in messages)
    assert not any(may_be_phrase(text, KNOWN) for text in ("", "zebra", "see  you", "see you at the", "see zebra"))
