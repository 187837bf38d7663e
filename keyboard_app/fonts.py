"""Which of the fonts that Kivy brings has the glyphs of a text."""

from itertools import groupby

_WIDE = "data/fonts/DejaVuSans.ttf"  # arrows, signs, many scripts and the commonest emoji
_LAST_OF_ROBOTO = "\u206f"  # Latin, Greek, Cyrillic and their punctuation lie before it


def marked_up(text: str) -> str:
    """The text in Kivy's markup, with the characters that the default font lacks in one that may have them."""
    runs = []
    for plain, run in groupby(text, lambda character: character <= _LAST_OF_ROBOTO or character == "€"):
        escaped = "".join(run).replace("&", "&amp;").replace("[", "&bl;").replace("]", "&br;")
        runs.append(escaped if plain else f"[font={_WIDE}]{escaped}[/font]")
    return "".join(runs)
