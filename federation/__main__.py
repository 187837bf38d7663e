"""The entry point of the program `federate`."""

import sys

from data.console import run_program


def main() -> int:
    """Runs the command line and returns the exit status."""
    return run_program("federate", _run)


def _run() -> int:
    from federation.cli import main as run  # takes a moment, in which Ctrl-C must not print a traceback either

    return run()


if __name__ == "__main__":
    sys.exit(main())
