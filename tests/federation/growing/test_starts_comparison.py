"""First weights of new words, compared on people who did not help to find them."""

from collections.abc import Iterator

import pytest

from federation.growing.counts_files import Counted, Counts
from federation.growing.grown_model import Language, grow
from federation.growing.starts_comparison import FEDERATED, PUBLIC, UNKNOWN_ROW, RowTraining, measured, starts, table
from model.device.folder import Model


class _People:
    """A corpus of people who all write the same."""

    def users(self) -> list[str]:
        return [f"user{i}" for i in range(4)]

    def messages(self, user: str) -> Iterator[str]:
        yield from ["i think byu is good.", "you have byu and xyzzy", "i think byu"] * 5


def test_each_start_is_measured_over_all_words_and_over_the_new_ones(
    two_vocabularies: tuple[Model, Model], tff_engine: None
) -> None:
    model = two_vocabularies[0]
    grown = grow(model, Counts((Counted("byu", 3),), 8), Language({}, lambda _: [], frozenset()))
    models = starts(model, grown, 0, _People(), _People(), 50, RowTraining(1, clients=2))
    names = [UNKNOWN_ROW, PUBLIC, FEDERATED]
    names += [f"{name}, then 1 rounds of these rows alone" for name in (UNKNOWN_ROW, FEDERATED)]
    assert list(models) == [*names, f"{UNKNOWN_ROW}, then 1 rounds"]
    rows = measured(model, models, [["i think byu is good.", "byu"], ["you have xyzzy"]])
    assert [row["start"] for row in rows] == ["the model before", *models]
    assert rows[0]["new_uses"] == 0 and all(row["new_uses"] == 2 for row in rows[1:])
    assert rows[1]["perplexity_others"] == pytest.approx(rows[0]["perplexity_others"], rel=1e-3)
    by_name = {row["start"]: row for row in rows}
    assert by_name[FEDERATED]["new_perplexity"] < by_name[UNKNOWN_ROW]["new_perplexity"], "contexts say when it comes"
    assert len({len(cells) for cells in table(rows)}) == 1
