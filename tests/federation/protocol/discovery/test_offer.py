"""Which words a device offers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.tokenizer import tokenize
from federation.protocol.discovery.fingerprint import fingerprint64
from federation.protocol.discovery.offer import OfferTerms, may_be_offered, words_to_offer

COMMON = frozenset(
    ["a", "add", "and", "are", "at", "for", "is", "it", "me", "my", "on", "or", "the", "to", "up", "was", "we", "you"]
)


def offered(*messages: str, **limits: int) -> list[str]:
    return words_to_offer(messages, COMMON, (), OfferTerms(**limits), ())


def test_words_of_most_messages_come_first_and_the_rest_in_the_same_order_on_all_devices() -> None:
    messages = ["zebra zebra zebra", "the Quokka", "a quokka and a koala", "koala, quokka!", "emu"]
    assert offered(*messages)[:2] == ["quokka", "koala"]
    assert offered(*messages)[2:] == sorted(["zebra", "emu"], key=lambda word: fingerprint64(word.encode()))
    assert offered(*reversed(messages)) == offered(*messages)
    assert offered(*messages, words_per_device=3) == offered(*messages)[:3]
    assert offered(*messages, min_messages=2) == ["quokka", "koala"]


def test_known_offensive_and_already_offered_words_are_left_out() -> None:
    messages = ["the byu campus and a damn semester"]
    assert set(words_to_offer(messages, COMMON, (), OfferTerms(), ())) == {"byu", "campus", "damn", "semester"}
    assert words_to_offer(messages, COMMON, {"byu", "campus"}, OfferTerms(), {"damn"}) == ["semester"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Y’all, it's snowing... ok?!", {"y'all", "it's", "snowing", "ok"}),
        ("(hmmm) *cough* \"quoted\" 'single' #blessed and/or well-known wait...what", {
            *("hmmm", "cough", "quoted", "single", "blessed", "well", "known", "wait", "what"),
        }),
        ("an iPhone, McDonald and LOUD", {"an", "iphone", "mcdonald", "loud"}),
        ("naïve Straße Привет हिन्दी שלום", {"naïve", "straße", "привет", "हिन्दी", "שלום"}),
        ("b " + "x" * 21 + " " + "ab" * 10, {"ab" * 10}),
        ("we saw 🙂 penguins🐧", {"saw", "penguins"}),
    ],
)  # fmt: skip
def test_ordinary_writing_is_offered(text: str, words: set[str]) -> None:
    assert set(offered(text)) == words


@pytest.mark.parametrize(
    "text",
    [
        "@johndoe",
        "johndoe@example",
        "john.doe@example.com",
        "www.johndoe.com",
        "johndoe.me",
        "https://johndoe/page",
        "/home/johndoe",
        "johndoe/private/letters",
        "/u/johndoe",
        "u/johndoe",
        "john_doe",
        "_johndoe_",
        "johndoe99",
        "4johndoe",
        "pa$$word",
        "C:\\johndoe",
        "johndoe#hunter",
        "correct+horse",
        "xXjohnXdoeXx",
        "qWeRtY",
        "ABCD-EFGHI-JKLMN",
        "xkqzwvbnt",
        "my snap is johndoe",
        "my Insta: johndoe",
        "Skype:johndoe",
        "my gamertag’s johndoe",
        "the username is johndoe",
        "my discord name is johndoe",
        "add me on snap johndoe",
        "the password is correct horse battery staple",
        "Passwort: hunter zwei",
        "my recovery phrase is zebra zebra zebra quokka",
        "PIN=quokka",
    ],
)
def test_what_looks_like_an_account_or_a_secret_is_not_offered(text: str) -> None:
    labels = {"snap", "insta", "skype", "gamertag", "gamertag's", "username", "discord", "name"}
    labels |= {"password", "passwort", "recovery", "phrase", "pin"}
    assert set(offered(text)) <= labels
    assert "quokka" in offered(text, "a quokka")  # a use elsewhere counts


@given(st.lists(st.text(), max_size=8), st.integers(1, 3), st.integers(1, 5))
def test_every_word_offered_is_one_that_the_sum_may_contain(texts: list[str], least: int, most: int) -> None:
    words = words_to_offer(texts, COMMON, (), OfferTerms(least, most), ())
    assert len(words) <= most
    assert len(set(words)) == len(words)
    for word in words:
        assert may_be_offered(word)
        assert sum(word in {token.word for token in tokenize(text)} for text in texts) >= least


@given(st.from_regex(r"([a-z][aeiou]){1,4}'?[a-z]{1,3}", fullmatch=True))
def test_words_of_letters_and_apostrophes_may_be_offered(word: str) -> None:
    assert may_be_offered(word)


@pytest.mark.parametrize(
    "word", ["a", "Big", "two words", "x1", "a.b", "'tis", "tis'", "", "a" * 21, "語" * 15, "ha\0", "a''b", "e\u0301te"]
)
def test_other_words_may_not_be_offered(word: str) -> None:
    assert not may_be_offered(word)
