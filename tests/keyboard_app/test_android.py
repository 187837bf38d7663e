"""The Android app as far as possible without the Android SDK: its specification, the packed files, their imports."""

import ast
import configparser
import io
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

from keyboard_app import artwork
from model.device.programs import SHIPPED, file_name

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
OURS = {"data", "model", "federation", "keyboard_app"}
COMPILED = {  # compiled requirements with the modules they provide; the others are pure Python
    "hostpython3": set(),
    "python3": set(),
    "sqlite3": set(),
    "openssl": set(),
    "kivy": {"kivy"},
    "pyjnius": {"jnius"},
    "numpy": {"numpy"},
    "cryptography": {"cryptography"},
}
ON_DESKTOPS_TOO = {"numpy", "cryptography"}  # in the same versions, as wheels
NOT_ON_ANDROID = {"ai-edge-litert", "keyring"}  # buildozer.spec gives the reasons


def specification() -> dict[str, str]:
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment] # Buildozer's option names are case-sensitive
    parser.read(ROOT / "buildozer.spec", "utf-8")
    return dict(parser["app"])


def pinned() -> dict[str, str]:
    listed = (line.strip() for line in specification()["requirements"].split(","))
    return {line.split("==")[0]: line for line in listed if line}


@pytest.fixture(scope="session")
def packed(run_python: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The output of packing.py."""
    packages = ["buildozer==1.6.0", "python-for-android==2026.5.9"]
    packages += [line for name, line in pinned().items() if name not in COMPILED]
    return json.loads(run_python("3.11", packages, HERE / "packing.py", tmp_path_factory.mktemp("packed")))


def test_the_app_requests_no_permission_that_it_does_not_use() -> None:
    app = specification()
    assert app["android.permissions"] == "android.permission.INTERNET"
    assert app["android.allow_backup"] == "False"
    assert "services" not in app


def test_the_app_holds_the_model_it_starts_with_and_the_public_one() -> None:
    excluded = {folder.strip() for folder in specification()["source.exclude_dirs"].split(",")}
    assert "model/private" in excluded
    assert not excluded & {"model", "model/pretrained", "model/public"}


def test_compiled_requirements_have_recipes_and_the_others_are_pure_python(packed: dict) -> None:
    assert packed["requirements"].keys() >= COMPILED.keys()
    for name, version in packed["requirements"].items():
        recipe, distribution = packed["recipes"][name], packed["distributions"][name]
        if name in COMPILED:
            assert recipe is not None, f"python-for-android has no recipe for {name}"
            assert version in ("", recipe["version"].removeprefix("v")), f"the recipe of {name} is {recipe['version']}"
        else:
            assert distribution["version"] == version
            assert distribution["pure"], f"{name} is compiled"


def test_the_requirements_are_complete(packed: dict) -> None:
    listed = {name.replace("_", "-") for name in packed["requirements"]}
    for name in packed["requirements"].keys() - COMPILED.keys():
        missing = set(packed["distributions"][name]["needs"]) - listed
        assert not missing, f"{name} needs {missing}"


def test_the_app_has_the_dependencies_of_a_device_that_exist_on_android(packed: dict) -> None:
    for line in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]:
        need = Requirement(line)
        if need.name not in NOT_ON_ANDROID:
            assert need.specifier.contains(packed["requirements"][need.name]), f"the app lacks {line}"
    assert not NOT_ON_ANDROID & packed["requirements"].keys()


def optional(node: ast.AST) -> bool:
    """Returns whether the node is a `try` that catches failing imports."""
    caught = (
        [ast.unparse(h.type) if h.type else "ImportError" for h in node.handlers] if isinstance(node, ast.Try) else []
    )
    return any("ImportError" in names or "ModuleNotFoundError" in names for names in caught)


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields all nodes of a file except optional imports."""
    for node in ast.iter_child_nodes(tree):
        yield node
        parts = (
            [*node.handlers, *node.orelse, *node.finalbody] if isinstance(node, ast.Try) and optional(node) else [node]
        )
        for part in parts:
            yield from statements(part)


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yields each module that a file imports and the name imported from it, which may be a module too."""
    if path.suffix == ".kv":
        yield from re.findall(r"^#:import \w+ ([\w.]+)\.(\w+)", path.read_text("utf-8"), re.MULTILINE)
        return
    for node in statements(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def graph(folder: Path) -> set[str]:
    """Returns the third-party modules that the packed app may import, starting from its main.py."""
    left, seen, others = [folder / "main.py", *folder.rglob("*.kv")], set(), set()
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        for module, name in imports(path):
            if module.split(".")[0] not in OURS:
                others.add(module.split(".")[0])
                continue
            place = folder.joinpath(*module.split("."))
            found = [p for p in (place.with_suffix(".py"), place / "__init__.py", place / f"{name}.py") if p.exists()]
            assert found, f"{path.relative_to(folder)} imports {module}, which is not packed"
            left += found
    return others


def test_the_app_imports_only_what_it_contains(packed: dict) -> None:
    provided = set().union(*COMPILED.values(), *(d["modules"] for d in packed["distributions"].values() if d))
    needed = graph(Path(packed["packed"])) - sys.stdlib_module_names
    assert needed >= {"kivy", "numpy", "jnius"}, "the search covers the whole app"
    assert needed <= provided, f"nothing in buildozer.spec provides {needed - provided}"


def test_only_the_device_is_packed(packed: dict) -> None:
    folder = Path(packed["packed"])
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"main.py", "keyboard_app/window/keys/keyboard.kv", "model/pretrained/weights.safetensors"} <= files
    assert {f"model/programs/{file_name(size)}" for size in SHIPPED} <= files
    ours = [path.relative_to(ROOT) for name in OURS for path in (ROOT / name).rglob("*.py")]
    device = {path.as_posix() for path in ours if not on_the_desktop(path)}
    assert {name for name in files if name.endswith(".py") and "/" in name} == device


def on_the_desktop(path: Path) -> bool:
    device = {"federation": ("__init__.py", "protocol"), "model": ("__init__.py", "device")}
    return path.parts[1] not in device.get(path.parts[0], path.parts)


def test_the_packed_app_types_and_learns(packed: dict, run_python: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "messages").write_text("i like the long way home\n" * 24)
    headless = [line for name, line in pinned().items() if name in ON_DESKTOPS_TOO or name not in COMPILED]
    headless.append("ai-edge-litert")
    arguments = ["main.py", "--script", tmp_path / "messages", "--profile", tmp_path / "profile", "--json"]
    report = json.loads(run_python("3.13", headless, *arguments, sources=Path(packed["packed"])))
    assert report["words"] == 6 * 24
    assert report["recall_at_3"][-1] > report["recall_at_3"][0]
    assert report["train_words_per_second"] > 0


def test_the_pictures_match_the_formulas() -> None:
    app = specification()
    for name, option in (("icon.png", "icon.filename"), ("splash.png", "presplash.filename")):
        path = ROOT / app[option]
        assert path == artwork.PICTURES / name
        drawn, kept = artwork.pictures()[name], np.asarray(Image.open(path))
        assert np.abs(drawn.astype(int) - kept).max() <= 1
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(artwork.png(drawn)))), drawn)
    ground = f"#{artwork.GROUND:06X}"
    assert app["android.presplash_color"] == ground
