"""A device's session: rising numbers, new sessions of the coordinator, and repeated requests after failed connections."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.protocol.api_messages import REPLAYED, Refusal
from federation.protocol.signed_requests import SignedHeaders, check
from federation.protocol.signed_session import SignedExchange, SignedSession

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
SESSIONS = ("a" * 32, "b" * 32)
ACCEPTED = 200


class Coordinator:
    """Accepts requests of its session with rising numbers, as the real one does; `restart` begins another session."""

    def __init__(self) -> None:
        self.session, self.newest, self.accepted = SESSIONS[0], 0, 0

    def restart(self) -> None:
        self.session, self.newest = SESSIONS[self.session == SESSIONS[0]], 0

    def answer(self, headers: dict[str, str]) -> tuple[int, bytes]:
        signed = SignedHeaders.from_headers(headers)
        check(signed, "GET", "/path?x=1")
        if signed.session != self.session or signed.number <= self.newest:
            return REPLAYED, json.dumps({"error": "old", "session": self.session, "number": self.newest}).encode()
        self.newest, self.accepted = signed.number, self.accepted + 1
        return ACCEPTED, b"content"


def exchange_with(coordinator: Coordinator, exchange: SignedExchange) -> int:
    """Returns the final status."""
    while True:
        status, content = coordinator.answer(exchange.sign())
        if not exchange.must_repeat(status, content):
            return status


@settings(deadline=None)
@given(st.lists(st.sampled_from(["request", "restart", "another client"]), max_size=12), st.integers(0, 3))
def test_every_request_is_accepted_after_restarts_of_either_side(events: list[str], tick: int) -> None:
    """Also with a clock that stands still: the coordinator names the number to exceed."""
    time = 10

    def clock() -> int:
        nonlocal time
        time += tick
        return time

    coordinator, session, requests = Coordinator(), SignedSession(KEY, clock=clock), 0
    for event in events:
        if event == "restart":
            coordinator.restart()
        elif event == "another client":
            session = SignedSession(KEY, clock=clock)
        else:
            requests += 1
            assert exchange_with(coordinator, session.begin("GET", "/path?x=1")) == ACCEPTED
    assert coordinator.accepted == requests


def test_numbers_only_rise() -> None:
    times = iter([5, 3, 9, 9])
    session = SignedSession(KEY, clock=lambda: next(times))
    assert [session.sign("GET", "/", b"").number for _ in range(4)] == [5, 6, 9, 10]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b'{"session": 1}', b'{"session": "z"}', b'{"session": "' + b"A" * 32 + b'"}', b"[" * 10**5],
)
def test_a_refusal_that_names_no_session_is_final(content: bytes) -> None:
    session = SignedSession(KEY)
    exchange = session.begin("GET", "/")
    before = session.session
    exchange.sign()
    assert not exchange.must_repeat(REPLAYED, content)
    assert session.session == before


@given(st.one_of(st.booleans(), st.text(), st.floats(), st.integers(max_value=-1), st.integers(min_value=2**62)))
def test_a_number_that_is_not_valid_is_ignored(number: object) -> None:
    content = json.dumps({"error": "old", "session": SESSIONS[0], "number": number}).encode()
    assert Refusal.read(content) == Refusal("old", SESSIONS[0], 0)


def test_the_reason_of_a_refusal_is_one_line_that_cannot_control_a_terminal() -> None:
    content = json.dumps({"error": "\x1b[2J\x1b]0;mine\x07 wait\r\nnow \u202eagain"}).encode()
    assert Refusal.read(content).error == "[2J ]0;mine wait now again"


def test_a_request_is_given_up_if_every_answer_names_another_session() -> None:
    exchange, repeated = SignedSession(KEY).begin("GET", "/"), 0
    for number in range(10):
        exchange.sign()
        refusal = json.dumps({"error": "", "session": f"{number + 1:032x}"}).encode()
        if not exchange.must_repeat(REPLAYED, refusal):
            break
        repeated += 1
    assert repeated == 3


def test_other_refusals_are_final() -> None:
    exchange = SignedSession(KEY).begin("GET", "/")
    exchange.sign()
    for status in (200, 204, 400, 401, 410, 500):
        assert not exchange.must_repeat(status, json.dumps({"session": SESSIONS[0]}).encode())


@given(st.integers(1, 6))
def test_a_failed_connection_is_repeated_with_growing_pauses_and_a_bound(attempts: int) -> None:
    exchange = SignedSession(KEY, attempts).begin("GET", "/")
    assert [exchange.failed() for _ in range(attempts)] == [*(2.0**n for n in range(1, attempts)), None]
    numbers = [int(exchange.sign()["x-federation-number"]) for _ in range(attempts + 1)]
    assert numbers == sorted(set(numbers)), "each attempt has its own number"
