"""The word at the cursor, by the tokenizer's definition of a word."""

from data.tokenizer import PUNCTUATION, tokenize


def begun_word(before: str) -> str:
    """Returns the unfinished word at the end of the text before the cursor; empty between words."""
    tail = before[max(before.rfind(" "), before.rfind("\n")) + 1 :]
    # The word is still open if the tokenizer would make a following letter or digit part of it.
    for next_character in "a0":
        token = tokenize(tail + next_character)[-1]
        if token.start < len(tail):
            return tail[token.start :]
    return ""


def whole_word(text: str, cursor: int) -> str:
    """Returns the word begun before the cursor, up to its end after the cursor; empty between words."""
    begun = begun_word(text[:cursor])
    if not begun:
        return ""
    start = cursor - len(begun)
    end = start + len(tokenize(text[start:].split(maxsplit=1)[0])[0].text)
    return text[start : max(end, cursor)]


def ended_word(before: str) -> str:
    """Returns the word that was just ended by a space before the cursor; empty if the space ended something else."""
    if not before.endswith(" "):
        return ""
    tokens = tokenize(before[:-1].rpartition(" ")[2])
    last = tokens[-1].text if tokens else ""
    return last if last not in PUNCTUATION and before.endswith(last + " ") else ""
