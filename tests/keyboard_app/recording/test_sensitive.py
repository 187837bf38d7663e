import base64
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.corpus import ChitChat, users_in
from keyboard_app.recording.sensitive import ACCOUNT, CARD, CODE, PASSWORD, passes_luhn, why_sensitive

_SEPARATORS = st.text(st.characters(exclude_categories=["L", "Nd", "Cs"]), max_size=3)
_WORDS = st.sampled_from(["", "my card is ", "pay with ", "and then ", "é"])


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    digits = draw(st.lists(st.integers(0, 9), min_size=12, max_size=18))
    digits.append(next(last for last in range(10) if passes_luhn([*digits, last], [len(digits) + 1])))
    spelled = [chr(ord(draw(st.sampled_from("0٠०"))) + digit) for digit in digits]  # in digits of any script
    return spelled[0] + "".join(draw(_SEPARATORS) + digit for digit in spelled[1:])


@given(_WORDS, card_numbers(), st.sampled_from(["", " ok?", " 12/27 123", "x"]))
def test_a_card_number_is_found_whatever_separates_its_digits(before: str, number: str, after: str) -> None:
    assert why_sensitive(before + number + after) in (CARD, ACCOUNT)


def test_luhn_on_the_examples_of_the_standard() -> None:
    assert passes_luhn([int(d) for d in "4539148803436467"], [16])
    assert not passes_luhn([int(d) for d in "4539148803436468"], [16])


@pytest.mark.parametrize(
    "before",
    ["at 10 30 to ", "in 20 min ", "room ab12 then ", "on 12 30 or 13 30 ", "we go at 10 30 with 20 people to "],
)
def test_an_account_is_found_behind_words_that_begin_as_one_does(before: str) -> None:
    # An account with too few digits to be taken for a card number.
    assert why_sensitive(f"{before}NL91 ABNA 0417 1643 00") == ACCOUNT


@pytest.mark.parametrize(
    "text",
    [
        "DE89 3704 0044 0532 0130 00",
        "send it to gb29nwbk60161331926819 thanks",
        "NL91-ABNA-0417-1643-00",
        "CH9300762011623852957",
    ],
)
def test_bank_accounts(text: str) -> None:
    assert why_sensitive(text) == ACCOUNT


@st.composite
def ibans(draw: st.DrawFn) -> str:
    country = draw(st.sampled_from(["DE", "FR", "IT", "NO"]))
    account = draw(st.text(string.digits, min_size=11, max_size=27))
    number = int("".join(str(int(c, 36)) for c in account + country) + "00")
    return f"{country}{98 - number % 97:02}{account}"


@given(ibans(), st.integers(1, 5))
def test_any_iban_in_any_grouping(iban: str, size: int) -> None:
    grouped = " ".join(iban[i : i + size] for i in range(0, len(iban), size))
    assert why_sensitive(f"it is {grouped}") == ACCOUNT


@given(st.binary(min_size=15, max_size=40))
def test_random_keys(content: bytes) -> None:
    key = base64.b64encode(content).decode().rstrip("=")
    has = [any(c in kind for c in key) for kind in (string.digits, string.ascii_lowercase, string.ascii_uppercase)]
    if all(has):
        assert why_sensitive(f"here: {key}") in (PASSWORD, ACCOUNT), "few random keys have the checksum of an IBAN"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hunter2", PASSWORD),
        ("Tr0ub4dor&3", PASSWORD),
        ("it's Tr0ub4dor&3 ok?", PASSWORD),
        ("correct_Horse", PASSWORD),
        ("my password is swordfish", PASSWORD),
        ("PIN: 12", PASSWORD),
        ("das Passwort ist geheim", PASSWORD),
        ("482913", CODE),
        ("0000", CODE),
    ],
)
def test_passwords_and_codes(text: str, reason: str) -> None:
    assert why_sensitive(text) == reason


@pytest.mark.parametrize(
    "text",
    [
        "I'm 24, you?",
        "meet me at 5:30pm",
        "see https://youtu.be/dQw4w9WgXcQ",
        "write to ann.b3rg@example.org",
        "call 555-0123 4567",
        "the WiFi6 router cost 1,299.99",
        "Haven't!!!",
        "hahahahahaha",
        "24",
        "I forgot my password again",
        "pinning it is fun",
        "😀😀😀",
        "",
    ],
)
def test_ordinary_messages_are_not_secrets(text: str) -> None:
    assert why_sensitive(text) is None


@pytest.mark.parametrize(
    "text", ["mi contraseña es hola", "DE89 3704 0044 0532 0130 00", "4539 1488 0343 6467", "é1ñ2ü3xy"]
)
def test_neither_decomposed_letters_nor_joiners_hide_a_secret(text: str) -> None:
    reason = why_sensitive(text)
    assert reason is not None
    assert why_sensitive(unicodedata.normalize("NFD", text)) == reason
    assert why_sensitive("\u200d".join(text)) == reason


@given(st.lists(st.integers(0, 9), max_size=24))
def test_card_numbers_are_searched_at_every_place(digits: list[int]) -> None:
    def passes(part: list[int]) -> bool:
        doubled = [sum(divmod(2 * digit, 10)) for digit in part[-2::-2]]
        return (sum(part[-1::-2]) + sum(doubled)) % 10 == 0

    parts = [digits[start : start + size] for size in range(13, 20) for start in range(len(digits) - size + 1)]
    assert passes_luhn(digits) == any(map(passes, parts))


def test_ordinary_chat_is_recorded() -> None:
    corpus = ChitChat()
    texts = [text for user in users_in(corpus, "validation")[::4] for text in corpus.messages(user)]
    refused = sum(why_sensitive(text) is not None for text in texts)
    assert len(texts) > 10_000
    assert refused / len(texts) < 0.005
