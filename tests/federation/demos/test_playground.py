"""`federate playground` for real, on a virtual screen, with a small model: a round reaches the window, and nothing is left."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from federation.benchmarks.loads.display import display
from federation.processes import bound
from model.device.folder import load_model
from tests.federation.conftest import ROOT

SECONDS = 600.0  # a deadline, generous because of background load


def until(condition: Callable[[], Any], playground: subprocess.Popen) -> Any:
    """Waits for a condition and returns its value; fails if the playground ends before it."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if value := condition():
            return value
        assert playground.poll() is None, playground.communicate()[1]
        time.sleep(0.2)
    pytest.fail("the condition was not met in time")


class ClientMessage(ctypes.Structure):
    """An `XClientMessageEvent`, padded to the size of an `XEvent`."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("padding", ctypes.c_long * 12),
    )


def close_window(title: str) -> bool:
    """Asks the window of this title to close, as a window manager does; returns whether there is one."""
    x = ctypes.CDLL("libX11.so.6")
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XDefaultRootWindow.restype = x.XInternAtom.restype = ctypes.c_ulong
    screen = ctypes.c_void_p(x.XOpenDisplay(os.environ["DISPLAY"].encode()))

    def atom(name: bytes) -> int:
        return int(x.XInternAtom(screen, name, 0))

    def title_of(window: int) -> bytes | None:
        kind, size, count, left = (ctypes.c_ulong() for _ in range(4))
        value = ctypes.c_char_p()
        found = [ctypes.byref(part) for part in (kind, size, count, left, value)]
        whole = (ctypes.c_long(0), ctypes.c_long(64), 0, ctypes.c_ulong(0))  # of any type, at most 256 bytes
        x.XGetWindowProperty(screen, ctypes.c_ulong(window), ctypes.c_ulong(atom(b"_NET_WM_NAME")), *whole, *found)
        return value.value

    parent, root, number = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
    children = ctypes.POINTER(ctypes.c_ulong)()
    found = [ctypes.byref(part) for part in (root, parent, children, number)]
    x.XQueryTree(screen, ctypes.c_ulong(x.XDefaultRootWindow(screen)), *found)
    named = [window for window in children[: number.value] if title_of(window) == title.encode()]
    for window in named:
        data = (ctypes.c_long * 5)(atom(b"WM_DELETE_WINDOW"))
        message = ClientMessage(33, 0, 1, None, window, atom(b"WM_PROTOCOLS"), 32, data)
        x.XSendEvent(screen, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(message))
    x.XCloseDisplay(screen)
    return bool(named)


def processes_of(folder: Path) -> list[str]:
    """Returns the command lines of all processes that name a folder."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended
            continue
        if str(folder) in line:
            lines.append(line)
    return lines


def test_a_round_reaches_the_window_and_closing_it_ends_everything(
    small_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("Xvfb"):  # without a window manager, whose frames would hide the window
        monkeypatch.delenv("DISPLAY", raising=False)
    options = ("--model", str(small_model_folder), "--neighbours", "3", "--no-browser", "--json")
    command = bound([sys.executable, "-m", "federation", "playground", *options])
    with display():
        playground = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert playground.stderr is not None and playground.stdout is not None
        lines = []
        for line in playground.stderr:
            lines.append(line)
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", line):
                break
        else:
            pytest.fail("".join(lines))
        control = httpx.Client(
            base_url=f"http://127.0.0.1:{found[1]}/control",
            headers={"authorization": f"Bearer {found[2]}"},
            trust_env=False,
            timeout=60,
        )
        with control:
            until(lambda: control.get("/view").json()["ready"], playground)
            control.post("/rounds", params={"rounds": 1}).raise_for_status()
            committed = until(
                lambda: [r for r in control.get("/view").json()["rounds"] if r["state"] == "committed"], playground
            )
        assert committed[0]["counted"] == 3, "the window has no words yet, so its neighbours made the model"
        (window,) = tmp_path.glob("federate-*/playground-*/window")
        weights = window / "global" / "weights.safetensors"
        until(weights.exists, playground)
        assert load_model(window / "global").provenance.round == 1, "the window types with the round's model"
        assert processes_of(tmp_path)
        assert until(lambda: close_window("Keyboard"), playground)
        output, errors = playground.communicate(timeout=SECONDS)
    assert playground.returncode == 0, errors
    assert "Round 1: 3 keyboards made a new model" in errors
    assert output.splitlines()[-1].startswith('{"rounds": [{')
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_without_a_display_it_says_what_it_needs(small_model_folder: Path) -> None:
    settings = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-m", "federation", "playground", "--model", str(small_model_folder)]
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("federate: there is no display for the keyboard's window: ")
