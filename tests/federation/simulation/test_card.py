"""The shipped model's card says how to make the model again, and a round of its first command is reproducible."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

from model.device.folder import PRETRAINED, load_model
from model.device.weights import digest


def commands() -> list[list[str]]:
    lines = [line for line in load_model(PRETRAINED).card.splitlines() if line.startswith("1. `")]
    return [shlex.split(line.removeprefix("1. `").removesuffix("`")) for line in lines]


def test_the_first_round_is_the_same_twice_bit_for_bit(tmp_path: Path, federate: Callable) -> None:
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


def test_each_command_starts_from_the_model_of_the_one_before() -> None:
    made = ""
    for _, _, program, command, *arguments in commands():
        assert (program, command) == ("federate", "simulate"), "only federated rounds made it"
        options = dict(zip(arguments[::2], arguments[1::2], strict=True))
        assert options["--init"] == (made or "random")
        made = f"{options['--out']}/model"
    assert load_model(PRETRAINED).provenance.round == sum(
        int(command[command.index("--rounds") + 1]) for command in commands()
    )
