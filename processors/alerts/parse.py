"""Read rules from TOML; what is wrong is told with the rule and the field."""

import re
import tomllib
from importlib import resources
from typing import Any

import msgspec

from processors.alerts.rules import AlertParams, AlertRule

_PLACE = re.compile(r"(?P<what>.*) - at `\$\.?(?P<field>[^`]*)`", re.DOTALL)


def parse_rules(text: str) -> AlertParams:
    """Return the rules of a file: a table `[[rules]]` for each.

    Raises:
        ValueError: of one line, e.g. `rule 'night', quiet_hours: '25:00' does not read ...`.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"no TOML: {error}") from None
    given = document.pop("rules", [])
    if document:
        raise ValueError(
            f"nothing is known of {next(iter(document))!r}: rules begin with [[rules]]"
        )
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise ValueError("rules: each begins with [[rules]]")
    return AlertParams(rules=tuple(_rule(at, one) for at, one in enumerate(given, start=1)))


def default_text() -> str:
    """Return the file of rules that is shipped; its comments say what every field means."""
    file = resources.files("processors.alerts") / "default.toml"
    return file.read_text(encoding="utf-8")


def default_rules() -> AlertParams:
    """Return the rules that are shipped."""
    return parse_rules(default_text())


def _rule(number: int, given: dict[str, Any]) -> AlertRule:
    name = given.get("name")
    shown = repr(name) if isinstance(name, str) else f"number {number}"
    try:
        return msgspec.convert(given, AlertRule)
    except msgspec.ValidationError as error:
        found = _PLACE.fullmatch(str(error))
        what, field = (found["what"], found["field"]) if found else (str(error), "")
        said = f"rule {shown}, {field}: {what}" if field else f"rule {shown}, {what}"
        raise ValueError(" ".join(said.split())) from None
