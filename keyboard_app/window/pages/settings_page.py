"""The page "Settings"."""

from typing import Any

from kivy.properties import StringProperty

from keyboard_app.about import about
from keyboard_app.window.pages.page import Page
from keyboard_app.window.widgets.choice import Choice, Stepper
from keyboard_app.window.widgets.control import OnOff

# The names that this file does not use are those of widgets in the `.kv` rules.
__all__ = ("Choice", "OnOff", "SettingsPage", "Stepper")

_STEPS = {
    "text_scale": (0.85, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0),
    "key_height": (0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5),
    "hold_ms": (200, 250, 300, 380, 450, 550, 700, 1000),
}
_SIDES = (("off", "Off"), ("left", "Left"), ("right", "Right"))
THEMES = (("system", "Same as system"), ("light", "Light"), ("dark", "Dark"))


class SettingsPage(Page):
    """Shows the settings, and applies and saves each as soon as it is chosen."""

    letters = StringProperty()  # the rows of letters of the layout
    version, model = StringProperty(), StringProperty()
    learned, licences = StringProperty(), StringProperty()
    hours = StringProperty()  # the time of day when it may learn, in words

    def __init__(self, *arguments: Any, **properties: Any) -> None:
        super().__init__(*arguments, title="Settings", **properties)
        # `ids` holds weak proxies, so the rows that are left out are kept here.
        self._rows = [self.ids.sound_row.__self__, self.ids.vibration_row.__self__]
        feedback = self.screen.composer.feedback
        for has, row in zip((feedback.has_sound, feedback.has_vibration), self._rows, strict=True):
            if not has:
                row.parent.remove_widget(row)
        self.ids.theme.options, self.ids.one_handed.options = list(THEMES), list(_SIDES)

    def refresh(self) -> None:
        """Shows the current settings."""
        ids, settings = self.ids, self.device.profile.settings
        ids.theme.value = settings.theme
        ids.scale.shown = f"{settings.text_scale:.0%}"
        ids.layout.options = list(self.device.layout_names().items())
        ids.layout.value = settings.layout
        self.letters = "\n".join(self.device.layout.rows_of_letters)
        self.version, self.model, self.learned, self.licences = about(self.device.models, self.device.profile.store)
        ids.private.on = self.screen.private
        ids.consent.on = settings.consent is True
        ids.key_height.shown, ids.hold_ms.shown = f"{settings.key_height:.0%}", f"{settings.hold_ms / 1000:.2f} s"
        ids.number_row.on, ids.one_handed.value = settings.number_row, settings.one_handed
        ids.key_sound.on, ids.key_vibration.on = settings.key_sound, settings.key_vibration
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

    def step(self, name: str, direction: int) -> None:
        """Changes a setting to its next larger or smaller value, if there is one."""
        value = getattr(self.device.profile.settings, name)
        others = [other for other in _STEPS[name] if (other - value) * direction > 0.001]
        if others:
            self.choose(**{name: min(others) if direction > 0 else max(others)})

    def step_hour(self, name: str, direction: int) -> None:
        """Moves one of the hours between which learning may start, by one hour."""
        hour = getattr(self.device.profile.settings, name) + direction
        self.choose(**{name: min(max(hour, 0), 24)})
