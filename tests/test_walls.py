"""The layout of the code, read off its sources: who may import whom, no circles, small folders, and one name for one thing."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("data", "model", "keyboard_app", "federation")
MOST_FILES = 16  # side by side in a folder, `__init__.py` not counted
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

# Each room may import these of our own packages and of the heavy libraries, and everything below them.
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

# The only libraries that both sides of a round share.
SHARED_LIBRARIES = ("numpy", "cryptography")

# The files of model/ that build or export the program.
WITH_TENSORFLOW = {"model/cifg.py", "model/conversion.py", "model/program.py"}

SOURCES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
FOLDERS = sorted({p.parent for p in SOURCES})


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Yields the dotted name of everything that a file imports, inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_files(path: Path) -> Iterator[Path]:
    """Yields the files of the four packages that a file imports."""
    for name in imports(path):
        parts = name.split(".")
        if parts[0] not in PACKAGES:
            continue
        for length in range(len(parts), 0, -1):  # the name may be of a module, or of something in one
            place = ROOT.joinpath(*parts[:length])
            found = next((p for p in (place.with_suffix(".py"), place / "__init__.py") if p.exists()), None)
            if found is not None:
                yield found
                break


def room(path: Path) -> str:
    return next(r for r in sorted(MAY_IMPORT, key=len, reverse=True) if short(path).startswith(r + "/"))


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    allowed = MAY_IMPORT[room(path)]
    for name in imports(path):
        if name.split(".")[0] in (*PACKAGES, *HEAVY):
            assert any(name == a or name.startswith(a + ".") for a in allowed), f"{path} imports {name}"
        if name.split(".")[0] == "tensorflow" and room(path) == "model":
            assert short(path) in WITH_TENSORFLOW, f"{path} imports {name}"


@pytest.mark.parametrize("path", [p for p in SOURCES if room(p) == "federation/protocol"], ids=short)
def test_the_protocol_needs_arrays_and_cryptography_only(path: Path) -> None:
    for name in imports(path):
        assert name.split(".")[0] in (*sys.stdlib_module_names, "data", "federation", *SHARED_LIBRARIES), (
            f"{path} imports {name}"
        )


def test_every_room_has_code() -> None:
    assert {room(p) for p in SOURCES} == set(MAY_IMPORT)


def test_importing_federation_imports_nothing() -> None:
    assert list(imports(ROOT / "federation" / "__init__.py")) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=short)
def test_a_folder_is_small_and_says_what_is_in_it(folder: Path) -> None:
    files = [p.name for p in folder.glob("*.py") if p.name != "__init__.py"]
    assert len(files) <= MOST_FILES, f"{short(folder)} has {len(files)} files side by side"
    says = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
    assert says, f"{short(folder)}/__init__.py says in one sentence what one finds in the folder"
    assert says.count("\n") == 0


def test_imports_run_downward_only() -> None:
    """No circle between files, nor between the files and folders that stand side by side in any folder."""
    files: dict[Path, set[Path]] = {path: set(imported_files(path)) - {path} for path in SOURCES}
    assert_no_circle(files)
    siblings: dict[Path, dict[Path, set[Path]]] = defaultdict(lambda: defaultdict(set))
    for importer, imported in files.items():
        for file in imported:
            shared = max(set(importer.parents) & set(file.parents), key=lambda p: len(p.parts))
            left, right = (shared / p.relative_to(shared).parts[0] for p in (importer, file))
            if left != right:
                siblings[shared][left].add(right)
    assert len(siblings) > len(PACKAGES), "the folders inside the packages are looked at too"
    for graph in siblings.values():
        assert_no_circle(graph)


def assert_no_circle(graph: dict[Path, set[Path]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("imports run in a circle: " + " → ".join(map(short, reversed(error.args[1]))))


def test_a_circle_would_be_found() -> None:
    data, model = ROOT / "data", ROOT / "model"
    with pytest.raises(pytest.fail.Exception, match=r"circle: (data|model) → (data|model) → "):
        assert_no_circle({data: {model}, model: {data}})


def test_no_two_public_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(short(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    clashing = {short(p) for p in SOURCES if p.stem in sys.stdlib_module_names and p.name != "__main__.py"}
    clashing |= {short(p) for p in FOLDERS if p.name in sys.stdlib_module_names}
    assert clashing == set()
