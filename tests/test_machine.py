"""The tests depend only on the lock file and on the packages that `display.sh` installs."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import machine
from tests.conftest import LONGEST

ROOT = Path(__file__).parents[1]


def test_only_listed_programs_are_visible() -> None:
    folders = [Path(folder) for folder in machine.outer_path().split(os.pathsep)]
    installed = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
    seen = {name for name in installed if shutil.which(name)}
    assert seen == machine.programs().keys()
    assert not {"firefox", "google-chrome", "git", "node", "python3.13"} & seen


def test_only_listed_fonts_are_visible() -> None:
    """Asks fontconfig, by which Chromium finds its fonts."""
    library = ctypes.CDLL("libfontconfig.so.1")

    class FontSet(ctypes.Structure):
        _fields_ = (
            ("count", ctypes.c_int),
            ("_room", ctypes.c_int),
            ("fonts", ctypes.POINTER(ctypes.c_void_p)),
        )

    library.FcInitLoadConfigAndFonts.restype = ctypes.c_void_p
    library.FcConfigGetFonts.restype = ctypes.POINTER(FontSet)
    library.FcConfigGetFonts.argtypes = (ctypes.c_void_p, ctypes.c_int)
    library.FcPatternGetString.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p)
    found = library.FcConfigGetFonts(library.FcInitLoadConfigAndFonts(), 0).contents
    seen, name = set(), ctypes.c_char_p()
    for place in range(found.count):
        assert library.FcPatternGetString(found.fonts[place], b"file", 0, ctypes.byref(name)) == 0
        seen.add(Path(os.fsdecode(name.value or b"")).name)
    assert seen == {font.name for font in machine.fonts()} != set()


def test_the_keyboard_sees_no_font_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from keyboard_app.window.drawing import fonts
    from tests.keyboard_app.window.color_font import save_color_font

    file = tmp_path / "NotoColorEmoji.ttf"
    save_color_font(file, "😀", (250, 200, 0))
    monkeypatch.setattr(fonts, "_SYSTEM_EMOJI_FONTS", (str(file),))
    look = fonts.color_emoji_font.__wrapped__
    assert look() is None
    monkeypatch.delenv(fonts.EMOJI_FONT_VARIABLE)
    found = look()
    assert found is not None
    assert found.file == file


def test_a_run_ends_with_one_line_if_something_is_missing(tmp_path: Path) -> None:
    for name in ("sh", "Xvfb"):
        (tmp_path / name).symlink_to(machine.programs()[name])
    settings = {"UV": "uv"} | os.environ | {"PATH": str(tmp_path)}
    del settings["PATH_OUTSIDE_THE_TESTS"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/data/test_windows.py"]
    done = subprocess.run(command, env=settings, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert (
        "the tests need chromium, chromium-driver, default-jdk-headless, iproute2: `sh tests/display.sh` installs them"
        in line
    )


def test_missing_packages_are_listed_by_name(tmp_path: Path) -> None:
    settings = os.environ | {"PATH": str(tmp_path), "PATH_OUTSIDE_THE_TESTS": str(tmp_path)}
    done = subprocess.run([sys.executable, machine.__file__], env=settings, capture_output=True, text=True, check=True)
    assert "chromium: shows the dashboard\n" in done.stdout
    assert "default-jdk-headless: calls LiteRT from Java, as on Android\n" in done.stdout


def test_the_files_that_begin_first_exist() -> None:
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []
