"""Membership inference against finished models: can the corpus's training users be told from its test users?

Every training user is taken for a member, whichever of them a model has learned from, and every test user for a non-member. Each
takes part with the same number of words, their oldest messages that are not too short, as in the whole audit
(`federation.attacks.privacy_audit`). Attacks are calibrated by the losses of the first model, the reference: the public start of
the others, or the first of a series. A model that has seen neither side shows how much the sides differ anyway.

Losses are over all words, those outside a model's vocabulary as `<unk>`. The models therefore need to have one vocabulary.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.corpus import Corpus, Part, open_corpus
from data.errors import DataError
from data.files import write_by_rename, write_csv
from federation.attacks.audit_people import share
from federation.attacks.membership_inference import Losses, losses
from federation.attacks.privacy_audit import attack_results
from federation.reports.tables import Rows, markdown, print_tables
from model.device.folder import load_model

_ATTACKS = ("people", "people_calibrated", "messages", "messages_calibrated")


def audit_models(folders: Sequence[Path], corpus_name: str, words: int, out: Path) -> dict[str, Any]:
    """Attacks model folders, of which the first is the reference; writes `membership.md` and `membership.csv` to `out`.

    Args:
      folders: the models.
      corpus_name: the corpus whose training users may be members.
      words: the words of each person.
      out: the folder of the tables.

    Returns:
      The numbers of people, and a row for each model.

    Raises:
      DataError: a folder is no model, models have different vocabularies, or nobody wrote as many words.
    """
    models = {str(folder): load_model(folder) for folder in folders}
    if len({model.vocabulary.sha256 for model in models.values()}) > 1:
        raise DataError(
            "the models have different vocabularies, and their losses cannot be compared: attack one at a time"
        )
    corpus = open_corpus(corpus_name)
    people = {side: _people(Part(corpus, part), words) for side, part in (("members", "train"), ("others", "test"))}
    if not all(people.values()):
        raise DataError(f"no training user or no test user of {corpus_name} wrote {words} words: lower --words")
    reference: dict[str, list[Losses]] | None = None
    rows: list[dict[str, Any]] = []
    for name, model in models.items():
        program = model.start(threads=2)
        seen = {
            side: [losses(program, [model.vocabulary.encode(text) for text in texts]) for texts in each]
            for side, each in people.items()
        }
        rows.append({"model": name} | attack_results(seen, reference))
        reference = reference or seen
    counted = {side: len(each) for side, each in people.items()}
    result = {"corpus": corpus_name, "words": words, **counted, "rows": rows}
    title = (
        f"AUC of {counted['members']} training users of {corpus_name} against {counted['others']} test users, with {words} words "
        f"each and 95% intervals; 0.5 is guessing. Calibrated by the losses of {rows[0]['model']}."
    )
    tables = [(title, _table(rows))]
    print_tables(tables)
    write_by_rename(out / "membership.md", markdown(tables).encode())
    write_csv(out / "membership.csv", [_flat(row) for row in rows])
    return result


def _people(part: Corpus, words: int) -> list[list[str]]:
    shares = (share(part, user, words) for user in part.users())
    return [texts for texts in shares if texts]


def _table(rows: Sequence[dict[str, Any]]) -> Rows:
    table: Rows = [["", *(name.replace("_", ", ") for name in _ATTACKS)]]
    for row in rows:
        found = ((row.get(f"auc_{name}"), row.get(f"auc_{name}_ci")) for name in _ATTACKS)
        table.append([row["model"], *(f"{auc:.2f} [{ci[0]:.2f}, {ci[1]:.2f}]" if ci else "" for auc, ci in found)])
    return table


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value[0]:.4f} to {value[1]:.4f}" if isinstance(value, list) else value for name, value in row.items()
    }
