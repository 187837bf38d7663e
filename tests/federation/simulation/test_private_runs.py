"""The commands of private runs and of the privacy audit, on small models."""

import json
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from data.corpus import Part, open_corpus
from data.errors import DataError
from federation.aggregation.accounting import tree_rho
from federation.attacks.audit_people import draw_people
from federation.cli import main
from model.device.folder import Model, load_model
from model.device.weights import digest


@pytest.fixture(scope="module")
def many_people(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 130 people, about a hundred of them training users."""
    rng, words = np.random.default_rng(0), small_model.vocabulary.words[7:]
    path = tmp_path_factory.mktemp("people") / "corpus.jsonl"
    with path.open("w") as file:
        for user in range(130):
            for number in range(6):
                text = " ".join(words[i] for i in rng.integers(len(words), size=7))
                file.write(json.dumps({"user": f"user-{user}", "time": f"{number:04}", "text": text}) + "\n")
    return path


def last_line(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_private_run_stops_at_its_budget_and_reports_what_it_spent(
    small_model_folder: Path, many_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["simulate", "--rounds", "6", "--clients-per-round", "20", "--out", str(out), "--json"]
    arguments += ["--init", str(small_model_folder), "--corpus", str(many_people), "--dp", "tree"]
    arguments += ["--noise-multiplier", "2", "--period", "2", "--clip-quantile", "0.5", "--max-rho"]
    assert main([*arguments, "0.45"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out.splitlines()[-1])
    # A tree of two rounds spends 2/8, a tree of one round 1/8; a fourth round would raise the sum to 4/8.
    assert [row["round"] for row in result["rounds"]] == [1, 2, 3]
    assert result["privacy"]["rho"] == pytest.approx(tree_rho(2, 2) + tree_rho(2, 1)) == pytest.approx(0.375)
    assert "round 4 would raise epsilon" in printed.err
    model = load_model(out / "model")
    assert model.provenance.round == 3
    assert f"epsilon {result['privacy']['epsilon']:.3g} at delta 1e-05, rho 0.375" in model.card
    assert "nobody twice in 2 rounds" in model.card
    assert f"   Privacy: epsilon {result['privacy']['epsilon']:.3g}" in model.card
    settings = json.loads((out / "settings.json").read_text())
    assert settings["privacy"]["noise_multiplier"] == 2
    assert "noise_seed" not in json.dumps(settings)

    assert main([*arguments, "0.45", "--resume"]) == 0  # nothing is left to do
    assert digest(load_model(out / "model").weights) == digest(model.weights)
    capsys.readouterr()
    assert main([*arguments, "0.5", "--resume"]) == 1  # the budget is a setting of the run
    assert "other settings" in capsys.readouterr().err


def test_everybody_in_every_round_trains_a_part_of_the_model_and_spends_gaussian_noise(
    small_model_folder: Path, small_model: Model, many_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everybody = len(Part(open_corpus(str(many_people)), "train").users())
    out = tmp_path / "run"
    arguments = ["simulate", "--rounds", "3", "--clients-per-round", str(everybody), "--out", str(out), "--json"]
    arguments += ["--init", str(small_model_folder), "--corpus", str(many_people), "--trainable", "bias"]
    arguments += [
        "--server-momentum",
        "0.5",
        "--dp",
        "tree",
        "--noise-multiplier",
        "4",
        "--period",
        "1",
        "--clip",
        "0.1",
    ]
    assert main(arguments) == 0, capsys.readouterr().err
    result = last_line(capsys)
    assert [row["clients"] for row in result["rounds"]] == [everybody] * 3
    assert result["privacy"]["rho"] == pytest.approx(3 / (2 * 4**2))
    model = load_model(out / "model")
    for name, before in small_model.weights.items():
        assert np.array_equal(model.weights[name], before) == (name != "output_bias")
    words = len(small_model.vocabulary)
    assert f"| trained weights | bias: output_bias; {words} of " in model.card
    assert "with momentum 0.5" in model.card
    settings = json.loads((out / "settings.json").read_text())
    assert (settings["client"]["trainable"], settings["server"]["momentum"]) == ("bias", 0.5)

    attacked = ["audit", "--models", str(small_model_folder), str(out / "model"), "--corpus", str(many_people)]
    assert main([*attacked, "--words", "20", "--out", str(tmp_path / "audit"), "--json"]) == 0
    audited = last_line(capsys)
    assert audited["members"] == everybody
    assert audited["others"] == len(Part(open_corpus(str(many_people)), "test").users())
    start, private = audited["rows"]
    assert "auc_people_calibrated" not in start
    # The noise is drawn anew in each run and only a dozen people took no part, so chance moves these figures. Whatever the noise,
    # the expected AUC is at most the success rate of guessing which of two people took part: Gaussian differential privacy
    # (Dong et al. 2022, arXiv 1905.02383), with a mean twice as far away because both people change places.
    most = NormalDist().cdf(math.sqrt(2 * result["privacy"]["rho"]))
    for row, attack in ((start, "people"), (private, "people"), (private, "messages_calibrated")):
        low, high = row[f"auc_{attack}_ci"]
        assert low < row[f"auc_{attack}"] < high and low < most, "random words reveal nobody"
    assert (tmp_path / "audit" / "membership.csv").read_text().count("\n") == 3
    assert "calibrated by the losses of" in (tmp_path / "audit" / "membership.md").read_text().lower()
    assert main([*attacked, "--words", "99", "--out", str(tmp_path / "audit")]) == 1
    assert "wrote 99 words: lower --words" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--dp", "tree", "--noise-multiplier", "1", "--period", "50"], "nobody takes part twice"),
        (["--dp", "tree", "--period", "2"], "needs a noise multiplier"),
        (["--dp", "tree", "--noise-multiplier", "1", "--period", "2", "--cohort", "words"], "equally often"),
        (["--dp", "distributed", "--noise-multiplier", "9", "--period", "2", "--bits", "8"], "no room for noise"),
        (["--dp", "tree", "--noise-multiplier", "1", "--period", "2", "--zeroing"], "without noise"),
        (["--dp", "tree", "--noise-multiplier", "1", "--period", "2", "--max-rho", "0.1"], "round 1 would raise"),
        (["--max-epsilon", "3"], "needs a mechanism"),
        (["--bits", "4"], "4 bits are too few"),
    ],
)
def test_settings_whose_guarantee_cannot_be_kept_are_refused(
    options: list[str],
    reason: str,
    small_model_folder: Path,
    many_people: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["simulate", "--rounds", "2", "--clients-per-round", "20", "--out", str(tmp_path / "run")]
    arguments += ["--init", str(small_model_folder), "--corpus", str(many_people)]
    assert main([*arguments, *options]) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "run" / "model").exists()


def test_the_audit_distinguishes_a_model_that_leaks_from_one_with_noise(
    small_model_folder: Path, many_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "audit"
    arguments = ["audit", "--out", str(out), "--model", str(small_model_folder), "--corpus", str(many_people)]
    arguments += ["--people", "40", "--words", "30", "--start-rounds", "3", "--rounds", "32"]
    arguments += ["--clients-per-round", "10"]
    arguments += ["--noise-multipliers", "30", "--json"]
    assert main(arguments) == 0, capsys.readouterr().err
    result = last_line(capsys)
    start, plain, noisy, shipped = result["rows"]
    assert plain["epsilon"] is None
    assert noisy["rho"] == pytest.approx(8 * tree_rho(30, 4))
    assert "epsilon" not in start
    assert start["exposure_4x40"] + 2 < plain["exposure_4x40"] <= result["bits"] < math.inf
    assert plain["chance_4x40"] < 1e-3
    assert min(start["chance_4x40"], noisy["chance_4x40"], *(row["chance_0x0"] for row in (start, plain, noisy))) > 1e-4
    assert "auc_people_calibrated" not in start
    for row, attack in ((start, "people"), (noisy, "people_calibrated"), (shipped, "people_calibrated")):
        low, high = row[f"auc_{attack}_ci"]  # none of these models reveals who its people are
        assert low < 0.6
        assert high > 0.4
    assert "exposure_4x40" not in shipped
    table = (out / "audit.md").read_text()
    assert "no bound" in table
    assert "noise multiplier 30" in table
    assert (out / "audit.csv").read_text().count("\n") == 5
    assert main([*arguments[:-1], "--seed", "1"]) == 1
    assert "audit with other settings" in capsys.readouterr().err

    people = {n: set(open_corpus(str(out / f"{n}.jsonl")).users()) for n in ("members", "outsiders")}
    corpus = open_corpus(str(many_people))
    training, test = (set(Part(corpus, split).users()) for split in ("train", "test"))
    assert len(people["members"] & training) == 40
    assert not people["members"] & people["outsiders"] & training
    assert len(people["outsiders"] & training) == len(training) - 80
    assert not (people["members"] | people["outsiders"]) & test


def test_people_of_an_audit_have_equally_many_words(many_people: Path) -> None:
    corpus = open_corpus(str(many_people))
    training, validation = Part(corpus, "train"), Part(corpus, "validation")
    people = draw_people(training, validation, 30, 20, seed=5)
    members, others = people.members.users(), people.others.users()
    assert len({*members, *others, *people.outsiders}) == len(training.users())
    assert set(people.strangers.users()) <= set(validation.users())
    for side in (people.members, people.others, people.strangers):
        for user in side.users():
            texts, written = list(side.messages(user)), list(corpus.messages(user))
            assert texts == written[: len(texts)]
            assert 20 <= sum(len(text.split()) for text in texts) < 20 + 7
    assert draw_people(training, validation, 30, 20, seed=6).members.users() != members
    with pytest.raises(DataError, match="too few for 90 members"):
        draw_people(training, validation, 90, 20, seed=5)
    with pytest.raises(DataError, match="training users wrote 43 words, too few"):
        draw_people(training, validation, 30, 43, seed=5)
