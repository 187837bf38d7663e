"""A keyboard that types, learns and answers a round while TensorFlow and Kivy cannot be imported.

usage: device_alone.py PROFILE MODEL, with the project on the path; the tests run it under several Pythons.
"""

# ruff: noqa: E402, F401 (the finder that blocks imports has to be installed first)
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tensorflow_federated", "keras", "kivy"):
            raise ImportError(f"{name} is not on a device")


sys.meta_path.insert(0, Absent())
try:
    import tensorflow

    sys.exit("TensorFlow is still there")
except ImportError:
    pass

import importlib
import pkgutil
from pathlib import Path

import data
import federation.protocol
import keyboard_app
import model.device
from federation.protocol.json_messages import Invitation
from keyboard_app.device import Device
from keyboard_app.federating.local_rounds import answer_all
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning

with Device.open(Path(sys.argv[1]), Path(sys.argv[2]), consenting=True) as device:
    keyboard = device.keyboard
    for _ in range(60):
        keyboard.press("i")
        keyboard.take(keyboard.suggestions[0])
        for letter in "think":
            keyboard.press(letter)
        keyboard.enter()
    print(run(Learning(device.profile, device.models)))
    mailbox = device.profile.mailbox
    mailbox.invite(Invitation("r", 0.1, 1.0, 1, 1000, 1), Path(sys.argv[2]) / "weights.safetensors")
    print(*answer_all(device.profile, device.models))
    contribution = mailbox.contribution("r")
    print("no contribution" if contribution is None else contribution.error or "contributed")
for package in (data, model.device, federation.protocol, keyboard_app):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        try:
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)
        except ImportError as error:
            if "kivy" not in str(error):  # only the widgets may need a missing module, which is Kivy
                raise
print(*(name for name in sys.modules if name.split(".")[0] in ("tensorflow", "kivy", "federation", "model")))
