import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from data.corpus import JsonLines
from data.errors import DataError
from keyboard_app import device as device_module
from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from keyboard_app.my_data import importing as importing_module
from keyboard_app.my_data import retention
from keyboard_app.my_data.importing import Importing
from keyboard_app.my_data.reading import read_source
from keyboard_app.recording.database import queries, store
from keyboard_app.recording.user_profile import PERSONAL, PREVIOUS
from tests.keyboard_app.ranked import own_words, ranks_of

LINE = "i think you are good ."
OWN = "the zebra and the quagga"


def record(device: Device, texts: list[str]) -> list[int]:
    ids = []
    for text in texts:
        ids.append(device.profile.store.add_message(text, ranks_of(device.models, text)))
        device.models.ngram.learn(text)
    return ids


def test_pages_are_newest_first_and_searched_ignoring_case(device: Device) -> None:
    record(device, [f"message {n}" for n in range(7)] + ["A Zebra", "Ärger", "the zebra"])
    mine = device.my_data
    assert mine.count() == 10
    assert [m.text for m in mine.page(count=3)] == ["the zebra", "Ärger", "A Zebra"]
    assert [m.text for m in mine.page(skip=3, count=2)] == ["message 6", "message 5"]
    assert [m.text for m in mine.page("ZEBRA")] == ["the zebra", "A Zebra"]
    assert [m.text for m in mine.page("zebra", skip=1)] == ["A Zebra"]
    assert [m.text for m in mine.page("ärg")] == ["Ärger"]
    assert mine.page("nothing of the kind") == []


def test_suggestions_forget_a_deleted_message_at_once_and_the_network_when_it_learns_again(
    device: Device,
) -> None:
    record(device, [LINE] * 40)
    ids = record(device, [OWN] * 4)
    record(device, [LINE] * 30)
    assert own_words(device.models) == ["zebra", "quagga"]
    assert device.my_data.still_held == 0
    run(Learning(device.profile, device.models))
    assert device.models.personalized
    device.my_data.delete(ids[:3])
    assert own_words(device.models) == []
    assert "zebra" not in device.models.suggest("the", "z")
    assert device.my_data.still_held == 3
    later = record(device, [LINE])
    device.my_data.delete(later)
    assert device.my_data.still_held == 3, "later messages were never in it"
    run(Learning(device.profile, device.models))  # the gate may refuse the network: the one in use may still hold them
    device.relearn()
    device.background.wait()
    assert device.my_data.still_held == 0
    assert not (device.profile.path / PREVIOUS).exists(), "no network that holds them can be restored"
    assert len(device.profile.store.messages()) == 71


def test_deleting_everything_forgets_the_emoji_too(device: Device) -> None:
    device.recent_emoji.use("🍕")
    device.my_data.delete_all()
    assert device.recent_emoji.signs == []
    device.recent_emoji.use("🙂")
    assert device.recent_emoji.signs == ["🙂"]


