from pathlib import Path

import pytest

from data.errors import DataError
from keyboard_app.layout import LAYOUTS, load_layout


def test_qwerty_has_every_letter_digit_and_mark() -> None:
    pages = load_layout(LAYOUTS / "qwerty.json").pages
    typed = {key.label for page in pages.values() for row in page for key in row if key.action == "character"}
    assert set("abcdefghijklmnopqrstuvwxyz0123456789.,!?'") <= typed
    for page in pages.values():
        assert {sum(key.width for key in row) for row in page} == {10}
        assert {"space", "backspace", "enter", "page"} <= {key.action for row in page for key in row}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no keyboard layout"),
        ("[]", "is no keyboard layout"),
        ('{"pages": {"a": [[{"label": "x"}]]}}', "is no keyboard layout"),
        ('{"pages": {"a": [[{"action": "fly"}]]}}', "there is no action 'fly'"),
        ('{"pages": {"a": [[{"action": "page", "label": "12", "page": "b"}]]}}', "a page 'b' that is not there"),
    ],
)
def test_a_bad_layout(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "layout.json").write_text(content)
    with pytest.raises(DataError, match=message):
        load_layout(tmp_path / "layout.json")
