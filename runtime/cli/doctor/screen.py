"""Findings on a screen, or as JSON for programs."""

from collections import Counter
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from runtime.cli.doctor.findings import Finding, State

MARKS = {State.OK: ("ok", "green"), State.WARN: ("look", "yellow"), State.WRONG: ("!!", "red")}


def show(console: Console, findings: Sequence[Finding]) -> None:
    """Print a line for each finding, what to do below it, and how many there are of each state."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.state]
        table.add_row(Text(mark, style), finding.name, Text(finding.sees))
        if finding.do:
            table.add_row("", "", Text(f"-> {finding.do}", style))
    console.print(table)
    counts = Counter(finding.state for finding in findings)
    words = f"{counts[State.WRONG]} wrong, {counts[State.WARN]} to look at, {counts[State.OK]} ok"
    console.print(words, highlight=False)


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings as a JSON array of objects: `name`, `state`, `sees`, `do`."""
    return msgspec.json.format(msgspec.json.encode(findings), indent=2).decode()
