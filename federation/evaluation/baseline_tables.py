"""The tables of `federate evaluate --baselines`: recall of the models, ratios, and recall by part of the words."""

from collections.abc import Sequence
from typing import Any

from federation.reports.tables import Rows

Figures = dict[str, Any]

TITLES = {
    "model": "this model",
    "float16": "this model in 16 bits",
    "int8": "this model in 8 bits",
    "central": "the same network, trained centrally",
    "kneser_ney": "Kneser-Ney",
    "kneser_ney_trigram": "Kneser-Ney, trigrams only",
    "own_history": "the person's own history alone",
    "unigram": "the most frequent words",
}


def by_name(result: Figures) -> dict[str, Figures]:
    """Returns the figures of each measured model by name, in the order of the tables."""
    model = {n: result[n] for n in ("top1", "top3", "top1_ci", "top3_ci", "perplexity", "bytes")}
    model["ratio_to_kneser_ney"] = result["ratio_to_kneser_ney"]
    every = {"model": model, **result["quantized"], **result["baselines"]}
    return {name: every[name] for name in TITLES if name in every}


def comparison_tables(result: Figures) -> list[tuple[str, Rows]]:
    """Returns a title and rows of cells, column heads first, for each table of a comparison's figures."""
    models: Rows = [["", "recall at 1", "recall at 3", "perplexity", "recall at 1 / Kneser-Ney's", "p", "bytes"]]
    for name, own in by_name(result).items():
        ratio = own.get("ratio_to_kneser_ney")
        title = TITLES[name] + (f", {own['order']}-grams" if "order" in own else "")
        cells = [title, _recall(own, "top1"), _recall(own, "top3"), f"{own['perplexity']:.1f}"]
        cells += [_number(ratio["top1"], ratio["ci"]), _p(ratio["p"])] if ratio else ["1", ""]
        models.append([*cells, f"{own['bytes']:,}" if "bytes" in own else ""])
    words = f"{result['words']:,} words of {result['users']} people ({result['out_of_vocabulary']:,} words not in the vocabulary)"
    tables = [(f"Recall on {words}, with 95% intervals over people", models)]
    rows: Rows = [["this model over", "recall at 1", "p", "recall at 3", "p"]]
    for name in ("kneser_ney", "kneser_ney_trigram", "central"):
        if ratio := result.get(f"ratio_to_{name}"):
            one = [_number(ratio["top1"], ratio["ci"]), _p(ratio["p"])]
            rows.append([TITLES[name], *one, _number(ratio["top3"], ratio["top3_ci"]), _p(ratio["top3_p"])])
    tables.append(("Ratios of recall", rows))
    bands = (
        ("by_frequency", "the word's frequency rank among the training users' words"),
        ("by_position", "tokens of the message before the word"),
    )
    for key, label in bands:
        rows = [[label, "words", *(f"{TITLES[m]}, recall at {k}" for k in (1, 3) for m in ("model", "kneser_ney"))]]
        for band in result[key]:
            recalls = [f"{band[m][k]:.1%}" for k in ("top1", "top3") for m in ("model", "kneser_ney")]
            rows.append([band_label(band), f"{band['words']:,}", *recalls])
        tables.append((f"Recall by {label}", rows))
    return tables


def band_label(band: Figures) -> str:
    """Returns the label of a band: its range."""
    if band["to"] is None:
        return f"{band['from']:,}+"
    return f"{band['from']:,}" if band["from"] == band["to"] else f"{band['from']:,} to {band['to']:,}"


def _recall(own: Figures, k: str) -> str:
    interval = own[f"{k}_ci"]
    return f"{own[k]:.1%}" + (f" [{interval[0]:.1%}, {interval[1]:.1%}]" if interval else "")


def _number(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def _p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.001 else "< 0.001"
