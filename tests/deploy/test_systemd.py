"""The unit for systemd: what it starts is a command, and may write where it has to."""

import shlex
from collections import defaultdict
from pathlib import Path

from runtime.settings import load_settings
from tests.deploy.program_rules import environment, parse
from tests.deploy.stack import ROOT

UNIT = ROOT / "deploy/systemd/perptape.service"


def unit() -> dict[str, list[str]]:
    """Return what the unit says, by key."""
    said: dict[str, list[str]] = defaultdict(list)
    for line in UNIT.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            said[key].append(value)
    return said


def test_its_command_is_one_of_the_program() -> None:
    program, *arguments = shlex.split(unit()["ExecStart"][0])
    assert Path(program).name == "perptape"
    parse(arguments)


def test_every_folder_of_the_settings_is_one_that_it_may_write_to() -> None:
    said = unit()
    with environment(dict(one.split("=", 1) for one in said["Environment"])):
        settings = load_settings()
    [working], [writable] = said["WorkingDirectory"], said["ReadWritePaths"]
    folders = [value for _, value in settings if isinstance(value, Path)]
    assert len(folders) >= 3
    assert said["ProtectSystem"] == ["strict"]
    assert [one for one in folders if not (working / one).is_relative_to(writable)] == []
