"""The four packages are four rooms: what each may import, read off its sources."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("data", "model", "keyboard_app", "federation")
HEAVY = (
    "tensorflow",
    "tensorflow_federated",
    "keras",
    "kivy",
    "matplotlib",
    "rich",
    "grpc",
    *("fastapi", "nicegui", "uvicorn"),
)

# Of our own packages, and of what is heavy, each room may import these and what lies below them.
MAY_IMPORT = {
    "data": ("data",),
    "model/device": ("data", "model.device"),
    "model": ("data", "model", "tensorflow"),
    "federation/protocol": ("data", "federation.protocol"),
    "keyboard_app/window": ("data", "model.device", "federation.protocol", "keyboard_app", "kivy"),
    "keyboard_app": ("data", "model.device", "federation.protocol", "keyboard_app"),
    "federation": (
        *("data", "model", "federation", "tensorflow", "tensorflow_federated", "matplotlib", "rich", "grpc"),
        *("fastapi", "nicegui", "uvicorn"),
    ),
}

# Of libraries, both sides of a round share these alone.
SPOKEN = ("numpy", "cryptography")

# Of the files of model/, the ones that build or export.
WITH_TENSORFLOW = {"model/cifg.py", "model/conversion.py", "model/program.py"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path: Path) -> str:
    relative = path.relative_to(ROOT).as_posix()
    return next(r for r in sorted(MAY_IMPORT, key=len, reverse=True) if relative.startswith(r + "/"))


SOURCES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    allowed = MAY_IMPORT[room(path)]
    for name in imports(path):
        if name.split(".")[0] in (*PACKAGES, *HEAVY):
            assert any(name == a or name.startswith(a + ".") for a in allowed), f"{path} imports {name}"
        if name.split(".")[0] == "tensorflow" and room(path) == "model":
            assert path.relative_to(ROOT).as_posix() in WITH_TENSORFLOW, f"{path} imports {name}"


@pytest.mark.parametrize("path", [p for p in SOURCES if room(p) == "federation/protocol"], ids=lambda p: p.name)
def test_what_both_sides_speak_needs_arrays_and_cryptography_only(path: Path) -> None:
    for name in imports(path):
        assert name.split(".")[0] in (*sys.stdlib_module_names, "data", "federation", *SPOKEN), f"{path} imports {name}"


def test_the_rooms_are_all_there() -> None:
    assert {room(p) for p in SOURCES} == set(MAY_IMPORT)


def test_importing_federation_imports_nothing() -> None:
    assert list(imports(ROOT / "federation" / "__init__.py")) == []
