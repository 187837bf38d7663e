"""The command that presses keys without a window."""

import io
import json
import sys
from pathlib import Path

import pytest

from keyboard_app.cli import main


def test_keys_become_text_a_line_for_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_bytes(b"climbing rope\r\n\nrope  \n  5 pm")
    assert main(["keys", str(keys)]) == 0
    assert capsys.readouterr().out == "Climbing rope\n\nRope. \n  5 pm\n"


def test_standard_input_and_the_strip(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("tomorro\nönö".encode())))
    assert main(["keys", "--strip"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["text"] == "Tomorro"
    assert "Tomorrow" in first["suggestions"]
    assert "Tomorro" not in first["suggestions"], "the typed word is not a suggestion"
    assert second["text"] == "Önö"


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "keys").write_bytes(b"\xff")
    for path in (tmp_path / "keys", tmp_path / "none"):
        assert main(["keys", str(path)]) == 1
        assert capsys.readouterr().err.startswith("keyboard: ")
