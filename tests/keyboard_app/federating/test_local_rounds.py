"""A keyboard's part in a round of a desktop on the same machine: its contribution, or its reason for not contributing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from data.windows import pack, targets
from federation.protocol.exchange_folder import Mailbox
from federation.protocol.json_messages import Contribution, Invitation
from keyboard_app.device import Device
from keyboard_app.federating.local_rounds import answer_all
from keyboard_app.input.typist import type_message
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from keyboard_app.recording.personal_file import load_personal
from keyboard_app.recording.user_profile import GLOBAL, PERSONAL, read_vault
from model.device.folder import WEIGHTS, Model, load_model, save_model
from model.device.learning.finetuning import FineTuning, finetune
from model.device.weights import digest, load_weights, save_weights

INVITATION = Invitation("round-7", learning_rate=0.3, clipping_norm=1.0, passes=2, max_words=1000, seed=5)
LINES = ["i think you are good .", "meet me at the climbing hall at seven", "that's zebra 😀"] * 10


@pytest.fixture
def desktop(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "profile")


def send(device: Device) -> None:
    for line in LINES:
        type_message(device.keyboard, line)


def answer(device: Device, desktop: Mailbox, round_id: str = "round-7") -> Contribution:
    answer_all(device.profile, device.models)
    contribution = desktop.contribution(round_id)
    assert contribution is not None
    assert device.profile.mailbox.invitations() == []
    return contribution


def test_the_delta_is_the_change_by_training_on_its_own_words(
    device: Device, desktop: Mailbox, small_model: Model, small_model_folder: Path
) -> None:
    send(device)
    run(Learning(device.profile, device.models))  # the personal model is not part of the contribution
    personal = (device.profile.path / PERSONAL).read_bytes()
    desktop.invite(INVITATION, small_model_folder / WEIGHTS)
    contribution = answer(device, desktop)
    delta, provenance = load_weights(desktop.delta_path("round-7"), small_model.vocabulary.sha256)

    program = small_model.start()
    encoded = [small_model.vocabulary.encode(line) for line in LINES]
    for _ in finetune(program, encoded, FineTuning(0.3, 1.0, 2, 1000), np.random.default_rng(5)):
        pass
    for name, after in program.weights.items():
        np.testing.assert_array_equal(delta[name], after - small_model.weights[name])
    assert provenance.parent == digest(small_model.weights)
    assert contribution.error == ""
    assert contribution.words == targets(pack(encoded, small_model.provenance.config.window))
    assert contribution.loss_after < contribution.loss_before
    assert (device.profile.path / PERSONAL).read_bytes() == personal


def test_a_keyboard_without_words_says_so(device: Device, desktop: Mailbox, small_model_folder: Path) -> None:
    desktop.invite(INVITATION, small_model_folder / WEIGHTS)
    contribution = answer(device, desktop)
    assert contribution.words == 0
    assert "no words" in contribution.error
    assert not desktop.delta_path("round-7").exists()


@pytest.mark.parametrize("fault", ["not finite", "damaged", "another vocabulary", "seed"])
def test_the_reason_for_contributing_nothing_is_reported(
    device: Device, desktop: Mailbox, small_model: Model, small_model_folder: Path, tmp_path: Path, fault: str
) -> None:
    send(device)
    invitation, weights = INVITATION, tmp_path / "w.safetensors"
    save_weights(weights, small_model.weights, small_model.provenance)
    if fault == "not finite":
        invitation = replace(invitation, learning_rate=1e30, clipping_norm=1e30)
    if fault == "damaged":
        weights.write_bytes(b"damaged")
    if fault == "another vocabulary":
        save_weights(weights, small_model.weights, replace(small_model.provenance, vocabulary_sha256="0" * 64))
    if fault == "seed":
        invitation = replace(invitation, seed=-1)
    desktop.invite(invitation, weights)
    contribution = answer(device, desktop)
    assert contribution.words == 0
    assert contribution.error
    assert not desktop.delta_path("round-7").exists()


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("LiteRT\nsays no")])
def test_a_full_disk_and_a_failing_program_are_reported(
    device: Device, desktop: Mailbox, small_model_folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    send(device)
    desktop.invite(INVITATION, small_model_folder / WEIGHTS)
    monkeypatch.setattr("keyboard_app.federating.local_rounds.save_weights", failing(error))
    contribution = answer(device, desktop)
    full = "the disk is full: free some space and try again"
    assert contribution.error == (full if isinstance(error, OSError) else "LiteRT says no")


def test_an_answer_that_cannot_be_written_is_not_tried_again(
    device: Device, desktop: Mailbox, small_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop.invite(INVITATION, small_model_folder / WEIGHTS)
    monkeypatch.setattr(Mailbox, "answer", failing(OSError(28, "No space left on device")))
    device.serve()
    with pytest.raises(OSError, match="No space left"):
        device.background.wait()
    device.serve()
    assert device.background.task is None


def test_a_release_that_cannot_be_saved_is_refused(
    device: Device, desktop: Mailbox, next_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path / "released", next_model)
    desktop.release(tmp_path / "released")
    monkeypatch.setattr(
        "keyboard_app.recording.user_profile.save_model", failing(OSError(28, "No space left on device"))
    )
    with pytest.raises(DataError, match="refused a newer shared model: the disk is full"):
        device.serve()
    assert not desktop.released()
    assert device.models.global_model.provenance.round == 0


def test_a_keyboard_answers_in_the_background(device: Device, desktop: Mailbox, small_model_folder: Path) -> None:
    send(device)
    device.serve()
    assert device.background.task is None
    desktop.invite(INVITATION, small_model_folder / WEIGHTS)
    device.serve()
    assert device.background.task is not None
    assert device.background.task.title == "training for round round-7"
    device.serve()
    assert "contributed to round round-7 from" in str(device.background.wait())
    contribution = desktop.contribution("round-7")
    assert contribution is not None and contribution.words > 0


def test_a_release_becomes_the_global_model_and_is_personalized_again(
    device: Device, desktop: Mailbox, next_model: Model, tmp_path: Path
) -> None:
    send(device)
    run(Learning(device.profile, device.models))
    save_model(tmp_path / "released", next_model)
    desktop.release(tmp_path / "released")
    device.serve()
    assert device.background.task is not None
    assert device.background.task.title == "installed a newer shared model; learning your words again"
    assert len(device.keyboard.suggestions) == 3
    device.background.wait()
    assert not desktop.released()
    assert device.models.personalized
    assert device.models.global_model.provenance.round == 12
    assert digest(load_model(device.profile.path / GLOBAL).weights) == digest(next_model.weights)
    personal = load_personal(device.profile.path / PERSONAL, read_vault(device.profile.path))
    assert personal.provenance.parent == digest(next_model.weights)


def test_a_keyboard_stopped_between_installing_and_learning_learns_later(
    tmp_path: Path, next_model: Model, small_model_folder: Path
) -> None:
    profile = tmp_path / "profile"
    with Device.open(profile, small_model_folder, consenting=True) as device:
        send(device)
        run(Learning(device.profile, device.models))
        save_model(tmp_path / "released", next_model)
        Mailbox(profile).release(tmp_path / "released")
        device.serve()
        device.background.cancel()
    with Device.open(profile, small_model_folder, consenting=True) as device:
        assert device.models.global_model.provenance.round == 12
        assert not device.models.personalized
        answer_all(device.profile, device.models)
        assert device.models.personalized


def test_a_damaged_release_is_refused(device: Device, desktop: Mailbox, next_model: Model, tmp_path: Path) -> None:
    before = device.keyboard.suggestions
    save_model(tmp_path / "released", next_model)
    (tmp_path / "released" / WEIGHTS).write_bytes(b"damaged")
    desktop.release(tmp_path / "released")
    with pytest.raises(DataError, match="refused a newer shared model"):
        device.serve()
    device.serve()
    assert device.background.task is None
    assert not (device.profile.path / GLOBAL).exists()
    assert device.keyboard.suggestions == before
