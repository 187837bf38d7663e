"""The word that a cursor is at, by the tokenizer's rules for what a word is."""

from data.tokenizer import PUNCTUATION, tokenize


def begun_word(before: str) -> str:
    """What is typed of a word that may still go on, given what stands before the cursor; empty between words."""
    tail = before[max(before.rfind(" "), before.rfind("\n")) + 1 :]
    # The tokenizer knows: the word is still open if a letter or a digit would become part of it.
    for next_character in "a0":
        token = tokenize(tail + next_character)[-1]
        if token.start < len(tail):
            return tail[token.start :]
    return ""


def whole_word(text: str, cursor: int) -> str:
    """The word that was begun before the cursor with what stands of it behind; empty if none was."""
    begun = begun_word(text[:cursor])
    if not begun:
        return ""
    start = cursor - len(begun)
    end = start + len(tokenize(text[start:].split(maxsplit=1)[0])[0].text)
    return text[start : max(end, cursor)]


def ended_word(before: str) -> str:
    """The word that a space ended just before the cursor; empty if that was something else."""
    if not before.endswith(" "):
        return ""
    tokens = tokenize(before[:-1].rpartition(" ")[2])
    last = tokens[-1].text if tokens else ""
    return last if last not in PUNCTUATION and before.endswith(last + " ") else ""
