"""The learner decodes the sum of a word discovery's second round with TFF."""

from pathlib import Path

import numpy as np
import pytest

from federation.aggregation.sum_check import ImplausibleSumError
from federation.coordinator.learner.messages import DecodeRequest, request_from_json, request_to_json
from federation.protocol.discovery.round_plans import RevealPlan, packed_buckets
from federation.protocol.discovery.word_counts import CountTerms
from federation.protocol.discovery.word_table import PRIME, TableTerms, table_vector
from federation.protocol.secure_aggregation.modular_vectors import pack
from tests.federation.coordinator.conftest import peeled

PLAN = RevealPlan(
    *("ab", "0" * 64, "0" * 64, 20, 3, "cd"), CountTerms(), packed_buckets([1, 2]), TableTerms(256, seed=7)
)
OFFERED = [["byu", "provo"], ["byu", "schöne"], ["byu"]]


def request(tmp_path: Path, total: np.ndarray) -> DecodeRequest:
    path = tmp_path / "sum"
    path.write_bytes(pack(PLAN.layout, [total]))
    made = DecodeRequest(str(path), PLAN.to_json())
    assert request_from_json(request_to_json(made)) == made
    return made


def test_the_words_of_a_sum_are_decoded_also_one_that_is_counted_a_million_times(tmp_path: Path) -> None:
    from federation.coordinator.learner.learner import decode

    total = np.sum([table_vector(words, PLAN.table) for words in OFFERED], axis=0, dtype=np.uint64)
    expected = {"byu": 3, "provo": 1, "schöne": 1}
    assert decode(request(tmp_path, total)).words == expected == peeled(total, PLAN.table)
    liar = table_vector(["often"], PLAN.table) * np.uint64(1_000_000) % np.uint64(PRIME)
    assert decode(request(tmp_path, total + liar)).words == expected | {"often": 1_000_000}
    assert decode(request(tmp_path, np.zeros_like(total))).words == {}
    noise = np.random.default_rng(0).integers(0, PRIME, len(total), np.uint64)
    with pytest.raises(ImplausibleSumError, match="cannot be decoded"):
        decode(request(tmp_path, total + noise))
