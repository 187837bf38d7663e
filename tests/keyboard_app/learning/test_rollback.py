"""Rollback, reset, pausing, stopping and automatic learning; and being killed at each write of a learning."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from data.errors import DataError
from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning, relearning
from keyboard_app.recording.database.records import Judgement
from keyboard_app.recording.personal_file import load_personal
from keyboard_app.recording.user_profile import PERSONAL, PREVIOUS, read_vault
from model.device.learning.finetuning import FineTuning
from model.device.weights import digest
from tests.keyboard_app.ranked import own_words

LINE = "i think you are good ."
OTHER = "meet me at the climbing hall at seven"


def record(device: Device, text: str, times: int) -> None:
    for _ in range(times):
        device.profile.store.add_message(text, [])
        device.models.ngram.learn(text)


def in_use(device: Device) -> str:
    assert device.models.personal is not None
    return digest(device.models.personal)


def in_file(profile: Path, name: str = PERSONAL) -> str:
    return digest(load_personal(profile / name, read_vault(profile)).weights)


def test_rollback_to_the_previous_network_and_then_to_the_global_one(tmp_path: Path, small_model_folder: Path) -> None:
    with Device.open(tmp_path, small_model_folder) as device:
        with pytest.raises(DataError, match="nothing to undo"):
            device.roll_back()
        record(device, LINE, 60)
        run(Learning(device.profile, device.models))
        first = in_file(tmp_path)
        record(device, OTHER, 60)
        run(Learning(device.profile, device.models))
        assert in_file(tmp_path) != first
        assert in_file(tmp_path, PREVIOUS) == first
        assert device.roll_back() == "your previous model is in use again"
        assert in_file(tmp_path) == in_use(device) == first
        assert device.models.seen is not None
        assert device.models.seen.message == 60
        assert relearning(device.profile, device.models) is None
    with Device.open(tmp_path, small_model_folder) as device:
        assert in_use(device) == first, "also at the next start"
        assert device.roll_back() == "the shared model is in use again"
        assert not device.models.personalized
        assert not (tmp_path / PERSONAL).exists()
        assert [(c.what, c.personal) for c in device.profile.store.history.changes()] == [
            ("rolled back", True),
            ("rolled back", False),
        ]
    with Device.open(tmp_path, small_model_folder) as device:
        assert relearning(device.profile, device.models) is None, "a rolled-back network is not trained again by itself"
        run(Learning(device.profile, device.models))
        assert device.models.personalized, "it is when the person asks for it"


def test_reset_forgets_what_was_learned_and_keeps_the_messages(tmp_path: Path, small_model_folder: Path) -> None:
    with Device.open(tmp_path, small_model_folder, consenting=True) as device:
        untouched = device.compare("i think you are", "")
        assert untouched["shipped"] == untouched["global"]
        record(device, LINE + " zebra zebra", 60)
        run(Learning(device.profile, device.models))
        learned = device.compare("i think you are", "")
        assert learned["personal"][0] == "good"
        assert learned["global"] == learned["shipped"] == untouched["shipped"]
        assert "forgotten" in device.reset()
        assert device.compare("i think you are", "") == untouched
    with Device.open(tmp_path, small_model_folder) as device:
        assert device.compare("i think you are", "") == untouched
        assert own_words(device.models) == []
        assert relearning(device.profile, device.models) is None
        assert (device.my_data.count(), device.my_data.still_held) == (60, 0)
        assert "nothing to learn from yet" in run(Learning(device.profile, device.models))
        assert not list(tmp_path.glob("personal*"))


def test_rollback_and_reset_are_refused_during_learning(device: Device) -> None:
    record(device, LINE, 60)
    device.learn()
    device.background.pause()
    for ask in (device.roll_back, device.reset, device.relearn, device.look_back):
        with pytest.raises(DataError, match="learning is still running"):
            ask()
    device.background.wait()


def test_a_paused_learning_continues_to_the_same_result(device: Device) -> None:
    record(device, LINE, 60)
    device.learn()
    device.background.pause()
    while device.background.progress is None:
        pass
    assert device.background.paused
    where = device.background.progress
    assert device.background.poll() is None
    assert device.background.progress is where
    device.background.resume()
    assert not device.background.paused
    assert "kept the new model" in device.background.wait()
    assert not device.background.paused
    whole = Learning(device.profile, device.models)
    run(whole)
    assert digest(device.models.personal) == digest(whole.trained.weights)


def test_stopping_a_paused_learning_changes_nothing(device: Device) -> None:
    record(device, LINE, 60)
    device.learn()
    device.background.pause()
    device.background.cancel()
    assert device.background.task is None
    assert not (device.profile.path / PERSONAL).exists()


def test_learning_starts_by_itself_once_there_are_enough_new_words(tmp_path: Path, small_model_folder: Path) -> None:
    noon = datetime(2026, 1, 1, 12)
    with Device.open(tmp_path, small_model_folder) as device:
        device.choose(consent=True)
        record(device, LINE, 30)
        assert not device.automatic.learn_if_due(60, now=noon), "180 words are too few"
        record(device, LINE, 10)
        assert not device.automatic.learn_if_due(5, now=noon), "typing has not paused"
        assert not device.automatic.learn_if_due(60, charging=False, now=noon)
        device.choose(learn_from=1, learn_until=5)
        assert not device.automatic.learn_if_due(60, now=noon)
        device.choose(learn_from=0, learn_until=24)
        assert device.automatic.learn_if_due(60, now=noon)
        device.background.cancel()
        assert not device.automatic.learn_if_due(60, now=noon), "a stopped learning does not start again at once"
        record(device, LINE, 40)
        assert device.automatic.learn_if_due(60, now=noon)
        assert not device.automatic.learn_if_due(60, now=noon), "it is still running"
        device.background.wait()
        assert not device.automatic.learn_if_due(60, now=noon), "everything is learned"


def test_messages_too_old_to_be_learned_from_do_not_count_as_new(tmp_path: Path, small_model_folder: Path) -> None:
    with Device.open(tmp_path, small_model_folder) as device:
        device.choose(consent=True)
        store = device.profile.store
        store.add_imported([store.seal_import(LINE, "2026-01-01T00:00:00+00:00")] * 5_000)
        met = range(5_000 - FineTuning.max_words // 6, 5_001)
        store.history.add_learning(met, 1, 1.0, 1.0, Judgement("", "new", True, 1, 1.0, 1.0, 1.0, 1.0))
        assert not device.automatic.learn_if_due(60)
        record(device, LINE, 300)
        assert device.automatic.learn_if_due(60)
        device.background.cancel()


def test_without_held_out_messages_the_old_network_stays(device: Device) -> None:
    record(device, LINE, 60)
    run(Learning(device.profile, device.models))
    assert device.models.seen is not None
    before, trained = in_use(device), device.models.seen.trained
    device.my_data.delete(range(trained + 1, 61))
    assert "there are no new words to compare the two on" in run(Learning(device.profile, device.models))
    assert in_use(device) == before


KILLED_AT_EACH = """if True:
    import os, shutil, signal, sys
    from pathlib import Path
    from keyboard_app.device import Device
    from keyboard_app.learning.learning import Learning
    from keyboard_app.recording.personal_file import load_personal
    from keyboard_app.recording.user_profile import PERSONAL, Profile, read_vault
    from keyboard_app.learning.background import run
    from model.device.weights import digest

    profile, model = Path(sys.argv[1]), Path(sys.argv[2])
    left = 0

    def one_more(*_):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event, arguments):  # called before a file changes
        if event in ("os.rename", "os.remove", "tempfile.mkstemp") and str(profile.parent) in str(arguments):
            one_more()

    for kills in range(1000):
        copy = profile.parent / f"copy-{kills}"
        shutil.copytree(profile, copy)
        if (child := os.fork()) == 0:
            device = Device.open(copy, model)
            learning, left = Learning(device.profile, device.models), kills
            sys.addaudithook(watch)
            device.profile.store._connection.set_trace_callback(one_more)  # for each statement of SQLite
            run(learning)
            os._exit(0)
        killed = os.waitpid(child, 0)[1]
        assert killed in (0, signal.SIGKILL), killed
        with Profile.open(copy) as opened:
            assert opened.notices == []
            assert len(opened.store.messages()) == 8
            assert not list(copy.glob(".personal*"))
        print(digest(load_personal(copy / PERSONAL, read_vault(copy)).weights))
        if not killed:
            break
