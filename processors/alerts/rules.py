"""Rules: what the user wants to be told. They are parameters, checked when they are made."""

from collections.abc import Callable
from enum import StrEnum
from typing import ParamSpec, TypeVar

import msgspec

from processors.alerts.path import Number, Where, check_path, check_where, steps_of, words_of
from processors.alerts.quiet import quiet_hours
from processors.alerts.sources import SOURCES, Source
from schemas.alerts import Severity
from schemas.market import Scope

MAX_RULES = 200
MAX_PER_HOUR = 1000
_NAME_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_NAME_LENGTH = 64
_LABEL_LENGTH = 80
P = ParamSpec("P")
T = TypeVar("T")


class Comparison(StrEnum):
    """How a value must stand to the threshold."""

    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"

    def holds(self, value: Number, threshold: Number) -> bool:
        """Say whether it does."""
        if self is Comparison.ABOVE:
            return value > threshold
        if self is Comparison.AT_LEAST:
            return value >= threshold
        return value < threshold if self is Comparison.BELOW else value <= threshold


class AlertRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule.

    - `name`: small letters, digits, `-` and `_`; it is part of every alert's key.
    - `label`: what messages call it, instead of the words of the record.
    - `source`: what it looks at (`processors.alerts.sources`). Events (`event`, `cascade`,
      `cluster`) are told once for each state; of the others a `field` is compared with a
      `threshold`, and told each time that the comparison begins to hold.
    - `kinds`, `forms`, `states`, `sides`: of events, only these; empty takes all. Codes are the
      words of the record in small letters.
    - `where`: only records, or elements, whose fields have these values.
    - `field`, `comparison`, `threshold`: the condition, in the field's own unit
      (`processors.alerts.path`). Of an event it is one more condition. It does not hold for null.
    - `assets`, `venues`, `scopes`: only these; empty takes all. Aggregates have no venue.
    - `quiet_hours`: hours of the day in UTC, e.g. `22:00-06:00`.
    - `cooldown_seconds`, `most_per_hour`: the least time between two alerts of an asset, and the
      most in any hour; both in event time.
    - `allow_partial`: whether an alert may rest on partial inputs; otherwise a notice goes instead.
    - `provisional`: whether records that are not final count as well.

    Raises:
        ValueError: names the field and what is wrong with it.
    """

    name: str
    source: str
    label: str = ""
    severity: Severity = Severity.INFO
    kinds: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    where: dict[str, str | int | bool] = {}
    field: str = ""
    comparison: Comparison | None = None
    threshold: int | float | None = None
    assets: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ()
    quiet_hours: tuple[str, ...] = ()
    cooldown_seconds: int = 60
    most_per_hour: int = 60
    allow_partial: bool = False
    provisional: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= _NAME_LENGTH or not _NAME_SIGNS.issuperset(self.name):
            raise ValueError(f"name: {self.name!r} is not made of a-z, 0-9, - and _")
        if len(self.label) > _LABEL_LENGTH or not (self.label or "-").isprintable():
            raise ValueError(f"label: must be one line of at most {_LABEL_LENGTH} characters")
        if self.source not in SOURCES:
            raise ValueError(f"source: {self.source!r} is none of {', '.join(SOURCES)}")
        self._check_choices()
        self._check_condition()
        _told("where", check_where, SOURCES[self.source].element, self.chosen)
        for hours in self.quiet_hours:
            _told("quiet_hours", quiet_hours, hours)
        if self.cooldown_seconds < 0:
            raise ValueError(f"cooldown_seconds: must be 0 or more, was {self.cooldown_seconds}")
        if not 1 <= self.most_per_hour <= MAX_PER_HOUR:
            raise ValueError(
                f"most_per_hour: must be 1 to {MAX_PER_HOUR}, was {self.most_per_hour}"
            )

    @property
    def of(self) -> Source:
        """What it looks at."""
        return SOURCES[self.source]

    @property
    def chosen(self) -> Where:
        """`where`, in the words that values are compared in."""
        return tuple(
            (name, str(value).lower() if isinstance(value, bool) else str(value))
            for name, value in self.where.items()
        )

    def holds(self, value: Number | None) -> bool:
        """Say whether the condition is met; without one it always is."""
        if self.comparison is None or self.threshold is None:
            return True
        return value is not None and self.comparison.holds(value, self.threshold)

    def _check_choices(self) -> None:
        source = self.of
        for name in ("kind", "form", "state", "side"):
            given: tuple[str, ...] = getattr(self, f"{name}s")
            of = getattr(source, name)
            if given and not of:
                raise ValueError(f"{name}s: {self.source} has none")
            known = words_of(source.element, of) if given else ()
            for one in given:
                if known and one not in known:
                    raise ValueError(f"{name}s: {one!r} is none of {', '.join(known)}")

    def _check_condition(self) -> None:
        given = {
            "field": bool(self.field),
            "comparison": self.comparison is not None,
            "threshold": self.threshold is not None,
        }
        missing = [name for name, there in given.items() if not there]
        if 0 < len(missing) < len(given):
            raise ValueError(f"{missing[0]}: a condition is field, comparison and threshold")
        if missing and not self.of.id:
            raise ValueError(f"field: {self.source} is no event; say which value is compared")
        if self.field:
            steps = _told("field", steps_of, self.field)
            _told("field", check_path, self.of.element, steps)
        if self.threshold is not None and not abs(self.threshold) < float("inf"):
            raise ValueError("threshold: must be finite")


class AlertParams(msgspec.Struct, frozen=True, kw_only=True):
    """All rules, in the order in which they are asked.

    Raises:
        ValueError: too many of them, or two of one name.
    """

    rules: tuple[AlertRule, ...] = ()

    def __post_init__(self) -> None:
        if len(self.rules) > MAX_RULES:
            raise ValueError(f"at most {MAX_RULES} rules, were {len(self.rules)}")
        names = [rule.name for rule in self.rules]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"rule {name!r}: the name is there twice")


def _told(name: str, check: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a check; what it refuses is told with the field's name."""
    try:
        return check(*args, **kwargs)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
