"""The command `keyboard`: the window; without one a script, answers to the desktop, and a look at a profile and its data."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from data.errors import DataError, UserFacingError
from federation.protocol.join_link import JoinLink
from keyboard_app.data_commands import add_data_commands, run_data_command
from keyboard_app.device import Device
from keyboard_app.federating.local_rounds import answer_all, answer_round
from keyboard_app.federating.membership import Membership
from keyboard_app.keys import press_keys, read_key_lines
from keyboard_app.recording.user_profile import Profile, default_path
from keyboard_app.script import read_lines, run_script
from keyboard_app.status import read_status
from model.device.folder import PRETRAINED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"keyboard: {message} (see keyboard --help)\n")


def _common() -> _Parser:
    # Without defaults, so that an option before the subcommand is not undone by its absence behind it; and made anew for each
    # parser, since parsers share the options of a parent and `set_defaults` would change them all.
    common = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--profile", type=Path, metavar="DIR", help=f"the profile folder (default: {default_path()})")
    common.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="the model folder to begin with, until a newer global model is taken over (default: the one shipped)",
    )
    common.add_argument("--json", action="store_true", help="print one JSON object as the last line of standard output")
    return common


def _parser() -> _Parser:
    parser = _Parser(
        prog="keyboard",
        parents=[_common()],
        description="A keyboard that learns the way you write. Without a subcommand and without --script it opens a window.",
    )
    parser.add_argument(
        "--script",
        type=Path,
        metavar="FILE",
        help="type the lines of a text file as messages, without a window; "
        "in a new profile that is thrown away unless --profile names one",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    answer = commands.add_parser(
        "answer",
        parents=[_common()],
        help="answer the rounds that wait for this keyboard and take over a released model, without a window",
    )
    answer.add_argument("--round", metavar="ID", help="answer the invitation to this round alone, and do nothing else")
    device = commands.add_parser(
        "device", parents=[_common()], help="belong to a federation and take part in its rounds, without a window"
    )
    device.add_argument("--join", metavar="LINK", help="join the federation of this link first")
    device.add_argument("--leave", action="store_true", help="leave the federation, and do nothing else")
    device.add_argument(
        "--corpus", type=Path, metavar="FILE.jsonl", help="train on messages of this file, not on typed ones"
    )
    device.add_argument("--user", metavar="U", help="whose messages in it")
    keys = commands.add_parser(
        "keys",
        parents=[_common()],
        help="press the keys of each line in an empty field, without a window, and print the text that they become; "
        "in a new profile that is thrown away unless --profile names one",
    )
    keys.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a text file (default: standard input)")
    keys.add_argument(
        "--strip", action="store_true", help="print one JSON object a line, with the text and the suggestions"
    )
    add_data_commands(commands, _common)
    commands.add_parser("status", parents=[_common()], help="say what the keyboard has recorded and learned")
    benchmark = commands.add_parser(
        "benchmark",
        parents=[_common()],
        help="open a window, type in it as a finger does, and measure how long a person waits",
    )
    benchmark.add_argument(
        "--presses", type=int, default=300, metavar="N", help="keys to measure, idle and learning each (default: 300)"
    )
    parser.set_defaults(profile=None, model=PRETRAINED, json=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.script and options.command:
        parser.error(f"--script does not go with {options.command}")
    if options.json and not (options.script or options.command):
        parser.error("--json goes with --script, answer, status, benchmark or data")
    if options.command == "device" and (options.corpus is None) != (options.user is None):
        parser.error("--corpus and --user go together")
    try:
        if options.script:
            _script(options)
        elif options.command == "answer":
            _answer(options)
        elif options.command == "device":
            _device(options)
        elif options.command == "keys":
            _keys(options)
        elif options.command == "status":
            _status(options)
        elif options.command == "benchmark":
            _benchmark(options)
        elif options.command == "data":
            _data(options)
        else:
            _open_window(options)
    except (
        UserFacingError,
        OSError,
        RuntimeError,
    ) as error:  # LiteRT reports what fails in a program as a RuntimeError
        sys.stderr.write(f"keyboard: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("keyboard: stopped\n")
        return 1
    return 0


def _script(options: argparse.Namespace) -> None:
    lines = read_lines(options.script)
    with (
        tempfile.TemporaryDirectory(prefix="keyboard-") as temporary,
        # One who has a script typed has agreed to that; a key in the keyring would outlive a profile that is thrown away.
        Device.open(options.profile or Path(temporary), options.model, consenting=True, use_keyring=False) as device,
    ):
        _tell(device.profile.notices)
        report = run_script(device, lines)
    if options.json:
        _print_json(asdict(report))
    else:
        sys.stdout.write(f"{report}\n")


def _keys(options: argparse.Namespace) -> None:
    lines = read_key_lines(options.file)
    with (
        tempfile.TemporaryDirectory(prefix="keyboard-") as temporary,
        Device.open(options.profile or Path(temporary), options.model, use_keyring=False) as device,
    ):
        _tell(device.profile.notices)
        pressed = [press_keys(device.keyboard, line) for line in lines]
    if options.strip:
        sys.stdout.writelines(json.dumps(line._asdict()) + "\n" for line in pressed)
    else:
        sys.stdout.writelines(f"{line.text}\n" for line in pressed)
    if options.json:
        _print_json({"lines": [line._asdict() for line in pressed]})


def _answer(options: argparse.Namespace) -> None:
    path = options.profile or default_path()
    if options.round is not None:
        # A round has nothing to do with the personal model, so that is not even looked at.
        with Profile.open(path, use_keyring=False) as profile:
            model = profile.load_global(options.model)
            _tell(profile.notices)
            lines = [answer_round(profile, model, options.round)]
    else:
        with Device.open(path, options.model, use_keyring=False) as device:
            _tell(device.profile.notices)
            lines = answer_all(device.profile, device.models)
    if options.json:
        _print_json({"answered": lines})
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines or ["nothing waits for an answer"])


def _device(options: argparse.Namespace) -> None:
    from keyboard_app.federating import headless  # with an HTTP client, 12 MB, which no other command needs

    with (
        Profile.open(options.profile or default_path()) as profile,
        Membership.open(profile.path, profile.vault, profile.notices) as membership,
    ):
        _tell(profile.notices)
        if options.leave:
            headless.tell_on_standard_error(headless.leave(membership))
            return
        if options.corpus is not None:
            messages = headless.corpus_messages(options.corpus, options.user)
        else:
            messages = headless.recorded_messages(profile)
        if options.join:
            headless.join(membership, JoinLink.parse(options.join))
        headless.take_part(profile, membership, options.model, messages, headless.tell_on_standard_error)


def _status(options: argparse.Namespace) -> None:
    status = read_status(options.profile or default_path(), options.model)
    if options.json:
        _print_json(status.as_json())
    else:
        sys.stdout.write(f"{status}\n")


def _data(options: argparse.Namespace) -> None:
    with Device.open(options.profile or default_path(), options.model, use_keyring=False) as device:
        _tell(device.profile.notices)
        lines, content = run_data_command(device, options)
    if options.json:
        _print_json(content)
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines)


def _benchmark(options: argparse.Namespace) -> None:
    from keyboard_app.window.kivy_settings import prepare_kivy

    if options.presses < 1:
        raise DataError("at least one key has to be pressed: give --presses a number from 1 on")
    prepare_kivy()
    from keyboard_app.window.latency import measure

    waits = measure(options.presses, options.model)
    if options.json:
        _print_json(waits.as_json())
    else:
        sys.stdout.write(f"{waits}\n")


def _open_window(options: argparse.Namespace) -> None:
    with Device.open(options.profile or default_path(), options.model) as device:
        # Kivy takes a second that the other commands need not spend, and reads its settings when it is first imported.
        from keyboard_app.window.kivy_settings import prepare_kivy

        prepare_kivy()
        from keyboard_app.window.app import open_window

        open_window(device)


def _tell(notices: list[str]) -> None:
    sys.stderr.writelines(f"keyboard: {notice}\n" for notice in notices)


def _print_json(content: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")


if __name__ == "__main__":
    sys.exit(main())
