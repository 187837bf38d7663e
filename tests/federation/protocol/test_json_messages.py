"""Messages as JSON, and the exchange folder that carries some of them."""

import json
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.api_messages import Plan
from federation.protocol.exchange_folder import Mailbox
from federation.protocol.json_messages import Contribution, Invitation, JsonMessage, read_json
from federation.protocol.round_terms import Terms

TERMS = Terms(length=100, clipping_norm=1.0, max_weight=1, cohort=4, bits=16, seed=5)
INVITATION = Invitation("1-ab", 0.5, 1.0, 1, 2000, 7)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
KINDS = {
    "round_id": st.text(),
    "trainable": st.text(),
    "softmax": st.text(),
    "learning_rate": NUMBERS,
    "clipping_norm": NUMBERS,
} | dict.fromkeys(("passes", "max_words", "seed"), st.integers())


@given(st.builds(Contribution, st.text(), st.integers(), NUMBERS, NUMBERS, st.text()))
def test_a_message_survives_json(message: Contribution) -> None:
    assert Contribution.from_json(message.to_json()) == message


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"round_id": 1}', INVITATION.to_json().replace('"passes": 1', '"passes": "1"')]
)
def test_texts_other_than_the_message_are_refused(text: str) -> None:
    with pytest.raises(DataError):
        Invitation.from_json(text)


@given(st.sampled_from([math.nan, math.inf, -math.inf]), st.sampled_from(["learning_rate", "clipping_norm"]))
def test_a_number_that_is_not_finite_is_neither_written_nor_read(number: float, name: str) -> None:
    changed: dict[str, Any] = {name: number}
    message = replace(INVITATION, **changed)
    with pytest.raises(DataError, match="not finite"):
        message.to_json()
    with pytest.raises(DataError, match="must be finite"):
        Invitation.from_json(json.dumps(asdict(message)))


@given(st.integers(309, 10_000), st.sampled_from("+-"), st.booleans())
def test_a_number_too_large_for_a_float_is_refused(digits: int, sign: str, whole: bool) -> None:
    number = sign.strip("+") + ("1" + digits * "0" if whole else f"1e{digits}")
    text = INVITATION.to_json().replace('"learning_rate": 0.5', f'"learning_rate": {number}')
    assert number in text
    with pytest.raises(DataError):
        Invitation.from_json(text)


@given(st.fixed_dictionaries(KINDS), st.sampled_from(sorted(KINDS)), st.data())
def test_a_repeated_name_is_refused(content: dict, twice: str, data: st.DataObject) -> None:
    """Even with the same value twice: a reader would have to guess which of the two counts."""
    again = data.draw(st.one_of(st.just(content[twice]), KINDS[twice]))
    pairs = [*content.items(), (twice, again)]
    data.draw(st.randoms()).shuffle(pairs)
    text = "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs) + "}"
    with pytest.raises(DataError, match="repeated"):
        Invitation.from_json(text)
    assert Invitation.from_json(json.dumps(content)) == Invitation(**content)


@pytest.mark.parametrize("inner", ['{"a": 1, "a": 1}', "NaN", "-Infinity", "1e999", "[" * 100_000])
def test_ambiguous_json_is_refused_at_any_depth(inner: str) -> None:
    with pytest.raises(DataError):
        read_json(f'{{"outer": [{inner}]}}')
    with pytest.raises(DataError):
        Terms.from_json(TERMS.to_json().replace("1.0", inner))


@dataclass(frozen=True)
class Size(JsonMessage):
    width: float
    exact: bool


@dataclass(frozen=True)
class Name(JsonMessage):
    text: str


@dataclass(frozen=True)
class Parcel(JsonMessage):
    content: Size | Name | None
    size: Size
    weight: int | float | None
    limit: float | None = None


SIZES = st.builds(Size, NUMBERS, st.booleans())
PARCELS = st.builds(
    Parcel,
    st.one_of(st.none(), SIZES, st.builds(Name, st.text())),
    SIZES,
    st.one_of(st.none(), NUMBERS, st.integers()),
    st.one_of(st.none(), NUMBERS),
)


@given(PARCELS)
def test_nested_messages_survive_json(parcel: Parcel) -> None:
    read = Parcel.from_json(parcel.to_json())
    assert read == parcel
    assert type(read.content) is type(parcel.content) and type(read.weight) is type(parcel.weight)
    assert read.to_json() == parcel.to_json()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", None),
        ("size", {"width": 1.0}),
        ("size", {"width": 1.0, "exact": True, "more": 1}),
        ("size", {"width": "1", "exact": True}),
        ("size", {"width": 1.0, "exact": 1}),
        ("size", {"width": 10**400, "exact": True}),
        ("size", '{"width": 1.0, "exact": true}'),
        ("content", {"text": 1}),
        ("content", {}),
        ("content", [{"text": "a"}]),
        ("content", "a"),
        ("weight", "1"),
        ("weight", True),
        ("limit", False),
    ],
)
def test_nested_messages_are_read_strictly(field: str, value: object) -> None:
    content = Parcel(Name("a"), Size(1.0, True), 1, 2.0).to_content() | {field: value}
    with pytest.raises(DataError):
        Parcel.from_json(json.dumps(content))


