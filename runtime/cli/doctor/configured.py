"""The settings: what is not one, what cannot be meant, the rules and the receiver of alerts."""

import os
from collections.abc import Iterable

from runtime.bus.kafka.settings import KafkaSettings
from runtime.cli.alert_rules import load_alert_rules
from runtime.cli.doctor.findings import Finding, ok, warn, wrong
from runtime.cli.parts import alert_receiver
from runtime.cli.stages import stage
from runtime.errors import ConfigurationError, PerptapeError
from runtime.settings import EMBEDDED, EVERYTHING, AssetGrid, Settings

PREFIX = "PERPTAPE_"


def look_at_settings(settings: Settings) -> list[Finding]:
    """Say how the settings stand; that each has a possible value is known by now."""
    odd = unknown(os.environ)
    return [judge_settings(settings, odd, feeds_problem(settings)), *_alerts(settings)]


def unknown(names: Iterable[str]) -> list[str]:
    """Return the variables of our prefix that name no setting, and are therefore not heard."""
    ours = [name for name in names if name.upper().startswith(PREFIX)]
    return sorted(name for name in ours if not _is_setting(name.upper().removeprefix(PREFIX)))


def _is_setting(name: str) -> bool:
    field, _, inner = name.lower().partition("__")
    if field == "grids" and inner:
        return inner.partition("__")[2] in ("", *AssetGrid.model_fields)
    if field == "kafka" and inner:
        return inner in KafkaSettings.model_fields
    return field in Settings.model_fields and not inner


def feeds_problem(settings: Settings) -> str:
    """Say what is wrong with the feeds that are asked for; empty where nothing is."""
    try:
        stage("collectors.registry").choose_feeds(settings.feeds)
    except ConfigurationError as error:
        return str(error)
    return ""


def judge_settings(settings: Settings, odd: list[str], feeds: str) -> Finding:
    """Judge what the settings ask for."""
    name = "settings"
    bus = "an embedded log" if settings.bus == EMBEDDED else settings.bus
    store = "a server" if settings.clickhouse_url else "an embedded store"
    sees = f"{', '.join(settings.assets) or 'no asset'}; {bus}, {store}"
    if feeds:
        return wrong(name, feeds, "correct the setting feeds")
    if not settings.assets:
        return wrong(name, sees, f"name assets, or {EVERYTHING} for all: setting assets")
    if settings.metrics_port and settings.metrics_port == settings.http_port:
        sees = f"metrics_port and http_port are both {settings.http_port}"
        return wrong(name, sees, "choose another port for one of them")
    if odd:
        return warn(name, f"no settings: {', '.join(odd)}", "correct or remove these variables")
    stray = sorted(settings.grids.keys() - set(settings.assets))
    if stray and EVERYTHING not in settings.assets:
        sees = f"grids of assets that are not collected: {', '.join(stray)}"
        return warn(name, sees, "add them to assets, or remove the grids")
    return ok(name, sees)


def _alerts(settings: Settings) -> list[Finding]:
    try:
        rules = load_alert_rules(settings.alert_rules).rules
    except PerptapeError as error:
        found = wrong("alerts", str(error), "correct the file; `perptape alerts check` reads it")
    else:
        found = ok("alerts", f"{len(rules)} rules of {settings.alert_rules or 'perptape'}")
    return [found, judge_receiver(settings)]


def judge_receiver(settings: Settings) -> Finding:
    """Judge where alerts are posted to, without showing it."""
    name = "webhook"
    if not settings.alert_webhook_url.get_secret_value():
        if settings.alert_webhook_secret.get_secret_value():
            do = "set alert_webhook_url too, or remove the secret"
            return warn(name, "a secret, and no address to post to", do)
        return ok(name, "alerts are not posted")
    try:
        alert_receiver(settings)
    except ConfigurationError as error:
        return wrong(name, str(error), "correct the setting that it names")
    return ok(name, "alerts are posted")
