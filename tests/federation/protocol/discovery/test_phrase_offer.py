"""Which phrases a device offers."""

from hypothesis import given
from hypothesis import strategies as st

from federation.protocol.discovery.offer import OfferTerms
from federation.protocol.discovery.phrase_offer import may_be_phrase, phrases_to_offer

KNOWN = frozenset(["see", "you", "at", "the", "gym", "my", "snap", "is", "damn", ".", "password"])


def offered(*messages: str, least: int = 1, most: int = 100) -> list[str]:
    return phrases_to_offer(messages, KNOWN, (), OfferTerms(least, most), {"damn"})


def inside(*messages: str) -> set[str]:
    """The offered phrases that do not start a message."""
    return {phrase for phrase in offered(*messages) if not phrase.startswith("<s>")}


def test_phrases_are_words_of_the_vocabulary_that_follow_each_other() -> None:
    assert inside("See you at") == {"see", "you", "at", "see you", "you at", "see you at"}
    assert inside("see you. At") == {"see", "you", "at", "see you"}, "punctuation divides"
    assert inside("see zebra you") == {"see", "you"}, "new words divide"
    assert inside("see damn you") == {"see", "you"}, "offensive words divide"
    assert inside("see (you) at") == {"see", "you", "at"}, "brackets divide"


def test_the_start_of_a_message_counts_as_a_word() -> None:
    assert {p for p in offered("See you at the gym") if p.startswith("<s>")} == {"<s> see", "<s> see you"}
    for text in ("zebra see you", "(see) you", "damn see", "see@gym you", "", "<s>"):
        assert not [p for p in offered(text) if p.startswith("<s>")], text
    assert not any(may_be_phrase(text, KNOWN | {"<s>"}) for text in ("<s>", "see <s>", "<s> <s>", "<s> see you at"))


def test_accounts_and_secrets_are_in_no_phrase() -> None:
    assert inside("see you@gym at the") == {"see", "at", "the", "at the"}
    assert "snap is" in offered("my snap is gym")
    assert "gym" not in offered("my snap is gym")
    assert inside("password is see you") == {"password", "is", "password is"}


def test_phrases_of_most_messages_come_first_and_each_message_counts_once() -> None:
    messages = ["see you see you", "see you", "the gym the gym the gym"]
    assert set(offered(*messages, least=2)) == {"<s> see", "<s> see you", "see", "you", "see you"}
    assert offered(*messages, least=2, most=2) == offered(*messages, least=2)[:2]
    assert "the gym" not in offered(*messages, least=2)
    assert phrases_to_offer(messages, KNOWN, {"see", "see you", "<s> see", "<s> see you"}, OfferTerms(2), ()) == ["you"]


@given(st.lists(st.lists(st.sampled_from(sorted(KNOWN | {"zebra"})), max_size=8).map(" ".join), max_size=5))
def test_every_phrase_has_the_form_that_is_checked(messages: list[str]) -> None:
    for phrase in offered(*messages):
        assert may_be_phrase(phrase, KNOWN)
        assert any(phrase.removeprefix("<s> ") in message for message in messages)
    assert not any(may_be_phrase(text, KNOWN) for text in ("", "zebra", "see  you", "see you at the", "see zebra"))
