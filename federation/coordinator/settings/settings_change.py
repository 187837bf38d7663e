"""The settings of a federation by the names of their options: how they are changed, and which of them cannot change any more.

A setting may change between rounds unless earlier rounds depend on it: the server's state was made with it, or the privacy that
was promised is computed from it. Before the first round, each may change.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from data.errors import DataError
from federation.aggregation.privacy import Privacy
from federation.aggregation.server_settings import SERVER_LEARNING_RATES
from federation.aggregation.sum_settings import SumSettings
from federation.coordinator.round_machine import Rules
from federation.coordinator.settings.federation_settings import FederationSettings
from federation.protocol.api_messages import Plan

Value = int | float | str | bool
Values = dict[str, Value]

_STATE = "the server's state from earlier rounds depends on it"
_PRIVACY = "the differential privacy of earlier rounds depends on it"


@dataclass(frozen=True)
class Setting:
    """A setting for people. `unit` follows its value; `fixed` returns why it cannot change after a first round, or nothing."""

    label: str
    unit: str = ""
    positive: bool = False
    fixed: Callable[[FederationSettings], str] = lambda settings: ""

    def shown(self, value: Value) -> str:
        """Returns a value for people."""
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, str):
            return value
        if value == math.inf:
            return "no limit"
        return f"{value:,}{self.unit}" if isinstance(value, int) else f"{value:g}{self.unit}"


def _always(reason: str) -> Callable[[FederationSettings], str]:
    return lambda settings: reason


def _if_private(settings: FederationSettings) -> str:
    return _PRIVACY if settings.privacy.private else ""


def _if_distributed(settings: FederationSettings) -> str:
    return _PRIVACY if settings.privacy.mechanism == "distributed" else ""


# By name of the option, with underscores in place of hyphens.
ALL: Mapping[str, Setting] = {
    "minimum": Setting("minimum", " devices", fixed=_if_distributed),
    "target": Setting("target", " devices", fixed=_if_private),
    "over_selection": Setting("over-selection"),
    "settle_seconds": Setting("wait for more devices", " s", positive=True),
    "selection_seconds": Setting("longest selection", " s", positive=True),
    "keys_seconds": Setting("longest keys stage", " s", positive=True),
    "shares_seconds": Setting("longest shares stage", " s", positive=True),
    "reporting_seconds": Setting("longest reporting", " s", positive=True),
    "consistency_seconds": Setting("longest consistency check", " s", positive=True),
    "unmasking_seconds": Setting("longest unmasking", " s", positive=True),
    "learning_rate": Setting("learning rate of devices", positive=True),
    "passes": Setting("passes over a device's words", positive=True),
    "max_words": Setting("words of a device at most", positive=True),
    "trainable": Setting("trained weights", fixed=_always(_STATE)),
    "softmax": Setting("softmax of devices"),
    "algorithm": Setting("server optimizer", fixed=_always(_STATE)),
    "server_learning_rate": Setting("server learning rate", positive=True, fixed=_always(_STATE)),
    "seed": Setting("seed", fixed=_always(_STATE)),
    "bits": Setting("bits of an entry", fixed=_if_private),
    "clip": Setting("clipping norm", fixed=_always(_STATE)),
    "clip_quantile": Setting("clipping quantile", fixed=_always(_STATE)),
    "zeroing": Setting("zeroing", fixed=_always(_STATE)),
    "dp": Setting("differential privacy", fixed=_always(_PRIVACY)),
    "noise_multiplier": Setting("noise multiplier", fixed=_always(_PRIVACY)),
    "period": Setting("period", " rounds", fixed=_always(_PRIVACY)),
    "delta": Setting("delta"),
    "max_epsilon": Setting("largest epsilon"),
    "max_rho": Setting("largest rho"),
}


def values_of(settings: FederationSettings) -> Values:
    """Returns the values of `ALL` settings."""
    summation, privacy, training = settings.summation, settings.privacy, settings.training
    return {
        **vars(settings.rules),
        "learning_rate": training.learning_rate,
        "passes": training.passes,
        "max_words": training.max_words,
        "trainable": training.trainable,
        "softmax": training.softmax,
        "algorithm": settings.algorithm,
        "server_learning_rate": settings.server_learning_rate,
        "seed": settings.seed,
        "bits": summation.bits,
        "clip": summation.clipping_norm,
        "clip_quantile": summation.clipping_quantile,
        "zeroing": summation.zeroing,
        "dp": privacy.mechanism,
        "noise_multiplier": privacy.noise_multiplier,
        "period": privacy.period,
        "delta": privacy.delta,
        "max_epsilon": privacy.max_epsilon,
        "max_rho": privacy.max_rho,
    }


def with_values(settings: FederationSettings, chosen: Mapping[str, Value]) -> FederationSettings:
    """Returns settings in which the chosen values replace those before.

    Raises:
      DataError: a value is out of range, or the settings contradict each other.
    """
    chosen = dict(chosen)
    if "algorithm" in chosen:
        chosen.setdefault("server_learning_rate", SERVER_LEARNING_RATES[str(chosen["algorithm"])])
    for name, value in chosen.items():
        if ALL[name].positive and not 0 < value < math.inf:  # type: ignore[operator]
            raise DataError(f"{ALL[name].label}: {value} is not a number above 0")
        if name in vars(settings.training):
            Plan.check_field(name, value, ALL[name].label)
    v = values_of(settings) | chosen
    rules = Rules(**{name: type(before)(v[name]) for name, before in vars(settings.rules).items()})
    privacy = Privacy(
        *(str(v["dp"]), float(v["noise_multiplier"]), int(v["period"]), float(v["delta"])),
        *(float(v["max_epsilon"]), float(v["max_rho"])),
    )
    summation = SumSettings(
        *(int(v["bits"]), int(v["target"]), int(v["minimum"]), float(v["clip"]), float(v["clip_quantile"])),
        bool(v["zeroing"]),
        1 if privacy.private else int(v["max_words"]),
    )
    summation.encoding(1, privacy)  # raises here, not in the learner, if the settings contradict each other
    training = replace(
        settings.training,
        learning_rate=float(v["learning_rate"]),
        passes=int(v["passes"]),
        max_words=int(v["max_words"]),
        trainable=str(v["trainable"]),
        softmax=str(v["softmax"]),
    )
    return FederationSettings(
        *(training, summation, privacy, str(v["algorithm"]), float(v["server_learning_rate"]), int(v["seed"])),
        settings.noise_seed,
        rules,
    )


def fixed_because(name: str, settings: FederationSettings) -> str:
    """Returns why a setting cannot change after a first round; empty if it can."""
    return ALL[name].fixed(settings)


def check_change(before: FederationSettings, after: FederationSettings) -> None:
    """Raises a DataError if the settings of a federation that had rounds cannot change so."""
    old, new = values_of(before), values_of(after)
    for name, setting in ALL.items():
        if old[name] != new[name] and (reason := setting.fixed(before)):
            option = f"--{name.replace('_', '-')}"
            raise DataError(
                f"{option} is {setting.shown(old[name])} in this federation and cannot become {setting.shown(new[name])}: "
                f"{reason}. Leave out {option}, or begin a new federation with another --folder"
            )


def changes(before: FederationSettings, after: FederationSettings) -> str:
    """Returns one line with the settings that change, with both values; empty if none does."""
    old, new = values_of(before), values_of(after)
    return ", ".join(
        f"{setting.label} {setting.shown(old[name])} → {setting.shown(new[name])}"
        for name, setting in ALL.items()
        if old[name] != new[name]
    )


def learner_is_affected(before: FederationSettings, after: FederationSettings) -> bool:
    """Returns whether the learner has to prepare rounds differently."""
    return replace(before, rules=after.rules) != after
