"""No file of a keyboard reveals what was typed."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keyboard_app.device import Device
from keyboard_app.recording.database.records import Ranks
from keyboard_app.recording.personal_file import Seen
from keyboard_app.recording.user_profile import PERSONAL, STORE
from model.device.folder import Model
from model.device.weights import next_provenance, save_weights
from tests.keyboard_app.ranked import ranks_of

SENTENCES = ["Quixotically the zebra meets Wilhelmina at the Schwarzwald", "climbing ropes tonight, Wilhelmina zebra"]
# Rare words, which are in no program or library that happens to be mapped or cached.
WORDS = ("quixotically", "wilhelmina", "schwarzwald", "the zebra meets", "climbing ropes")
# Secrets of a federation: the coordinator's host, the device's key, the code of its join link.
SECRETS = ("keyboards.nowhere.example", bytes(range(100, 132)).hex(), "a-code-good-once")

TYPED = """if True:
    import sys
    from pathlib import Path
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from federation.protocol.join_link import JoinLink
    from keyboard_app.device import Device
    from keyboard_app.federating.membership import Membership
    from keyboard_app.input.typist import type_message
    from keyboard_app.learning.background import run
    with Device.open(Path(sys.argv[1]), Path(sys.argv[2])) as device:
        device.choose(consent=True)
        for _ in range(40):
            for sentence in sys.argv[3:]:
                for character in sentence:
                    device.keyboard.press(character)
                device.keyboard.enter()
        assert device.sent.id == 80, device.sent
        device.catch_up()
        device.learn()
        print(device.background.wait())
        device.profile.store.words.mark("forgotten", "wilhelmina")
        device.my_data.delete([3, 4])
        key = Ed25519PrivateKey.from_private_bytes(bytes(range(100, 132)))
        with Membership.open(device.profile.path, device.profile.vault) as membership:
            membership.begin_joining(JoinLink("keyboards.nowhere.example", 1, "a-code-good-once", "0" * 64))
            membership.join("https://keyboards.nowhere.example:1", "a certificate", key)
            membership.sent("https://keyboards.nowhere.example:1", "a round", "a model", 1, 1, False)
        device.look_back()
        print(len(device.background.wait()) > 0, device.models.personalized)
        sys.stdout.flush()
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)  # leaves the log as it is
"""


def plain(folder: Path) -> list[str]:
    """Returns the files that hold words or secrets, in UTF-8, UTF-16 or as bytes of a key, ignoring case."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes().lower()
            if bytes(range(100, 132)) in path.read_bytes():
                found.append(f"the key in {path}")
            for word in (*WORDS, *SECRETS):
                if word.encode() in content or word.encode("utf-16-le") in content:
                    found.append(f"{word} in {path}")
    return found


def test_no_typed_word_is_in_any_file(tmp_path: Path, small_model_folder: Path) -> None:
    places = {name: tmp_path / name for name in ("profile", "temporary", "home")}
    for name in ("temporary", "home"):
        places[name].mkdir()
    environment = os.environ | {
        "TMPDIR": str(places["temporary"]),
        "SQLITE_TMPDIR": str(places["temporary"]),
        "HOME": str(places["home"]),
    }
    command: list[str | Path] = [sys.executable, "-c", TYPED, places["profile"], small_model_folder, *SENTENCES]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert b"kept the new model" in done.stdout, done.stderr
    assert (places["profile"] / PERSONAL).exists()
    assert (places["profile"] / f"{STORE}-wal").exists(), "the log was searched too"
    assert plain(tmp_path) == []
    (tmp_path / "output").write_bytes(done.stdout + done.stderr)
    assert plain(tmp_path) == [], "the output holds none either"
    with Device.open(places["profile"], small_model_folder) as device:
        assert [m.text for m in device.profile.store.messages()][:1] == SENTENCES[:1], "all messages are still there"
        assert len(device.profile.store.messages()) == 78
        standing = device.federation.standing()
        assert standing.joined is not None
        assert standing.joined.url == "https://keyboards.nowhere.example:1"
        assert [one.round_name for one in standing.shared] == ["a round"]


def test_the_search_finds_plain_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("..." + SENTENCES[0].upper() + SECRETS[0])
    (tmp_path / "other").write_bytes(b"..." + bytes(range(100, 132)))
    assert len(plain(tmp_path)) == 6


def test_ranks_reveal_the_words(device: Device, small_model: Model) -> None:
    """The reason to encrypt ranks too: with the model, which anybody has, they determine the words."""
    device.profile.store.add_message("climbing ropes tonight", ranks_of(device.models, "climbing ropes tonight"))
    reader, words = device.models._global.reader, list[str]()
    for ranks in device.profile.store.ranks():
        scores = reader.logits([small_model.vocabulary.id(word) for word in words])
        words.append(small_model.vocabulary.words[3 + int(np.argsort(-scores[3:])[ranks.global_rank])])
    assert words == ["climbing", "ropes", "tonight"]


