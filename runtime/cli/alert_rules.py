"""Read the rules of alerts as the setting `alert_rules` says."""

from pathlib import Path
from typing import Any

from runtime.cli.stages import stage
from runtime.errors import ConfigurationError

OFF = "off"
"""As `alert_rules`: no rule at all."""


def load_alert_rules(setting: str) -> Any:  # processors.alerts.rules.AlertParams
    """Return the rules: of a file, those that are shipped (empty), or none (`off`).

    Raises:
        ConfigurationError: names the file, the rule and the field.
    """
    if setting == OFF:
        return stage("processors.alerts.rules").AlertParams()
    parse = stage("processors.alerts.parse")
    if not setting:
        return parse.default_rules()
    try:
        text = Path(setting).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"setting alert_rules: {setting}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"setting alert_rules: {setting} is no text in UTF-8") from None
    try:
        return parse.parse_rules(text)
    except ValueError as error:
        raise ConfigurationError(f"alert rules of {setting}: {error}") from error
