"""The choice of a program for a model that comes without one."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from model.device import programs
from model.device.config import ModelConfig, parameters
from model.device.folder import PROGRAM, Model, load_model, save_model
from model.device.programs import PROGRAMS, SHIPPED, NoProgramError, file_name, find_program, program_for
from model.device.runtime import check_fits


def test_the_app_has_a_program_for_each_shipped_size_and_no_other_file() -> None:
    assert {path.name for path in PROGRAMS.iterdir()} == {file_name(size) for size in SHIPPED}
    for size in SHIPPED:
        check_fits((PROGRAMS / file_name(size)).read_bytes(), size)
        assert parameters(size) <= 1_500_000


@given(st.integers(4, 11_000))
def test_the_smallest_program_that_is_large_enough_is_chosen(words: int) -> None:
    fitting = [size for size in (10_000, 10_800) if size >= words]
    found = find_program(ModelConfig(vocabulary=words))
    if not fitting:
        assert found is None
    else:
        assert found == (PROGRAMS / file_name(ModelConfig(vocabulary=min(fitting)))).read_bytes()


@pytest.mark.parametrize("changed", ["embedding", "units", "window", "batch"])
def test_a_program_of_other_sizes_is_never_chosen(changed: str) -> None:
    config = ModelConfig()
    assert find_program(replace(config, **{changed: getattr(config, changed) + 1})) is None


def test_the_program_in_use_runs_a_model_that_the_app_has_no_program_for(two_vocabularies: tuple[Model, Model]) -> None:
    first, second = two_vocabularies
    assert program_for(second.provenance.config, first.program) == first.program
    assert program_for(ModelConfig(vocabulary=9_000), first.program) == find_program(ModelConfig())
    for changes in ({"vocabulary": 500}, {"units": 33}, {"vocabulary": 2**24, "embedding": 2**24}):
        with pytest.raises(NoProgramError, match="this app has no program for a model of"):
            program_for(replace(second.provenance.config, **changes), first.program)


def test_a_folder_without_a_program_is_run_by_one_of_the_app(
    two_vocabularies: tuple[Model, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_vocabularies
    save_model(tmp_path / "m", second, with_program=False)
    with pytest.raises(DataError, match=r"has no program.tflite, and this app has no program for a model of \d+ words"):
        load_model(tmp_path / "m")
    assert load_model(tmp_path / "m", first.program).program == first.program
    app = tmp_path / "programs"
    app.mkdir()
    (app / file_name(replace(second.provenance.config, vocabulary=99))).write_bytes(first.program)
    (app / "notes.tflite").touch()
    monkeypatch.setattr(programs.find_program, "__defaults__", (app,))
    assert load_model(tmp_path / "m").program == first.program
    (tmp_path / "m" / PROGRAM).write_bytes(b"its own")
    assert load_model(tmp_path / "m").program == b"its own"
    assert load_model(tmp_path / "m", b"in use").program == first.program
