import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from data.vocabulary import Vocabulary
from keyboard_app.device import Device
from keyboard_app.recording.personal_file import Seen
from keyboard_app.recording.user_profile import GLOBAL, PERSONAL, Profile
from keyboard_app.status import read_status
from model.device.folder import PHRASES, PRETRAINED, PROGRAM, WEIGHTS, Model, load_model, save_model
from model.device.suggesting.phrases import Phrases

SEEN = Seen(message=7, trained=5, deletion=2)
HOLD = """if True:
    import sys, time
    from pathlib import Path
    from keyboard_app.recording.user_profile import Profile
    profile = Profile.open(Path(sys.argv[1]))
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_process_at_a_time_holds_a_profile_and_a_killed_one_releases_it(tmp_path: Path) -> None:
    path = tmp_path / "profile"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(
        DataError, match="open in another keyboard: close that one, or choose another profile with --profile"
    ):
        Profile.open(path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    Profile.open(path).close()
    Profile.open(path).close()


def test_only_the_owner_may_read_a_profile(tmp_path: Path) -> None:
    with Profile.open(tmp_path / "profile"):
        assert stat.S_IMODE((tmp_path / "profile").stat().st_mode) == 0o700


def test_an_existing_folder_keeps_its_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    with Profile.open(tmp_path):
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_killed_while_replacing_the_global_model_it_keeps_the_old_one(
    tmp_path: Path, next_model: Model, small_model_folder: Path
) -> None:
    save_model(tmp_path / ".global.old.x" / GLOBAL, next_model)
    with Device.open(tmp_path, small_model_folder) as device:
        assert device.models.global_model.provenance.round == 12
    assert not (tmp_path / ".global.old.x").exists()


def test_a_file_is_not_a_profile(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot use the profile folder"):
        Profile.open(tmp_path / "file")


def test_saved_personal_weights_are_loaded_unchanged(tmp_path: Path, small_model: Model) -> None:
    weights = {name: array + 1 for name, array in small_model.weights.items()}
    with Profile.open(tmp_path) as profile:
        assert profile.load_personal(small_model) is None
        profile.save_personal(weights, small_model, SEEN)
        loaded = profile.load_personal(small_model)
        assert loaded is not None
        assert all((loaded.weights[name] == weights[name]).all() for name in weights)
        assert loaded.seen == SEEN
        assert profile.notices == []


@pytest.mark.parametrize("damage", ["cut short", "empty", "one bit"])
def test_damaged_personal_weights_do_not_prevent_typing(
    tmp_path: Path, small_model: Model, small_model_folder: Path, damage: str
) -> None:
    personal = tmp_path / PERSONAL
    with Profile.open(tmp_path) as profile:
        profile.save_personal(small_model.weights, small_model, SEEN)
    content = personal.read_bytes()
    personal.write_bytes({"cut short": content[:1000], "empty": b"", "one bit": b"\0" + content[1:]}[damage])
    with Device.open(tmp_path, small_model_folder) as device:
        assert len(device.keyboard.suggestions) == 3
        assert not device.models.personalized
        (notice,) = device.profile.notices
        assert "the shared model is in use" in notice
        assert "\n" not in notice
    assert not personal.exists()
    assert personal.with_name(PERSONAL + ".damaged").exists()


def test_personal_weights_of_another_vocabulary_stay(
    tmp_path: Path, small_model: Model, small_model_folder: Path
) -> None:
    other = replace(small_model, vocabulary=Vocabulary([*small_model.vocabulary.words[:-1], "eight"]))
    other = other.with_weights(other.weights, replace(other.provenance, vocabulary_sha256=other.vocabulary.sha256))
    with Profile.open(tmp_path) as profile:
        profile.save_personal(small_model.weights, other, SEEN)
    with Device.open(tmp_path, small_model_folder) as device:
        assert not device.models.personalized
        assert "was trained from another global model" in device.profile.notices[0]
    assert (tmp_path / PERSONAL).exists()
    assert not read_status(tmp_path, small_model_folder).personal_model


@pytest.mark.parametrize("damaged", [WEIGHTS, PROGRAM])
def test_a_damaged_global_model_is_replaced_by_the_shipped_one(
    tmp_path: Path, next_model: Model, small_model_folder: Path, damaged: str
) -> None:
    save_model(tmp_path / GLOBAL, next_model)
    (tmp_path / GLOBAL / damaged).write_bytes(b"damaged")
    with Device.open(tmp_path, small_model_folder) as device:
        assert device.models.global_model.provenance.round == 0
        assert len(device.profile.notices) == 1
    assert (tmp_path / f"{GLOBAL}.damaged" / damaged).read_bytes() == b"damaged"


def test_a_damaged_model_given_by_the_person_is_an_error(tmp_path: Path, small_model: Model) -> None:
    save_model(tmp_path / "model", small_model)
    (tmp_path / "model" / PROGRAM).write_bytes(b"damaged")
    with pytest.raises(DataError, match="program is damaged"):
        Device.open(tmp_path / "profile", tmp_path / "model")
    save_model(tmp_path / "model", small_model)
    assert load_model(tmp_path / "model").program == small_model.program
    Device.open(tmp_path / "profile", tmp_path / "model").close()  # the failure released the profile


def test_a_keyboard_types_without_damaged_phrases_and_says_so(tmp_path: Path) -> None:
    model = load_model(PRETRAINED)
    words = model.vocabulary
    zeros, one = np.zeros(1, np.uint16), np.ones(1, np.uint16)
    known = np.array([words.id("zealand")], np.uint16)
    counts, rests = np.full((1, 1), 9, np.uint8), np.zeros((1, 1), np.uint8)
    discounts, weights = np.full((1, 3), 0.5, np.float32), np.ones(1, np.float32)
    phrases = Phrases(words.sha256, len(words), 0.5, zeros, zeros, one, known, counts, rests, discounts, weights)
    shipped, profile = tmp_path / "shipped", tmp_path / "p"
    save_model(shipped, replace(model, phrases=phrases))
    with Device.open(profile, shipped, use_keyring=False) as device:
        assert device.models.suggest("", "z")[0].lower() == "zealand"
        device.profile.save_global(device.models.global_model)
    (profile / GLOBAL / PHRASES).write_bytes(b"damaged")
    with Device.open(profile, shipped, use_keyring=False) as device:
        assert device.profile.notices == []  # the shipped ones belong to the same vocabulary
        assert device.models.suggest("", "z")[0].lower() == "zealand"
    (shipped / PHRASES).write_bytes(b"damaged")
    with Device.open(profile, shipped, use_keyring=False) as device:
        assert len(device.profile.notices) == 1
        assert "without phrases" in device.profile.notices[0]
        assert len(device.models.suggest("", "z")) == 3


def test_an_adopted_model_is_run_by_the_newest_program_of_the_app(tmp_path: Path) -> None:
    model = load_model(PRETRAINED)
    with Profile.open(tmp_path / "profile", use_keyring=False) as profile:
        profile.save_global(replace(model, program=b"of an older app"))
        adopted = profile.load_global(tmp_path / "nothing is shipped")
        assert adopted.program == model.program and profile.notices == []
        assert adopted.start().rows == model.provenance.config.vocabulary
