"""`python -m keyboard_app`: the command `keyboard`. On Android, where no command is given, this is what the app begins with."""

import sys

from keyboard_app.cli import main

sys.exit(main())
