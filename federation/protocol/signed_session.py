"""A device's requests to its coordinator: signed, numbered, and repeated where that can help. The caller sends them.

    exchange = session.begin("POST", path, body)
    while True:
        headers = exchange.sign()
        try:
            status, content = ...                    # send the request with these headers, by any means
        except ConnectionError:
            if (pause := exchange.failed()) is None:
                raise
            ...                                      # wait `pause` seconds
            continue
        if not exchange.must_repeat(status, content):
            break                                    # the answer

Nothing here waits, reads a socket or knows HTTP libraries, so that a keyboard's thread and thousands of simulated devices in one
event loop use the same rules.
"""

import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.protocol.api_messages import REPLAYED, Refusal
from federation.protocol.signed_requests import SignedHeaders, sign

_UNKNOWN_SESSION = "0" * 32
_MAX_RENEWALS = 3  # for one request: a coordinator could name a new session with each answer, forever


class SignedSession:
    """A device's session with its coordinator, and the number of its latest request. For one thread."""

    def __init__(self, key: Ed25519PrivateKey, attempts: int = 1, clock: Callable[[], int] = time.time_ns) -> None:
        """Starts without a session. The refusal of the first request names it.

        Args:
          key: the device's identity key.
          attempts: how many times a request is tried if the connection fails.
          clock: returns a number that grows, such as nanoseconds. A device that restarts within a session therefore continues
            above the numbers that it used before.
        """
        self.session, self.number = _UNKNOWN_SESSION, 0
        self.attempts = attempts
        self._key, self._clock = key, clock

    def begin(self, method: str, path: str, body: bytes = b"") -> "SignedExchange":
        """Returns a request to be made, and repeated if necessary; `path` includes the query."""
        return SignedExchange(self, method, path, body)

    def sign(self, method: str, path: str, body: bytes) -> SignedHeaders:
        """Signs a request with a number higher than every earlier one."""
        self.number = max(self.number + 1, self._clock())
        return sign(self._key, self.session, self.number, method, path, body)

    def renew(self, refused: SignedHeaders, refusal: Refusal) -> bool:
        """Adopts the session and number that a REPLAYED refusal names; returns whether they differ from the request's."""
        if not refusal.session or (refusal.session == refused.session and refusal.number < refused.number):
            return False
        self.session = refusal.session
        self.number = max(self.number, refusal.number)
        return True


class SignedExchange:
    """One request of a session, and the number of its repetitions."""

    def __init__(self, session: SignedSession, method: str, path: str, body: bytes) -> None:
        self._session, self._method, self._path, self._body = session, method, path, body
        self._signed: SignedHeaders | None = None  # of the latest attempt
        self._renewals = self._failures = 0

    def sign(self) -> dict[str, str]:
        """Returns the HTTP headers for the next attempt. Each attempt is signed again, with its own number."""
        self._signed = self._session.sign(self._method, self._path, self._body)
        return self._signed.to_headers()

    def must_repeat(self, status: int, content: bytes) -> bool:
        """Returns whether to repeat the request: the coordinator refused its session or number, and named others."""
        if status != REPLAYED or self._signed is None or self._renewals == _MAX_RENEWALS:
            return False
        self._renewals += 1
        return self._session.renew(self._signed, Refusal.read(content))

    def failed(self) -> float | None:
        """Returns the seconds to wait before repeating a request whose connection failed; None once all attempts are used."""
        self._failures += 1
        return 2.0**self._failures if self._failures < self._session.attempts else None
