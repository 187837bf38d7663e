"""The owner's book of devices and join links: names, traffic, each device's last error, and links that expire or are revoked."""

import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, update

from data.errors import DataError
from federation.coordinator.storage.tables import code_details, codes, device_details, devices
from federation.coordinator.store import CoordinatorStore

VALID_SECONDS = 7 * 86_400.0  # of a join link
_SHORTEST_PREFIX = 6  # characters by which the owner may name a device or a link
_LONGEST_NAME, _LONGEST_ERROR = 60, 300  # characters

_details = device_details.c
_OF_A_DEVICE = update(device_details).where(_details.device == bindparam("of"))
_TRAFFIC = _OF_A_DEVICE.values(
    sent=_details.sent + bindparam("more_sent"), received=_details.received + bindparam("more_received")
)
_ERROR = _OF_A_DEVICE.values(error=bindparam("text"), erred=bindparam("time"))


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
    """The owner's knowledge of the devices. Traffic and errors are written every few seconds (`save`)."""

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
        self._store.members.add_code(code, now, now + seconds, _tidy(name))
        return code, now + seconds

    def links(self, now: float, newest: int | None = None) -> list[LinkRow]:
        """Returns all join links or the newest ones, newest first."""
        details = code_details.c
        query = (
            select(
                *(codes.c.sha256, details.name, codes.c.made, details.expires, func.coalesce(codes.c.device, "")),
                details.revoked,
            )
            .join_from(codes, code_details, codes.c.sha256 == details.sha256)
            .order_by(codes.c.made.desc(), codes.c.sha256)
            .limit(newest)
        )
        return [
            LinkRow(sha256[:12], name, made, expires, _link_state(bool(used), bool(revoked), expires <= now), used)
            for sha256, name, made, expires, used, revoked in self._store.rows(query)
        ]

    def expiry_of(self, code: str) -> float:
        """Returns the time at which the link with a code expires, in seconds since 1970."""
        chosen = code_details.c.sha256 == hashlib.sha256(code.encode()).hexdigest()
        return float(self._store.rows(select(code_details.c.expires).where(chosen))[0].expires)

    def revoke(self, link: str) -> None:
        """Makes an unused join link useless.

        Raises:
          DataError: no link has this id, or a device has joined with it.
        """
        begins = _hex(link)
        with self._store.transaction() as db:
            found = db.execute(select(codes.c.device).where(codes.c.sha256.startswith(begins))).fetchall()
            if len(found) != 1:
                raise DataError(f"no join link is called {link}: choose one from the list")
            if found[0][0] is not None:
                raise DataError("a device has joined with this link already: remove the device instead")
            db.execute(update(code_details).where(code_details.c.sha256.startswith(begins)).values(revoked=1))

    def find(self, device: str) -> str:
        """Returns the id of the device that is called by its id, the beginning of its id, or its name.

        Raises:
          DataError: no device, or more than one, is called so.
        """
        joined = devices.join(device_details, device_details.c.device == devices.c.id)
        query = select(devices.c.id, device_details.c.name).select_from(joined).where(devices.c.gone.is_(None))
        rows = self._store.rows(query)
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
            db.execute(update(device_details).where(device_details.c.device == device).values(name=name))

    def count(self, device: str, sent: int = 0, received: int = 0) -> None:
        """Counts bytes that a device sent or received."""
        self._sent[device] += sent
        self._received[device] += received

    def note_error(self, device: str, error: str, now: float) -> None:
        """Notes why a device's message was refused."""
        self._errors[device] = " ".join(error.replace("\0", " ").split())[:_LONGEST_ERROR], now

    def save(self) -> None:
        """Writes what was counted and noted since the last time."""
        # Rows are locked in one order, and by one statement in a transaction: several processes may write at the same time.
        names = sorted(self._sent.keys() | self._received.keys())
        if names:
            traffic = [{"of": d, "more_sent": self._sent[d], "more_received": self._received[d]} for d in names]
            self._store.database.change(_TRAFFIC, traffic)
            self._sent, self._received = Counter(), Counter()
        if self._errors:
            errors = [{"of": d, "text": text, "time": time} for d, (text, time) in sorted(self._errors.items())]
            self._store.database.change(_ERROR, errors)
            self._errors = {}


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
