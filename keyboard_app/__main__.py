"""The entry point of the program `keyboard`, and of the app on Android, which passes no arguments."""

import sys

from data.allocator import return_large_blocks
from data.console import run_program


def main() -> int:
    """Runs the command line and returns the exit status."""
    return run_program("keyboard", _run)


def _run() -> int:
    return_large_blocks()
    from keyboard_app.cli import main as run  # takes a moment, in which Ctrl-C must not print a traceback either

    return run()


if __name__ == "__main__":
    sys.exit(main())
