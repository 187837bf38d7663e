"""The card of the shipped model says how to make it again; its first command begins as it says, and twice alike."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

from federation.accounting import Spent
from federation.card import federation_card, privacy_line, round_card
from federation.privacy import Privacy
from model.device.config import ModelConfig
from model.device.folder import PRETRAINED, load_model
from model.device.weights import Provenance, digest


def commands() -> list[list[str]]:
    lines = [line for line in load_model(PRETRAINED).card.splitlines() if line.startswith("1. `")]
    return [shlex.split(line.removeprefix("1. `").removesuffix("`")) for line in lines]


def test_its_first_round_comes_out_the_same_twice_bit_for_bit(tmp_path: Path, federate: Callable) -> None:
    uv, run, program, *arguments = commands()[0]
    assert [uv, run, program] == ["uv", "run", "federate"]
    assert arguments[arguments.index("--init") + 1] == "random"
    rounds = []
    for name in ("one", "other"):
        out = tmp_path / name
        result = federate(*arguments, "--rounds", "1", "--out", out, "--json")
        assert result.returncode == 0, result.stderr
        row = json.loads(result.stdout.splitlines()[-1])["rounds"][0]
        rounds.append((digest(load_model(out / "model").weights), row["loss"], row["words"]))
    assert rounds[0] == rounds[1]


def test_each_command_starts_from_what_the_one_before_made() -> None:
    made = ""
    for _, _, program, command, *arguments in commands():
        assert (program, command) == ("federate", "simulate"), "federated rounds and nothing else made it"
        options = dict(zip(arguments[::2], arguments[1::2], strict=True))
        assert options["--init"] == (made or "random")
        made = f"{options['--out']}/model"
    assert load_model(PRETRAINED).provenance.round == sum(
        int(command[command.index("--rounds") + 1]) for command in commands()
    )


def test_a_federations_card_says_what_all_its_rounds_promise_and_once() -> None:
    privacy, first = Privacy("tree", 2.0, 3), load_model(PRETRAINED).card
    card = first
    for number in range(1, 4):
        provenance = Provenance(ModelConfig(), "0" * 64, number, "f" * 64)
        card = federation_card(provenance, 7, card, privacy_line(privacy, Spent(float(number), 1e-5, number / 10)))
    history = [line for line in card.splitlines() if line.startswith(("1. ", "   Privacy: "))]
    assert history[:-2] == [line for line in first.splitlines() if line.startswith("1. ")]
    assert history[-2].startswith("1. rounds of `federate serve`, the last over 7 devices")
    assert history[-1].startswith("   Privacy: epsilon 3 at delta 1e-05, rho 0.3")
    # Another federation begins with this model: the promises of both stand.
    other = round_card(Provenance(ModelConfig(), "0" * 64, 4, "f" * 64), 2, card)
    other = federation_card(Provenance(ModelConfig(), "0" * 64, 5, "f" * 64), 3, other, "")
    assert other.count("   Privacy: ") == 1
    assert other.count("1. rounds of `federate serve`") == 2
