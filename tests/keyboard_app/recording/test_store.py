import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from keyboard_app.recording.database.records import Day, Judgement, Ranks
from keyboard_app.recording.database.schema import identity, pack_ranks, unpack_ranks
from keyboard_app.recording.database.store import Store
from keyboard_app.recording.vault import UnsealError, Vault

VAULT = Vault(bytes(32))
JUDGEMENT = Judgement("digest", "new", True, 40, 81.5, 80.0, 0.25, 0.5, 4.0)
RANKS = [Ranks(0, 5), Ranks(None, None), Ranks(7, 2)]


def test_messages_are_read_back_unchanged(tmp_path: Path) -> None:
    notices: list[str] = []
    store = Store.open(tmp_path / "s.sqlite", VAULT, notices)
    first = store.add_message("Grüße 😀 'quoted'", RANKS)
    second = store.add_message("two", [Ranks(1, 1)])
    assert store.history.last_judgement() is None
    store.history.add_learning([first], 4, 2.0, 1.5, JUDGEMENT)
    store.history.add_learning([first, second], 6, 2.0, 1.0, JUDGEMENT._replace(kept="old", personal=False))
    store.close()
    store = Store.open(tmp_path / "s.sqlite", VAULT, notices)
    assert [(m.text, m.learning, m.imported) for m in store.messages()] == [
        ("Grüße 😀 'quoted'", 1, False),
        ("two", 2, False),
    ]
    assert store.ranks() == [*RANKS, Ranks(1, 1)]
    assert store.ranks(after=first) == [Ranks(1, 1)]
    assert store.known_words_at_learnings() == [2, 3]
    assert store.history.last_judgement() == JUDGEMENT._replace(kept="old", personal=False)
    assert store.history.ngram_trust("digest") == 4.0
    assert store.history.ngram_trust("of another global model") == 1.0
    assert notices == []


def test_a_message_is_recorded_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.sqlite", VAULT, [])
    store._connection.execute("CREATE TRIGGER t AFTER INSERT ON messages BEGIN SELECT RAISE(ABORT, 'not today'); END")
    with pytest.raises(DataError, match="not today"):
        store.add_message("one", RANKS, Day("2026-01-01", 1, 2))
    assert (store.messages(), store.ranks(), store.days()) == ([], [], [])


def test_a_store_killed_while_writing_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    code = """if True:
        import sys
        from pathlib import Path
        from keyboard_app.recording.database.records import Ranks
        from keyboard_app.recording.database.store import Store
        from keyboard_app.recording.vault import Vault
        store = Store.open(Path(sys.argv[1]), Vault(bytes(32)), [])
        for n in range(1_000_000):
            store.add_message(f"message {n}", [Ranks(n, n)] * 5)
            print(n, flush=True)
    """
    writer = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for _ in range(20):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    rest = writer.communicate()[0].split()
    last = int(rest[-1]) if rest else 19
    notices: list[str] = []
    store = Store.open(path, VAULT, notices)
    assert notices == []
    messages = store.messages()
    assert len(messages) in (last + 1, last + 2)  # the reported ones, and perhaps one more
    assert len(store.ranks()) == 5 * len(messages)


