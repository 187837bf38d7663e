"""A keyboard changes to a model of another vocabulary: from an app update, a desktop, and a coordinator."""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from data.vocabulary import SPECIALS, Vocabulary
from federation.coordinator.round_machine import Stage
from federation.protocol import api_messages
from federation.protocol.exchange_folder import Mailbox
from keyboard_app.device import Device
from keyboard_app.federating.client import FederationClient
from keyboard_app.federating.local_rounds import answer_all
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from keyboard_app.recording.user_profile import GLOBAL, PERSONAL
from model.device.config import parameters
from model.device.folder import LEXICON, PHRASES, PROGRAM, VOCABULARY, WEIGHTS, Model, load_model, save_model
from model.device.suggesting.lexicon import Lexicon, make_filter
from model.device.suggesting.personal import PersonalNgram
from model.device.weights import Provenance, digest, initial_weights, load_weights
from tests.keyboard_app.federating.in_process import Coordinator, Keyboard
from tests.keyboard_app.federating.test_local_rounds import INVITATION
from tests.keyboard_app.ranked import own_words

LINES = [
    "meet zebra at the hall",
    "i like Quokka and zebra",
    "chalk zebra chalk is Quokka time",
    "shit happens shit",
] * 8

Models = tuple[Model, Model]


@pytest.fixture
def folders(two_vocabularies: Models, tmp_path: Path) -> tuple[Path, Path]:
    for name, model in zip(("first", "second"), two_vocabularies, strict=True):
        save_model(tmp_path / name, model)
    return tmp_path / "first", tmp_path / "second"


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return tmp_path / "profile"


@pytest.fixture
def device(profile: Path, folders: tuple[Path, Path]) -> Iterator[Device]:
    with Device.open(profile, folders[0], consenting=True) as device:
        yield device


def type_and_learn(device: Device) -> None:
    for line in LINES:
        device._record(line)  # what the keyboard does with a message that is sent, as the person wrote it
    device.keyboard.choices.forget("hall")
    run(Learning(device.profile, device.models))
    assert {"zebra", "quokka"} <= set(own_words(device.models)) and "chalk" not in own_words(device.models)


def learned_on(device: Device) -> str:
    """Returns the digest of the global model that the keyboard learned on last."""
    judgement = device.profile.store.history.last_judgement()
    assert judgement is not None
    return judgement.global_model


def check_moved(device: Device, second: Model) -> None:
    """Checks that a keyboard types with the second model, and that its person's words mean the same as before."""
    models = device.models
    assert models.global_model.vocabulary.words == second.vocabulary.words
    assert digest(models.global_model.weights) == digest(second.weights)
    assert "chalk" in own_words(models) and not {"zebra", "quokka"} & set(own_words(models))
    expected, found = PersonalNgram(second.vocabulary, LINES), models._ngram.frozen()
    found.trust = expected.trust  # it depends on whether the keyboard has learned already
    network = np.full(len(second.vocabulary), 1 / len(second.vocabulary), np.float32)
    for context in (["meet"], ["i", "like"], ["is", "quokka"], ["zebra"]):
        ids = [expected.id(word) for word in context]
        mine = found.probabilities(network, [found.id(word) for word in context])
        np.testing.assert_allclose(mine, expected.probabilities(network, ids), rtol=1e-6)
    assert found.word(found.id("chalk")) == "chalk"
    likely = found.probabilities(network, [found.id("meet")])
    assert int(likely.argmax()) == second.vocabulary.id("zebra"), (
        "the person's phrase is about the word, not about its id"
    )
    assert models.suggest("i like ", "quo")[0] == "Quokka", "the person's case"
    assert "hall" not in models.suggest("meet zebra at the ", "") + models.suggest("", "hal"), "a forgotten word"
    assert "shit" not in models.suggest_by_global("", "shi"), "offensive words stay filtered"


