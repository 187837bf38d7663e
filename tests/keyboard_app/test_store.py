import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import DataError
from keyboard_app.store import Judgement, Ranks, Store

JUDGEMENT = Judgement("digest", "new", True, 40, 81.5, 80.0, 0.25, 0.5, 4.0)
RANKS = [Ranks(0, 5), Ranks(None, None), Ranks(7, 2)]


def test_round_trip(tmp_path: Path) -> None:
    notices: list[str] = []
    store = Store.open(tmp_path / "s.sqlite", VAULT, notices)
    first = store.add_message("Grüße 😀 'quoted'", RANKS)
    second = store.add_message("two", [Ranks(1, 1)])
    assert store.last_judgement() is None
    store.add_learning([first], 4, 2.0, 1.5, JUDGEMENT)
    store.add_learning([first, second], 6, 2.0, 1.0, JUDGEMENT._replace(kept="old", personal=False))
    store.close()
    store = Store.open(tmp_path / "s.sqlite", VAULT, notices)
    assert [(m.text, m.learning) for m in store.messages()] == [("Grüße 😀 'quoted'", 1), ("two", 2)]
    assert store.ranks() == [*RANKS, Ranks(1, 1)]
    assert store.ranks(after=first) == [Ranks(1, 1)]
    assert store.known_words_at_learnings() == [2, 3]
    assert store.last_judgement() == JUDGEMENT._replace(kept="old", personal=False)
    assert store.ngram_trust("digest") == 4.0
    assert store.ngram_trust("of another global model") == 1.0
    assert notices == []


def test_a_file_of_the_keyboard_before_it_had_a_gate_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    store = Store.open(path, VAULT, [])
    message = store.add_message("one", RANKS)
    store.add_learning([message], 4, 2.0, 1.5, JUDGEMENT)
    store.close()
    with sqlite3.connect(path) as db:
        db.executescript("DROP TABLE judgements; PRAGMA user_version = 1;")
    assert Store.read(path, VAULT).last_judgement() is None
    notices: list[str] = []
    store = Store.open(path, VAULT, notices)
    assert notices == []
    assert store.last_judgement() is None
    assert [m.learning for m in store.messages()] == [1]
    store.add_learning([message], 4, 2.0, 1.5, JUDGEMENT)
    assert store.last_judgement() == JUDGEMENT


def test_a_file_of_the_keyboard_before_it_learned_the_trust_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    store = Store.open(path, VAULT, [])
    message = store.add_message("one", RANKS)
    store.add_learning([message], 4, 2.0, 1.5, JUDGEMENT)
    store.close()
    with sqlite3.connect(path) as db:
        db.executescript("ALTER TABLE judgements DROP COLUMN ngram_trust; PRAGMA user_version = 2;")
    before = JUDGEMENT._replace(ngram_trust=1.0)
    assert Store.read(path, VAULT).last_judgement() == before
    notices: list[str] = []
    store = Store.open(path, VAULT, notices)
    assert notices == []
    assert store.last_judgement() == before
    store.add_learning([message], 4, 2.0, 1.5, JUDGEMENT)
    store.close()
    assert Store.open(path, VAULT, notices).last_judgement() == JUDGEMENT


def test_a_message_is_recorded_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.sqlite", VAULT, [])
    with pytest.raises(DataError):
        store.add_message("one", [Ranks(1, 1), Ranks(object(), 1)])
    assert store.messages() == []


def test_killed_while_writing_it_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    code = """if True:
        import sys
        from pathlib import Path
        from keyboard_app.store import Ranks, Store
        store = Store.open(Path(sys.argv[1]), VAULT, [])
        for n in range(1_000_000):
            store.add_message(f"message {n}", [Ranks(n, n)] * 5)
            print(n, flush=True)
    """
    writer = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
    for _ in range(20):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    rest = writer.communicate()[0].split()
    last = int(rest[-1]) if rest else 19
    notices: list[str] = []
    store = Store.open(path, VAULT, notices)
    assert notices == []
    messages = store.messages()
    assert len(messages) in (last + 1, last + 2)  # what was reported, and perhaps one more
    assert len(store.ranks()) == 5 * len(messages)


@pytest.mark.parametrize("damage", ["cut short", "overwritten", "no database"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "s.sqlite"
    store = Store.open(path, VAULT, [])
    for _ in range(300):
        store.add_message("a message of some length, again and again", RANKS)
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
    assert store.messages() == []
    store.add_message("typing goes on", [])
    assert len(notices) == 1
    assert "s.sqlite.damaged" in notices[0]
    assert (tmp_path / "s.sqlite.damaged").read_bytes() == content


def test_a_file_of_a_newer_keyboard_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store.open(path, VAULT, []).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
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


def test_what_sqlite_refuses_is_told_in_a_line_and_changes_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.sqlite", VAULT, [])
    store.add_message("one", RANKS)
    store._connection.execute("PRAGMA max_page_count = 1")  # as on a full disk
    with pytest.raises(DataError, match="full") as told:
        store.add_message("two" * 100_000, RANKS)
    assert "\n" not in str(told.value)
    assert [m.text for m in store.messages()] == ["one"]
    store._connection.execute("DROP TABLE predictions")
    for ask in (store.ranks, store.known_words_at_learnings):
        with pytest.raises(DataError, match="no such table"):
            ask()


KILLED = """if True:
    import os, sys
    from pathlib import Path
    from keyboard_app.store import Ranks, Store
    store = Store.open(Path(sys.argv[1]), VAULT, [])
    for _ in range(300):
        store.add_message("a message of some length, again and again", [Ranks(1, 1)])
    store.close()
    Store.open(Path(sys.argv[1]), []).add_message(sys.argv[2], VAULT, [])
    os._exit(0)
"""


def test_the_log_goes_along_when_a_damaged_file_is_set_aside_and_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    for aside in (tmp_path / "s.sqlite.damaged", tmp_path / "s.sqlite.damaged-2"):
        subprocess.run([sys.executable, "-c", KILLED, path, f"newest before {aside.name}."], check=True)
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
        notices: list[str] = []
        Store.open(path, VAULT, notices).close()
        assert f"they lie in {aside}," in notices[0]
        assert f"newest before {aside.name}.".encode() in aside.with_name(aside.name + "-wal").read_bytes()
    assert b"newest before s.sqlite.damaged." in (tmp_path / "s.sqlite.damaged-wal").read_bytes()
