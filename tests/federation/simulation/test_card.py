"""The cards of the shipped models say how to make them again, and a round of such a command is reproducible."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from model.device.folder import PRETRAINED, PRIVATE, PUBLIC, load_model
from model.device.weights import digest

COMMAND = re.compile(r"^1\. `uv run federate ([^`]*)`", re.MULTILINE)


def commands(folder: Path) -> list[list[str]]:
    return [shlex.split(line) for line in COMMAND.findall(load_model(folder).card)]


def value(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def rounds_of(folder: Path) -> list[str]:
    return next(command for command in commands(folder) if command[0] == "simulate")


def test_the_first_round_is_the_same_twice_bit_for_bit(
    tmp_path: Path, federate: Callable, federate_process: Callable
) -> None:
    command = rounds_of(PRETRAINED)
    made = []
    for name, run in (("here", federate), ("there", federate_process)):  # two processes, whose hashes of strings differ
        out = tmp_path / name
        result = run(*command, "--init", PUBLIC, "--rounds", "1", "--checks", "1", "--out", out, "--json")
        assert result.returncode == 0, result.stderr
        row = json.loads(result.stdout.splitlines()[-1])["rounds"][0]
        made.append((digest(load_model(out / "model").weights), row["loss"], row["words"]))
    assert made[0] == made[1]


@pytest.mark.parametrize("folder", [PUBLIC, PRETRAINED, PRIVATE], ids=lambda folder: folder.name)
def test_each_command_starts_from_a_folder_that_exists_or_that_an_earlier_one_made(folder: Path) -> None:
    made = {"model/public"} if folder == PRIVATE else set()
    for command in commands(folder):
        for option in ("--init", "--model"):
            if option in command:
                assert value(command, option) in made, command
        if "--out" in command:
            out = value(command, "--out")
            made |= {out, f"{out}/model"}
    assert f"model/{folder.name}" in made


def test_federated_rounds_and_public_text_made_the_shipped_models() -> None:
    kinds = {folder: [command[0] for command in commands(folder)] for folder in (PUBLIC, PRETRAINED, PRIVATE)}
    assert kinds[PUBLIC][0] == kinds[PRETRAINED][0] == "pretrain"
    assert "simulate" not in kinds[PUBLIC]
    assert not any("central" in kind for kind in kinds.values())
    for command in commands(PUBLIC):
        assert "chitchat" not in command
    for folder in (PRETRAINED, PRIVATE):
        assert load_model(folder).provenance.round == int(value(rounds_of(folder), "--rounds"))
