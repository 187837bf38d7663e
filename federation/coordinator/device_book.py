"""The owner's book of devices and join links: names, traffic, each device's last error, and links that expire or are revoked."""

import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass

from data.errors import DataError
from federation.coordinator.store import CoordinatorStore

VALID_SECONDS = 7 * 86_400.0  # of a join link
_SHORTEST_PREFIX = 6  # characters by which the owner may name a device or a link
_LONGEST_NAME, _LONGEST_ERROR = 60, 300  # characters


@dataclass(frozen=True)
class LinkRow:
    """A join link: its code is known to whoever has the link, and not kept here."""

    id: str  # the first digits of the code's SHA-256
    name: str  # of the device that it is meant for; may be empty
    made: float  # seconds since 1970
    expires: float
    state: str  # open, used, revoked or expired
    used_by: str  # id of the device that joined with it; empty if none has


class DeviceBook:
    """What the owner of a federation may know of devices. Traffic and errors are written every few seconds (`save`)."""

    def __init__(self, store: CoordinatorStore) -> None:
        self._store = store
        self._sent, self._received = Counter[str](), Counter[str]()  # bytes since the last `save`, by device
        self._errors: dict[str, tuple[str, float]] = {}  # since the last `save`, by device

    def new_link(self, now: float, name: str = "", seconds: float = VALID_SECONDS) -> tuple[str, float]:
        """Returns the code of a new join link for one device, which gets this name, and the time at which it expires.

        Raises:
          DataError: the name is too long.
        """
        code = secrets.token_urlsafe(15)
        self._store.add_code(code, now, now + seconds, _tidy(name))
        return code, now + seconds

    def links(self, now: float) -> list[LinkRow]:
        """Returns all join links, newest first."""
        query = """
            SELECT sha256, name, made, expires, coalesce(device, ''), revoked
            FROM codes JOIN code_details USING (sha256) ORDER BY made DESC, sha256
        """
        return [
            LinkRow(sha256[:12], name, made, expires, _link_state(bool(used), bool(revoked), expires <= now), used)
            for sha256, name, made, expires, used, revoked in self._store.rows(query)
        ]

    def link_of(self, code: str) -> str:
        """Returns the id of the link that has a code."""
        return hashlib.sha256(code.encode()).hexdigest()[:12]

    def revoke(self, link: str) -> None:
        """Makes an unused join link useless.

        Raises:
          DataError: no link has this id, or a device has joined with it.
        """
        with self._store.transaction() as db:
            found = db.execute("SELECT device FROM codes WHERE sha256 LIKE ? || '%'", (_hex(link),)).fetchall()
            if len(found) != 1:
                raise DataError(f"no join link is called {link}: choose one from the list")
            if found[0][0] is not None:
                raise DataError("a device has joined with this link already: remove the device instead")
            db.execute("UPDATE code_details SET revoked = 1 WHERE sha256 LIKE ? || '%'", (_hex(link),))

    def find(self, device: str) -> str:
        """Returns the id of the device that has this id, id's beginning, or name.

        Raises:
          DataError: no device, or more than one, is called so.
        """
        rows = self._store.rows("SELECT id, name FROM devices JOIN device_details ON device = id WHERE gone IS NULL")
        begins = len(device) >= _SHORTEST_PREFIX
        found = [id_ for id_, name in rows if device in (id_, name) or (begins and id_.startswith(device))]
        if len(found) != 1:
            problem = "more than one device is" if found else "no device is"
            raise DataError(f"{problem} called {device}: give the first {_SHORTEST_PREFIX} or more digits of its id")
        return str(found[0])

    def rename(self, device: str, name: str) -> None:
        """Gives a device a name.

        Raises:
          DataError: the name is too long.
        """
        name = _tidy(name)
        with self._store.transaction() as db:
            db.execute("UPDATE device_details SET name = ? WHERE device = ?", (name, device))

    def count(self, device: str, sent: int = 0, received: int = 0) -> None:
        """Counts bytes that a device sent or received."""
        self._sent[device] += sent
        self._received[device] += received

    def note_error(self, device: str, error: str, now: float) -> None:
        """Notes why a device's message was refused."""
        self._errors[device] = " ".join(error.split())[:_LONGEST_ERROR], now

    def save(self) -> None:
        """Writes what was counted and noted since the last time."""
        if not (self._sent or self._received or self._errors):
            return
        traffic = [(self._sent[d], self._received[d], d) for d in self._sent.keys() | self._received.keys()]
        with self._store.transaction() as db:
            changed = "UPDATE device_details SET sent = sent + ?, received = received + ? WHERE device = ?"
            db.executemany(changed, traffic)
            errors = [(text, time, device) for device, (text, time) in self._errors.items()]
            db.executemany("UPDATE device_details SET error = ?, erred = ? WHERE device = ?", errors)
        self._sent, self._received, self._errors = Counter(), Counter(), {}


def _link_state(used: bool, revoked: bool, expired: bool) -> str:
    return "used" if used else "revoked" if revoked else "expired" if expired else "open"


def _tidy(name: str) -> str:
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if len(name) > _LONGEST_NAME:
        raise DataError(f"a device's name has at most {_LONGEST_NAME} characters")
    return name


def _hex(text: str) -> str:
    """Returns the beginning of a digest, or a text that begins none."""
    return text if len(text) >= _SHORTEST_PREFIX and set(text) <= set("0123456789abcdef") else "-"
