"""docker-compose.yml as it is read: with anchors merged and variables put in."""

import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TOOLS = {
    "promtool": "promtool",
    "kustomize": "kustomize",
    "kubernetes-validate": "validators/bin",
    "check-jsonschema": "validators/bin",
}
OURS = "perptape:"
FILLED = {
    "KAFKA_CLUSTER_ID": "B8lE-v8XRvGlk4RiyfI5Og",
    "CLICKHOUSE_ADMIN_PASSWORD": "0a1b2c3d",
    "CLICKHOUSE_INGEST_PASSWORD": "4e5f6a7b",
    "CLICKHOUSE_GRAFANA_PASSWORD": "8c9d0e1f",
    "GRAFANA_ADMIN_PASSWORD": "2a3b4c5d",
}
"""What a person sets in .env, for there is no default."""

_NAME = re.compile(r"\$\$|\$\{(?P<name>[A-Za-z_]\w*)(?P<rule>:?[-?+])?|\$(?P<bare>[A-Za-z_]\w*)")


def tool(name: str) -> str:
    """Return where one of `make tools` is; the test is skipped where it is not."""
    ours = str(ROOT / "build" / TOOLS[name])
    found = shutil.which(name, path=ours) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: `make tools`")
    return found


class Unset(ValueError):
    """A variable that must have a value has none."""


@dataclass
class Stack:
    """The file, and the variables that are put into it.

    Args:
        document: as YAML gives it.
        example: the lines of .env.example.
    """

    document: dict[str, Any]
    example: dict[str, str]
    filled: dict[str, str] = field(default_factory=lambda: dict(FILLED))

    @property
    def raw(self) -> dict[str, dict[str, Any]]:
        """The services with their variables still in them."""
        found: dict[str, dict[str, Any]] = self.document["services"]
        return found

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services with the values of .env.example, and of whoever filled it in."""
        values = self.example | self.filled
        found: dict[str, dict[str, Any]] = interpolated(self.raw, values)
        return found

    @property
    def ours(self) -> dict[str, dict[str, Any]]:
        """The services that run perptape."""
        found = self.services.items()
        return {name: one for name, one in found if str(one.get("image", "")).startswith(OURS)}

    @property
    def jobs(self) -> set[str]:
        """The services that end."""
        return {name for name, one in self.services.items() if one.get("restart") == "no"}


def load() -> Stack:
    """Read the files of this checkout."""
    text = (ROOT / "docker-compose.yml").read_text()
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if line.strip() and not line.startswith("#")]
    # YAML aliases are one object: a change of one service must not be a change of them all.
    document = unshared(yaml.safe_load(text))
    return Stack(document, {name: value for name, _, value in pairs})


def unshared(value: Any) -> Any:
    """Return the same with every part its own object."""
    if isinstance(value, dict):
        return {key: unshared(part) for key, part in value.items()}
    return [unshared(part) for part in value] if isinstance(value, list) else value


def variables(service: Mapping[str, Any]) -> dict[str, str]:
    """Return a service's environment."""
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def users() -> dict[str, ElementTree.Element]:
    """Return the users of ClickHouse."""
    tree = ElementTree.parse(ROOT / "deploy/clickhouse/users.xml")  # noqa: S314  # our own file
    return {user.tag: user for user in tree.iterfind("users/*")}


def texts(value: Any) -> Iterator[str]:
    """Yield every string in a part of the document, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)


def interpolated(value: Any, values: Mapping[str, str]) -> Any:
    """Put variables in, as Compose does."""
    if isinstance(value, str):
        return _replace(value, values)
    if isinstance(value, dict):
        return {key: interpolated(part, values) for key, part in value.items()}
    return [interpolated(part, values) for part in value] if isinstance(value, list) else value


def names(text: str) -> Iterator[str]:
    """Yield the variables in a string, those inside other variables' words included."""
    for match in _NAME.finditer(text):
        if match.group() != "$$":
            yield match.group("name") or match.group("bare")


def _replace(text: str, values: Mapping[str, str]) -> str:
    done = ""
    while match := _NAME.search(text):
        done, text = done + text[: match.start()], text[match.end() :]
        if match.group() == "$$":
            done += "$"
        elif match.group("bare"):
            done += values.get(match.group("bare"), "")
        else:
            word, text = _word(text)
            done += _chosen(match, word, values)
    return done + text


def _word(text: str) -> tuple[str, str]:
    """Split what stands before the closing brace from what comes after it."""
    depth = 1
    for place, letter in enumerate(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if not depth:
            return text[:place], text[place + 1 :]
    raise ValueError(f"a brace is not closed before {text!r}")


def _chosen(match: re.Match[str], word: str, values: Mapping[str, str]) -> str:
    name, rule = match.group("name"), match.group("rule") or ""
    value = values.get(name)
    there = bool(value) if rule.startswith(":") else value is not None
    if rule.endswith("+"):
        return _replace(word, values) if there else ""
    if there:
        return value or ""
    if rule.endswith("?"):
        raise Unset(f"{name}: {word}")
    return _replace(word, values) if rule.endswith("-") else ""
