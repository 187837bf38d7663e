import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from data.errors import DataError
from data.vocabulary import Vocabulary
from keyboard_app.device import Device
from keyboard_app.input.typist import type_message
from keyboard_app.learning.background import STOPPED, run
from keyboard_app.learning.learning import Learning
from keyboard_app.recording.personal_file import Personal, load_personal
from keyboard_app.recording.user_profile import PERSONAL, read_vault
from model.device.folder import Model
from model.device.learning.finetuning import PERSONAL_TRAINING, FineTuning
from model.device.learning.training import DivergedError
from model.device.weights import digest

LINE = "i think you are good ."


def send(device: Device, count: int, line: str = LINE) -> None:
    for _ in range(count):
        type_message(device.keyboard, line)
        device.catch_up()


def in_file(profile: Path) -> Personal:
    return load_personal(profile / PERSONAL, read_vault(profile))


def test_typing_goes_on_during_learning_and_then_uses_the_new_network(device: Device, small_model: Model) -> None:
    send(device, 400)
    device.learn()
    seen = set()
    while (line := device.background.poll()) is None:
        assert len(device.keyboard.suggestions) == 3
        device.keyboard.press("a")
        device.keyboard.backspace()
        if device.background.progress is not None:
            seen.add(device.background.progress.batch)
    assert len(seen) > 1
    assert "learned from 1,800 words" in line, "360 messages of 5 words: a tenth is held out"
    assert "kept the new model" in line
    assert device.models.personalized
    assert device.models.suggest("i think you are", "")[0] == "good"
    personal = in_file(device.profile.path)
    assert personal.provenance.parent == digest(small_model.weights)


def test_every_learning_starts_from_the_global_weights(device: Device) -> None:
    send(device, 20)
    first, second = Learning(device.profile, device.models), Learning(device.profile, device.models)
    run(first)
    run(second)
    assert first.trained is not None
    assert second.trained is not None
    assert digest(first.trained.weights) == digest(second.trained.weights)
    assert first.trained.loss_after < first.trained.loss_before
    assert first.trained.targets == first.trained.words * FineTuning().passes == 11 * 7 * 2, "50 words are held out"


def test_ranks_are_of_both_models(device: Device) -> None:
    send(device, 40)
    run(Learning(device.profile, device.models))
    last = len(device.profile.store.ranks())
    send(device, 1)
    ranks = device.profile.store.ranks()[last:]
    assert None not in [*(r.rank for r in ranks), *(r.global_rank for r in ranks)]
    assert sum(r.rank or 0 for r in ranks) < sum(r.global_rank or 0 for r in ranks)
    assert [r.global_rank for r in ranks] == [r.global_rank for r in device.profile.store.ranks()[:6]]


def test_a_cancelled_learning_leaves_the_old_model(device: Device) -> None:
    send(device, 300)
    run(Learning(device.profile, device.models, FineTuning(max_words=50)))
    before = (device.profile.path / PERSONAL).read_bytes()
    device.learn()
    device.background.pause()
    while device.background.progress is None:
        pass
    device.background.cancel()
    assert device.background.task is None
    assert (device.profile.path / PERSONAL).read_bytes() == before
    device.learn()
    assert device.background.wait() is not None
    assert (device.profile.path / PERSONAL).read_bytes() != before


def test_a_stopped_learning_ends_soon_and_changes_nothing(device: Device) -> None:
    send(device, 300)
    device.learn()
    device.background.pause()
    while device.background.progress is None:
        time.sleep(0.01)
    device.background.stop()  # returns at once, paused or not
    while (line := device.background.poll()) is None:
        time.sleep(0.01)
    assert (line, device.background.task, device.models.personalized) == (STOPPED, None, False)
    assert not (device.profile.path / PERSONAL).exists()


def test_one_task_at_a_time(device: Device) -> None:
    send(device, 100)
    device.learn()
    with pytest.raises(DataError, match="learning is still running: wait"):
        device.learn()
    device.background.wait()


def test_messages_are_encoded_in_the_background(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    send(device, 3)
    threads = []
    encode = Vocabulary.encode

    def spy(vocabulary: Vocabulary, text: str) -> list[int]:
        threads.append(threading.current_thread())
        return encode(vocabulary, text)

    monkeypatch.setattr(Vocabulary, "encode", spy)
    device.learn()
    device.background.wait()
    assert len(threads) == 3
    assert threading.main_thread() not in threads


def test_without_words_there_is_nothing_to_learn(device: Device) -> None:
    device.learn()
    assert "nothing to learn from yet" in (device.background.wait() or "")
    send(device, 3, "😀")
    assert "nothing to learn from yet" in run(Learning(device.profile, device.models))
    assert not device.models.personalized


def test_learning_that_diverges_changes_nothing(device: Device) -> None:
    send(device, 40)
    device.background.start(Learning(device.profile, device.models, FineTuning(learning_rate=1e30, clipping_norm=1e30)))
    with pytest.raises(DivergedError, match="diverged"):
        device.background.wait()
    assert device.background.task is None
    assert not (device.profile.path / PERSONAL).exists()


def test_a_damaged_personal_model_is_trained_again(tmp_path: Path, small_model_folder: Path) -> None:
    with Device.open(tmp_path, small_model_folder, consenting=True) as device:
        send(device, 20)
        run(Learning(device.profile, device.models))
        before = in_file(tmp_path)
        (tmp_path / PERSONAL).write_bytes(b"damaged")
    with Device.open(tmp_path, small_model_folder, consenting=True) as device:
        assert not device.models.personalized
        device.resume()
        device.background.wait()
        assert device.models.personalized
    after = in_file(tmp_path)
    assert digest(after.weights) == digest(before.weights)


KILLED = """if True:
    import sys
    from pathlib import Path
    from keyboard_app.device import Device
    from keyboard_app.learning.learning import Learning
    from keyboard_app.learning.background import run
    device = Device.open(Path(sys.argv[1]), Path(sys.argv[2]), consenting=True)
    print("begun", flush=True)
    while True:
        run(Learning(device.profile, device.models))
"""


@pytest.mark.parametrize("after", [0.05, 0.1, 0.2])
def test_killed_at_any_moment_learning_leaves_an_intact_model(
    tmp_path: Path, small_model: Model, small_model_folder: Path, after: float
) -> None:
    with Device.open(tmp_path, small_model_folder, consenting=True) as device:
        send(device, 20)
        run(Learning(device.profile, device.models))
    learner = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path, small_model_folder], stdout=subprocess.PIPE)
    assert learner.stdout is not None
    learner.stdout.readline()
    try:
        learner.wait(after)
    except subprocess.TimeoutExpired:
        learner.send_signal(signal.SIGKILL)
    learner.communicate()
    assert learner.returncode == -signal.SIGKILL
    with Device.open(tmp_path, small_model_folder, consenting=True) as device:
        assert device.profile.notices == []
        assert device.models.personalized


def test_a_keyboard_learns_as_an_evaluation_does(device: Device, small_model: Model) -> None:
    from federation.evaluation.personalization import learn

    send(device, 20)
    learning = Learning(device.profile, device.models)
    run(learning)
    texts = [message.text for message in device.profile.store.learnable()]
    outcome = learn(small_model, small_model.start(), texts, PERSONAL_TRAINING, seed=0)
    assert learning.trained is not None
    assert outcome.kept is not None
    assert digest(outcome.kept) == digest(learning.trained.weights)
    assert (outcome.verdict, outcome.trust) == (learning.verdict, learning.trust)
