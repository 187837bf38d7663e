"""What the tests need besides the lock file; everything else that is installed on the machine is hidden from them.

As a script it prints the missing Debian packages, one per line, each with its purpose. It uses only the standard library because
it runs before anything is installed.
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
    """A Debian package, its purpose, and the programs and files that show that it is installed."""

    package: str
    purpose: str
    programs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()  # paths or patterns, relative to the root directory


NEEDS = (
    Need("xvfb", "a screen for the keyboard's window", ("Xvfb",)),
    Need("libgl1", "draws the window", files=("usr/lib/*/libGL.so.1",)),
    Need("libgl1-mesa-dri", "draws the window without a graphics card", files=("usr/lib/*/dri/*_dri.so",)),
    Need("chromium", "shows the dashboard", ("chromium",)),
    Need("chromium-driver", "lets the tests control the browser", ("chromedriver",)),
    Need(
        "fonts-dejavu-core",
        "the text of the dashboard",
        files=tuple(f"{_FONTS}/DejaVu{kind}.ttf"[1:] for kind in ("Sans", "Sans-Bold", "SansMono", "Serif")),
    ),
    Need("default-jdk-headless", "calls LiteRT from Java, as on Android", ("java", "javac")),
    Need("postgresql", "a database of several coordinators", files=("usr/lib/postgresql/*/bin/postgres",)),
    Need("iproute2", "network namespaces for TFF workers", ("ip",)),
)
# Essential programs of Debian that the tests and the programs above call; a shell script starts Chromium, and PostgreSQL runs
# under another user than root.
_ESSENTIAL = ("cat", "cut", "expr", "find", "grep", "mktemp", "rm", "sed", "setpriv", "sh", "tr", "uname")
# Tests that need another version of Python, which Debian does not package. They run only if the machine has it.
OTHER_PYTHONS = {
    "3.9": "the program with tflite-runtime 2.8.0",
    "3.13": "the device with the Python and NumPy versions of phones",
}


def outer_path() -> str:
    """Returns the PATH from outside the tests, with all programs of the machine."""
    return os.environ.get(_OUTER_PATH, os.environ.get("PATH", ""))


def missing() -> list[Need]:
    """Returns the needs that the machine does not meet; a desktop's screen replaces a virtual one."""
    has_screen = bool(os.environ.get("DISPLAY"))
    return [need for need in NEEDS if not (_is_met(need) or (need.package == "xvfb" and has_screen))]


def _is_met(need: Need) -> bool:
    programs = (shutil.which(name, path=outer_path()) for name in need.programs)
    files = (next(Path("/").glob(pattern), None) for pattern in need.files)
    return None not in (*programs, *files)


def programs() -> dict[str, str]:
    """Returns the paths of the programs that tests may call, by name."""
    names = [*_ESSENTIAL, "uv", *(name for need in NEEDS for name in need.programs)]
    return {name: path for name in names if (path := shutil.which(name, path=outer_path()))}


def fonts() -> list[Path]:
    """Returns the font files that tests may find through the system."""
    return [
        path for need in NEEDS for pattern in need.files for path in Path("/").glob(pattern) if path.suffix == ".ttf"
    ]


def hide_the_rest() -> None:
    """Hides all other programs and fonts of the machine from this process and its child processes."""
    if _OUTER_PATH in os.environ:
        return  # a child process of the tests
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
    # Temporary files of the tests and of the processes that they kill end with the folder; pytest's own stay to be looked at.
    (folder / "temporary").mkdir()
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "temporary")
    os.environ[_OUTER_PATH] = outer_path()
    os.environ["PATH"] = str(folder / "programs")
    os.environ["FONTCONFIG_FILE"] = str(configuration)
    os.environ["KEYBOARD_EMOJI_FONT"] = ""


def complaints() -> Iterator[str]:
    """Yields a line for each reason why the tests cannot run, with what to do about it."""
    if sys.platform == "linux" and (absent := missing()):
        yield f"the tests need {', '.join(need.package for need in absent)}: `sh tests/display.sh` installs them"
    if not (os.environ.get("UV") or shutil.which("uv", path=outer_path())):
        yield "the tests need uv on the path: run them by `uv run pytest`"


if __name__ == "__main__":
    for absent in missing():
        print(f"{absent.package}: {absent.purpose}")