"""


def test_killed_at_any_write_learning_leaves_the_old_network_or_the_new_one(
    tmp_path: Path, small_model_folder: Path
) -> None:
    with Device.open(tmp_path / "profile", small_model_folder) as device:
        record(device, " ".join([LINE] * 15), 4)
        run(Learning(device.profile, device.models, FineTuning(passes=1)))
        record(device, " ".join([OTHER] * 15), 3)
        run(Learning(device.profile, device.models, FineTuning(passes=1)))
        record(device, " ".join([OTHER] * 15), 1)
        old = in_file(tmp_path / "profile")
    command: list[str | Path] = [sys.executable, "-c", KILLED_AT_EACH, tmp_path / "profile", small_model_folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [line for line in done.stdout.splitlines() if len(line) == 64]
    kept = found.count(old)
    assert 3 <= kept < len(found) - 3, "it was killed both before and after the new network replaced the old one"
    assert found == [old] * kept + [found[-1]] * (len(found) - kept)


FULL = """if True:
    import resource, sys
    from pathlib import Path
    from keyboard_app.device import Device
    device = Device.open(Path(sys.argv[1]), Path(sys.argv[2]), consenting=True)
    device.learn()
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
    try:
        print("learned", device.background.wait())
    except OSError as error:
        print("error", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert device.background.task is None
    device.keyboard.press("a")
    device.keyboard.enter()
    assert device.sent.id == 9
    print(device.models.suggest("i think you are", "")[0], device.models.personalized)
"""


def test_without_disk_space_for_a_new_network_the_old_one_stays(tmp_path: Path, small_model_folder: Path) -> None:
    profile = tmp_path / "profile"
    with Device.open(profile, small_model_folder) as device:
        record(device, " ".join([LINE] * 15), 4)
        run(Learning(device.profile, device.models))
        record(device, " ".join([OTHER] * 15), 4)
        before = {path.name: path.read_bytes() for path in profile.glob("personal*")}
    command: list[str | Path] = [sys.executable, "-c", FULL, profile, small_model_folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    failure, typed = done.stdout.splitlines()
    assert failure.startswith("error ")
    assert "File too large" in failure
    assert typed == "good True"
    assert {path.name: path.read_bytes() for path in profile.glob("*personal*")} == before


def test_a_network_trained_from_an_older_global_model_is_not_restored(device: Device, small_model_folder: Path) -> None:
    model = device.models.global_model
    older = replace(model, weights={name: array * 0.9 for name, array in model.weights.items()})
    record(device, LINE, 60)
    run(Learning(device.profile, device.models))
    seen = device.models.seen
    assert seen is not None
    device.profile.save_personal(older.weights, older, seen)
    device.profile.save_personal(model.weights, model, seen)
    device.roll_back()
    assert not device.models.personalized
    assert not list(device.profile.path.glob("personal*"))
