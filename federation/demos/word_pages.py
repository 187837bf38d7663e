"""The report of `federate demo-words` as an HTML page, and its figures in words."""

from html import escape
from typing import Any

from federation.demos.pages import HEAD, table

# What is counted at the moments of the new words (`federation.demos.word_moments.figures`), in words.
MEASURES = {
    "next": "the word is suggested before its first letter",
    "letters": "the word is suggested after three letters",
    "kept": "the word stays as typed",
    "mended": "a typo of the word is corrected to it",
    "mistaken": "a typo of the word becomes another word",
    "words_offered": "words that are suggested at some moment",
    "words_kept": "words that always stay as typed",
}

_PAGE = """<h1>A keyboard suggests words that its owner never wrote</h1>
<p>Eight of ChitChat's validation users, chosen because they share many words that the vocabulary lacks, each have a keyboard, a
process of its own. A coordinator ran a word discovery, two secure sums. It found the words of at least {k} of the {devices}
keyboards and cannot tell who has which. The model grew by the words and learned their use in {rounds} secure rounds. A ninth
keyboard, of a person who never wrote one of the words, then installed the model.</p>
<img src="words.png" alt="The found words; what the ninth keyboard does at their moments; recall and coverage of strangers' words">
<h2>The found words, with the number of keyboards</h2>
<p>{words}</p>
<h2>The ninth keyboard, where one of the eight wrote a new word</h2>
{measures}
<p>{kept}</p>
<h2>Some of these moments</h2>
{examples}
<h2>Strangers</h2>
<p>{people} validation users who took no part, {number:,} words. Words that a vocabulary does not have count as missed.</p>
{models}
{lines}
</html>
"""


def strangers_lines(strangers: dict[str, Any]) -> list[str]:
    """Returns lines about recall over all words, and about the new words, of `federation.growing.growth_comparison.growth`."""
    new = strangers["new_words"]
    return [
        f"From the shipped model to the last, over all words: {strangers['change']['line']}.",
        f"Strangers wrote the new words {new['uses']:,} times. At these, recall at 1 is {new['top1']:.1%} and recall at 3 "
        f"{new['top3']:.1%}; both were 0% before, because the vocabulary lacked the words.",
    ]


def kept_line(before: dict[str, int], after: dict[str, int]) -> str:
    """Returns a line about correctly typed new words, given the figures before and after (`word_moments.figures`)."""
    changed, left = before["moments"] - before["kept"], after["moments"] - after["kept"]
    if changed > left:
        return f"The keyboard changed {changed} correctly typed new words before, and changes {left} after."
    return (
        f"Before, the keyboard left correctly typed new words alone, too: it changed {changed} of {before['moments']}, and after "
        f"{left}. For autocorrection, the vocabulary makes a difference where a new word has a typo."
    )


def words_report(result: dict[str, Any]) -> str:
    """Returns the page for the result of `federation.demos.new_words.demo_words`."""
    sides = [result["before"], result["after"]]
    measures = [
        [name, *(f"{side[key]} of {side['words' if 'words' in key else 'moments']}" for side in sides)]
        for key, name in MEASURES.items()
    ]
    examples = [
        [
            f"{row['context']} {row['word']}",
            *(", ".join(row[side][key]) for key in ("next", "letters") for side in ("before", "after")),
            *(f"{row['typo']} → {row[side]['mended']}" for side in ("before", "after")),
        ]
        for row in result["examples"]
    ]
    strangers = result["strangers"]
    models = [
        [name, *(f"{row[key]:.2%}" for key in ("coverage", "top1", "top3"))]
        for name, row in strangers["models"].items()
    ]
    heads = ["suggested before", "after", "after three letters, before", "after", "a typo becomes, before", "after"]
    return HEAD.format(title="demo with new words") + _PAGE.format(
        k=result["k"],
        devices=result["devices"],
        rounds=len(result["rounds"]),
        words=escape(", ".join(f"{w['word']} {w['devices']}" for w in result["words"])),
        measures=table(["", "before", "after"], measures),
        kept=kept_line(*sides),
        examples=table(["one of the eight wrote", *heads], examples),
        people=strangers["people"],
        number=strangers["words"],
        models=table(["model", "words in the vocabulary", "recall at 1", "recall at 3"], models),
        lines="".join(f"<p>{escape(line)}</p>" for line in strangers_lines(strangers)),
    )
