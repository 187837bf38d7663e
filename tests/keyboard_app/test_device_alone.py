"""The device as a phone has it: without TensorFlow and without TFF."""

import subprocess
import sys
from pathlib import Path

DEVICE = """if True:
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

    from pathlib import Path
    from federation.protocol.messages import Invitation
    from keyboard_app.device import Device
    from keyboard_app.learning import Learning
    from keyboard_app.rounds import answer_all
    from keyboard_app.worker import run

    with Device.open(Path(sys.argv[1]), Path(sys.argv[2])) as device:
        keyboard = device.keyboard
        for _ in range(20):
            keyboard.press("i")
            keyboard.take(keyboard.suggestions[0])
            for letter in "think":
                keyboard.press(letter)
            keyboard.enter()
        print(run(Learning(device.profile, device.models)))
        mailbox = device.profile.mailbox
        mailbox.invite(Invitation("r", 0.1, 1.0, 1, 1000, 1), Path(sys.argv[2]) / "weights.safetensors")
        print(*answer_all(device.profile, device.models))
        print(mailbox.contribution("r").error or "contributed")
    print(*(name for name in sys.modules if name.split(".")[0] in ("tensorflow", "kivy", "federation", "model")))
"""


def test_it_types_records_learns_and_answers(tmp_path: Path, small_model_folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", DEVICE, tmp_path, small_model_folder], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    learned, gave, contributed, modules = result.stdout.splitlines()
    assert "learned from" in learned
    assert "gave round r" in gave
    assert contributed == "contributed"
    allowed = ("model.device", "federation.protocol")
    assert all(m in ("model", "federation") or m.startswith(allowed) for m in modules.split())
