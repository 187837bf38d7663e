"""Messages as bytes: each is read back as it was, and anything else is refused."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.secure_aggregation import messages as m
from federation.protocol.secure_aggregation.binary_messages import BinaryMessage
from federation.protocol.secure_aggregation.modular_vectors import Segment

ID, SMALL = st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16)
SIGNATURE = st.binary(min_size=64, max_size=64)
SEALED = st.builds(m.SealedShares, ID, st.binary(min_size=48, max_size=48), SMALL, SMALL)


def several(kind: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(kind, max_size=3).map(tuple)


MESSAGES = st.one_of(
    st.builds(m.Advert, ID, ID, ID, ID, SIGNATURE),
    st.builds(
        m.Neighbourhood, ID, ID, st.integers(0, 2**16 - 1), several(st.builds(m.Neighbour, ID, ID, ID, SIGNATURE))
    ),
    st.builds(m.Shares, ID, ID, ID, several(SEALED)),
    st.builds(m.Delivery, ID, ID, several(SEALED)),
    st.builds(m.MaskedInput, ID, ID, st.binary(max_size=100)),
    st.builds(m.Survivors, ID, ID, several(st.builds(m.Survivor, ID))),
    st.builds(m.Confirmation, ID, ID, SIGNATURE),
    st.builds(m.Confirmations, ID, ID, several(st.builds(m.Confirmer, ID, SIGNATURE))),
    st.builds(m.Reveal, ID, ID, several(st.builds(m.OpenShare, ID, st.binary(min_size=1, max_size=1), SMALL))),
)
KINDS: list[type[BinaryMessage]] = [
    m.Advert,
    m.Neighbourhood,
    m.Shares,
    m.Delivery,
    m.MaskedInput,
    m.Survivors,
    m.Confirmation,
    m.Confirmations,
    m.Reveal,
]


@settings(deadline=None)
@given(MESSAGES)
def test_a_message_is_read_as_it_was_written(message: BinaryMessage) -> None:
    data = message.to_bytes()
    assert type(message).from_bytes(data) == message
    last = next((v for v in reversed(vars(message).values()) if isinstance(v, tuple)), getattr(message, "packed", ()))
    assert len(data) == type(message).size(len(last))


@settings(deadline=None)
@given(MESSAGES, st.data())
def test_bytes_are_read_as_one_message_or_refused(message: BinaryMessage, data: st.DataObject) -> None:
    original = message.to_bytes()
    start = data.draw(st.integers(0, len(original)))
    end = data.draw(st.integers(start, min(len(original), start + 40)))
    changed = original[:start] + data.draw(st.binary(max_size=40)) + original[end:]
    for kind in KINDS:
        try:
            read = kind.from_bytes(changed)
        except DataError:
            continue
        assert read.to_bytes() == changed


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from(KINDS))
def test_random_bytes_are_refused(random: bytes, kind: type[BinaryMessage]) -> None:
    for data in (random, b"FK\x02" + random, b"FK\x02" + bytes([kind.KIND]) + random):
        try:
            read = kind.from_bytes(data)
        except DataError:
            continue
        assert read.to_bytes() == data


def test_kinds_of_message_are_distinguished() -> None:
    assert len({kind.KIND for kind in KINDS}) == len(KINDS)
    survivors = m.Survivors(bytes(32), bytes(32), ())
    with pytest.raises(DataError, match="not a Delivery"):
        m.Delivery.from_bytes(survivors.to_bytes())


def test_records_are_bounded() -> None:
    one = m.Confirmer(bytes(32), bytes(64))
    most = m.Confirmations(bytes(32), bytes(32), (one,) * m.MAX_NEIGHBOURS)
    data = most.to_bytes()
    assert m.Confirmations.from_bytes(data) == most
    with pytest.raises(DataError, match="at most 1024"):
        m.Confirmations.from_bytes(data + one.to_bytes())
    with pytest.raises(DataError):
        replace(most, confirmers=(*most.confirmers, one))
    head = m.Survivors(bytes(32), bytes(32), ()).to_bytes()
    with pytest.raises(DataError, match="at most 32768"):
        m.Survivors.from_bytes(head + bytes(32) * (m.MAX_DEVICES + 1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: m.Survivor(bytes(31)),
        lambda: m.Survivor("a" * 32),  # type: ignore[arg-type]
        lambda: m.Neighbourhood(bytes(32), bytes(32), 2**16, ()),
        lambda: m.Neighbourhood(bytes(32), bytes(32), -1, ()),
        lambda: m.Neighbourhood(bytes(32), bytes(32), True, ()),
        lambda: m.Survivors(bytes(32), bytes(32), [m.Survivor(bytes(32))]),  # type: ignore[arg-type]
        lambda: m.Survivors(bytes(32), bytes(32), (bytes(32),)),  # type: ignore[arg-type]
    ],
)
def test_a_message_that_does_not_fit_its_declaration_cannot_be_made(make: object) -> None:
    with pytest.raises(DataError):
        make()  # type: ignore[operator]


def test_a_context_depends_on_every_part_of_a_round() -> None:
    one = m.SecureRound("r", "m", (), "t")
    others = [
        replace(one, round_id="q"),
        replace(one, model_sha256="n"),
        replace(one, layout=(Segment(1, 8),)),
        replace(one, layout=(Segment(1, 9),)),
        replace(one, terms=""),
        m.SecureRound("rm", "", (), "t"),
    ]
    assert len({r.context for r in [one, *others]}) == 7
    assert m.SecureRound("r", "m", (), "t").context == one.context
