"""Findings as people and programs get them."""

import io
import json

from rich.console import Console

from runtime.cli.doctor.findings import ok, warn, well, wrong
from runtime.cli.doctor.screen import as_json, show

FINDINGS = [
    ok("store", "data/[store]"),
    warn("spool", "12 bytes wait", "nothing yet"),
    wrong("gaps", "okx 4", "see the runbook"),
]


def test_what_is_wrong_is_marked_with_what_to_do_below_it() -> None:
    console = Console(file=io.StringIO(), width=80)
    show(console, FINDINGS)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines == [
        "ok    store  data/[store]",
        "look  spool  12 bytes wait",
        "             -> nothing yet",
        "!!    gaps   okx 4",
        "             -> see the runbook",
        "1 wrong, 1 to look at, 1 ok",
    ]


def test_programs_get_every_field() -> None:
    assert json.loads(as_json(FINDINGS))[0] == {
        "name": "store",
        "state": "ok",
        "sees": "data/[store]",
        "do": "",
    }


def test_only_what_is_wrong_is_not_well() -> None:
    assert well(FINDINGS[:2])
    assert not well(FINDINGS)
