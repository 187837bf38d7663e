"""The programs at the edge: closed, full, broken and Latin-1 streams, Ctrl-C at any moment, and help for every option."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.console import run_command
from data.errors import DataError
from federation.cli import _parser as federate_parser
from keyboard_app.cli import _parser as keyboard_parser

ROOT = Path(__file__).parents[1]
KEYS = [
    sys.executable,
    "-m",
    "keyboard_app",
    "keys",
]  # prints what it reads; `federate` begins and ends in the same way


def run(
    command: list[str], redirections: str, text: str = "hi 🙂 →\n", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirections}', "sh", *command],
        cwd=ROOT,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
        timeout=60,
    )


def test_latin_1_output_replaces_what_it_lacks(small_model_folder: Path) -> None:
    done = run([*KEYS, "--model", str(small_model_folder)], "", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stdout) == (0, "Hi ? ?\n"), done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing_else(closed: str, small_model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("hi\n")
    profile = tmp_path / "profile"
    command = [*KEYS, str(tmp_path / "lines"), "--model", str(small_model_folder), "--profile", str(profile)]
    done = run(command, closed)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    if ">&-" not in closed.split():
        assert done.stdout == "Hi\n"
    assert (profile / "store.sqlite").read_bytes().startswith(b"SQLite format 3"), "no output went into a file"


def test_a_full_disk_is_one_line(small_model_folder: Path) -> None:
    done = run([*KEYS, "--model", str(small_model_folder)], ">/dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "keyboard: no space left on device"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("command", [KEYS, [sys.executable, "-m", "federation", "--help"]])
def test_a_reader_that_leaves_ends_the_program_without_a_word(command: list[str], small_model_folder: Path) -> None:
    options = ["--model", str(small_model_folder)] if command is KEYS else []
    done = run([*command, *options], "| true", text="hello there\n" * 200)
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("after", [0.5, 1.5, 3.0])
def test_ctrl_c_at_any_moment_is_one_line(after: float, small_model_folder: Path) -> None:
    # Tests may run in the background, where Ctrl-C is ignored. (`preexec_fn` crashes beside the threads of other tests.)
    heed = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL)"
    become = "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    evaluate = ["-m", "federation", "evaluate", "--users", "all", "--model", str(small_model_folder)]
    program = subprocess.Popen(
        [sys.executable, "-c", f"{heed}; {become}", *evaluate],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(after)
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    assert ", in run_program" not in errors, (
        "only Python's own start, before the program's first line, may print a traceback"
    )
    assert "Exception ignored" not in errors


SWALLOWED = """
import gc, signal, sys, time
from data.console import run_program

def collecting(*_):
    gc.callbacks.remove(collecting)
    signal.raise_signal(signal.SIGINT)

def work():
    gc.callbacks.append(collecting)
    gc.collect()
    for _ in range(500):
        time.sleep(0.01)
    return 0

class Late:
    def __del__(self):
        raise AttributeError("the module is gone")

gc.late = Late()
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(run_program("program", work))
"""


def test_a_ctrl_c_where_python_ignores_exceptions_is_not_lost() -> None:
    """JAX, which TFF imports, has Python call one of its functions at every garbage collection."""
    done = subprocess.run([sys.executable, "-c", SWALLOWED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "program: stopped\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("two\nlines"), "program: two lines"),
        (FileNotFoundError(2, "No such file or directory", "x.txt"), "program: x.txt: no such file or directory"),
        (OSError("no number"), "program: no number"),
        (MemoryError(), "program: this machine has too little free memory: end other programs, or choose less work"),
        (BrokenPipeError(32, "Broken pipe"), "program: broken pipe"),  # the pipe of a child, not a standard stream
        (KeyboardInterrupt(), "program: stopped"),
        (RuntimeError(), "program: RuntimeError"),
    ],
)
def test_an_error_is_one_line(error: BaseException, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise error

    assert run_command("program", work) == 1
    assert capsys.readouterr().err == f"{line}\n"


def options_of(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command, inner in action.choices.items():
                yield from options_of(inner, f"{name} {command}")
        elif not isinstance(action, argparse._HelpAction):
            yield name, action


def test_every_option_has_a_help_text_and_its_default() -> None:
    every = [*options_of(federate_parser(), "federate"), *options_of(keyboard_parser(), "keyboard")]
    assert len(every) > 100
    unclear = [
        f"{command} {' '.join(action.option_strings) or action.dest}: {action.help}"
        for command, action in every
        if len((action.help or "").partition("(default")[0].split()) < 2
        or not (action.required or action.nargs == 0 or "default: " in (action.help or ""))
    ]
    assert not unclear
