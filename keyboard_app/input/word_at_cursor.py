"""The word at the cursor, by the tokenizer's definition of a word. However long a text is, only its part at the cursor is read."""

from data.tokenizer import PUNCTUATION, tokenize

LONGEST = 64  # characters; nothing is suggested in a longer word, which may be a text in a script without spaces


def begun_word(before: str) -> str:
    """Returns the unfinished word at the end of the text before the cursor; empty between words and in a very long one."""
    begun = _begun(before)
    return begun if len(begun) <= LONGEST else ""


def in_long_word(before: str) -> bool:
    """Returns whether the text before the cursor ends within a word that is too long for suggestions."""
    return len(_begun(before)) > LONGEST


def _begun(before: str) -> str:
    """Returns the last characters of the unfinished word, at most one more than the longest has."""
    tail = before[-LONGEST - 1 :]
    tail = tail[max(tail.rfind(" "), tail.rfind("\n")) + 1 :]
    # The word is still open if the tokenizer would make a following letter or digit part of it.
    for next_character in "a0א":
        token = tokenize(tail + next_character)[-1]
        if token.start < len(tail):
            return tail[token.start :]
    return ""


def whole_word(text: str, cursor: int) -> str:
    """Returns the word begun before the cursor, up to its end after the cursor; empty whenever the begun word is."""
    begun = begun_word(text[:cursor])
    if not begun:
        return ""
    start = cursor - len(begun)
    seen = text[start : start + LONGEST + 1].split(maxsplit=1)[0]
    end = start + len(tokenize(seen)[0].text)
    return text[start : max(end, cursor)] if end - start <= LONGEST else ""


def ended_word(before: str) -> str:
    """Returns the word that was just ended by a space before the cursor; empty if the space ended something else."""
    if not before.endswith(" "):
        return ""
    tokens = tokenize(before[-LONGEST - 2 : -1].rpartition(" ")[2])
    last = tokens[-1].text if tokens else ""
    return last if last not in PUNCTUATION and len(last) <= LONGEST and before.endswith(last + " ") else ""
