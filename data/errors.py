"""The one way this project says that an input or a file is not what it should be."""


class DataError(ValueError):
    """What was wrong and what to do about it, in one line for the person who runs the command."""
