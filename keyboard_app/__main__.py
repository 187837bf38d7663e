"""Runs the command `keyboard` by `python -m keyboard_app`. On Android, which passes no arguments, the app starts here."""

import sys

from keyboard_app.cli import main

sys.exit(main())
