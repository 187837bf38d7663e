"""What the coordinator's HTTP API and its devices say to each other beside the cryptography: small messages, as JSON.

    GET  /v1/federation                    anybody: the session that requests are signed for, and which model this is about
    POST /v1/devices                       a new device enrols: Enrolment
    POST /v1/check-in?wait=SECONDS         what is there to do? CheckIn → Call, at once or when there is something
    GET  /v1/rounds/ROUND/plan             how the round trains, encodes and masks: Plan
    GET  /v1/rounds/ROUND/STAGE            what a device needs for a stage; bytes of `federation.protocol`
    POST /v1/rounds/ROUND/STAGE            what it gives; bytes likewise
    POST /v1/rounds/ROUND/withdrawal       it cannot go on
    GET  /v1/models/DIGEST                 weights, safetensors
    POST /v1/departure                     it leaves the federation

All but the first two are signed (`signed_requests`). A refusal is JSON, `{"error": …}`, in one line for people, with the statuses
of `REFUSALS`.
"""

from dataclasses import dataclass

from federation.protocol.json_messages import JsonMessage
from federation.protocol.round_terms import Terms
from federation.protocol.secure_aggregation.messages import SecureRound

REST, WAIT = "rest", "wait"  # beside the stages' names, what a Call asks for
KEYS, SHARES, REPORTING, UNMASKING = "keys", "shares", "reporting", "unmasking"  # the stages
COUNTED, NOT_COUNTED = "counted", "not counted"  # whether a device's update is in a model

BAD, UNKNOWN_DEVICE, NOT_FOUND, REPEATED, LATE, EARLY, TOO_LARGE, SLOW, REPLAYED = (
    *(400, 401, 404, 409, 410, 425, 413, 408),
    403,
)
REFUSALS = {
    BAD: "the message is not as it should be; the round is unharmed",
    UNKNOWN_DEVICE: "not signed by a device of this federation",
    REPLAYED: "an old request; the answer says the session and the number above which the next has to be",
    NOT_FOUND: "there is no such round or model",
    SLOW: "the body took too long",
    REPEATED: "it was given before, and counts once",
    LATE: "the round has gone on without this device",
    TOO_LARGE: "the body is larger than this call takes",
    EARLY: "the round is not there yet",
}


@dataclass(frozen=True)
class FederationInfo(JsonMessage):
    """What anybody may know."""

    session: str
    model: str  # digest of the newest global model
    model_round: int
    vocabulary_sha256: str


@dataclass(frozen=True)
class Enrolment(JsonMessage):
    """A device that wants to join: the code of its link, its name, and its signature over the code (`signed_requests`)."""

    code: str
    device: str
    signature: str


@dataclass(frozen=True)
class CheckIn(JsonMessage):
    """A device is free to take part; `round_name` is the round it is in the middle of, empty if none."""

    vocabulary_sha256: str
    round_name: str


@dataclass(frozen=True)
class Call(JsonMessage):
    """What a device is asked for: a stage's name, or `wait` (it is in a round that waits for others), or `rest`."""

    task: str
    round_name: str
    reason: str  # for people: why there is nothing to do
    outcome: str  # of the round that the device named, where it is over: COUNTED or NOT_COUNTED; else empty
    model: str  # digest of the newest global model
    model_round: int


@dataclass(frozen=True)
class Plan(JsonMessage):
    """How a round goes, for a device that was selected. `encoding` is JSON of `federation.protocol`'s own."""

    round_name: str
    model: str  # digest of the weights to start from
    vocabulary_sha256: str
    learning_rate: float
    clipping_norm: float  # of a step's gradient
    passes: int
    max_words: int
    seed: int
    encoding: str


def secure_round(plan: Plan) -> SecureRound:
    """What the devices and the coordinator of a round bind their keys, shares and masks to: everything in its plan.

    Raises:
      DataError: the encoding is none.
    """
    return SecureRound(plan.round_name, plan.model, Terms.from_json(plan.encoding).layout, plan.to_json())
