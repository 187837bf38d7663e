"""The structure of the code: which layer may import which, no import cycles, small folders, and unique class names."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("data", "model", "keyboard_app", "federation")
MOST_FILES = 16  # modules directly in a folder, not counting `__init__.py`
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

# The packages of our own and the heavy libraries that each layer may import, with everything below them.
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
WITH_TENSORFLOW = {"model/cifg.py", "model/conversion.py", "model/program.py", "model/row_likelihood.py"}

SOURCES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
FOLDERS = sorted({p.parent for p in SOURCES})


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Yields the dotted names that a file imports, including imports inside functions and under TYPE_CHECKING."""
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
        for length in range(len(parts), 0, -1):  # the name is that of a module, or of an object in one
            place = ROOT.joinpath(*parts[:length])
            found = next((p for p in (place.with_suffix(".py"), place / "__init__.py") if p.exists()), None)
            if found is not None:
                yield found
                break


def layer(path: Path) -> str:
    return next(name for name in sorted(MAY_IMPORT, key=len, reverse=True) if short(path).startswith(name + "/"))


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_a_file_imports_only_what_its_layer_may(path: Path) -> None:
    allowed = MAY_IMPORT[layer(path)]
    for name in imports(path):
        if name.split(".")[0] in (*PACKAGES, *HEAVY):
            assert any(name == a or name.startswith(a + ".") for a in allowed), f"{path} imports {name}"
        if name.split(".")[0] == "tensorflow" and layer(path) == "model":
            assert short(path) in WITH_TENSORFLOW, f"{path} imports {name}"


@pytest.mark.parametrize("path", [p for p in SOURCES if layer(p) == "federation/protocol"], ids=short)
def test_the_protocol_needs_arrays_and_cryptography_only(path: Path) -> None:
    for name in imports(path):
        assert name.split(".")[0] in (*sys.stdlib_module_names, "data", "federation", *SHARED_LIBRARIES), (
            f"{path} imports {name}"
        )


def test_every_layer_has_code() -> None:
    assert {layer(p) for p in SOURCES} == set(MAY_IMPORT)


def test_importing_federation_imports_nothing() -> None:
    assert list(imports(ROOT / "federation" / "__init__.py")) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=short)
def test_a_folder_is_small_and_described_in_one_line(folder: Path) -> None:
    files = [p.name for p in folder.glob("*.py") if p.name != "__init__.py"]
    assert len(files) <= MOST_FILES, f"{short(folder)} has {len(files)} modules"
    description = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
    assert description, f"{short(folder)}/__init__.py needs a docstring of one line that describes the folder"
    assert description.count("\n") == 0


def test_imports_have_no_cycle() -> None:
    """Looks for cycles between files, and between the files and subfolders of each folder."""
    files: dict[Path, set[Path]] = {path: set(imported_files(path)) - {path} for path in SOURCES}
    assert_no_cycle(files)
    siblings: dict[Path, dict[Path, set[Path]]] = defaultdict(lambda: defaultdict(set))
    for importer, imported in files.items():
        for file in imported:
            shared = max(set(importer.parents) & set(file.parents), key=lambda p: len(p.parts))
            left, right = (shared / p.relative_to(shared).parts[0] for p in (importer, file))
            if left != right:
                siblings[shared][left].add(right)
    assert len(siblings) > len(PACKAGES), "the search covers the folders inside the packages"
    for graph in siblings.values():
        assert_no_cycle(graph)


def assert_no_cycle(graph: dict[Path, set[Path]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("imports form a cycle: " + " → ".join(map(short, reversed(error.args[1]))))


def test_a_cycle_would_be_found() -> None:
    data, model = ROOT / "data", ROOT / "model"
    with pytest.raises(pytest.fail.Exception, match=r"cycle: (data|model) → (data|model) → "):
        assert_no_cycle({data: {model}, model: {data}})


def test_public_classes_have_unique_names() -> None:
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
