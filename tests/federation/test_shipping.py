"""What the project ships: folders with weights in 16 bits, and programs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from federation.shipping import ship, ship_programs
from model.device.folder import PROGRAM, Model, load_model
from model.device.programs import file_name
from model.device.runtime import check_fits
from model.device.weights import digest

CARD = "# Model card\n\n1. `uv run federate simulate`\n   Privacy: epsilon 1\n\nMore.\n"


def test_a_shipped_folder_has_rounded_weights_of_one_digest_and_a_card_that_says_so(
    small_model: Model, tmp_path: Path
) -> None:
    model = replace(small_model, card=CARD)
    shipped = ship(model, tmp_path / "shipped", "uv run federate export --folder")
    found = load_model(tmp_path / "shipped", small_model.program)
    assert digest(found.weights) == digest(shipped.weights) != digest(model.weights)
    assert not (tmp_path / "shipped" / PROGRAM).exists()
    assert found.provenance == model.provenance and found.vocabulary.words == model.vocabulary.words
    rounded = f"which rounds weights to 16 bits, from weights of SHA-256 `{digest(model.weights)}`"
    step = f"1. `uv run federate export --folder`, {rounded}"
    assert found.card == CARD.replace("epsilon 1\n", f"epsilon 1\n{step}\n")
    again = ship(found, tmp_path / "again", "uv run federate export --folder")
    assert digest(again.weights) == digest(found.weights) and again.card == found.card


def test_weights_that_16_bits_cannot_hold_are_refused(small_model: Model, tmp_path: Path) -> None:
    bias = np.full_like(small_model.weights["output_bias"], 70_000)
    model = replace(small_model, weights=small_model.weights | {"output_bias": bias})
    with pytest.raises(DataError, match="above 65,504"):
        ship(model, tmp_path / "shipped", "export")
    assert not (tmp_path / "shipped").exists()


def test_programs_are_built_anew_under_the_names_of_their_sizes(
    small_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_model.provenance.config
    monkeypatch.setattr("federation.shipping.SHIPPED", (config,))
    (path,) = ship_programs(tmp_path / "programs")
    assert path.name == file_name(config)
    assert path.read_bytes() == small_model.program, "the same bytes each time"
    check_fits(path.read_bytes(), config)
