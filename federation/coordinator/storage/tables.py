"""The tables of the coordinator's database, the same in SQLite and in PostgreSQL. Times are seconds since 1970."""

from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    column,
    text,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION

metadata = MetaData()

WITH_A_MODEL = ("summed", "committed")  # states of a round that has or gets a model

# 64 bits in both databases: PostgreSQL's INTEGER and REAL have 32, SQLite's have 64.
_Number: Any = Integer().with_variant(BigInteger(), "postgresql")
_Time: Any = REAL().with_variant(DOUBLE_PRECISION(), "postgresql")


def _required(name: str, kind: Any, default: str | None = None) -> Column[Any]:
    return Column(name, kind, nullable=False, server_default=None if default is None else text(default))


devices = Table(
    "devices",
    metadata,
    Column("id", Text, primary_key=True),  # its public key, Ed25519, in hex
    _required("enrolled", _Time),
    _required("seen", _Time),
    Column("gone", _Time),  # when it left; NULL while it belongs to the federation
)
codes = Table(
    "codes",
    metadata,
    Column("sha256", Text, primary_key=True),  # of the code, which itself is not kept
    _required("made", _Time),
    Column("device", Text, ForeignKey("devices.id")),  # the device that enrolled with it; NULL while unused
)
rounds = Table(
    "rounds",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    _required("state", Text),
    _required("started", _Time),
    Column("ended", _Time),
    _required("reason", Text, "''"),  # why it was aborted
    _required("model", Text),  # digest of the global model it started from
    _required("cohort", _Number, "0"),
    Column("sum", LargeBinary),  # of the counted devices' updates, until a model is made of it
    _required("report", Text, "'{}'"),  # JSON: `RoundReport`
    CheckConstraint("state IN ('open', 'summed', 'committed', 'aborted')"),
)
participations = Table(  # devices in the sum of a round, recorded before it is unmasked
    "participations",
    metadata,
    Column("round", _Number, ForeignKey("rounds.number"), primary_key=True),
    Column("device", Text, ForeignKey("devices.id"), primary_key=True),
    sqlite_with_rowid=False,
)
rounds_of_a_device = Index("rounds_of_a_device", participations.c.device, participations.c.round)
wishes = Table(  # the schedule: one row
    "wishes",
    metadata,
    Column("only", _Number, primary_key=True, autoincrement=False),
    _required("rounds", _Number),  # rounds still to run
    _required("paused", _Number),  # 1 while no round may open
    CheckConstraint(column("only") == 1),
)
errors = Table(
    "errors",
    metadata,
    Column("id", _Number, primary_key=True),
    _required("time", _Time),
    _required("text", Text),
)
FIRST = (devices, codes, rounds, participations, wishes, errors)  # the tables that every version has

