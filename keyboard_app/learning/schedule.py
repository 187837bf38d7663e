"""When a keyboard learns by itself: when enough new words are there and typing rests, at hours that suit, not on battery."""

from dataclasses import dataclass

from keyboard_app.recording.settings import UserSettings

NEW_WORDS = 200  # from about so many on learning was seen to bring something
NEW_SHARE = 0.05  # of all words: one who has written much learns little from another 200
REST_SECONDS = 30.0


@dataclass(frozen=True)
class Moment:
    """What is the case now."""

    hour: int  # of local time, 0 to 23
    words: int  # recorded and to be learned from
    new_words: int  # of these, not learned from yet
    rested: float  # seconds since the last key
    charging: bool | None = None  # None where there is no battery, or nobody knows


def is_due(settings: UserSettings, moment: Moment) -> bool:
    """Whether to begin to learn now, by itself."""
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
        return True  # around the clock
    return start <= hour < end if start < end else hour >= start or hour < end
