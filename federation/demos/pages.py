"""The demos' reports as HTML pages, each next to its plot."""

from html import escape
from typing import Any

HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Federated keyboard: {title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1e }}
table {{ border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }}
th, td {{ border-bottom: 1px solid #d0d0d5; padding: .3rem .8rem; text-align: right }}
th:first-child, td:first-child {{ text-align: left }}
img {{ max-width: 100% }}
</style>
"""

_PAGE = """<h1>Three keyboards learned, alone and together</h1>
<p>The keyboards began with the public model, which knows no word of these people. Their words stayed in their profiles: in a round
a keyboard sent a model delta, the number of words that it trained on, and two mean losses.</p>
<img src="recall.png" alt="Recall at 1 by round on strangers' words; recall at 1 of three people in four stages; suggestions">
<h2>Strangers</h2>
<p>{people} validation users who took no part ({words:,} words): {strangers}.</p>
<h2>The three people</h2>
<p>Each row is a stage, measured on each person's newer messages, which no model has seen: recall at 1 with its 95% interval over
messages, recall at 3, keystroke savings rate. From the start to the end, all three together: {together}.</p>
{stages}
<h2>What the keyboards suggest</h2>
{suggestions}
<h2>The rounds with the keyboards</h2>
<p>Mean loss, in nats per word, on each keyboard's own words: of the round's global model, and of the model that the keyboard
trained from it. The keyboard sent the difference between the two models. {simulated} simulated people took part in each of the
{number} rounds.</p>
{rounds}
</html>
"""

_DEVICES_PAGE = """<h1>Eight keyboards learned together, and nobody saw the contribution of a single one</h1>
<p>Eight of ChitChat's validation users, whose words no shared model was trained on, each have a keyboard, a process of its own,
with the first four fifths of their messages. The keyboards began with a model that had seen none of these people's words, and took
part in {rounds} secure rounds of a coordinator. In each, a
keyboard trained the global model on its words and sent a masked model delta; the coordinator could read only the sum. {killed}</p>
<h2>On their newer messages</h2>
<p>No keyboard has these messages. {verdict}</p>
{people}
<img src="recall.png" alt="Recall of the global model before and after the rounds for each keyboard, and recall by round">
<h2>The keyboards' own measurements</h2>
<p>In each round the keyboards measure recall on messages that they hold back, of the global model and of the model that they
trained from it. They send the counts masked like the delta, so these are sums over the keyboards in the round. Not every keyboard
is in every round, which also makes rows differ.</p>
{by_round}
</html>
"""


def demo_report(result: dict[str, Any]) -> str:
    """Returns the page for the result of `federation.demos.three_keyboards.demo`."""
    heads = [f"keyboard {n} ({words:,} words)" for n, words in enumerate(result["words_measured"], 1)]
    stages = [
        [stage, *(f"{_with_interval(u)} / {u['top3']:.1%} / {u['ksr']:.1%}" for u in users)]
        for stage, users in result["stages"].items()
    ]
    words = [
        [f"{row['start']} …", *(", ".join(s) for s in (row["before"], row["after"], *row["keyboards"]))]
        for row in result["suggestions"]
    ]
    rounds = [
        [
            str(n),
            *(
                device["error"]
                if "error" in device
                else f"{device['loss_before']:.3f} → {device['loss_after']:.3f} ({device['words']:,} words)"
                for device in round_["keyboards"]
            ),
        ]
        for n, round_ in enumerate(result["rounds"], 1)
        if round_["keyboards"]
    ]
    names = [f"keyboard {n}" for n in range(1, len(heads) + 1)]
    strangers = result["strangers"]
    return HEAD.format(title="demo with three keyboards") + _PAGE.format(
        people=strangers["people"],
        words=strangers["words"],
        strangers=escape(strangers["change"]["line"]),
        together=escape(result["change"]["all"]["line"]),
        stages=table(["", *heads], stages),
        suggestions=table(
            ["", "at the start", "after the rounds", *(f"{name}, after learning" for name in names)], words
        ),
        simulated=result["rounds"][0]["simulated"],
        number=len(result["rounds"]),
        rounds=table(["round", *names], rounds),
    )


def _with_interval(figures: dict[str, Any]) -> str:
    shown = f"{figures['top1']:.1%}"
    if figures["interval"] is None:
        return shown
    low, high = figures["interval"]
    return f"{shown} [{100 * low:.1f}, {100 * high:.1f}]"


def verdict(figures: dict[str, Any]) -> str:
    """Returns two sentences: the change of recall at 1 from the first model to the last, and its statistical significance."""
    before, after = figures["before"]["top1"], figures["after"]["top1"]
    points = 100 * abs(figures["difference"])
    change = f"stayed at {before:.2%}"
    if after != before:
        change = f"{'rose' if after > before else 'fell'} from {before:.2%} to {after:.2%}, by {points:.2f} percentage points"
    low, high = figures["interval"]
    return (
        f"On {figures['words']:,} words, recall at 1 {change} "
        f"(95% interval of the change, over people: {100 * low:.2f} to {100 * high:.2f}). "
        f"{figures['better']:,} words became first guesses and {figures['worse']:,} no longer are: p = {figures['p_words']:.2g} "
        f"by McNemar's exact test over words, p = {figures['p_people']:.2g} by a sign-flip test over people."
    )


def devices_report(result: dict[str, Any]) -> str:
    """Returns the page for the result of `federation.demos.eight_devices.demo_devices`."""
    killed = [f"keyboard {number} was killed in round {round_}" for number, round_ in result["killed"].items()]
    rows = [(f"keyboard {n}", row) for n, row in enumerate(result["people"], 1)]
    people = [
        [
            *(name, f"{row['words']:,}"),
            *(f"{row['before'][k]:.1%} → {row['after'][k]:.1%}" for k in ("top1", "top3")),
            f"{row['before']['perplexity']:.1f} → {row['after']['perplexity']:.1f}",
            f"{row['better']} / {row['worse']}",
        ]
        for name, row in [*rows, ("all", result["all"])]
    ]
    by_round = [
        [
            *(str(r["number"]), f"{r['counted']} of {r['selected']}", f"{r['words']:,}", f"{r['tested']:,}"),
            *(f"{r[k]:.1%} → {r[f'{k}_after']:.1%}" for k in ("top1", "top3")),
            f"{r['update_norm']:.3f}",
        ]
        for r in result["rounds"]
    ]
    measures = ["recall at 1", "recall at 3"]
    return HEAD.format(title="demo with eight devices") + _DEVICES_PAGE.format(
        rounds=len(result["rounds"]),
        killed=f"During the demo {' and '.join(killed)}; the others continued." if killed else "",
        verdict=escape(verdict(result["all"])),
        people=table(["", "words", *measures, "perplexity", "first guesses gained / lost"], people),
        by_round=table(
            ["round", "keyboards", "words trained on", "words held back", *measures, "norm of the update"], by_round
        ),
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """Returns an HTML table of plain text."""

    def row(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "\n".join(["<table>", row(head, "th"), *(row(cells, "td") for cells in rows), "</table>"])
