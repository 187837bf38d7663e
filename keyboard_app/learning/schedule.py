"""The conditions under which a keyboard learns by itself: enough new words, a pause in typing, suitable hours, no battery use."""

from dataclasses import dataclass

from keyboard_app.recording.settings import UserSettings

NEW_WORDS = 200  # about as many as learning needs to have an effect
NEW_SHARE = 0.05  # of all words: a person who has written much gains little from another 200
REST_SECONDS = 30.0


@dataclass(frozen=True)
class Moment:
    """The conditions at a moment."""

    hour: int  # local hour, 0 to 23
    words: int  # recorded words to learn from
    new_words: int  # number of these words not learned from yet
    rested: float  # seconds since the last key press
    charging: bool | None = None  # None without a battery or if the system does not say


def is_due(settings: UserSettings, moment: Moment) -> bool:
    """Returns whether to start learning now."""
    return (
        settings.learn_automatically
        and settings.consent is True
        and moment.new_words >= max(NEW_WORDS, NEW_SHARE * moment.words)
        and moment.rested >= REST_SECONDS
        and moment.charging is not False
        and _in_hours(moment.hour, settings.learn_from, settings.learn_until)
    )


def _in_hours(hour: int, start: int, end: int) -> bool:
    if start == end:
        return True  # all day
    return start <= hour < end if start < end else hour >= start or hour < end
