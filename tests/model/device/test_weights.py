from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data.errors import DataError
from data.vocabulary import Vocabulary
from model.device.folder import Model, load_model, recover, save_model
from model.device.quantization import half_precision
from model.device.weights import digest, load_weights, narrowest, save_weights


def test_a_model_folder_is_read_back_unchanged(small_model: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "m", replace(small_model, card="a card"))
    loaded = load_model(tmp_path / "m")
    assert digest(loaded.weights) == digest(small_model.weights)
    assert (loaded.provenance, loaded.card, loaded.program) == (small_model.provenance, "a card", small_model.program)
    assert [p.name for p in tmp_path.iterdir()] == ["m"], "nothing temporary stays"


def test_a_saved_folder_replaces_the_old_one(small_model: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "m", small_model)
    weights = {name: array + 1 for name, array in small_model.weights.items()}
    save_model(tmp_path / "m", small_model.with_weights(weights, small_model.provenance))
    assert digest(load_model(tmp_path / "m").weights) == digest(weights)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_half_precision_takes_half_the_bytes_and_is_read_as_float32(small_model: Model, tmp_path: Path) -> None:
    for name, dtype in (("full", np.float32), ("half", np.float16)):
        save_weights(tmp_path / name, small_model.weights, small_model.provenance, dtype)
    sizes = [(tmp_path / name).stat().st_size for name in ("full", "half")]
    assert sizes[0] - sizes[1] == sum(array.nbytes for array in small_model.weights.values()) // 2
    halves, provenance = load_weights(tmp_path / "half")
    assert provenance == small_model.provenance
    for name, array in small_model.weights.items():
        assert halves[name].dtype == np.float32
        np.testing.assert_array_equal(halves[name], array.astype(np.float16))


@given(
    hnp.arrays(np.float16, 5, elements=st.floats(width=16, allow_nan=False, allow_infinity=False)),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)
def test_weights_are_stored_in_16_bits_only_if_that_changes_none_of_them(halves: np.ndarray, value: float) -> None:
    widened = halves.astype(np.float32)
    assert narrowest({"a": widened}) is np.float16
    with np.errstate(over="ignore"):
        exact = np.float32(np.float16(value)) == np.float32(value)
    assert narrowest({"a": widened, "b": np.array([value], np.float32)}) is (np.float16 if exact else np.float32)


def test_a_folder_of_rounded_weights_takes_half_the_bytes_and_keeps_its_digest(
    small_model: Model, tmp_path: Path
) -> None:
    rounded = replace(small_model, weights=half_precision(small_model.weights)[0])
    for name, model in (("full", small_model), ("half", rounded)):
        save_model(tmp_path / name, model)
        assert digest(load_model(tmp_path / name).weights) == digest(model.weights)
    full, half = ((tmp_path / name / "weights.safetensors").stat().st_size for name in ("full", "half"))
    assert full - half == sum(array.nbytes for array in small_model.weights.values()) // 2


def test_a_folder_that_is_not_a_model_is_not_replaced(small_model: Model, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    save_model(tmp_path / "m", small_model)  # an empty folder may be replaced
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    for place in ("documents", "file"):
        with pytest.raises(DataError, match="not a model folder"):
            save_model(tmp_path / place, small_model)
    assert (tmp_path / "documents" / "thesis.tex").exists()


@pytest.mark.parametrize("name", ["m", "[m] *"])
def test_a_save_killed_between_its_renames_is_undone(small_model: Model, tmp_path: Path, name: str) -> None:
    save_model(tmp_path / name, small_model)
    (tmp_path / f".{name}.old.x").mkdir()
    (tmp_path / name).rename(tmp_path / f".{name}.old.x" / name)
    (tmp_path / f".{name}.new").mkdir()
    (tmp_path / ".m .not a leftover").mkdir()
    recover(tmp_path / name)
    assert digest(load_model(tmp_path / name).weights) == digest(small_model.weights)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".m .not a leftover", name]


def test_the_digest_depends_on_every_bit(small_model: Model) -> None:
    weights = {name: array.copy() for name, array in small_model.weights.items()}
    weights["projection"][0, 0] = np.nextafter(weights["projection"][0, 0], np.float32(1))
    assert digest(weights) != digest(small_model.weights)


def test_a_truncated_weights_file_is_refused(small_model_folder: Path, tmp_path: Path) -> None:
    content = (small_model_folder / "weights.safetensors").read_bytes()
    for length in (0, 4, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "w").write_bytes(content[:length])
        with pytest.raises(DataError, match="damaged or not a safetensors"):
            load_weights(tmp_path / "w")


def test_weights_of_another_vocabulary_are_refused(small_model_folder: Path) -> None:
    with pytest.raises(DataError, match="belongs to another vocabulary"):
        load_weights(small_model_folder / "weights.safetensors", "0" * 64)


def test_a_folder_whose_vocabulary_was_changed_is_refused(small_model: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "m", small_model)
    Vocabulary([*small_model.vocabulary.words[:-1], "other"]).save(tmp_path / "m" / "vocabulary.txt")
    with pytest.raises(DataError, match="belongs to another vocabulary"):
        load_model(tmp_path / "m")


def test_invalid_weights_are_refused(small_model: Model, tmp_path: Path) -> None:
    for change, reason in (
        ({"projection": np.full_like(small_model.weights["projection"], np.nan)}, "not finite"),
        ({"gate_bias": np.zeros(3, np.float32)}, "has shape"),
        ({"extra": np.zeros(3, np.float32)}, "unknown weights: extra"),
    ):
        save_weights(tmp_path / "w", small_model.weights | change, small_model.provenance)
        with pytest.raises(DataError, match=reason):
            load_weights(tmp_path / "w")


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no model folder"):
        load_model(tmp_path / "nowhere")


def test_an_oversized_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with path.open("wb") as file:
        file.truncate(1 << 32)  # a sparse file
    with pytest.raises(DataError, match="too large for the weights"):
        load_weights(path)
