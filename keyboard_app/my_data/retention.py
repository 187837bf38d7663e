"""How long messages are kept: those that are older than the person wants are deleted, at most once a day."""

from datetime import UTC, datetime, timedelta

from keyboard_app.recording.user_profile import Profile


class Retention:
    """Deletes the old messages of a profile.

    No single reading of the clock decides which messages are old (`keyboard_app.recording.database.trusted_clock`).
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._deleted_on = ""  # the day on which old messages were last deleted, ISO 8601
        self._read_on = ""  # the day on which the clock was last read for that
        self._certain: datetime | None = None  # a time that had certainly come by then

    def renew(self) -> None:
        """Lets the next `delete_old` delete again on the same day, because the person has chosen another number of days."""
        self._deleted_on = ""

    def delete_old(self) -> int:
        """Deletes the messages that are too old, unless that was done today; returns their number.

        Raises:
          DataError: the messages could not be deleted.
        """
        store, days = self._profile.store, self._profile.settings.keep_days
        today = datetime.now().date().isoformat()
        if self._read_on != today:  # one reading a day, also if it is not needed now: later ones are compared with it
            self._read_on, self._certain = today, store.certain_time(datetime.now(UTC))
        if days is None or self._certain is None or self._deleted_on == today:
            return 0
        self._deleted_on = today
        return store.delete_before((self._certain - timedelta(days=days)).isoformat(timespec="seconds"))
