"""What a keyboard says about itself."""

import tomllib
from pathlib import Path

from keyboard_app.about import about
from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from model.device.folder import Model
from model.device.weights import digest


def test_the_version_is_that_of_the_project(device: Device) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert about(device.models, device.profile.store).version == project["version"]


def test_the_model_and_its_round(device: Device, next_model: Model) -> None:
    described = about(device.models, device.profile.store).model
    assert described.startswith(f"{len(device.models.global_model.vocabulary)} words, made without federated rounds")
    device.models.use_global(next_model, [])
    described = about(device.models, device.profile.store).model
    assert f"made after {next_model.provenance.round} federated rounds" in described
    assert digest(next_model.weights)[:8] in described


def test_what_was_learned_when(device: Device) -> None:
    assert about(device.models, device.profile.store).learned == "Nothing has been learned yet."
    for number in range(40):
        device.profile.store.add_message(f"meet me at the hall at {number}", [])
    run(Learning(device.profile, device.models))
    (time, words), *others = device.profile.store.history.learnings()
    assert not others
    learned = about(device.models, device.profile.store).learned
    assert learned.startswith("It has learned once, last on ")
    assert learned.endswith(f" from {words} words.")
    assert str(words) in learned
    assert time


def test_the_licences_name_those_of_the_model(device: Device) -> None:
    licences = about(device.models, device.profile.store).licences
    assert "Apache 2.0" in licences
    assert "emoji" in licences
