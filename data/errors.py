"""The errors whose message is meant for a person: one line that says what went wrong and what to do next."""


class UserFacingError(Exception):
    """The base of every error that a command or the window reports as one line, without a traceback."""


class DataError(UserFacingError, ValueError):
    """A file, a message, or an argument is not what it should be."""
