"""The demo's report: one page of HTML beside its plot."""

from html import escape
from typing import Any

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Federated keyboard: the demo</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1e }}
table {{ border-collapse: collapse; margin: 1rem 0 }}
th, td {{ border-bottom: 1px solid #d0d0d5; padding: .3rem .8rem; text-align: right }}
th:first-child, td:first-child {{ text-align: left }}
img {{ max-width: 100% }}
</style>
<h1>Three keyboards learned, alone and together</h1>
<p>Each row is a model, measured on each person's next messages: recall at 1, recall at 3 and keystroke savings rate. No model has
seen these messages. What a keyboard typed stayed in its profile; what left it, each round, is a model delta, the number of words
it was learned from, and two mean losses.</p>
{stages}
<img src="recall.png" alt="Recall and keystroke savings of the four models for each person">
<h2>The rounds</h2>
<p>Mean loss, in nats per word, of the round's global model on each keyboard's own words, and of the same after the keyboard
trained it. The difference between the two models is what the keyboard sent.</p>
{rounds}
</html>
"""


def demo_report(result: dict[str, Any]) -> str:
    """The page for what `federation.demo.demo` returns."""
    heads = [f"keyboard {n} ({words} words)" for n, words in enumerate(result["words_measured"], 1)]
    stages = [
        [stage, *(f"{u['top1']:.1%} / {u['top3']:.1%} / {u['ksr']:.1%}" for u in users)]
        for stage, users in result["stages"].items()
    ]
    rounds = [
        [str(n), *(f"{d['loss_before']:.3f} → {d['loss_after']:.3f} ({d['words']} words)" for d in devices)]
        for n, devices in enumerate(result["rounds"], 1)
    ]
    return _PAGE.format(stages=_table(["", *heads], stages), rounds=_table(["round", *heads], rounds))


def _table(head: list[str], rows: list[list[str]]) -> str:
    def row(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "\n".join(["<table>", row(head, "th"), *(row(cells, "td") for cells in rows), "</table>"])
