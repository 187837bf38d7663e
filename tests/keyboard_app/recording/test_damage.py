"""Damage to any file of a profile: the keyboard opens, tells what was lost, keeps what can be read, and works."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from keyboard_app.device import Device
from keyboard_app.federating.membership import FILE, Membership
from keyboard_app.learning.insight import recall_by_model, recall_by_week
from keyboard_app.recording.database.records import Day, Judgement, Ranks
from keyboard_app.recording.database.store import Store
from keyboard_app.recording.keyholder import KEY, obtain_key, read_key
from keyboard_app.recording.personal_file import Seen
from keyboard_app.recording.user_profile import GLOBAL, HAND, PERSONAL, STORE
from keyboard_app.recording.vault import Vault
from model.device.folder import CARD, PROGRAM, VOCABULARY, WEIGHTS, Model
from model.device.weights import digest

VAULT = Vault(bytes(32))
TEXTS = [f"message {number} " * (1 + number % 9 * 30) for number in range(40)]  # some need more than one page
SEEN = Seen(message=3, trained=2, deletion=0)
# Examples are not shrunk: most are slow, and the place of the damage says little.
FEW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


def fill(store: Store) -> None:
    """Puts something into each table."""
    ids = [store.add_message(text, [Ranks(1, 2)], Day("2026-05-04", 3, 4)) for text in TEXTS[:30]]
    store.history.add_learning(ids, 4, 2.0, 1.5, Judgement("ab" * 32, "new", True, 40, 81.5, 80.0, 0.25, 0.5))
    store.history.add_change("rolled back", True)
    for text in TEXTS[30:]:
        store.add_message(text, [Ranks(None, None)])
    store.words.mark("forgotten", "zebra")
    store.delete(ids[:2])


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory, small_model: Model, small_model_folder: Path) -> Path:
    """Returns a profile with all its files; tests must not change it."""
    path = tmp_path_factory.mktemp("whole") / "profile"
    with Device.open(path, small_model_folder, consenting=True, use_keyring=False) as device:
        fill(device.profile.store)
        provenance = replace(small_model.provenance, round=12, parent=digest(small_model.weights))
        newer = replace(small_model.with_weights(small_model.weights, provenance), card="# Grüße\n")
        device.profile.save_global(newer)
        device.profile.save_personal(newer.weights, newer, SEEN)
        device.profile.save_personal(newer.weights, newer, SEEN)
        device.profile.save_hand(device.touches.hand)
        device.choose(consent=True, layout="own", keep_days=30)
        with Membership.open(path, device.profile.vault) as membership:
            membership.join("https://keyboards.example.org:8443", "a certificate", Ed25519PrivateKey.generate())
            for number in range(20):
                membership.sent(
                    "https://keyboards.example.org:8443", f"round-{number}", f"{number}", 1, 2, clipped=True
                )
    (path / "layouts").mkdir()
    shutil.copy(Path("keyboard_app/input/layouts/dvorak.json"), path / "layouts" / "own.json")
    return path


@pytest.fixture(scope="module")
def whole_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("store") / STORE
    store = Store.open(path, VAULT, [])
    fill(store)
    store.close()
    return path.read_bytes()


def test_outcomes_are_unknown_once_the_membership_is_lost(tmp_path: Path) -> None:
    url = "https://keyboards.example.org:8443"
    with Membership.open(tmp_path, VAULT) as membership:
        membership.join(url, "a certificate", Ed25519PrivateKey.generate())
        for name in ("first", "second"):
            membership.sent(url, name, "model", 1, 2, clipped=True)
        membership.record_outcome(url, "first", "counted")
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("UPDATE membership SET sealed = x'00'")
    notices: list[str] = []
    with Membership.open(tmp_path, VAULT, notices) as membership:
        assert (membership.joined, [one.outcome for one in membership.shared()]) == (None, ["counted", "unknown"])
    assert "join the federation again" in notices[0]


def flip(content: bytes, at: float, value: int) -> bytes:
    """Returns the content with one byte changed, at a share of its length."""
    place = min(int(at * len(content)), len(content) - 1)
    return content[:place] + bytes([content[place] ^ value]) + content[place + 1 :]


def damaged(content: bytes, kind: str, at: float, value: int) -> bytes:
    if kind == "a byte":
        return flip(content, at, value)
    if kind == "cut short":
        return content[: int(at * len(content))]
    page = int(at * len(content)) // 4096 * 4096
    return content[:page] + bytes(min(4096, len(content) - page)) + content[page + 4096 :]


KINDS = st.sampled_from(["a byte", "a byte", "cut short", "a page of zeros"])
PLACES = st.floats(0, 1, exclude_max=True)


@FEW
@given(KINDS, PLACES, st.integers(1, 255))
@example("a byte", 60 / 2**16, 1)
def test_a_store_with_any_damage_opens_and_keeps_what_can_be_read(
    whole_store: bytes, tmp_path: Path, kind: str, at: float, value: int
) -> None:
    folder = tmp_path / "s"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / STORE).write_bytes(damaged(whole_store, kind, at, value))
    notices: list[str] = []
    store = Store.open(folder / STORE, VAULT, notices)
    read = {message.id: message.text for message in store.messages()}
    assert all(TEXTS[id_ - 1] == text for id_, text in read.items()), "each message is one that was recorded"
    assert len(read) == 38 or notices or store.unreadable, "a loss is told"
    if kind == "a byte":
        assert len(read) >= 30 or at < 4096 / len(whole_store), "a damaged page costs its own rows only"
    history = store.history
    for ask in (
        store.ranks,
        store.days,
        store.learnable,
        history.changes,
        history.last_judgement,
        history.learned_up_to,
    ):
        ask()
    assert store.words.marked("forgotten") in ({}, {"zebra": 1})
    new = store.add_message("typing continues", [])
    assert new > max(read, default=0)
    store.close()
    again: list[str] = []
    store = Store.open(folder / STORE, VAULT, again)
    assert again == []
    assert {m.id: m.text for m in store.messages()} == read | {new: "typing continues"}
    store.delete_all()
    store.close()


WRONG = [
    "UPDATE messages SET time = CAST(x'fffe' AS TEXT) WHERE id = 9",
    "UPDATE messages SET time = 5 WHERE id = 9",
    "UPDATE messages SET record = 'no blob' WHERE id = 9",
    "UPDATE messages SET text = 'no blob' WHERE id = 9",
    "UPDATE messages SET ranks = 7 WHERE id = 9",
    "UPDATE messages SET imported = 'x' WHERE id = 9",
    "UPDATE messages SET learning = CAST(x'ff' AS TEXT) WHERE id = 9",
    "UPDATE days SET day = CAST(x'ff' AS TEXT)",
    "UPDATE days SET keystrokes = 'many'",
    "UPDATE learnings SET loss_after = 'low'",
    "UPDATE judgements SET kept = CAST(x'ff' AS TEXT)",
    "UPDATE judgements SET ngram_trust = -1e300",
    "UPDATE changes SET learning = x'00'",
    "UPDATE words SET kind = CAST(x'ff' AS TEXT)",
    "UPDATE words SET sealed = 'plain'",
    "UPDATE marks SET value = 'text' WHERE name = 'key'",
    "UPDATE marks SET value = zeroblob(28) WHERE name = 'key'",
    "DELETE FROM marks",
    "UPDATE sqlite_sequence SET seq = 'x' WHERE name = 'messages'",
    "UPDATE sqlite_sequence SET seq = 9223372036854775807 WHERE name = 'messages'",
    *(f"DROP TABLE {table}" for table in ("learnings", "judgements", "deletions", "words", "days", "changes", "marks")),
    *(f"PRAGMA user_version = {version}" for version in (0, 1, 3, 5, 99, 2**31 - 1, -1)),
]


@pytest.mark.parametrize("statement", WRONG)
def test_values_of_a_wrong_type_missing_tables_and_wrong_versions(
    whole_store: bytes, tmp_path: Path, statement: str
) -> None:
    (tmp_path / STORE).write_bytes(whole_store)
    with closing(sqlite3.connect(tmp_path / STORE)) as db, db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute(statement)
    notices: list[str] = []
    store = Store.open(tmp_path / STORE, VAULT, notices)
    assert len(store.messages()) >= 37
    assert len(notices) == (not store.unreadable), "one line, here or from the device"
    assert all(f"{STORE}.damaged" in notice and "\n" not in notice for notice in notices)
    store.add_message("typing continues", [])
    store.close()


def test_a_definition_that_is_not_utf8(whole_store: bytes, tmp_path: Path) -> None:
    for old in (b"CREATE TABLE messages", b"record BLOB", b"learning INTEGER REFERENCES"):
        assert whole_store.count(old) == 1
        (tmp_path / STORE).write_bytes(whole_store.replace(old, old[:-1] + b"\xff"))
        notices: list[str] = []
        store = Store.open(tmp_path / STORE, VAULT, notices)
        store.add_message("typing continues", [])
        assert len(store.messages()) >= 1
        store.close()


FILES = [
    *(STORE, FILE, KEY, "settings.json", PERSONAL, "personal.previous", HAND, "layouts/own.json"),
    *(f"{GLOBAL}/{name}" for name in (WEIGHTS, PROGRAM, VOCABULARY, CARD, "SHA256SUMS")),
]


@pytest.mark.parametrize("name", FILES)
@settings(FEW, max_examples=1)
@given(KINDS, PLACES, st.integers(1, 255))
def test_a_keyboard_opens_whatever_file_is_damaged(
    profile: Path, tmp_path: Path, small_model_folder: Path, name: str, kind: str, at: float, value: int
) -> None:
    path = tmp_path / "profile"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(profile, path)
    (path / name).write_bytes(damaged((path / name).read_bytes(), kind, at, value))
    with Device.open(path, small_model_folder, consenting=True, use_keyring=False) as device:
        kept = device.my_data.count()
        shared = device.federation.standing().shared
        lost = kept < 38 or len(shared) < 20 or not device.models.personalized or device.layout.name == "QWERTY"
        assert not lost or device.profile.notices or name == "layouts/own.json"
        assert all("\n" not in notice for notice in device.profile.notices)
        assert len(device.keyboard.suggestions) == 3
        recall_by_week(device.profile.store)
        recall_by_model(device.profile.store)
        device.keyboard.press("a")
        device.keyboard.enter()
        assert [message.text for message in device.my_data.page(count=1)] == ["A"]
        if device.models.personalized:
            device.roll_back()
        device.choose(theme="dark")
    with Device.open(path, small_model_folder, use_keyring=False) as device:
        assert not [notice for notice in device.profile.notices if "kept" in notice]
        assert device.my_data.count() == kept + 1


@FEW
@given(PLACES, st.integers(1, 255))
def test_one_damaged_byte_anywhere_in_the_key_loses_nothing(
    profile: Path, tmp_path: Path, at: float, value: int
) -> None:
    key, content = read_key(profile), (profile / KEY).read_bytes()
    (tmp_path / KEY).write_bytes(flip(content, at, value))
    assert obtain_key(tmp_path, []) == key
    assert read_key(tmp_path) == key
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


DENIED = """if True:
    import os, sys
    from pathlib import Path
    from data.errors import DataError
    from keyboard_app.recording.keyholder import obtain_key
    from keyboard_app.recording.settings import load_settings
    os.chdir(sys.argv[1])
    profile = Path()  # pytest lets nobody else into its folders, but the folder of a process stays open
    before = sorted((f.name, f.stat().st_mode, f.stat().st_uid) for f in profile.iterdir())
    if os.getuid() == 0:
        os.seteuid(65534)
    for work in (lambda: obtain_key(profile, []), lambda: load_settings(profile / "settings.json", [])):
        try:
            work()
        except DataError as error:
            print(error)
    if os.getuid() == 0:
        os.seteuid(0)
    assert before == sorted((f.name, f.stat().st_mode, f.stat().st_uid) for f in profile.iterdir())
