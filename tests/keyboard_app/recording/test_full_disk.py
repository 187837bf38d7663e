"""A keyboard on a full disk, which is a small file system in memory: it opens, types, deletes, and names the disk."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """if True:
    import ctypes, os, sys
    from pathlib import Path
    from data.errors import UserFacingError

    root, model, spare = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "spare room"
    libc = ctypes.CDLL(None, use_errno=True)
    libc.unshare(0x00020000)  # CLONE_NEWNS: nobody else sees the mount, and it ends with this process
    libc.mount(None, b"/", None, 0x44000, None)  # MS_REC | MS_PRIVATE
    if libc.mount(b"tmpfs", str(root).encode(), b"tmpfs", 0, b"size=3m"):
        sys.exit("cannot mount: " + os.strerror(ctypes.get_errno()))

    from keyboard_app.device import Device
    profile = root / "profile"

    def fill():
        with (root / "filler").open("ab", buffering=0) as file:
            for size in (1 << 16, 4096, 512, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    pass

    def say(device, text):
        for character in text:
            device.keyboard.space() if character == " " else device.keyboard.press(character)
        device.keyboard.enter()

    with Device.open(profile, model, consenting=True, use_keyring=False) as device:
        for number in range(60):
            device.profile.store.add_message(f"message {number} " * 60, [])
    if not spare:
        (profile / "spare").unlink()
    fill()
    with Device.open(profile, model, consenting=True, use_keyring=False) as device:
        assert device.my_data.count() == 60
        recorded = 60
        try:
            for _ in range(300):
                say(device, "i think")
                recorded += 1
        except UserFacingError as error:
            print(error)
        assert device.my_data.count() == recorded, "no message is lost"
        fill()
        assert device.keyboard.text == "I think", "the message that could not be recorded is kept"
        try:
            device.choose(theme="dark")
        except UserFacingError as error:
            print(error)
        device.my_data.delete([message.id for message in device.my_data.page(count=3)])
        assert device.my_data.count() == recorded - 3
        fill()
        device.my_data.delete_all()
        assert device.my_data.count() == 0
        fill()
    (root / "filler").unlink()
    with Device.open(profile, model, consenting=True, use_keyring=False) as device:
        assert device.profile.notices == [], device.profile.notices
        assert device.my_data.count() == 0
        say(device, "there is room again")
        assert device.my_data.count() == 1
        assert (profile / "spare").exists()
"""


@pytest.mark.parametrize("room", ["spare room", "no spare room"])
def test_a_keyboard_on_a_full_disk(tmp_path: Path, small_model_folder: Path, room: str) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(small_model_folder), room]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "cannot mount" in done.stderr:
        pytest.skip("this user may mount no file system of a chosen size")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if "disk is" in line] == done.stdout.splitlines()
    assert len(done.stdout.splitlines()) == 2
