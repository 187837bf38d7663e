"""The plans of the two secure rounds of a word discovery, and the choice of the buckets that the second one publishes.

A discovery is two secure rounds like those of model deltas, each over one vector of whole numbers:

1. `CountPlan`: the sum of `word_counts.count_vector`, modulo the least power of two above the cohort. No word is in it.
2. `RevealPlan`: the sum of `word_table.table_vector`, exact. It names the first round and the buckets with at least k devices.

A device takes part in both, also with zeros: that it is in a round says nothing about its words.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from data.errors import DataError
from federation.protocol.api_messages import Digest, Plan, RoundName
from federation.protocol.discovery.offer import OfferTerms
from federation.protocol.discovery.word_counts import MOST_PUBLISHED, CountTerms
from federation.protocol.discovery.word_table import LONGEST_BYTES, TableTerms, bits_of_sum, table_size
from federation.protocol.json_messages import Between, JsonMessage, Matching, read_json
from federation.protocol.secure_aggregation.messages import MAX_DEVICES
from federation.protocol.secure_aggregation.modular_vectors import Segment, VectorLayout

LEAST_K = 3  # devices; a smaller k would show words of one or two people
COUNT, REVEAL = "count", "reveal"  # the rounds of a discovery
MOST_BUCKETS = 2**20
MOST_CELLS = 2**22  # numbers in a table: 32 MB on a device
BUCKET_DIGITS = 5  # hex digits of a published bucket, a byte each

_Cohort = Annotated[int, Between(LEAST_K, MAX_DEVICES)]  # greatest number of devices in the sum


@dataclass(frozen=True)
class CountPlan(JsonMessage):
    """The plan of the first round.

    Raises:
      DataError: a number is not within its bounds.
    """

    KIND: ClassVar[str] = COUNT

    round_name: RoundName
    model: Digest  # the newest; no weights of it are used
    vocabulary_sha256: Digest  # words that it has are not offered
    cohort: _Cohort
    k: Annotated[int, Between(LEAST_K, MAX_DEVICES)]  # devices that must have a word for it to be revealed
    offer: OfferTerms = field(default_factory=OfferTerms)
    counts: CountTerms = field(default_factory=CountTerms)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.counts.buckets > MOST_BUCKETS:
            raise DataError(f"a word discovery has at most {MOST_BUCKETS:,} buckets, not {self.counts.buckets:,}")

    @property
    def layout(self) -> VectorLayout:
        """The layout of the vector that a device sends: a number of devices for each bucket."""
        return (Segment(self.counts.buckets, self.cohort.bit_length()),)


@dataclass(frozen=True)
class RevealPlan(JsonMessage):
    """The plan of the second round.

    Raises:
      DataError: a number is not within its bounds, the table is too large or lacks room for words that keyboards offer, or too
        many buckets are published, or not in order.
    """

    KIND: ClassVar[str] = REVEAL

    round_name: RoundName
    model: Digest
    vocabulary_sha256: Digest
    cohort: _Cohort
    k: Annotated[int, Between(LEAST_K, MAX_DEVICES)]
    counted_in: RoundName  # the first round: a device reveals only words that it offered there
    counts: CountTerms  # of the first round
    # The buckets, ascending, five hex digits each (`with_buckets`).
    published: Annotated[str, Matching(f"([0-9a-f]{{{BUCKET_DIGITS}}}){{0,{int(MOST_BUCKETS * MOST_PUBLISHED)}}}")]
    table: TableTerms

    def __post_init__(self) -> None:
        super().__post_init__()
        if table_size(self.table) > MOST_CELLS:
            raise DataError(f"a table of a word discovery has at most {MOST_CELLS:,} numbers")
        if self.table.longest_bytes < LONGEST_BYTES:  # only keyboards with longer words would fail, and so tell on them
            raise DataError(f"a table of a word discovery has room for words of {LONGEST_BYTES} bytes")
        buckets = self.buckets
        if list(buckets) != sorted(set(buckets)) or (buckets and buckets[-1] >= self.counts.buckets):
            raise DataError("the published buckets must exist, and be in order")
        if len(buckets) > most_published(self.counts):
            raise DataError(
                f"{len(buckets):,} of {self.counts.buckets:,} buckets are published: a keyboard reveals words of at most "
                f"{most_published(self.counts):,}"
            )

    @property
    def buckets(self) -> tuple[int, ...]:
        """The published buckets."""
        text = self.published
        return tuple(int(text[at : at + BUCKET_DIGITS], 16) for at in range(0, len(text), BUCKET_DIGITS))

    @property
    def layout(self) -> VectorLayout:
        """The layout of the vector that a device sends: its table."""
        return (Segment(table_size(self.table), bits_of_sum(self.cohort)),)


RoundPlan = Plan | CountPlan | RevealPlan
WordPlan = CountPlan | RevealPlan


def packed_buckets(buckets: Iterable[int]) -> str:
    """Returns buckets as `RevealPlan.published` has them."""
    return "".join(f"{bucket:0{BUCKET_DIGITS}x}" for bucket in sorted(buckets))


def most_published(terms: CountTerms) -> int:
    """Returns the greatest number of buckets that a device accepts as published."""
    return int(terms.buckets * MOST_PUBLISHED)


def read_plan(text: str) -> RoundPlan:
    """Reads the plan of a round of any kind, known by its fields.

    Raises:
      DataError: the text is no plan.
    """
    content = read_json(text)
    if isinstance(content, dict):
        if "published" in content:
            return RevealPlan.from_content(content)
        if "offer" in content:
            return CountPlan.from_content(content)
    return Plan.from_content(content)