@given(st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_nested_number_that_is_not_finite_is_not_written(number: float) -> None:
    for parcel in (
        Parcel(None, Size(number, True), 1),
        Parcel(Size(number, True), Size(1.0, True), 1),
        Parcel(None, Size(1.0, True), number),
    ):
        with pytest.raises(DataError, match="not finite"):
            parcel.to_json()


def test_a_float_given_as_a_whole_number_is_written_as_a_float() -> None:
    """Devices and coordinator bind their keys to the text of a message, and a web framework turns 1 into 1.0 on the way."""
    assert Size(1, True).to_json() == Size(1.0, True).to_json()
    assert Size.from_json('{"width": 1, "exact": true}').to_json() == Size(1.0, True).to_json()


def test_a_plan_contains_its_terms_as_an_object() -> None:
    plan = Plan("ab", "d" * 64, "e" * 64, 0.5, 1.0, 1, 2000, 7, TERMS)
    assert json.loads(plan.to_json())["terms"] == asdict(TERMS)
    assert Plan.from_json(plan.to_json()) == plan
    with pytest.raises(DataError, match="Terms"):
        Plan.from_json(json.dumps(plan.to_content() | {"terms": TERMS.to_json()}))
    with pytest.raises(DataError, match="bits"):
        Plan.from_json(json.dumps(plan.to_content() | {"terms": asdict(TERMS) | {"bits": 99}}))


def test_a_round_through_the_exchange_folder(tmp_path: Path) -> None:
    desktop, keyboard = Mailbox(tmp_path), Mailbox(tmp_path)
    weights = tmp_path / "w"
    weights.write_bytes(b"global")
    desktop.invite(INVITATION, weights)
    assert keyboard.invitations() == [INVITATION]
    assert keyboard.invited_weights("1-ab").read_bytes() == b"global"
    assert desktop.contribution("1-ab") is None
    keyboard.answer(Contribution("1-ab", 3, 2.0, 1.0))
    assert keyboard.invitations() == []
    assert desktop.contribution("1-ab") == Contribution("1-ab", 3, 2.0, 1.0)
    desktop.close("1-ab")
    assert desktop.contribution("1-ab") is None
    keyboard.delta_path("1-ab").parent.mkdir(parents=True)
    keyboard.delta_path("1-ab").touch()
    keyboard.answer(Contribution("1-ab", 3, 2.0, 1.0))
    assert not keyboard.delta_path("1-ab").exists(), "a late answer leaves no files behind"


def test_an_answer_to_another_round_is_refused(tmp_path: Path) -> None:
    answer = tmp_path / "mailbox" / "out" / "1-ab" / "contribution.json"
    answer.parent.mkdir(parents=True)
    answer.write_text(Contribution("2-cd", 3, 2.0, 1.0).to_json())
    with pytest.raises(DataError, match="2-cd"):
        Mailbox(tmp_path).contribution("1-ab")


def test_a_newer_release_replaces_one_not_taken(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    assert not mailbox.released()
    for content in ("one", "two"):
        (tmp_path / content).mkdir()
        (tmp_path / content / "file").write_text(content)
        mailbox.release(tmp_path / content)
    taken = mailbox.take_release()
    assert taken is not None
    (tmp_path / "one" / "file").write_text("three")
    mailbox.release(tmp_path / "one")
    assert (taken / "file").read_text() == "two", "a newer offer does not change the model being installed"
    mailbox.discard_taken()
    assert mailbox.released()
    taken = mailbox.take_release()
    assert taken is not None
    assert (taken / "file").read_text() == "three"
    assert mailbox.take_release() == taken, "a keyboard killed during the installation continues with it"
    mailbox.discard_taken()
    assert not mailbox.released()


def test_invalid_invitations_do_not_hold_up_the_others(tmp_path: Path) -> None:
    mailbox, weights = Mailbox(tmp_path), tmp_path / "w"
    weights.touch()
    for folder, content in (("0-bad", b"{"), ("0-binary", b"\xff"), ("0-elsewhere", INVITATION.to_json().encode())):
        path = tmp_path / "mailbox" / "in" / folder / "invitation.json"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    mailbox.invite(INVITATION, weights)
    assert mailbox.invitations() == [INVITATION]


def test_a_desktop_that_deletes_and_replaces_folders_meanwhile_disturbs_no_keyboard(tmp_path: Path) -> None:
    mailbox, model = Mailbox(tmp_path), tmp_path / "model"
    model.mkdir()
    weights = model / "w"
    weights.touch()
    ended = threading.Event()

    def desktop() -> None:
        while not ended.is_set():
            mailbox.invite(INVITATION, weights)
            mailbox.release(model)
            mailbox.close(INVITATION.round_id)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(desktop)
        try:
            seen, taken = set[int](), 0
            until = time.monotonic() + 60
            while (len(seen) < 2 or taken < 20) and time.monotonic() < until:
                seen.add(len(mailbox.invitations()))
                taken += mailbox.take_release() is not None
                mailbox.discard_taken()
        finally:
            ended.set()
        running.result()
    assert seen == {0, 1} and taken >= 20
