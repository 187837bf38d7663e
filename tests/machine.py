"""What the tests need of the machine besides the lock file, and how all else that is installed there is hidden from them.

As a script it prints the packages of Debian that are missing, one a line, each with what it is for. Uses the standard library
alone: it runs before anything is installed.
"""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_OUTER_PATH = "PATH_OUTSIDE_THE_TESTS"
_FONTS = Path("/usr/share/fonts/truetype/dejavu")


class Need(NamedTuple):
    """A package of Debian, what it is for, and the programs and files of it by which it is known to be there."""

    package: str
    purpose: str
    programs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()  # each a path or a pattern of paths, from the root


NEEDS = (
    Need("xvfb", "a screen for the keyboard's window", ("Xvfb",)),
    Need("libgl1", "what the window is drawn by", files=("usr/lib/*/libGL.so.1",)),
    Need("libgl1-mesa-dri", "what the window is drawn by without a graphics card", files=("usr/lib/*/dri/*_dri.so",)),
    Need("chromium", "the dashboard's browser", ("chromium",)),
    Need("chromium-driver", "the dashboard's browser, held by the tests", ("chromedriver",)),
    Need(
        "fonts-dejavu-core",
        "the dashboard's letters",
        files=tuple(f"{_FONTS}/DejaVu{kind}.ttf"[1:] for kind in ("Sans", "Sans-Bold", "SansMono", "Serif")),
    ),
    Need("default-jdk-headless", "LiteRT called from Java, as on Android", ("java", "javac")),
    Need("iproute2", "TFF workers on machines of their own", ("ip",)),
)
# Debian's essential programs that tests and those above call: Chromium is started by a shell script.
_ESSENTIAL = ("cat", "cut", "expr", "find", "grep", "mktemp", "rm", "sed", "sh", "tr", "uname")
# Tests that need another Python, which no package of Debian's release brings: they run where the machine has it.
OTHER_PYTHONS = {
    "3.9": "the program under tflite-runtime 2.8.0",
    "3.13": "the device on the Python and NumPy of phones",
}


def outer_path() -> str:
    """Returns the PATH with all the programs of the machine."""
    return os.environ.get(_OUTER_PATH, os.environ.get("PATH", ""))


def missing() -> list[Need]:
    """Returns the needs that the machine does not meet; the screen of a desktop serves as well as a virtual one."""
    has_screen = bool(os.environ.get("DISPLAY"))
    return [need for need in NEEDS if not (_is_met(need) or (need.package == "xvfb" and has_screen))]


def _is_met(need: Need) -> bool:
    programs = (shutil.which(name, path=outer_path()) for name in need.programs)
    files = (next(Path("/").glob(pattern), None) for pattern in need.files)
    return None not in (*programs, *files)


def programs() -> dict[str, str]:
    """Returns the programs that tests may call, by their names, and where they are."""
    names = [*_ESSENTIAL, "uv", *(name for need in NEEDS for name in need.programs)]
    return {name: path for name in names if (path := shutil.which(name, path=outer_path()))}


def fonts() -> list[Path]:
    """Returns the font files that programs which ask the system for fonts may see."""
    return [
        path for need in NEEDS for pattern in need.files for path in Path("/").glob(pattern) if path.suffix == ".ttf"
    ]


def hide_the_rest() -> None:
    """Hides from this process and those it starts all programs and fonts of the machine but those that tests may use."""
    if _OUTER_PATH in os.environ:
        return  # a process that the tests started
    folder = Path(tempfile.mkdtemp(prefix="machine-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for kind in ("programs", "fonts"):
        (folder / kind).mkdir()
    for name, path in programs().items():
        (folder / "programs" / name).symlink_to(path)
    for font in fonts():
        (folder / "fonts" / font.name).symlink_to(font)
    configuration = folder / "fonts.conf"
    configuration.write_text(
        f"<fontconfig><dir>{folder / 'fonts'}</dir><cachedir>{folder / 'cache'}</cachedir></fontconfig>\n"
    )
    os.environ[_OUTER_PATH] = outer_path()
    os.environ["PATH"] = str(folder / "programs")
    os.environ["FONTCONFIG_FILE"] = str(configuration)
    os.environ["KEYBOARD_EMOJI_FONT"] = ""


def complaints() -> Iterator[str]:
    """Yields what keeps the tests from running, and what to do about it."""
    if sys.platform == "linux" and (absent := missing()):
        yield f"the tests need {', '.join(need.package for need in absent)}: `sh tests/display.sh` installs them"
    if not (os.environ.get("UV") or shutil.which("uv", path=outer_path())):
        yield "the tests need uv on the path: run them by `uv run pytest`"


if __name__ == "__main__":
    for absent in missing():
        print(f"{absent.package}: {absent.purpose}")
