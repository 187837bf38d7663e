"""The coordinator's HTTP API for devices: its calls, and all messages except the cryptographic ones, as JSON.

    GET  /v1/federation                    open to anyone: the session to sign requests for, and the federation's model
    POST /v1/devices                       a new device enrols: Enrolment
    POST /v1/check-in?wait=SECONDS         a device asks for its next task: CheckIn → Call, at once or as soon as there is a task
    GET  /v1/rounds/ROUND/plan             how the round trains, encodes and masks: Plan, or a plan of `discovery.round_plans`
    GET  /v1/rounds/ROUND/STAGE            the coordinator's message to the device for a stage (`secure_aggregation`)
    POST /v1/rounds/ROUND/STAGE            the device's message of a stage (`secure_aggregation`)
    POST /v1/rounds/ROUND/withdrawal       the device cannot continue the round
    GET  /v1/rounds/ROUND/outcome          whether the device's update is in the model that the round made: UpdateOutcome
    GET  /v1/models/DIGEST                 weights, safetensors
    GET  /v1/models/DIGEST/description     for a device with another vocabulary: ModelDescription
    GET  /v1/models/DIGEST/PART            a file of the model, one of MODEL_PARTS; never a program, which a device does not take
    POST /v1/departure                     the device leaves the federation

All requests except the first two are signed (`signed_requests`). A refusal has one of the statuses of `REFUSALS` and a JSON body,
`Refusal`. Requests and answers name the protocol's version in the header `VERSION_HEADER`, except the request of the first call.
"""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Protocol, Self

from federation.protocol.json_messages import Between, JsonMessage, Matching, one_line
from federation.protocol.round_terms import Terms
from federation.protocol.secure_aggregation.messages import SecureRound
from federation.protocol.secure_aggregation.modular_vectors import VectorLayout

# Of everything in this package that is sent. Version 1 had no consistency check and no header, version 2 no trainable parts,
# version 3 no word discovery, version 4 no choice of the softmax and no pauses.
VERSION = 5
VERSION_HEADER = "x-federation-protocol"

LONGEST_PAUSE = 3_600.0  # seconds that a coordinator can ask a device to stay away
REST, WAIT = "rest", "wait"  # the tasks of a Call, apart from the stages
# The stages, in order.
KEYS, SHARES, REPORTING, CONSISTENCY, UNMASKING = "keys", "shares", "reporting", "consistency", "unmasking"
# The outcomes of an update: whether it is in the model that a round made, or that the coordinator does not know the round.
COUNTED, NOT_COUNTED, UNKNOWN = "counted", "not counted", "unknown"
OUTCOMES = (COUNTED, NOT_COUNTED, UNKNOWN)

BAD = HTTPStatus.BAD_REQUEST
UNKNOWN_DEVICE = HTTPStatus.UNAUTHORIZED
REMOVED = HTTPStatus.LOCKED
REPLAYED = HTTPStatus.FORBIDDEN
NOT_FOUND = HTTPStatus.NOT_FOUND
SLOW = HTTPStatus.REQUEST_TIMEOUT
REPEATED = HTTPStatus.CONFLICT
LATE = HTTPStatus.GONE
TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
OTHER_VERSION = HTTPStatus.UPGRADE_REQUIRED
EARLY = HTTPStatus.TOO_EARLY
OTHER_VOCABULARY = HTTPStatus.PRECONDITION_FAILED
REFUSALS = {
    BAD: "the message is not valid; the round is unaffected",
    UNKNOWN_DEVICE: "the request is not signed by a device of this federation",
    REMOVED: "the federation's owner has removed the device",
    REPLAYED: "the request is old; the answer names the session and the number that the next request must exceed",
    NOT_FOUND: "there is no such round or model",
    SLOW: "the body took too long to arrive",
    REPEATED: "the device has already sent this message; it counts once",
    LATE: "the round continued without this device",
    TOO_LARGE: "the body is larger than this call accepts",
    OTHER_VERSION: "the device speaks another version of the protocol",
    EARLY: "the round has not reached this stage yet",
    OTHER_VOCABULARY: "the device's model has another vocabulary: it has to fetch the federation's before it takes part",
}

# The files of a model beside its weights, with the most bytes that each may have.
VOCABULARY, LEXICON, PHRASES = "vocabulary", "lexicon", "phrases"
MODEL_PARTS = {VOCABULARY: 2**20, LEXICON: 2**20, PHRASES: 2**21}

_SESSION_LENGTH = 32  # hex digits
_HIGHEST_NUMBER = 2**62
HIGHEST_ROUND = 2**31

# The types of fields that several messages have. What a coordinator sends must not cost a device more than the round.
Digest = Annotated[str, Matching("[0-9a-f]{64}")]  # SHA-256
RoundName = Annotated[str, Matching("[0-9a-f]{1,32}")]
ModelRound = Annotated[int, Between(0, HIGHEST_ROUND)]  # number of the round that made a model
Outcome = Annotated[str, Matching("|".join(("", *OUTCOMES)))]  # of an update; empty until its round is over


def version_in(header: str | None) -> int:
    """Returns the protocol's version that a header names; without one, or with a malformed one, version 1."""
    return int(header) if header and header.isascii() and header.isdecimal() and len(header) < 5 else 1


def other_version(keyboard: int, coordinator: int) -> str:
    """Returns a line for people about a keyboard and a coordinator that speak different versions of the protocol."""
    return (
        f"this keyboard speaks version {keyboard} of the federation's protocol and its coordinator version {coordinator}: "
        f"update the {'keyboard' if keyboard < coordinator else 'coordinator'}"
    )


@dataclass(frozen=True)
class FederationInfo(JsonMessage):
    """Public information about the federation."""

    session: Annotated[str, Matching("[0-9a-f]{32}")]
    model: Digest  # of the newest global model
    model_round: ModelRound
    vocabulary_sha256: Digest


@dataclass(frozen=True)
class ModelDescription(JsonMessage):
    """The sizes and files of a global model.

    A device reads them before it fetches a model of another vocabulary: if no program of its app fits, it fetches nothing.
    """

    model: Digest  # of the weights
    vocabulary_sha256: Digest
    lexicon_sha256: Annotated[str, Matching("([0-9a-f]{64})?")]  # of the file; empty if the model has none
    phrases_sha256: Annotated[str, Matching("([0-9a-f]{64})?")]
    vocabulary: Annotated[int, Between(4, 2**20)]  # words; this and the other sizes as in `model.device.config`
    embedding: Annotated[int, Between(1, 2**12)]
    units: Annotated[int, Between(1, 2**14)]
    window: Annotated[int, Between(1, 2**10)]
    batch: Annotated[int, Between(1, 2**10)]


@dataclass(frozen=True)
class Enrolment(JsonMessage):
    """A device that wants to join: the code of its link, its name, and its signature over the code (`signed_requests`).

    A name has one form only, so that a device cannot join under several names.
    """

    code: str
    device: Annotated[str, Matching("[0-9a-f]{64}")]  # its public key
    signature: Annotated[str, Matching("[0-9a-f]{128}")]


@dataclass(frozen=True)
class CheckIn(JsonMessage):
    """A device's request for its next task.

    `round_name` is the round that the device is in, and empty outside of rounds. A device that is not `ready` could contribute
    nothing to a round of training and is selected for none; it does not say why. One that does not share `words` is selected for
    no word discovery: that is its person's choice and says nothing about what they write.
    """

    vocabulary_sha256: str
    round_name: str
    ready: bool = True
    words: bool = False


@dataclass(frozen=True)
class Call(JsonMessage):
    """The next task of a device: a stage, `wait` (its round waits for other devices), or `rest`."""

    task: Annotated[str, Matching("[a-z]{1,20}")]
    round_name: Annotated[str, Matching("[0-9a-f]{0,32}")]  # empty outside of rounds
    reason: Annotated[str, Matching("(?s).{0,1000}")]  # of `wait` and `rest`, for people
    outcome: Outcome
    model: Digest  # of the newest global model
    model_round: ModelRound
    # Seconds after which the device should ask again, if it is to rest; 0: at its own pace.
    pause: Annotated[float, Between(0.0, LONGEST_PAUSE)] = 0.0


@dataclass(frozen=True)
class UpdateOutcome(JsonMessage):
    """The outcome of a device's update in a round: one of OUTCOMES, or empty until the round is over."""

    outcome: Outcome


@dataclass(frozen=True)
class Plan(JsonMessage):
    """The plan of a round, for the devices selected for it. No plan makes a device train for hours."""

    round_name: RoundName
    model: Digest  # of the weights to start from
    vocabulary_sha256: Digest
    learning_rate: Annotated[float, Between(1e-6, 10.0)]
    clipping_norm: Annotated[float, Between(1e-6, 100.0)]  # greatest L2 norm of the gradient of a training step
    passes: Annotated[int, Between(1, 5)]
    max_words: Annotated[int, Between(1, 20_000)]
    seed: Annotated[int, Between(0, 2**53)]  # of the order of training, together with a draw of each device
    terms: Terms
    # The weights that are trained and sent (`model.device.trainable`): a device refuses a part that it does not know.
    trainable: Annotated[str, Matching("bias|head|all")] = "all"
    # Over which words a training step computes its softmax (`model.device.sampling`).
    softmax: Annotated[str, Matching("full|sampled")] = "full"

    @property
    def layout(self) -> VectorLayout:
        """The layout of the vectors that a device sends."""
        return self.terms.layout


@dataclass(frozen=True)
class Refusal:
    """The reason why a request was refused. With REPLAYED it also names the session, and the device's highest number in it."""

    error: str
    session: str = ""  # empty if the answer names no valid session
    number: int = 0

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Reads the body of a refusal. The sender is not trusted: malformed fields are left out, the reason becomes one line."""
        try:
            fields = json.loads(content)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            return cls("")
        error, session, number = (fields.get(name) for name in ("error", "session", "number"))
        valid = isinstance(session, str) and len(session) == _SESSION_LENGTH and set(session) <= set("0123456789abcdef")
        return cls(
            one_line(error) if isinstance(error, str) else "",
            str(session) if valid else "",
            number if type(number) is int and 0 <= number < _HIGHEST_NUMBER else 0,
        )


class PlanOfRound(Protocol):
    """What the plans of all kinds of rounds have in common."""

    @property
    def round_name(self) -> str:
        """The round."""

    @property
    def model(self) -> str:
        """The digest of the global weights at the time."""

    @property
    def layout(self) -> VectorLayout:
        """The layout of the vectors that a device sends."""

    def to_json(self) -> str:
        """Returns the plan as a text."""


def secure_round(plan: PlanOfRound) -> SecureRound:
    """Returns the secure round of a plan. Devices and coordinator bind their keys, shares and masks to all of its content."""
    return SecureRound(plan.round_name, plan.model, plan.layout, plan.to_json())
