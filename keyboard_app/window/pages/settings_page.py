"""The page "Settings"."""

from typing import Any

from kivy.properties import StringProperty

from keyboard_app.window.pages.page import Page
from keyboard_app.window.widgets.choice import Choice, Stepper
from keyboard_app.window.widgets.control import OnOff

# The names that this file does not use are those of widgets in the `.kv` rules.
__all__ = ("Choice", "OnOff", "SettingsPage", "Stepper")

_SCALES = (0.85, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0)
THEMES = (("system", "Same as system"), ("light", "Light"), ("dark", "Dark"))


class SettingsPage(Page):
    """Shows the settings, and applies and saves each as soon as it is chosen."""

    hours = StringProperty()  # the time of day when it may learn, in words

    def __init__(self, *arguments: Any, **properties: Any) -> None:
        super().__init__(*arguments, title="Settings", **properties)
        self.ids.theme.options = list(THEMES)

    def refresh(self) -> None:
        """Shows the current settings."""
        ids, settings = self.ids, self.device.profile.settings
        ids.theme.value = settings.theme
        ids.scale.shown = f"{settings.text_scale:.0%}"
        ids.layout.options = list(self.device.layout_names().items())
        ids.layout.value = settings.layout
        ids.private.on = self.screen.private
        ids.consent.on = settings.consent is True
        ids.glide.on = settings.glide
        ids.autocorrect.on = settings.autocorrect
        ids.capitals.on = settings.automatic_capitals
        ids.offensive.on = settings.offensive_words
        ids.take_part.on = settings.take_part
        ids.automatic.on = settings.learn_automatically
        start, end = settings.learn_from, settings.learn_until
        ids.start.shown, ids.end.shown = f"{start}:00", f"{end}:00"
        all_day = start == end or (start, end) == (0, 24)
        self.hours = "at any time" if all_day else f"from {start}:00 to {end}:00"
        for stepper in (ids.start, ids.end):
            stepper.disabled = not settings.learn_automatically

    def choose(self, **choices: Any) -> None:
        """Applies and saves settings."""
        self.attempt(lambda: self.device.choose(**choices))
        self.screen.apply_settings()
        self.refresh()

    def step_scale(self, direction: int) -> None:
        """Makes text larger or smaller."""
        scale = self.device.profile.settings.text_scale
        others = [s for s in _SCALES if (s - scale) * direction > 0.001]
        if others:
            self.choose(text_scale=min(others) if direction > 0 else max(others))

    def step_hour(self, name: str, direction: int) -> None:
        """Moves one of the hours between which learning may start, by one hour."""
        hour = getattr(self.device.profile.settings, name) + direction
        self.choose(**{name: min(max(hour, 0), 24)})
