"""The file of a keyboard's membership: encrypted, intact after a kill, and upgraded from older keyboards."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data.errors import DataError
from federation.protocol.join_link import JoinLink
from keyboard_app.federating.federation import Standing
from keyboard_app.federating.membership import FILE, Membership, SharedUpdate
from keyboard_app.recording.keyholder import KEY
from keyboard_app.recording.user_profile import Profile
from keyboard_app.recording.vault import Vault

VAULT = Vault(bytes(32))
URL, CERTIFICATE = "https://keyboards.example.org:8443", "-----BEGIN CERTIFICATE-----"
LINK = JoinLink("keyboards.example.org", 8443, "a-code-good-once", "ab" * 32)
SECRET = bytes(range(100, 132))

# The tables of the keyboards before version 2.
OLD = """
CREATE TABLE membership (only INTEGER PRIMARY KEY CHECK (only = 1), url TEXT NOT NULL, certificate TEXT NOT NULL,
    key BLOB NOT NULL, joined TEXT NOT NULL);
CREATE TABLE shared (id INTEGER PRIMARY KEY, time TEXT NOT NULL, url TEXT NOT NULL, round TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL, words INTEGER NOT NULL, bytes INTEGER NOT NULL, outcome TEXT NOT NULL);
PRAGMA user_version = 1;
"""


def old_file(folder: Path) -> None:
    with closing(sqlite3.connect(folder / FILE)) as db, db:
        db.executescript(OLD)
        db.execute(
            "INSERT INTO membership VALUES (1, ?, ?, ?, '2026-01-01T00:00:00+00:00')", (URL, CERTIFICATE, SECRET)
        )
        for n in range(40):
            row = ("2026-01-02T00:00:00+00:00", URL, f"round-{n}", "digest-of-a-model", 100 + n, 2_850_819, "counted")
            db.execute(
                "INSERT INTO shared (time, url, round, model, words, bytes, outcome) VALUES (?,?,?,?,?,?,?)", row
            )


def plain(folder: Path) -> list[str]:
    """Returns the parts of a federation that can be read in a folder's files, as bytes or in hex."""
    secrets = {
        "the key": SECRET,
        "the key in hex": SECRET.hex().encode(),
        "the coordinator": b"keyboards.example.org",
        "the certificate": CERTIFICATE.encode(),
        "a round": b"round-7",
        "a model": b"digest-of-a-model",
        "a code": LINK.code.encode(),
    }
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [f"{what} in {path}" for path in files for what, value in secrets.items() if value in path.read_bytes()]


@pytest.fixture
def membership(tmp_path: Path) -> Iterator[Membership]:
    with Membership.open(tmp_path, VAULT) as membership:
        yield membership


def test_plain_secrets_would_be_found(tmp_path: Path) -> None:
    old_file(tmp_path)
    assert len(plain(tmp_path)) == 5


def test_no_secret_can_be_read_in_any_file(tmp_path: Path, membership: Membership) -> None:
    key = Ed25519PrivateKey.from_private_bytes(SECRET)
    begun = membership.begin_joining(LINK)
    assert begun.private_bytes_raw() not in (tmp_path / FILE).read_bytes()
    assert (plain(tmp_path), membership.joining) == ([], LINK)
    membership.join(URL, CERTIFICATE, key)
    membership.sent(URL, "round-7", "digest-of-a-model", 123, 2_850_819, clipped=True)
    assert plain(tmp_path) == []
    joined = membership.joined
    assert joined is not None
    assert (joined.url, joined.certificate, joined.key.private_bytes_raw()) == (URL, CERTIFICATE, SECRET)
    (shared,) = membership.shared()
    assert shared == SharedUpdate(shared.time, URL, "round-7", "digest-of-a-model", 123, 2_850_819, True, "sent")
    membership.record_outcome("https://elsewhere", "round-7", "counted")  # a round of that name in another federation
    assert membership.shared() == [shared]
    membership.record_outcome(URL, "round-7", "counted")
    assert [one.outcome for one in membership.shared()] == ["counted"]
    membership.leave()
    assert (membership.joined, len(membership.shared())) == (None, 1)
    assert oct((tmp_path / FILE).stat().st_mode & 0o777) == "0o600"