# The tables of keyboards before version 4 that an upgrade reads.
OLD = """
CREATE TABLE learnings (id INTEGER PRIMARY KEY, time TEXT NOT NULL, words INTEGER NOT NULL, loss_before REAL NOT NULL,
    loss_after REAL NOT NULL);
CREATE TABLE messages (id INTEGER PRIMARY KEY, time TEXT NOT NULL, text TEXT NOT NULL, learning INTEGER REFERENCES learnings (id));
CREATE TABLE predictions (message INTEGER NOT NULL REFERENCES messages (id), position INTEGER NOT NULL, rank INTEGER,
    global_rank INTEGER, PRIMARY KEY (message, position)) WITHOUT ROWID;
CREATE TABLE judgements (learning INTEGER PRIMARY KEY REFERENCES learnings (id), global_model TEXT NOT NULL, kept TEXT NOT NULL,
    personal INTEGER NOT NULL, words INTEGER NOT NULL, old_perplexity REAL NOT NULL, new_perplexity REAL NOT NULL,
    old_recall_at_3 REAL NOT NULL, new_recall_at_3 REAL NOT NULL, ngram_trust REAL NOT NULL);
"""


def old_store(path: Path, version: int, messages: int = 400) -> sqlite3.Connection:
    """Writes the file of an older keyboard, with its log; its pages still hold some deleted messages."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.executescript(OLD)
    if version < 3:
        db.execute("ALTER TABLE judgements DROP COLUMN ngram_trust")
    if version < 2:
        db.execute("DROP TABLE judgements")
    with db:
        db.execute("INSERT INTO learnings VALUES (1, '2026-01-01T00:00:00+00:00', 4, 2.0, 1.5)")
        if version == 2:
            db.execute("INSERT INTO judgements VALUES (1, 'digest', 'new', 1, 40, 81.5, 80.0, 0.25, 0.5)")
        if version == 3:
            db.execute("INSERT INTO judgements VALUES (1, 'digest', 'new', 1, 40, 81.5, 80.0, 0.25, 0.5, 4.0)")
        for n in range(messages):
            row = (n + 1, f"2026-01-01T00:00:{n % 60:02}+00:00", SENTENCES[n % 2], 1 if n < 10 else None)
            db.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", row)
            db.executemany("INSERT INTO predictions VALUES (?, ?, ?, ?)", [(n + 1, 0, n, 2), (n + 1, 1, None, None)])
        db.execute(f"PRAGMA user_version = {version}")
    db.execute("PRAGMA wal_checkpoint(PASSIVE)")
    with db:
        db.execute("DELETE FROM predictions WHERE message > ?", (messages - 100,))
        db.execute("DELETE FROM messages WHERE id > ?", (messages - 100,))
    return db


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_profile_is_encrypted_and_no_plain_text_is_left(
    tmp_path: Path, small_model: Model, small_model_folder: Path, version: int
) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    process = "import os, pathlib; from tests.keyboard_app.recording import test_sealed; " + (
        f"test_sealed.old_store(pathlib.Path({str(profile / STORE)!r}), {version}); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", process], check=True)  # ends without closing the file
    save_weights(
        profile / "personal.safetensors",
        small_model.weights,
        next_provenance(small_model.weights, small_model.provenance, 0),
    )
    (profile / "personal.safetensors.damaged").write_text(SENTENCES[0])
    (profile / ".personal.safetensors.killed").write_text(SENTENCES[0])
    (profile / "store.sqlite.damaged").write_text(SENTENCES[0])
    with Device.open(profile, small_model_folder) as device:
        (notice,) = device.profile.notices
        assert (
            f"{profile / 'store.sqlite.damaged'} was set aside and may hold messages that are not encrypted" in notice
        )
        (profile / "store.sqlite.damaged").unlink()
        assert plain(profile) == [], "already while it is open"
        store = device.profile.store
        assert [m.text for m in store.messages()] == [SENTENCES[n % 2] for n in range(300)]
        assert [m.learning for m in store.messages()] == [1] * 10 + [None] * 290
        assert store.ranks()[:4] == [Ranks(0, 2), Ranks(None, None), Ranks(1, 2), Ranks(None, None)]
        last = store.history.last_judgement()
        assert (None if last is None else last.ngram_trust) == {1: None, 2: 1.0, 3: 4.0}[version]
        assert device.models.personalized
        assert device.models.seen == Seen(message=10, trained=2, deletion=0)
    assert plain(profile) == []
    assert not (profile / "personal.safetensors").exists()


KILL_AT_EACH = """if True:
    import sys
    from pathlib import Path
    from keyboard_app.recording.database.store import Store
    from keyboard_app.recording.vault import Vault
    from tests.keyboard_app.killed import killed_at_each_statement

    database, plain, kills = Path(sys.argv[1]), sys.argv[2].encode(), 0

    def upgrade(folder, _tell):
        Store.open(folder / database.name, Vault(bytes(32)), []).close()

    for kill in killed_at_each_statement(database, lambda folder: folder, upgrade):
        kills += kill.killed
        notices = []
        store = Store.open(kill.folder / database.name, Vault(bytes(32)), notices)
        assert (len(store.messages()), notices) == (20, []), kill
        store.close()
        assert not any(plain in file.read_bytes() for file in kill.folder.iterdir()), kill
    print(kills)
"""


def test_killed_at_any_statement_an_upgrade_loses_nothing_and_leaves_no_plain_text(tmp_path: Path) -> None:
    db = old_store(tmp_path / "old", 3, 120)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    command: list[str | Path] = [sys.executable, "-c", KILL_AT_EACH, tmp_path / "old", SENTENCES[0]]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout) > 20
