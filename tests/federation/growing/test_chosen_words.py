"""Which found words join a vocabulary."""

import pytest

from data.errors import DataError
from data.vocabulary import SPECIALS, Vocabulary
from federation.growing.chosen_words import (
    KNOWN,
    NO_ROOM,
    NO_WORD,
    OFFENSIVE,
    TOO_FEW,
    TYPO,
    choose_words,
    lines_about,
    with_wishes,
)
from federation.growing.counts_files import Counted

VOCABULARY = Vocabulary([*SPECIALS, "the", "zoo"])


@pytest.mark.parametrize(
    ("word", "devices", "reason"),
    [
        *(("byu", 3, None), ("y'all", 9, None), ("niño", 9, None), ("हिन्दी", 9, None)),
        *(("BYU", 9, NO_WORD), ("two words", 9, NO_WORD), ("", 9, NO_WORD), ("a", 9, NO_WORD), ("a" * 21, 9, NO_WORD)),
        *(("42", 9, NO_WORD), ("...", 9, NO_WORD), ("<s>", 9, NO_WORD), ("c3po", 9, NO_WORD), ("don’t", 9, NO_WORD)),
        *(("byu", 2, TOO_FEW), ("zoo", 9, KNOWN), ("fudge", 9, OFFENSIVE), ("fudge's", 9, OFFENSIVE), ("teh", 9, TYPO)),
    ],
)
def test_a_word_joins_or_is_left_out_for_a_reason(word: str, devices: int, reason: str | None) -> None:
    chosen = choose_words([Counted(word, devices)], VOCABULARY, None, {"fudge"}, lambda w: w.text == "teh")
    assert [w.text for w in chosen.words] == ([] if reason else [word])
    assert chosen.left_out == ({reason: [word]} if reason else {})


def test_the_most_frequent_words_take_the_room() -> None:
    found = [Counted(text, devices) for text, devices in (("aa", 9), ("zoo", 8), ("bb", 7), ("cc", 6), ("dd", 5))]
    chosen = choose_words(found, VOCABULARY, 2, (), lambda _: False)
    assert [w.text for w in chosen.words] == ["aa", "bb"]
    assert chosen.left_out == {KNOWN: ["zoo"], NO_ROOM: ["cc", "dd"]}
    assert lines_about(chosen) == [
        "left out, in the vocabulary already: 1 word ('zoo')",
        "left out, no room: 2 words ('cc', 'dd')",
    ]


def test_the_owner_decides_what_is_a_typo_and_what_is_left_out() -> None:
    found = [Counted(text, 9) for text in ("oof", "teh", "byu", "fudge")]

    def choose(include: list[str], exclude: list[str]) -> tuple[list[str], list[str]]:
        chosen = choose_words(
            with_wishes(found, include, exclude), VOCABULARY, None, {"fudge"}, lambda w: w.text in ("oof", "teh")
        )
        return [word.text for word in chosen.words], lines_about(chosen)

    words, lines = choose([], [])
    assert words == ["byu"] and lines[0].endswith("2 words ('oof', 'teh'); --include takes words in")
    assert choose(["oof"], [])[0] == ["oof", "byu"]
    assert choose(["oof", "fudge"], ["byu"])[0] == ["oof"], "an offensive word never joins"
    for include, exclude, said in (
        (["nope"], [], "'nope' is not among the found words"),
        ([], ["no\x1bpe"], "not among the found words"),
        (["byu"], ["byu"], "'byu' is both included and excluded"),
    ):
        with pytest.raises(DataError, match=said) as error:
            with_wishes(found, include, exclude)
        assert str(error.value).isprintable()


def test_words_that_are_printed_cannot_control_a_terminal() -> None:
    found = [Counted(f"bad\x1b[2J\n{number}" + "x" * 99, 9) for number in range(20)]
    (line,) = lines_about(choose_words(found, VOCABULARY, None, (), lambda _: False))
    assert line.isprintable() and "20 words" in line and line.endswith("', …)") and len(line) < 500