def test_a_link_keeps_its_key_until_the_coordinator_accepts(tmp_path: Path, membership: Membership) -> None:
    key = membership.begin_joining(LINK).private_bytes_raw()
    with Membership.open(tmp_path, VAULT) as after_a_kill:
        assert after_a_kill.begin_joining(LINK).private_bytes_raw() == key
    other = JoinLink("127.0.0.1", 1, "another-code", "cd" * 32)
    assert membership.begin_joining(other).private_bytes_raw() != key
    assert membership.joining == other
    membership.give_up()
    assert membership.joining is None
    membership.join(URL, CERTIFICATE, membership.begin_joining(LINK))
    assert membership.joining is None
    for again in (lambda: membership.begin_joining(LINK), lambda: membership.join(URL, CERTIFICATE, other_key())):
        with pytest.raises(DataError, match="belongs to a federation already"):
            again()


def other_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def test_the_file_of_an_older_keyboard_is_encrypted_and_nothing_is_lost(tmp_path: Path) -> None:
    old_file(tmp_path)
    with Membership.open(tmp_path, VAULT) as membership:
        joined = membership.joined
        assert joined is not None
        assert (joined.url, joined.key.private_bytes_raw(), joined.leaving) == (URL, SECRET, False)
        assert [(s.words, s.clipped, s.outcome) for s in membership.shared()] == [
            (100 + n, None, "counted") for n in range(40)
        ]
    assert plain(tmp_path) == []


KILL_AT_EACH = """if True:
    import sys
    from pathlib import Path
    from keyboard_app.federating.membership import Membership
    from keyboard_app.recording.vault import Vault
    from tests.keyboard_app.killed import killed_at_each_statement

    def upgrade(folder, _tell):
        Membership.open(folder, Vault(bytes(32))).close()

    kills = 0
    for kill in killed_at_each_statement(Path(sys.argv[1]), lambda folder: folder, upgrade):
        kills += kill.killed
        notices = []
        with Membership.open(kill.folder, Vault(bytes(32)), notices) as membership:
            assert (len(membership.shared()), membership.joined.key.private_bytes_raw()) == (40, bytes(range(100, 132)))
        assert notices == [], kill
    print(kills)
"""


def test_nothing_is_lost_if_the_upgrade_is_killed_at_any_statement(tmp_path: Path) -> None:
    old_file(tmp_path)
    command = [sys.executable, "-c", KILL_AT_EACH, str(tmp_path / FILE)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout) > 40
    (tmp_path / FILE).unlink()
    assert plain(tmp_path) == []


def test_a_file_whose_key_is_gone_is_set_aside_with_a_notice(tmp_path: Path) -> None:
    with Profile.open(tmp_path, use_keyring=False) as profile, Membership.open(tmp_path, profile.vault) as membership:
        membership.join(URL, CERTIFICATE, other_key())
    (tmp_path / KEY).unlink()
    with Profile.open(tmp_path, use_keyring=False) as profile:
        with Membership.open(tmp_path, profile.vault, profile.notices) as membership:
            assert membership.joined is None
        aside = tmp_path / f"{FILE}.locked"
        assert profile.notices[-1] == (
            f"the file of your federation was encrypted with a key that no longer exists and is kept as {aside}: "
            "join the federation again"
        )
        assert aside.exists()
    for path in (tmp_path / FILE, aside):
        path.unlink()
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    notices: list[str] = []
    with Membership.open(tmp_path, VAULT, notices) as membership:
        assert membership.joined is None
    assert len(notices) == 1 and "was damaged" in notices[0] and f"{FILE}.damaged" in notices[0]


def test_a_file_of_a_newer_keyboard_is_left_unchanged(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("PRAGMA user_version = 99")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(DataError, match="newer keyboard: update this one"):
        Membership.open(tmp_path, VAULT)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_row_that_was_moved_is_refused(tmp_path: Path, membership: Membership) -> None:
    for name in ("round-1", "round-2"):
        membership.sent(URL, name, "model", 1, 2, clipped=False)
    membership._connection.execute("UPDATE shared SET sealed = (SELECT sealed FROM shared ORDER BY id LIMIT 1)")
    with pytest.raises(DataError, match="cannot be opened"):
        membership.shared()


def test_a_keyboard_starts_without_importing_the_http_client() -> None:
    """It takes longer to import than everything else, and most people start a keyboard to type."""
    started = "import keyboard_app.device, sys; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", started], check=False).returncode == 0


def test_a_keyboard_that_never_joined_has_no_file(tmp_path: Path, device) -> None:
    assert device.federation.standing() == Standing()
    assert not (device.profile.path / FILE).exists()