def test_old_messages_are_forgotten_even_if_the_file_cannot_be_rewritten(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = (datetime.now(UTC) - timedelta(days=40)).isoformat(timespec="seconds")
    device.profile.store.add_imported([device.profile.store.seal_import(OWN, old)] * 3)
    device.my_data.suggest_by_what_is_left()
    assert own_words(device.models) == ["zebra", "quagga"]
    device.profile.store.certain_time(datetime.now(UTC))
    device._retention._certain = datetime.now(UTC)

    def fail() -> None:
        raise DataError("the disk is full")

    monkeypatch.setattr(device.profile.store, "tidy", fail)
    with pytest.raises(DataError, match="full"):
        device.choose(keep_days=30)
    assert device.my_data.count() == 0
    assert own_words(device.models) == []


def test_learning_again_after_deleting_everything_leaves_the_global_model(device: Device) -> None:
    record(device, [LINE] * 60)
    device.profile.store.words.mark("insisted", "zebra")
    run(Learning(device.profile, device.models))
    device.my_data.delete_all()
    assert (device.my_data.count(), device.my_data.still_held) == (0, 60)
    assert device.profile.store.words.marked("insisted") == {}
    device.relearn()
    assert "there are no messages left to learn from" in (device.background.wait() or "")
    assert not device.models.personalized
    assert not (device.profile.path / PERSONAL).exists()
    assert device.my_data.still_held == 0
    assert device.models.suggest("i think", "") == device.models.suggest_by_global("i think", "")


def test_messages_are_kept_for_the_chosen_number_of_days(tmp_path: Path, small_model_folder: Path) -> None:
    with Device.open(tmp_path, small_model_folder, consenting=True) as device:
        old = (datetime.now(UTC) - timedelta(days=40)).isoformat(timespec="seconds")
        device.profile.store.add_imported([device.profile.store.seal_import(OWN, old)] * 3)
        record(device, [LINE])
    with Device.open(tmp_path, small_model_folder) as device:
        assert own_words(device.models) == ["zebra", "quagga"]
        device.choose(keep_days=60)
        assert device.my_data.count() == 4
        device.choose(keep_days=30)
        assert [m.text for m in device.my_data.page()] == [LINE]
        assert own_words(device.models) == []
        device.profile.store.add_imported([device.profile.store.seal_import(OWN, old)])
    with Device.open(tmp_path, small_model_folder) as device:
        assert device.my_data.count() == 1, "also at the next start"


def test_a_clock_that_is_wrong_for_one_start_deletes_nothing(
    tmp_path: Path, small_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = timedelta()

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + error

    for module in (device_module, retention, queries, store):
        monkeypatch.setattr(module, "datetime", Wrong)
    with Device.open(tmp_path, small_model_folder, consenting=True) as device:
        device.choose(keep_days=30)
        record(device, [LINE])
    for days in (400, 0, -400, 0, 31):
        error = timedelta(days=days)
        with Device.open(tmp_path, small_model_folder, consenting=True) as device:
            device.choose(keep_days=30)
            device.serve()
            assert [m.text for m in device.my_data.page()] == [LINE]
    for days in (1, 2, 3):  # in the end the clock is right: a month has passed
        error = timedelta(days=31 + days)
        with Device.open(tmp_path, small_model_folder, consenting=True) as device:
            left = device.my_data.count()
    assert left == 0


def test_an_export_is_a_corpus_and_can_be_imported(device: Device, tmp_path: Path, small_model_folder: Path) -> None:
    texts = ["Grüße 😀 'quoted' \"twice\"", "two\nlines", LINE]
    record(device, texts)
    out = tmp_path / "out" / "mine.jsonl"
    assert device.my_data.export(out) == 3
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    corpus = JsonLines(out)
    assert corpus.users() == ["me"]
    assert list(corpus.messages("me")) == texts
    with Device.open(tmp_path / "new", small_model_folder) as new:
        new.import_texts(out)
        assert new.background.wait() == "imported 3 messages; let the keyboard learn to put them to use"
        assert [(m.text, m.imported) for m in new.profile.store.messages()] == [(text, True) for text in texts]
        assert new.profile.store.ranks() == []
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write"):
        device.my_data.export(tmp_path / "file" / "x")


CHAT = """\
31.12.20, 21:15 - Messages and calls are end-to-end encrypted.
31.12.20, 21:15 - Ann Berg: Are you there?
31.12.20, 21:16 - Bob: yes: the zebra
is here
and the quagga
31.12.20, 21:16 - Bob: <Media omitted>
31.12.20, 21:17 - Bob: my password is swordfish
31.12.20, 21:18 - Bob: the zebra again
"""
IPHONE = (
    "[12/31/20, 9:15:22\u202fPM] Ann Berg: \u200eMessages and calls are end-to-end encrypted.\r\n"
    "[12/31/20, 9:15:23\u202fPM] Ann Berg: Are you there?\r\n"
    "\u200e[12/31/20, 9:15:24\u202fPM] Bob: \u200eimage omitted\r\n"
    "[12/31/20, 9:15:25\u202fPM] ~ Bob: the zebra\u200e <This message was edited>\r\n"
)


def test_only_the_chosen_author_of_a_chat_is_imported(device: Device, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text(CHAT)
    source = read_source(path)
    assert (source.kind, list(source.people.items())) == ("chat", [("Bob", 3), ("Ann Berg", 1)])
    unclear = Importing(device.profile, device.models, path)
    assert run(unclear) == "several people wrote in chat.txt: choose which one you are"
    assert (unclear.unclear, unclear.imported, device.my_data.count()) == (source, 0, 0)
    with pytest.raises(DataError, match=r"several people wrote in it: name one of Bob \(3 messages\), Ann Berg \(1"):
        source.of(None)
    with pytest.raises(DataError, match="nobody called Zoe"):
        run(Importing(device.profile, device.models, path, "Zoe"))
    path.unlink()  # the task has read it already
    importing = unclear.of("Bob")
    assert (
        run(importing)
        == "imported 2 messages (left out: 1 message that looks like a secret); let the keyboard learn to put them to use"
    )
    assert [m.text for m in device.profile.store.messages()] == [
        "yes: the zebra\nis here\nand the quagga",
        "the zebra again",
    ]
    assert own_words(device.models) == ["zebra"]


def test_another_phones_chat(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text(IPHONE, newline="")
    assert read_source(path).messages == {"Ann Berg": ["Are you there?"], "Bob": ["the zebra"]}


def test_a_plain_text_and_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("\ufeffone\r\n\r\n two \n".encode())
    assert read_source(path).of(None) == ["one", "two"]
    lines = [{"user": user, "time": str(n), "text": f"{user} {n}"} for n, user in enumerate(["a", "b", "a"])]
    path.write_text("\n".join(map(json.dumps, lines)))
    source = read_source(path)
    assert (source.kind, source.people, source.of("a")) == ("JSON Lines", {"a": 2, "b": 1}, ["a 0", "a 2"])


def test_the_only_author_of_a_file_is_not_taken_for_the_person(device: Device, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("31.12.20, 21:15 - Ann: the quagga\n")
    unclear = Importing(device.profile, device.models, path)
    assert run(unclear) == "one person wrote in chat.txt: say whether that is you"
    assert device.my_data.count() == 0
    assert run(unclear.of("Ann")) == "imported 1 message; let the keyboard learn to put it to use"


def test_an_import_says_how_many_messages_it_left_out_and_why(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing_module, "MAX_MESSAGES", 1_000)
    path = tmp_path / "chat.txt"
    pasted = "31.12.20, 21:15 - Bob: look\n[21:15, 31.12.2020] Ann: the quagga\n"
    long = "31.12.20, 21:15 - Bob: " + "so " * 4_000 + "\n"
    path.write_text(pasted + "".join(f"31.12.20, 21:15 - Bob: text {n}\n" for n in range(3_000)) + long)
    importing = Importing(device.profile, device.models, path, "Bob")
    assert run(importing) == (
        "imported 999 messages (left out: 2,001 messages beyond the newest 1,000, 1 message with more than 10,000 characters, "
        "1 message that may hold other people's words); let the keyboard learn to put them to use"
    )
    assert (importing.imported, importing.left_out) == (999, 2_003)
    assert "text 2999" in [m.text for m in device.profile.store.messages()]


def test_an_export_goes_anywhere_but_into_a_profile(device: Device, tmp_path: Path, small_model_folder: Path) -> None:
    record(device, [OWN])
    profile = device.profile.path
    with Device.open(tmp_path / "other", small_model_folder) as other:
        others = other.profile.path
    (tmp_path / "link").symlink_to(profile)
    (tmp_path / "file").symlink_to(profile / "key.json")

    def files() -> dict[Path, bytes]:  # without the index that SQLite shares between processes
        found = (path for path in profile.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
        return {path: path.read_bytes() for path in found}

    before = files()
    for path in (
        *(profile / "key.json", profile / "new.jsonl", profile / "global" / "weights.safetensors"),
        *(tmp_path / "link" / "store.sqlite", tmp_path / "file", others / "settings.json", others / "new" / "x"),
        profile / "nothing" / ".." / ".." / profile.name / "store.sqlite",
    ):
        with pytest.raises(DataError, match="lies in the profile"):
            device.my_data.export(path)
    with pytest.raises(DataError, match="is a folder"):
        device.my_data.export(tmp_path)
    assert files() == before
    assert device.my_data.export(tmp_path / "profile.jsonl") == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not UTF-8 text"),
        (b"PK\x03\x04 all ascii", "is not text"),
        ("häßlich".encode("latin-1"), "is not UTF-8 text"),
        ("text".encode("utf-16"), "is not UTF-8 text"),
        (b"\n \n", "holds no message"),
        (b"31.12.20, 21:15 - Nobody wrote anything here", "holds no message"),
        (b'{"user": 1}', "needs an object with user, time and text"),
        (b"{\\rtf1 hello}", "not JSON"),
        (None, "cannot read"),
    ],
)
def test_a_file_that_is_not_text_is_refused(device: Device, tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    device.import_texts(path)
    with pytest.raises(DataError, match=reason) as raised:
        device.background.wait()
    assert "\n" not in str(raised.value)
    assert device.my_data.count() == 0


def test_imported_messages_are_trained_on_and_the_newest_typed_ones_are_held_out(
    device: Device, tmp_path: Path
) -> None:
    record(device, [LINE] * 60)
    run(Learning(device.profile, device.models))
    assert device.models.seen is not None
    trained = device.models.seen.trained
    assert 0 < trained < 60
    (tmp_path / "own.txt").write_text("\n".join(["meet me at the climbing hall at seven"] * 400))
    unclear = Importing(device.profile, device.models, tmp_path / "own.txt")
    assert run(unclear) == "own.txt does not say who wrote it: say whether you did"
    assert (unclear.imported, device.my_data.count()) == (0, 60)
    run(unclear.of(None))
    learning = Learning(device.profile, device.models)
    run(learning)
    # A tenth of all words would include messages that the network in use was trained on.
    assert learning.verdict is not None
    assert learning.trained is not None
    assert learning.verdict.old.words == 6 * (60 - trained)
    assert learning.trained.words > 60 * 7
    assert len(device.profile.store.ranks()) == 360
