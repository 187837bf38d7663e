"""The card of the shipped model says how to make it again; its first command begins as it says, and twice alike."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

from model.device.folder import PRETRAINED, load_model
from model.device.weights import digest


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
