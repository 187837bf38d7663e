"""Runs Buildozer and python-for-android on buildozer.spec as far as possible without the Android SDK; prints JSON.

usage: packing.py FOLDER: packs the project there as an app. test_android.py runs it in an environment with both tools and the
app's pure-Python requirements of the specified versions.
"""

import contextlib
import json
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

from buildozer import Buildozer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pythonforandroid.build import Context
from pythonforandroid.recipe import Recipe
from pythonforandroid.toolchain import load_source

ROOT = Path(__file__).parents[2]
ANDROID = {
    "python_version": "3.14",
    "python_full_version": "3.14.2",
    "sys_platform": "android",
    "platform_system": "Android",
}


def recipe(name: str) -> dict | None:
    try:
        found = Recipe.get_recipe(name, context)
    except ValueError:
        return None
    depends = [d for depend in found.depends for d in ([depend] if isinstance(depend, str) else depend)]
    return {"version": found.version, "depends": depends, "python_depends": found.python_depends}


def distribution(name: str) -> dict | None:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    needs = [Requirement(line) for line in found.requires or []]
    return {
        "version": found.version,
        "pure": "Root-Is-Purelib: true" in (found.read_text("WHEEL") or ""),
        "modules": sorted(
            {str(path).split("/")[0].removesuffix(".py") for path in found.files or [] if path.suffix == ".py"}
        ),
        "needs": [
            canonicalize_name(n.name) for n in needs if not n.marker or n.marker.evaluate(ANDROID | {"extra": ""})
        ],
    }


with contextlib.redirect_stdout(sys.stderr):
    context = Context()
    builder = Buildozer(str(ROOT / "buildozer.spec"))
    builder.config.set("buildozer", "build_dir", sys.argv[1])
    builder.user_bin_dir = sys.argv[1]
    builder.set_target("android")
    builder._copy_application_sources()  # the first step of `buildozer android debug`
    packed, spec = Path(builder.app_dir), builder.config
    hook = load_source("hook", str(ROOT / spec.get("app", "p4a.hook")))
    hook.before_apk_build(SimpleNamespace(args=SimpleNamespace(unknown_args=["--private", str(packed)])))
    requirements = [Requirement(line) for line in spec.getlist("app", "requirements") if line]
    names = [requirement.name for requirement in requirements]
    found = {
        "version": builder.get_version(),
        "packed": str(packed),
        "requirements": {r.name: str(r.specifier).removeprefix("==") for r in requirements},
        "recipes": {name: recipe(name) for name in names},
        "distributions": {name: distribution(name) for name in names},
    }
print(json.dumps(found))
