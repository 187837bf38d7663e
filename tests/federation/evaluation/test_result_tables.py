"""The tables that the commands print have every figure, in words."""

from collections.abc import Iterator
from typing import Any

from federation.evaluation.result_tables import Tables, evaluation_tables, personalization_tables

MODEL = {"words": 970, "out_of_vocabulary": 30, "top1": 0.251, "top3": 0.402, "perplexity": 74.04}
MODEL |= {"ksr": 0.513, "ksr_phrases": 0.528}
ALL_WORDS = {"top1_all_words": 0.243, "top3_all_words": 0.389}


def cells(tables: Tables) -> Iterator[str]:
    for title, rows in tables:
        assert len({len(row) for row in rows}) == 1, f"{title}: rows of one length"
        yield from (title, *(cell for row in rows for cell in row))


def test_a_model_alone() -> None:
    found = list(cells(evaluation_tables(MODEL | ALL_WORDS, 1)))
    assert {
        "1,000 words of 1 person",
        "25.1%",
        "40.2%",
        "24.3%",
        "38.9%",
        "51.3%",
        "52.8%",
        "74.0",
        "30 (3.0%)",
    } <= set(found)


def test_a_model_beside_a_keyboard_that_learns_and_corrects() -> None:
    personal = {"top1": 0.271, "top3": 0.422, "top1_all_words": 0.263, "top3_all_words": 0.409, "ksr": 0.523}
    personal["ksr_phrases"] = 0.541
    typos = {"slips": 200, "mended": 150, "changed_wrongly": 4, "offered": 160, "words": 400}
    typos |= {"spoilt": 2, "unknown": 0, "unknown_spoilt": 0}
    result = (
        MODEL
        | ALL_WORDS
        | {f"{k}_personal": v for k, v in personal.items()}
        | {f"slips_{k}": v for k, v in typos.items()}
    )
    found = list(cells(evaluation_tables(result, 12)))
    assert {"27.1%", "52.3%", "54.1%", "75.0%", "2.0%", "80.0%", "0.5%"} <= set(found)


def test_personal_learning() -> None:
    both: dict[str, Any] = {f"{k}_{when}": v for k, v in (MODEL | ALL_WORDS).items() for when in ("before", "after")}
    counts = {f"users_{name}": 3 for name in ("better", "worse", "significantly_better", "significantly_worse")}
    counts |= {f"users_{name}": 1 for name in ("kept_old", "trusted_more", "trusted_less")}
    gain: dict[str, Any] = {"mean_relative_top1_gain": 0.054, "mean_relative_top1_gain_ci": [0.038, 0.07]}
    gain["mean_relative_top1_gain_prequential"] = 0.062
    part = {"top1": 0.2, "top3": 0.3, "mean_relative_top1_gain": -0.02, "users_better": 4, "users_worse": 5}
    result = {"users": 53, "median_relative_top1_gain": 0.04, "words_per_second": 3503.4} | both | counts | gain
    found = list(cells(personalization_tables(result | {"ablation": {"n-grams": part}})))
    assert {"+5.4% [+3.8%, +7.0%]", "+4.0%", "+6.2%", "3 of 53", "3,503", "n-grams", "-2.0%"} <= set(found)


def test_the_curve() -> None:
    point = {"words": 1000, "relative_top1_gain": 0.03, "users": 40, "ci": None, "users_kept_new": 31}
    assert {"1,000", "+3.0%", "40", "31"} <= set(cells(personalization_tables({"curve": [point]})))
