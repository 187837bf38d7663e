"""How the Java backend assigns its classes, tested without Java; `test_other_runtimes.py` runs it in a Java virtual machine."""

import gc
import sys
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest

from model.device import litert
from model.device.litert import JavaInterpreter


class JavaError(Exception):
    """An exception of Java."""


class JavaClass:
    """Runs the garbage collector while an object is created, as may happen at any time."""

    def __init__(self, program: object, options: object) -> None:
        gc.collect()


@pytest.fixture(autouse=True)
def jnius(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces `pyjnius` by a module whose methods do nothing."""
    module: Any = ModuleType("jnius")
    module.JavaException, module.JavaClass, module.MetaJavaClass = JavaError, JavaClass, type
    module.JavaMethod = lambda signature: lambda self: None
    module.autoclass = MagicMock()
    monkeypatch.setitem(sys.modules, "jnius", module)
    monkeypatch.setattr(litert, "_classes", [])
    return module


def test_two_interpreters_never_share_a_class_though_a_third_is_collected_while_one_is_made() -> None:
    third: list[Any] = [JavaInterpreter(b"", 1)]
    third.append(third)  # only the collector frees it
    del third
    one, other = JavaInterpreter(b"", 1), JavaInterpreter(b"", 1)
    assert type(one._interpreter) is not type(other._interpreter)
    assert len(set(litert._classes)) == len(litert._classes) == litert._CLASSES - 2


def test_a_program_that_java_refuses_takes_no_class(monkeypatch: pytest.MonkeyPatch, jnius: Any) -> None:
    def refuse(self: JavaClass, program: object, options: object) -> None:
        raise JavaError("no program\nat org.tensorflow.lite")

    monkeypatch.setattr(JavaClass, "__init__", refuse)
    with pytest.raises(RuntimeError, match=r"^no program$"):
        JavaInterpreter(b"", 1)
    assert len(litert._classes) == litert._CLASSES