def test_an_app_update_with_another_vocabulary_keeps_the_persons_words(
    profile: Path, folders: tuple[Path, Path], two_vocabularies: Models
) -> None:
    _, second = two_vocabularies
    with Device.open(profile, folders[0], consenting=True) as device:
        type_and_learn(device)
        assert device.models.personalized
    for _ in range(2):  # also if the keyboard is closed before it has learned
        with Device.open(profile, folders[1], consenting=True) as device:
            check_moved(device, second)
            assert not device.models.personalized and "trained from another global model" in device.profile.notices[0]
    with Device.open(profile, folders[1], consenting=True) as device:
        device.resume()
        device.background.wait()
        check_moved(device, second)
        assert learned_on(device) == digest(second.weights)
        assert device.profile.restore_previous(second) is None, (
            "an older network of another vocabulary never comes back"
        )


def test_a_release_of_another_vocabulary_is_installed_and_learned_in_the_background(
    device: Device, profile: Path, folders: tuple[Path, Path], two_vocabularies: Models
) -> None:
    _, second = two_vocabularies
    type_and_learn(device)
    Mailbox(profile).release(folders[1])
    device.serve()
    assert not device.models.personalized, "the global network suggests until the keyboard has learned"
    check_moved(device, second)
    assert "learned from" in str(device.background.wait())
    check_moved(device, second)
    if device.models.personalized:
        assert device.models.personal["output_bias"].shape == (len(second.vocabulary),)


