"""The entry point of `python -m keyboard_app`, and of the app on Android, which passes no arguments."""

import sys

from keyboard_app.cli import main

sys.exit(main())
