"""The command `keyboard`: opens the window, or runs a subcommand or a script without one."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from data.console import run_command
from data.errors import DataError
from federation.protocol.join_link import JoinLink
from keyboard_app.data_commands import add_data_commands, run_data_command
from keyboard_app.device import Device
from keyboard_app.federating.local_rounds import answer_all, answer_round
from keyboard_app.federating.membership import Membership
from keyboard_app.keys import press_keys, read_key_lines
from keyboard_app.recording.user_profile import Profile, check_exists, default_path
from keyboard_app.script import read_lines, run_script
from keyboard_app.status import read_status
from model.device.folder import PRETRAINED

# Options of `keyboard device` that leaving has no use for.
_OF_MEMBERS = "join", "answer", "new_words", "corpus", "user"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"keyboard: {message} (see keyboard --help)\n")


def _common() -> _Parser:
    # Options have no defaults here: a subcommand's default would overwrite an option given before it. Each parser gets its
    # own parent: parsers share the options of their parent, and `set_defaults` of one parser would change all of them.
    common = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--profile", type=Path, metavar="DIR", help=f"profile folder (default: {default_path()})")
    common.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="model folder to start with, until the keyboard adopts a newer global model (default: the model shipped with it)",
    )
    common.add_argument("--json", action="store_true", help="print one JSON object as the last line of standard output")
    return common


def _parser() -> _Parser:
    parser = _Parser(
        prog="keyboard",
        parents=[_common()],
        description="A keyboard that learns the way you write. Opens a window unless a subcommand or --script is given.",
    )
    parser.add_argument(
        "--script",
        type=Path,
        metavar="FILE",
        help="type the lines of a text file as messages, without a window, and report the effect of learning; "
        "uses a temporary profile unless --profile names one (default: open the window)",
    )
    parser.add_argument(
        "--try-out",
        metavar="LINK",
        help="open the window on a profile that is to be thrown away: join the federation of this join link, record without "
        "asking first, and take part in a round after each pause of two seconds; federate playground does this (default: none)",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    answer = commands.add_parser(
        "answer",
        parents=[_common()],
        help="train for pending rounds of a desktop on this machine and adopt its released model, without a window",
    )
    answer.add_argument("--round", metavar="ID", help="answer only the invitation to this round (default: answer all)")
    device = commands.add_parser(
        "device", parents=[_common()], help="take part in the rounds of a federation, without a window"
    )
    device.add_argument(
        "--join",
        metavar="LINK",
        help="first join the federation of this join link (default: take part in the one joined before)",
    )
    device.add_argument("--leave", action="store_true", help="leave the federation and exit")
    device.add_argument(
        "--answer",
        choices=("yes", "no"),
        help="first answer the question whether to give another update on the same model, or one on an older model, "
        "which this keyboard does not do by itself; the answer is remembered for that model (default: ask)",
    )
    device.add_argument(
        "--new-words",
        choices=("yes", "no"),
        help="whether to offer words that the shared model lacks to the federation, masked: nobody sees who offers what, and its "
        "owner sees only those of at least three keyboards (default: as chosen before; yes with --join)",
    )
    device.add_argument(
        "--corpus",
        type=Path,
        metavar="FILE.jsonl",
        help="train on messages of this JSON Lines corpus (default: on the recorded messages)",
    )
    device.add_argument(
        "--user",
        metavar="U",
        help="the user of the corpus whose messages to train on (default: none; required with --corpus)",
    )
    keys = commands.add_parser(
        "keys",
        parents=[_common()],
        help="press the keys of each line in an empty field, without a window, and print the text that they become; "
        "uses a temporary profile unless --profile names one",
    )
    keys.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a text file (default: standard input)")
    keys.add_argument(
        "--strip", action="store_true", help="print one JSON object per line, with the text and the suggestions"
    )
    add_data_commands(commands, _common)
    commands.add_parser("status", parents=[_common()], help="show what the keyboard has recorded and learned")
    benchmark = commands.add_parser(
        "benchmark",
        parents=[_common()],
        help="open a window, press its keys, and measure how long a person waits for each answer",
    )
    benchmark.add_argument(
        "--presses",
        type=int,
        default=300,
        metavar="N",
        help="number of key presses to measure, both idle and while learning (default: 300 each)",
    )
    parser.set_defaults(profile=None, model=PRETRAINED, json=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.script and options.command:
        parser.error(f"--script and {options.command} cannot be combined: give one of them")
    if options.try_out and (options.profile is None or options.script or options.command):
        parser.error(
            "--try-out opens a window that records without asking: name its own folder with --profile, and no command"
        )
    if options.json and not (options.script or options.command):
        parser.error("--json needs --script or a subcommand")
    if options.command == "device" and (options.corpus is None) != (options.user is None):
        parser.error("--corpus and --user belong together: give both or neither")
    leaves = options.command == "device" and options.leave
    if leaves and (others := [name for name in _OF_MEMBERS if getattr(options, name) is not None]):
        option = f"--{others[0].replace('_', '-')}"
        parser.error(f"--leave and {option} cannot be combined: leave first, then call it again without --leave")
    return run_command("keyboard", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
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
    return 0


def _script(options: argparse.Namespace) -> None:
    lines = read_lines(options.script)
    with (
        tempfile.TemporaryDirectory(prefix="keyboard-") as temporary,
        # Running a script implies consent. A key in the keyring would outlive a temporary profile.
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
        # A round does not involve the personal model, so that model is not loaded.
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
        sys.stdout.writelines(f"{line}\n" for line in lines or ["there is nothing to answer"])


def _device(options: argparse.Namespace) -> None:
    if options.leave or not (options.join or options.corpus):
        check_exists(options.profile or default_path())
    from keyboard_app.federating import headless  # imports an HTTP client, 12 MB, that no other command needs

    with (
        Profile.open(options.profile or default_path()) as profile,
        Membership.open(profile.path, profile.vault, profile.notices) as membership,
    ):
        _tell(profile.notices)
        if options.leave:
            headless.tell_on_standard_error(line := headless.leave(membership))
            if options.json:
                _print_json({"message": line})
            return
        if options.corpus is not None:
            messages = headless.corpus_messages(options.corpus, options.user)
            words = headless.words_of(profile, options.corpus, options.user)
        else:
            words = headless.words_of(profile)
            messages = headless.recorded_messages(profile)
        if options.join:
            headless.join(membership, JoinLink.parse(options.join))
            headless.tell_on_standard_error("joined the federation")
        if options.new_words or options.join:
            profile.choose(share_new_words=options.new_words != "no")
        if options.answer:
            headless.tell_on_standard_error(headless.answer(membership, options.answer == "yes"))
        if membership.joined is not None:
            headless.tell_on_standard_error("taking part in rounds; Ctrl-C ends this")
        headless.take_part(profile, membership, options.model, messages, headless.tell_on_standard_error, words)


def _status(options: argparse.Namespace) -> None:
    notices: list[str] = []
    status = read_status(options.profile or default_path(), options.model, notices)
    _tell(notices)
    if options.json:
        _print_json(status.as_json())
    else:
        sys.stdout.write(f"{status}\n")


def _data(options: argparse.Namespace) -> None:
    path = options.profile or default_path()
    if options.data_command != "import":
        check_exists(path, "there is no personal model yet" if options.data_command == "model" else "")
    with Device.open(path, options.model, use_keyring=False) as device:
        _tell(device.profile.notices)
        lines, content = run_data_command(device, options)
    if options.json:
        _print_json(content)
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines)


def _benchmark(options: argparse.Namespace) -> None:
    from keyboard_app.window.kivy_settings import prepare_kivy

    if options.presses < 1:
        raise DataError("--presses must be at least 1: give it a larger number")
    prepare_kivy()
    from keyboard_app.window.latency import measure

    waits = measure(options.presses, options.model)
    if options.json:
        _print_json(waits.as_json())
    else:
        sys.stdout.write(f"{waits}\n")


def _open_window(options: argparse.Namespace) -> None:
    trial = options.try_out is not None  # a key in the keyring would outlive the profile
    with Device.open(options.profile or default_path(), options.model, use_keyring=not trial) as device:
        if trial:
            from keyboard_app.trial import begin_trial

            begin_trial(device, options.try_out)
        # Imported here because Kivy takes a second to import. It reads its settings when it is first imported.
        from keyboard_app.window.kivy_settings import prepare_kivy

        width, height = device.profile.settings.window_width, device.profile.settings.window_height
        prepare_kivy((width, height) if width and height else None)
        from keyboard_app.window.app import open_window

        open_window(device)


def _tell(notices: list[str]) -> None:
    sys.stderr.writelines(f"keyboard: {notice}\n" for notice in notices)


def _print_json(content: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")


if __name__ == "__main__":
    sys.exit(main())