@pytest.mark.parametrize("killed", ["before it is saved", "before it is discarded", "while it learns"])
def test_a_keyboard_killed_at_any_moment_of_the_change_ends_it_later(
    profile: Path,
    folders: tuple[Path, Path],
    two_vocabularies: Models,
    killed: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kill(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    where = {
        "before it is saved": "keyboard_app.recording.user_profile.Profile.save_global",
        "before it is discarded": "federation.protocol.exchange_folder.Mailbox.discard_taken",
        "while it learns": "keyboard_app.learning.learning.learn_network",
    }[killed]
    with Device.open(profile, folders[0], consenting=True) as device:
        type_and_learn(device)
        Mailbox(profile).release(folders[1])
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(where, kill)
            answer_all(device.profile, device.models)
    with Device.open(profile, folders[0], consenting=True) as device:
        answer_all(device.profile, device.models)
        check_moved(device, two_vocabularies[1])
        assert not device.profile.mailbox.released()
        assert learned_on(device) == digest(two_vocabularies[1].weights)


def test_a_round_of_a_desktop_over_another_vocabulary_is_answered_and_changes_nothing(
    device: Device, profile: Path, folders: tuple[Path, Path], two_vocabularies: Models
) -> None:
    first, second = two_vocabularies
    type_and_learn(device)
    before = (profile / PERSONAL).read_bytes()
    desktop = Mailbox(profile)
    desktop.invite(INVITATION, folders[1] / WEIGHTS, folders[1] / VOCABULARY)
    answer_all(device.profile, device.models)
    contribution = desktop.contribution("round-7")
    assert contribution is not None and not contribution.error, contribution
    delta, provenance = load_weights(desktop.delta_path("round-7"), second.vocabulary.sha256)
    assert provenance.parent == digest(second.weights)
    assert np.abs(delta["embedding"][second.vocabulary.id("zebra")]).max() > 0
    assert device.models.global_model.vocabulary.words == first.vocabulary.words
    assert (profile / PERSONAL).read_bytes() == before and device.models.personalized


def test_a_program_never_travels(device: Device, profile: Path, folders: tuple[Path, Path]) -> None:
    own = device.models.global_model.program
    (folders[1] / PROGRAM).write_bytes(b"a program of somebody else")
    desktop = Mailbox(profile)
    desktop.release(folders[1])
    assert not (profile / "mailbox" / "release" / PROGRAM).exists()
    (profile / "mailbox" / "release" / PROGRAM).write_bytes(b"a program of somebody else")
    device.serve()
    assert device.models.global_model.program == own == load_model(profile / GLOBAL).program


def test_a_release_for_which_the_app_has_no_program_is_refused_in_one_line(
    device: Device, profile: Path, two_vocabularies: Models, tmp_path: Path
) -> None:
    save_model(tmp_path / "large", larger(two_vocabularies[1]))
    Mailbox(profile).release(tmp_path / "large")
    with pytest.raises(
        DataError, match=r"refused a newer shared model: this app has no program for a model of .*: update"
    ):
        device.serve()
    assert len(device.keyboard.suggestions) == 3 and not device.profile.mailbox.released()


def larger(model: Model) -> Model:
    """Returns a model with more words than the rows of the program."""
    return with_words(model, [*model.vocabulary.words[3:], *(f"word{chr(97 + i)}" for i in range(26))])


def with_words(model: Model, words: list[str]) -> Model:
    vocabulary = Vocabulary([*SPECIALS, *words])
    sizes = replace(model.provenance.config, vocabulary=len(vocabulary))
    provenance = Provenance(sizes, vocabulary.sha256, 9)
    return replace(model, weights=initial_weights(sizes, 3), provenance=provenance, vocabulary=vocabulary)


@pytest.fixture
def coordinator(tmp_path: Path, folders: tuple[Path, Path]) -> Iterator[Coordinator]:
    coordinator = Coordinator(tmp_path / "coordinator", folders[0])
    yield coordinator
    coordinator.close()


@pytest.fixture
def keyboards(coordinator: Coordinator, tmp_path: Path) -> list[Keyboard]:
    return [Keyboard(coordinator, tmp_path / f"keyboard-{n}", n, secrets.randbits) for n in range(3)]


def take_over(coordinator: Coordinator, model: Model) -> None:
    world = coordinator.world
    world.coordinator.rounds.take_over(model, world.now)
    world.terms = replace(world.terms, length=parameters(model.provenance.config))


def commit(coordinator: Coordinator, keyboards: list[Keyboard]) -> None:
    world = coordinator.world
    world.coordinator.rounds.schedule(1)
    for _ in range(40):
        for keyboard in keyboards:
            keyboard.turn()
        world.work()
        world.now += 1
        if not world.coordinator.store.schedule()[0]:
            break
    for keyboard in [*keyboards, *keyboards]:  # hears the outcome, and then installs the model
        keyboard.turn()


def advance(coordinator: Coordinator, keyboards: list[Keyboard], stage: Stage) -> None:
    """Lets keyboards take turns until the round is at a stage."""
    world = coordinator.world
    for _ in range(30):
        for keyboard in keyboards:
            if world.round.stage == stage:
                return
            keyboard.turn()
        world.now += 1
        world.coordinator.tick(world.now)
    raise AssertionError(f"the round never reached {stage}")


def lexicon_of(model: Model) -> Lexicon:
    size = len(model.vocabulary)
    none = np.zeros(size, np.float16)
    return Lexicon(model.vocabulary.sha256, none, none, np.zeros(size, np.uint32), make_filter([]), make_filter([]))


def test_keyboards_change_to_the_model_that_their_coordinator_took_over(
    coordinator: Coordinator, keyboards: list[Keyboard], two_vocabularies: Models
) -> None:
    """Also one that was killed after it had recorded the model and before it had saved it."""
    second = replace(two_vocabularies[1], lexicon=lexicon_of(two_vocabularies[1]))
    rounds = coordinator.world.coordinator.rounds
    commit(coordinator, keyboards)
    assert all(digest(k.model.weights) == rounds.model_digest for k in keyboards) and rounds.model.provenance.round == 1
    take_over(coordinator, second)
    killed = keyboards[-1]

    def kill(_: Model) -> None:
        raise KeyboardInterrupt

    killed.participant._adopt = kill
    with pytest.raises(KeyboardInterrupt):
        killed.turn()
    killed.restart()
    for keyboard in keyboards:
        assert keyboard.turn() == "received a newer shared model"
        assert keyboard.model.vocabulary.words == second.vocabulary.words
        assert digest(keyboard.model.weights) == digest(second.weights) == rounds.model_digest
        assert keyboard.model.lexicon is not None and keyboard.model.program == second.program
        assert keyboard.membership.history().questions() == []
    commit(coordinator, keyboards)
    assert rounds.model.provenance.round == 8 and rounds.model.provenance.config == second.provenance.config
    assert all(digest(k.model.weights) == rounds.model_digest for k in keyboards)
    assert [len(k.membership.shared()) for k in keyboards] == [2, 2, 2]
    for model, number in ((second, 7), (two_vocabularies[0], 0)):
        with pytest.raises(DataError, match="does not go back unless you say yes"):
            keyboards[0].membership.history().accept(digest(model.weights), number)


def test_a_full_disk_ends_no_keyboard_and_the_model_is_fetched_again(
    coordinator: Coordinator, keyboards: list[Keyboard], two_vocabularies: Models
) -> None:
    keyboard, adopt = keyboards[0], keyboards[0].participant._adopt
    before = digest(keyboard.model.weights)
    take_over(coordinator, two_vocabularies[1])

    def fail(_: Model) -> None:
        raise OSError(28, "No space left on device")

    keyboard.participant._adopt = fail
    with pytest.raises(OSError, match="No space"):  # `headless.take_part` says so and tries again
        keyboard.turn()
    assert digest(keyboard.participant.model.weights) == before
    keyboard.participant._adopt = adopt
    assert keyboard.turn() == "received a newer shared model"
    assert digest(keyboard.model.weights) == digest(two_vocabularies[1].weights)


def test_a_round_in_flight_is_dropped_and_never_mixed(
    coordinator: Coordinator, keyboards: list[Keyboard], two_vocabularies: Models
) -> None:
    coordinator.open()
    advance(coordinator, keyboards, Stage.CONSISTENCY)
    coordinator.kill()
    take_over(coordinator, two_vocabularies[1])
    for keyboard in keyboards:
        keyboard.connect()
        assert "not counted" in keyboard.turn()
        assert keyboard.model.vocabulary.words == two_vocabularies[0].vocabulary.words
        assert keyboard.turn() == "received a newer shared model"
        assert [shared.outcome for shared in keyboard.membership.shared()] == ["not counted"]
    commit(coordinator, keyboards)
    assert len(keyboards[0].membership.shared()) == 2


def test_a_keyboard_without_a_program_for_the_model_says_so_and_goes_on_with_its_own(
    coordinator: Coordinator, keyboards: list[Keyboard], two_vocabularies: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_vocabularies
    take_over(coordinator, larger(second))
    keyboard = keyboards[0]
    fetched: list[str] = []
    monkeypatch.setattr(FederationClient, "model", lambda _, wanted: fetched.append(wanted))
    for _ in range(3):
        assert keyboard.turn() == "" and keyboard.participant.outdated
        assert "this app has no program for a model of" in keyboard.participant.note
        assert keyboard.participant.note.endswith("update the app") and not keyboard.participant.busy
    assert not fetched, "a model that cannot run is not downloaded"
    assert keyboard.model.vocabulary.words == first.vocabulary.words
    monkeypatch.undo()
    take_over(coordinator, second)
    assert keyboard.turn() == "received a newer shared model"
    keyboard.turn()
    assert not keyboard.participant.outdated and keyboard.participant.note == ""


HOSTILE = {
    "too long": "a" * 65,
    "direction override": "go‮od",
    "two words": "well.done",
    "a capital": "Zebra",
    "a control character": "be\x07ll",
    "a zero-width space": "be​ll",
}


@pytest.mark.parametrize("word", HOSTILE.values(), ids=HOSTILE)
def test_words_that_nobody_can_type_are_refused(
    coordinator: Coordinator, keyboards: list[Keyboard], two_vocabularies: Models, word: str
) -> None:
    first, second = two_vocabularies
    take_over(coordinator, with_words(second, [*second.vocabulary.words[3:], word]))
    with pytest.raises(
        DataError, match=r"the coordinator's model is refused: .* is not a word that anybody can type"
    ) as error:
        keyboards[0].turn()
    assert "\n" not in str(error.value) and str(error.value).isprintable()
    assert keyboards[0].model.vocabulary.words == first.vocabulary.words
    assert keyboards[0].membership.history()._met() == []


def other_vocabulary(folder: Path) -> None:
    (folder / VOCABULARY).write_text("<pad>\n<unk>\n<s>\nnonsense\n")


def no_text(folder: Path) -> None:
    (folder / VOCABULARY).write_bytes(b"\xff\xfe")


def too_large(folder: Path) -> None:
    (folder / VOCABULARY).write_bytes(b"a" * (api_messages.MODEL_PARTS[api_messages.VOCABULARY] + 1))


def damaged_lexicon(folder: Path) -> None:
    (folder / LEXICON).write_bytes(b"damaged")


def other_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1] + b"\x01")


def no_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"damaged")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (other_vocabulary, "another vocabulary than it named"),
        (no_text, "another vocabulary than it named"),
        (too_large, "larger than 1,048,576 bytes"),
        (damaged_lexicon, "the coordinator's model is refused: lexicon.safetensors is damaged"),
        (other_weights, "other weights than it named"),
        (no_weights, "not a safetensors file"),
    ],
)
def test_files_that_are_not_what_was_announced_are_refused(
    coordinator: Coordinator,
    keyboards: list[Keyboard],
    two_vocabularies: Models,
    fault: Callable[[Path], None],
    said: str,
) -> None:
    take_over(coordinator, two_vocabularies[1])
    fault(coordinator.world.coordinator.rounds.newest_folder)
    with pytest.raises(DataError, match=said):
        keyboards[0].turn()
    assert keyboards[0].model.vocabulary.words == two_vocabularies[0].vocabulary.words
    assert keyboards[0].membership.history()._met() == []