# Older versions of a SQLite file lack these tables and do not need them: they are added to any file.
device_details = Table(
    "device_details",
    metadata,
    Column("device", Text, ForeignKey("devices.id"), primary_key=True),
    _required("name", Text, "''"),  # given by the owner
    _required("removed", _Number, "0"),  # 1 if the owner removed it
    _required("sent", _Number, "0"),  # bytes of its requests' bodies
    _required("received", _Number, "0"),  # bytes of the models and messages sent to it
    _required("error", Text, "''"),  # the last one, for people
    Column("erred", _Time),  # its time
    sqlite_with_rowid=False,
)
code_details = Table(
    "code_details",
    metadata,
    Column("sha256", Text, ForeignKey("codes.sha256"), primary_key=True),
    _required("name", Text),  # of the device that it is meant for
    _required("expires", _Time),
    _required("revoked", _Number, "0"),
    sqlite_with_rowid=False,
)
left_out = Table(  # devices that are or were left out (`federation.coordinator.conduct`)
    "left_out",
    metadata,
    Column("device", Text, ForeignKey("devices.id"), primary_key=True),
    _required("since", _Time),
    _required("until", _Time),  # the time of its return
    _required("reason", Text),
    _required("times", _Number),  # how often it has been left out
    sqlite_with_rowid=False,
)
observations = Table(  # of conduct (`federation.coordinator.conduct.suspicion`), the newest ones
    "observations",
    metadata,
    Column("id", _Number, primary_key=True),
    _required("time", _Time),
    _required("good", _Number),
    _required("devices", Text),  # JSON: a list of ids
)
takeovers = Table(  # models that took the place of the newest one; each has a row in `rounds` too
    "takeovers",
    metadata,
    Column("round", _Number, ForeignKey("rounds.number"), primary_key=True),
    _required("before", _Number),  # rounds before it, as the privacy spent counts them
)
discoveries = Table(  # word discoveries (`federation.coordinator.words.discovery_store`)
    "discoveries",
    metadata,
    Column("id", _Number, primary_key=True),
    _required("state", Text),
    _required("started", _Time),
    Column("ended", _Time),
    _required("vocabulary", Text),  # digest of the vocabulary that lacks the words
    _required("terms", Text),  # JSON: k, the limits of a device's offer, the terms of the first sum
    _required(
        "counted", Text, "'{}'"
    ),  # JSON: of the first sum, its round, devices, published buckets with their counts
    _required(
        "words", Text, "'[]'"
    ),  # JSON: the words found, with their devices, and whether the owner struck them out
    _required("note", Text, "''"),  # why it failed, or what was left out
    CheckConstraint("state IN ('count', 'reveal', 'found', 'failed')"),
)
word_rounds = Table(  # rounds of word discoveries; each has a row in `rounds` too
    "word_rounds",
    metadata,
    Column("round", _Number, ForeignKey("rounds.number"), primary_key=True),
    Column("discovery", _Number, ForeignKey("discoveries.id"), nullable=False),
    _required("kind", Text),  # count or reveal
    _required("plan", Text),  # JSON, as devices receive it
)
event_log = Table(
    "event_log",
    metadata,
    Column("id", _Number, primary_key=True),
    _required("time", _Time),
    _required("text", Text),
)

# Tables of a cluster (`federation.coordinator.cluster`), in PostgreSQL only.
cluster_metadata = MetaData()

lease = Table(  # of the process that leads: one row
    "lease",
    cluster_metadata,
    # Grows with each leader. It is the key, because PostgreSQL lets nobody change a key that a transaction relies on.
    Column("token", _Number, primary_key=True, autoincrement=False),
    _required("holder", Text),  # name of the process
    _required("until", _Time),  # by the server's clock
)
cluster = Table(  # one row: whoever changes the open round locks it
    "cluster",
    cluster_metadata,
    Column("only", _Number, primary_key=True, autoincrement=False),
    _required("version", _Number),  # grows when the model, the settings, or the devices that are left out change
)
open_rounds = Table(  # what all processes know of a round from its beginning on
    "open_rounds",
    cluster_metadata,
    Column("round", _Number, primary_key=True, autoincrement=False),
    _required("opened", _Time),
    _required("plan", Text),  # JSON, as devices receive it
    _required("rules", Text),  # JSON: `Rules`
    Column("devices", Text),  # JSON: the only devices that may be selected; NULL if all may
)
round_events = Table(  # everything that changed the state of an open round, in order
    "round_events",
    cluster_metadata,
    Column("round", _Number, primary_key=True, autoincrement=False),
    Column("place", _Number, primary_key=True, autoincrement=False),  # from 1
    _required("time", _Time),
    _required("kind", Text),  # as in `replicated_round`
    _required("device", Text, "''"),
    _required("stage", Text, "''"),
    Column("message", LargeBinary),  # of the device; not its masked update
    Column("seed", _Number),  # that was drawn
)
partial_sums = Table(  # of the masked updates that a process received in an open round
    "partial_sums",
    cluster_metadata,
    Column("round", _Number, primary_key=True, autoincrement=False),
    Column("process", Text, primary_key=True),
    _required("devices", _Number),  # in the sum
    _required("sum", LargeBinary),  # packed by the round's layout
)
presence = Table(  # the state that devices reported when they last checked in
    "presence",
    cluster_metadata,
    Column("device", Text, primary_key=True),
    _required("time", _Time),
    _required("ready", _Number),
    _required("words", _Number),
)