@pytest.mark.parametrize("damage", ["cut short", "overwritten", "no database"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "s.sqlite"
    store = Store.open(path, VAULT, [])
    for number in range(300):
        store.add_message(f"message {number}", RANKS)
    store.close()
    content = path.read_bytes()
    if damage == "cut short":
        content = content[: len(content) // 2]
    elif damage == "overwritten":
        content = content[:4096] + b"\xff" * 8192 + content[12288:]
    else:
        content = b"not a database at all, and long enough to tell" * 10
    path.write_bytes(content)
    notices: list[str] = []
    store = Store.open(path, VAULT, notices)
    read = store.messages()
    assert [m.text for m in read] == [f"message {m.id - 1}" for m in read]
    if damage == "cut short":
        assert 0 < len(read) < 300
    else:  # the pages overwritten are of other tables
        assert len(read) == (300 if damage == "overwritten" else 0)
    store.add_message("typing continues", [])
    assert len(notices) == 1
    assert "s.sqlite.damaged" in notices[0]
    assert (f"with the {len(read)} messages" in notices[0]) == bool(read)
    assert (tmp_path / "s.sqlite.damaged").read_bytes() == content


def test_a_file_of_a_newer_keyboard_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store.open(path, VAULT, []).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
        db.execute("UPDATE marks SET value = x'3939' WHERE name = 'version'")  # in both places: it is no damage
    with pytest.raises(DataError, match="newer keyboard"):
        Store.open(path, VAULT, [])
    assert path.exists()


def test_it_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    writer = Store.open(tmp_path / "s.sqlite", VAULT, [])
    reader = Store.read(tmp_path / "s.sqlite", VAULT)
    writer.add_message("one", RANKS)
    assert [m.text for m in reader.messages()] == ["one"]
    with pytest.raises(DataError, match="readonly"):
        reader.add_message("two", [])


def test_an_error_of_sqlite_is_one_line_and_changes_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.sqlite", VAULT, [])
    store.add_message("one", RANKS)
    store._connection.execute("PRAGMA max_page_count = 1")  # as on a full disk
    with pytest.raises(DataError, match="full") as raised:
        store.add_message("two" * 100_000, RANKS)
    assert "\n" not in str(raised.value)
    assert [m.text for m in store.messages()] == ["one"]
    store._connection.execute("PRAGMA foreign_keys = OFF")
    store._connection.execute("DROP TABLE messages")
    for ask in (store.ranks, store.known_words_at_learnings):
        with pytest.raises(DataError, match="no such table"):
            ask()


KILLED = """if True:
    import os, sys
    from pathlib import Path
    from keyboard_app.recording.database.records import Ranks
    from keyboard_app.recording.database.store import Store
    from keyboard_app.recording.vault import Vault
    store = Store.open(Path(sys.argv[1]), Vault(bytes(32)), [])
    for _ in range(300):
        store.add_message("a message of some length, again and again", [Ranks(1, 1)])
    store.close()
    Store.open(Path(sys.argv[1]), Vault(bytes(32)), []).add_message("the newest", [])
    os._exit(0)
"""


def test_a_damaged_file_is_set_aside_with_its_log_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    logs = {}
    for aside in (tmp_path / "s.sqlite.damaged", tmp_path / "s.sqlite.damaged-2"):
        subprocess.run([sys.executable, "-c", KILLED, path], check=True)
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
        logs[aside.with_name(aside.name + "-wal")] = path.with_name("s.sqlite-wal").read_bytes()
        notices: list[str] = []
        Store.open(path, VAULT, notices).close()
        assert f"they are kept in {aside}," in notices[0]
    assert all(len(log) > 1_000 and path.read_bytes() == log for path, log in logs.items())


def test_a_file_of_another_key_is_set_aside_whole_and_typing_continues(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    store = Store.open(path, VAULT, [])
    store.add_message("one", RANKS)
    store.close()
    content, notices, other = path.read_bytes(), list[str](), Vault(bytes([1]) * 32)
    with pytest.raises(UnsealError):
        Store.read(path, other)
    store = Store.open(path, other, notices)
    assert store.messages() == []
    store.add_message("typing continues", [])
    assert "the key of the recorded messages is lost: they are kept in" in notices[0]
    aside = tmp_path / "s.sqlite.locked"
    assert aside.read_bytes() == content
    assert [m.text for m in Store.read(aside, VAULT).messages()] == ["one"], (
        "they can be read if the key is found again"
    )


def test_a_changed_record_is_skipped_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    store = Store.open(path, VAULT, [])
    for text in ("one", "two", "three"):
        store.add_message(text, RANKS)
    with store._connection as db:  # the text of one message replaces another's
        db.execute("UPDATE messages SET text = (SELECT text FROM messages WHERE id = 1) WHERE id = 2")
    assert [m.text for m in store.messages()] == ["one", "three"]
    assert store.unreadable == 1
    assert len(store.ranks()) == 9


@given(st.lists(st.tuples(st.none() | st.integers(0, 2**31 - 1), st.none() | st.integers(0, 2**31 - 1))))
def test_packed_ranks_are_unpacked_unchanged(ranks: list[tuple[int | None, int | None]]) -> None:
    assert unpack_ranks(pack_ranks(ranks)) == ranks


def test_marked_words(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.sqlite", VAULT, [])
    store.words.mark("forgotten", "zebra")
    store.words.mark("insisted", "zebra", 2)
    store.words.mark("insisted", "zebra")
    store.words.mark("insisted", "grüße")
    assert store.words.marked("insisted") == {"zebra": 3, "grüße": 1}
    store.words.unmark("insisted", "zebra")
    assert store.words.marked("insisted") == {"grüße": 1}
    assert store.words.marked("forgotten") == {"zebra": 1}
    store.close()
    assert b"zebra" not in (tmp_path / "s.sqlite").read_bytes()


def records(path: Path) -> set[bytes]:
    """Returns the encrypted columns of all messages, as they are in the file."""
    with closing(sqlite3.connect(path)) as db:
        return {sealed for row in db.execute("SELECT record, text, ranks FROM messages") for sealed in row}


@pytest.mark.parametrize("everything", [False, True])
def test_deleted_messages_are_gone_from_the_file_and_its_log(tmp_path: Path, everything: bool) -> None:
    path = tmp_path / "s.sqlite"
    store = Store.open(path, VAULT, [])
    ids = [store.add_message(f"message {n} of some length", RANKS) for n in range(200)]
    before = records(path)
    assert all(any(sealed in f.read_bytes() for f in tmp_path.iterdir()) for sealed in before), (
        "the search finds it before the deletion"
    )
    if everything:
        store.delete_all()
    else:
        store.delete(ids[::2])
    gone = before - records(path)
    assert len(gone) == 3 * (200 if everything else 100)
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not any(sealed in content for sealed in gone)
    assert store.deleted_since(0, ids[-1]) == (200 if everything else 100)
    assert store.add_message("later", []) == ids[-1] + 1, "no id is reused"


@pytest.mark.parametrize("other", [10**30, -(10**30), 2**63, 0, -1])
def test_deleting_a_number_that_no_message_has_changes_nothing(tmp_path: Path, other: int) -> None:
    with closing(Store.open(tmp_path / "s.sqlite", VAULT, [])) as store:
        kept = store.add_message("one", RANKS)
        store.delete([other])
        assert [message.id for message in store.messages()] == [kept]
        assert store.last_deletion() == 0


def test_a_reader_delays_the_wiping_of_deleted_messages(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    store = Store.open(path, VAULT, [])
    ids = [store.add_message(f"message {n} of some length", RANKS) for n in range(50)]
    before = records(path)
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM messages").fetchone()
    store.delete(ids)
    reader.close()
    store.close()
    Store.open(path, VAULT, []).close()
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not any(sealed in content for sealed in before)


def test_messages_that_are_too_old_are_deleted(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.sqlite", VAULT, [])
    ids = [store.add_message(f"message {n}", []) for n in range(3)]
    with store._connection as db:
        time, record = "2020-01-01T00:00:00+00:00", bytes(16)
        sealed = VAULT.seal(b"old", identity("text", time, record))
        db.execute("UPDATE messages SET time = ?, record = ?, text = ? WHERE id = 2", (time, record, sealed))
    assert [m.text for m in store.messages()] == ["message 0", "old", "message 2"]
    assert store.delete_before("2021-01-01T00:00:00+00:00") == 1
    assert [m.id for m in store.messages()] == [ids[0], ids[2]]
    assert store.delete_before("2021-01-01T00:00:00+00:00") == 0


def test_imported_messages_come_before_typed_ones_and_do_not_count_for_recall(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.sqlite", VAULT, [])
    store.add_message("typed first", RANKS)
    store.add_imported(
        [store.seal_import(text, "2026-01-01T00:00:00+00:00") for text in ("imported one", "imported two")]
    )
    store.add_message("typed last", RANKS)
    assert [m.text for m in store.messages()] == ["imported one", "imported two", "typed first", "typed last"]
    assert [m.imported for m in store.messages()] == [True, True, False, False]
    assert len(store.ranked_messages()) == 2


def test_messages_before_a_reset_are_not_learned_from_again(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.sqlite", VAULT, [])
    store.add_message("before", [])
    store.history.add_change("reset", False)
    store.add_message("after", [])
    assert [m.text for m in store.learnable()] == ["after"]
    assert [m.text for m in store.messages()] == ["before", "after"]
    change = store.history.changed_since_learning()
    assert change is not None
    assert change.what == "reset"
    store.history.add_learning([2], 1, 1.0, 1.0, JUDGEMENT)
    assert store.history.changed_since_learning() is None


def test_a_lone_surrogate_is_recorded_as_a_question_mark(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.sqlite", VAULT, [])
    store.add_message("half \ud83d", [])
    assert store.messages()[0].text == "half ?"


FULL = """if True:
    import resource, sys
    from pathlib import Path
    from data.errors import DataError
    from keyboard_app.recording.database.records import Ranks
    from keyboard_app.recording.database.store import Store
    from keyboard_app.recording.vault import Vault
    path = Path(sys.argv[1])
    store = Store.open(path, Vault(bytes(32)), [])
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    recorded = 0
    try:
        while True:
            store.add_message(f"message {recorded} " * 20, [Ranks(1, 1)])
            recorded += 1
    except DataError as error:
        assert recorded == len(store.messages()) == len(store.ranks()), "nothing else is lost"
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store.add_message("there is room again", [])
        print(recorded, error)
"""


def test_a_full_disk_loses_no_recorded_message(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path / "s.sqlite"], check=True, capture_output=True, text=True
    )
    recorded, message = done.stdout.split(" ", 1)
    assert "check that the disk is neither full" in message
    store = Store.open(tmp_path / "s.sqlite", VAULT, [])
    assert len(store.messages()) == int(recorded) + 1 > 5
