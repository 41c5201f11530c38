"""`perptape alerts`: the rules that are in force, and whether others could be."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from runtime.cli.alert_rules import load_alert_rules
from runtime.cli.stages import stage
from runtime.settings import load_settings

alerts_app = typer.Typer(help="Rules of alerts.", no_args_is_help=True)


@alerts_app.command("check")
def alerts_check(
    file: Annotated[
        Path | None, typer.Argument(help="Rules; else those of the setting alert_rules.")
    ] = None,
) -> None:
    """Show what the rules ask for; exit code 2 where one cannot be used."""
    chosen = load_settings().alert_rules if file is None else str(file)
    table = Table(box=None)
    for name in ("rule", "severity", "looks at", "for", "of"):
        table.add_column(name, overflow="fold")
    for rule in load_alert_rules(chosen).rules:
        of = [*rule.assets, *rule.scopes, *rule.venues]
        words = [*rule.kinds, *rule.forms, *rule.states, *rule.sides]
        if rule.comparison is not None:
            words.append(f"{rule.field} {rule.comparison.replace('_', ' ')} {rule.threshold:,}")
        table.add_row(
            rule.name, rule.severity, rule.source, ", ".join(words), ", ".join(of) or "all"
        )
    Console(highlight=False, markup=False).print(table)


@alerts_app.command("default")
def alerts_default() -> None:
    """Print the rules that are shipped, with what every field means: a start for your own."""
    sys.stdout.write(stage("processors.alerts.parse").default_text())
