"""Rounds over the keyboards of this machine, each a process with its own profile."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.windows import pack, targets
from federation.keyboards import end_keyboard, wait_for_answer
from federation.processes import start
from federation.protocol.exchange_folder import Mailbox
from federation.protocol.json_messages import Contribution, Invitation
from model.device.folder import Model, load_model
from model.device.learning.finetuning import ROUND_TRAINING, finetune
from model.device.weights import digest

ROOT = Path(__file__).parents[2]

LINES = {
    "ann": ["i think you are good.", "meet me tonight at 7", "we have the rope and the snacks", "i have so but"],
    "bob": ["the hall is close", "what would you do if they can't go?", "climbing with good chalk", "seven ropes"],
}

# A keyboard that stays open and answers by itself, as its window does.
OPEN_KEYBOARD = """if True:
    import sys, time
    from pathlib import Path
    from keyboard_app.device import Device
    with Device.open(Path(sys.argv[1]), Path(sys.argv[2])) as device:
        print("open", flush=True)
        while not sys.stdin.closed:
            device.serve()
            device.background.poll()
            time.sleep(0.05)
"""


@pytest.fixture
def profiles(small_model_folder: Path, tmp_path: Path) -> list[Path]:
    made = []
    for name, lines in LINES.items():
        script = tmp_path / f"{name}.txt"
        script.write_text("\n".join(lines))
        made.append(tmp_path / name)
        options = map(str, ("--script", script, "--profile", made[-1], "--model", small_model_folder))
        subprocess.run([sys.executable, "-m", "keyboard_app", *options], cwd=ROOT, check=True, capture_output=True)
    return made


def trained_by_hand(model: Model, lines: list[str], trainable: str) -> tuple[dict[str, np.ndarray], int]:
    program = model.start()
    messages = [model.vocabulary.encode(line) for line in lines]
    list(finetune(program, messages, replace(ROUND_TRAINING, trainable=trainable), np.random.default_rng(9)))
    delta = {n: array - model.weights[n] for n, array in program.weights.items()}
    return delta, targets(pack(messages, model.provenance.config.window))


@pytest.mark.parametrize("trainable", ["all", "head"])
def test_the_next_global_model_is_the_start_plus_the_mean_of_the_deltas(
    small_model: Model,
    small_model_folder: Path,
    profiles: list[Path],
    tmp_path: Path,
    federate: Callable,
    trainable: str,
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    called = ["--profiles", *profiles, empty, "--model", small_model_folder, "--out", tmp_path / "next"]
    done = federate("round", *called, "--seed", "9", "--trainable", trainable, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["model"] == str(tmp_path / "next")
    ann, bob, nobody = report["devices"]
    assert nobody["words"] == 0
    assert "no words" in nobody["error"]
    updated = load_model(tmp_path / "next")
    by_hand = [trained_by_hand(small_model, lines, trainable) for lines in LINES.values()]
    assert [ann["words"], bob["words"]] == [words for _, words in by_hand]
    assert ann["loss_after"] < ann["loss_before"]
    for name, before in small_model.weights.items():
        mean = sum(delta[name] * words for delta, words in by_hand) / sum(words for _, words in by_hand)
        np.testing.assert_allclose(updated.weights[name], before + mean, atol=1e-5)
        assert np.any(mean) == (trainable == "all" or name in ("gate_bias", "projection", "output_bias"))
    assert updated.provenance.round == 1
    assert updated.provenance.parent == digest(small_model.weights)

    for profile in (*profiles, empty):
        released = Mailbox(profile).take_release()
        assert released is not None
        assert digest(load_model(released, small_model.program).weights) == digest(updated.weights)
        assert not list((profile / "mailbox").glob("*/1-*")), "the round's messages are deleted"


def test_an_open_keyboard_answers_by_itself(
    small_model_folder: Path, profiles: list[Path], tmp_path: Path, federate: Callable
) -> None:
    opened = subprocess.Popen(
        [sys.executable, "-c", OPEN_KEYBOARD, profiles[0], small_model_folder],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert opened.stdout is not None
        assert opened.stdout.readline() == "open\n"
        called = ["--profiles", profiles[0], "--model", small_model_folder, "--out", tmp_path / "next"]
        done = federate("round", *called, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["devices"][0]["words"] > 0
    finally:
        opened.kill()
        opened.wait()


def test_an_answer_that_is_there_counts_although_another_keyboard_used_up_the_time(tmp_path: Path) -> None:
    mailbox, weights, answer = Mailbox(tmp_path), tmp_path / "w", Contribution("1-ab", 3, 2.0, 1.0)
    weights.touch()
    mailbox.invite(Invitation("1-ab", 0.5, 1.0, 1, 2000, 7), weights)
    process, over = start(["sleep", "600"], stderr=subprocess.PIPE, text=True), time.monotonic() - 1
    try:
        assert wait_for_answer(mailbox, "1-ab", process, over).error == "it did not answer in time"
        mailbox.answer(answer)
        assert wait_for_answer(mailbox, "1-ab", process, over) == answer
    finally:
        process.kill()
        end_keyboard(process)


def test_a_round_without_contributions_says_why(small_model_folder: Path, tmp_path: Path, federate: Callable) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    common = ["--model", small_model_folder, "--out", tmp_path / "next"]
    for profiles, reason in (
        ([empty], "no keyboard contributed"),
        ([tmp_path / "nowhere"], "there is no profile"),
        ([empty, empty], "named twice"),
    ):
        done = federate("round", "--profiles", *profiles, *common)
        assert done.returncode == 1
        assert reason in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "next").exists()