"""


def test_a_key_and_settings_that_may_not_be_read_stay_in_their_place(profile: Path, tmp_path: Path) -> None:
    """The file is another user's, which only a superuser can try; one's own file without permissions is mended."""
    for name in (KEY, "settings.json"):
        shutil.copy(profile / name, tmp_path / name)
    if os.getuid() == 0:
        tmp_path.chmod(0o755)
        done = subprocess.run([sys.executable, "-c", DENIED, tmp_path], capture_output=True, text=True, check=True)
        assert "cannot read the key" in done.stdout
        assert "nothing was changed" in done.stdout
        assert "cannot read settings.json: Permission denied: make sure" in done.stdout
        assert done.stdout.count("\n") == 2
    assert (tmp_path / KEY).read_bytes() == (profile / KEY).read_bytes()


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o400, 0o000])
def test_permissions_of_the_key_are_mended_and_told(profile: Path, tmp_path: Path, mode: int) -> None:
    shutil.copy(profile / KEY, tmp_path / KEY)
    (tmp_path / KEY).chmod(mode)
    notices: list[str] = []
    assert obtain_key(tmp_path, notices) == read_key(profile)
    assert [path.name for path in tmp_path.iterdir()] == [KEY]
    if mode & 0o077:
        assert "other users could read" in notices[0]
    assert (tmp_path / KEY).stat().st_mode & 0o077 == 0
