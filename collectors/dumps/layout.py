"""Where the columns of one file are: by its header, or by their places where it has none."""

import re
from dataclasses import dataclass
from pathlib import Path

from collectors.dumps.errors import DumpError
from collectors.dumps.formats import BY_NAME, TELLING_NAMES, Format, Role
from collectors.dumps.names import Named
from runtime.errors import ConfigurationError
from schemas.market import Kind

_NUMBER = re.compile(r"\d+(\.\d*)?")


@dataclass(frozen=True, slots=True)
class Layout:
    """The format of a file and the place of each role in its lines."""

    format: Format
    places: dict[Role, int]
    width: int
    has_header: bool
    kind: Kind | None


def layout_of(path: Path, fields: list[str], named: Named, wanted: str | None) -> Layout:
    """Read the first line of a file.

    Args:
        path: the file, for messages.
        fields: the fields of its first line.
        named: what its name says.
        wanted: the format that was asked for.

    Raises:
        ConfigurationError: the wanted format is not known.
        DumpError: a column is missing, or the format cannot be told.
    """
    if wanted is not None and wanted not in BY_NAME:
        raise ConfigurationError(f"unknown format {wanted!r}; there are: {', '.join(BY_NAME)}")
    names = [name.strip().removeprefix("\ufeff") for name in fields]
    has_header = not any(map(_NUMBER.fullmatch, names))
    form = _format(path, names if has_header else [], named, wanted)
    width = len(fields)
    by_place = form.places.get(width)
    if has_header:
        places = {
            role: names.index(name)
            for role, known in form.names.items()
            for name in known[::-1]
            if name in names
        }
        if form.name == "okx.trades" and Role.PRICE not in places and by_place is not None:
            places = _by_place(by_place)  # older files have names in Chinese
    elif by_place is not None:
        places = _by_place(by_place)
    else:
        expected = " or ".join(map(str, form.places)) or "a line of names"
        raise DumpError(path, 1, f"{width} columns without names; {form.name} has {expected}")
    for role in form.names:
        if role not in places and role not in form.optional:
            shown = ", ".join(names)[:200]
            wants = " or ".join(form.names[role])
            detail = f"no column for the {role} ({wants}) in a {form.name} file; it has: {shown}"
            raise DumpError(path, 1, detail)
    return Layout(form, places, width, has_header, form.kinds.get(width))


def _by_place(roles: tuple[Role | None, ...]) -> dict[Role, int]:
    return {role: place for place, role in enumerate(roles) if role is not None}


def _format(path: Path, names: list[str], named: Named, wanted: str | None) -> Format:
    if wanted is not None:
        return BY_NAME[wanted]
    if named.format in BY_NAME:
        return BY_NAME[named.format]
    for name, column in TELLING_NAMES:
        if column in names:
            return BY_NAME[name]
    if names:
        return BY_NAME["plain"]
    raise DumpError(path, 1, "no line of names and no official file name: say --format")