def test_a_vocabulary_that_is_announced_with_the_digest_of_no_text_is_refused(
    coordinator: Coordinator, keyboards: list[Keyboard], two_vocabularies: Models
) -> None:
    content = b"\xff\xfe no text"
    second = two_vocabularies[1]
    named = replace(second.provenance, vocabulary_sha256=hashlib.sha256(content).hexdigest())
    take_over(coordinator, second)
    rounds = coordinator.world.coordinator.rounds
    save_model(rounds.newest_folder, replace(second, provenance=named))
    (rounds.newest_folder / VOCABULARY).write_bytes(content)
    rounds.model = replace(rounds.model, provenance=named)
    with pytest.raises(DataError, match=r"vocabulary\.txt is not UTF-8 text"):
        keyboards[0].turn()


def test_a_model_in_a_round_must_have_the_vocabulary_of_its_plan(
    coordinator: Coordinator, keyboards: list[Keyboard], two_vocabularies: Models
) -> None:
    """A coordinator names this keyboard's vocabulary in the plan, and sends weights of another one."""
    first, second = two_vocabularies
    coordinator.open(model=digest(second.weights))
    rounds = coordinator.world.coordinator.rounds
    save_model(rounds.newest_folder, second)
    rounds.model_digest = digest(second.weights)
    advance(coordinator, keyboards, Stage.REPORTING)
    assert "belongs to another vocabulary" in keyboards[0].turn()
    assert keyboards[0].model.vocabulary.words == first.vocabulary.words and not keyboards[0].membership.shared()


def test_the_optional_files_are_announced_by_their_digests_and_a_program_is_not_served(
    coordinator: Coordinator, keyboards: list[Keyboard], two_vocabularies: Models
) -> None:
    second = two_vocabularies[1]
    take_over(coordinator, second)
    folder, client = coordinator.world.coordinator.rounds.newest_folder, keyboards[0].client
    wanted = digest(second.weights)
    described = client.description(wanted)
    assert (described.lexicon_sha256, described.phrases_sha256) == ("", "")
    (folder / PHRASES).write_bytes(b"phrases")
    assert client.description(wanted).phrases_sha256 == hashlib.sha256(b"phrases").hexdigest()
    assert client.part(wanted, api_messages.PHRASES) == b"phrases"
    for path in ("program", "program.tflite", "lexicon", "../weights"):
        answer = coordinator.http.get(f"/v1/models/{wanted}/{path}")
        assert answer.status_code >= 400
