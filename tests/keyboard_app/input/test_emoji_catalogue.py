import pytest

from keyboard_app.input.emoji_catalogue import catalogue, emoji_for
from keyboard_app.input.graphemes import next_boundary


def test_every_emoji_is_in_one_category_and_is_one_character() -> None:
    categories = catalogue().categories
    signs = [each.sign for some in categories.values() for each in some]
    assert len(signs) == len(set(signs)) > 1500
    assert all(next_boundary(sign, 0) == len(sign) for sign in signs)
    assert all(len(some) > 50 for some in categories.values())
    assert [some[0].sign for some in categories.values()][:4] == ["😀", "👋", "🐵", "🍇"]
    for sign, category in {
        "🍕": "Food",
        "🐢": "Nature",
        "🇫🇷": "Flags",
        "✈️": "Travel",
        "💻": "Objects",
        "✅": "Symbols",
    }.items():
        assert sign in [each.sign for each in categories[category]]


@pytest.mark.parametrize(
    ("asked", "sign"), [("pizza", "🍕"), ("thumbs u", "👍"), ("FIRE engine", "🚒"), ("joy", "😂"), ("franc", "🇫🇷")]
)
def test_a_search_matches_words_and_prefixes(asked: str, sign: str) -> None:
    assert sign in [each.sign for each in catalogue().search(asked)]


def test_a_search_for_nothing_or_nonsense_finds_nothing() -> None:
    assert catalogue().search(" ") == catalogue().search("xyzzy") == []
    assert len(catalogue().search("a", count=7)) == 7


@pytest.mark.parametrize(
    ("word", "sign"),
    [
        ("pizza", "🍕"),
        ("dogs", "🐕"),
        ("heart", "❤️"),
        ("tired", "😫"),
        ("on", None),
        ("back", None),
        ("s", None),
        ("", None),
    ],
)
def test_emoji_for_words(word: str, sign: str | None) -> None:
    assert catalogue().for_word(word) == sign


def test_the_emoji_that_a_person_uses_comes_first() -> None:
    assert catalogue().for_word("heart") == "❤️"
    assert catalogue().for_word("heart", ["🍕", "💙", "💚"]) == "💙"
    assert catalogue().for_word("dogs", ["💚", "🐶"]) == "🐶"
    assert catalogue().for_word("pizza", ["💚"]) == "🍕"
    assert catalogue().for_word("back", ["🔙"]) is None, "a word that no emoji is offered for"


def test_a_lookup_never_waits_for_the_catalogue() -> None:
    catalogue.cache_clear()
    first = emoji_for("pizza")
    assert first in (None, "🍕")  # another test may have started to read it
    catalogue()
    assert emoji_for("pizza") == "🍕"


def test_the_first_lookup_starts_to_read_it() -> None:
    """Runs in a separate process, because a process reads the catalogue only once."""
    import subprocess
    import sys

    program = (
        "import time; from keyboard_app.input.emoji_catalogue import catalogue, emoji_for\n"
        "assert emoji_for('pizza') is None\n"
        "while not catalogue.cache_info().currsize: time.sleep(0.01)\n"
        "print(emoji_for('pizza'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "🍕\n"
