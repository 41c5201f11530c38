"""Name a number inside a record: `series[composition=all].long.obs_usd_cents`.

Names are those of the record's fields, or keys of a mapping. A list is gone through whole;
`[field=value,...]` takes those of its elements that say so. A list whose elements name no
instrument must be narrowed down that way: otherwise nothing would tell one number from the next.
Paths are checked against the record's type when a rule is read, so a name that is not there is
found before the market is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

Where = tuple[tuple[str, str], ...]
Number = int | float
Chain = tuple[msgspec.Struct, ...]
"""The records that a path has led through, the outermost first."""

_STEP = r"([A-Za-z]\w*)(?:\[([^\[\]]+)\])?"
_PATH = re.compile(rf"{_STEP}(?:\.{_STEP})*")


class Step(NamedTuple):
    """One name of a path, and which elements count where it is that of a list."""

    name: str
    where: Where


def steps_of(text: str) -> tuple[Step, ...]:
    """Read a path.

    Raises:
        ValueError: it is none.
    """
    if not _PATH.fullmatch(text):
        raise ValueError(f"{text!r} is no path such as series[composition=all].long.obs_usd_cents")
    return tuple(Step(m[1], _where(m[2])) for m in re.finditer(_STEP, text))


def _where(text: str | None) -> Where:
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    if not all(name and value for name, _, value in pairs):
        raise ValueError(f"[{text}] does not read field=value")
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)


def matches(record: msgspec.Struct, where: Where) -> bool:
    """Say whether a record has all these values, compared as text."""
    return all(word(getattr(record, name)) == value for name, value in where)


def word(value: object) -> str:
    """Return a field's value as rules write it: small letters for codes and truths."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, str) else value.name.lower()
    return "" if value is None else str(value)


def numbers_at(
    record: msgspec.Struct, steps: Sequence[Step]
) -> Iterator[tuple[Chain, Number | None]]:
    """Yield every number that a checked path leads to, with the records that it leads through."""
    yield from _walk((record,), record, steps)


def _walk(chain: Chain, value: Any, steps: Sequence[Step]) -> Iterator[tuple[Chain, Number | None]]:
    if not steps or value is None:
        yield chain, value
        return
    step = steps[0]
    inner = value.get(step.name) if isinstance(value, Mapping) else getattr(value, step.name)
    for one in inner if isinstance(inner, list) else (inner,):
        if isinstance(one, msgspec.Struct):
            if matches(one, step.where):
                yield from _walk((*chain, one), one, steps[1:])
        else:
            yield from _walk(chain, one, steps[1:])


# --- checked against types


def check_path(record: type[msgspec.Struct], steps: Sequence[Step]) -> None:
    """Let a path pass that leads to numbers.

    Raises:
        ValueError: a name is not there, a list is not narrowed down, or it is no number.
    """
    kind: inspect.Type = inspect.type_info(record)
    for step in steps:
        kind = _narrowed(_inner(kind, step.name), step)
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    plain = (inspect.IntType, inspect.FloatType, inspect.NoneType)
    if not all(isinstance(one, plain) for one in kinds):
        raise ValueError(f"{steps[-1].name} is no number")


def check_where(record: type[msgspec.Struct], where: Where) -> None:
    """Let values pass that fields of these names may have.

    Raises:
        ValueError: there is no such field, or it is never that.
    """
    kind = inspect.type_info(record)
    for name, value in where:
        words = _words(_field(kind, name))
        if words and value not in words:
            raise ValueError(f"{name} is never {value!r}, but one of {', '.join(words)}")


def words_of(record: type[msgspec.Struct], name: str) -> tuple[str, ...]:
    """Return the closed vocabulary of a field, empty where it has none."""
    return _words(_field(inspect.type_info(record), name))


def _inner(kind: inspect.Type, name: str) -> inspect.Type:
    kind = _present(kind)
    if isinstance(kind, inspect.DictType):
        return kind.value_type
    return _field(kind, name)


def _field(kind: inspect.Type, name: str) -> inspect.Type:
    if not isinstance(kind, inspect.StructType):
        raise ValueError(f"there is nothing named {name}: it is inside no record")
    for field in kind.fields:
        if field.name == name:
            return field.type
    known = ", ".join(field.name for field in kind.fields)
    raise ValueError(f"{kind.cls.__name__} has no {name}; it has {known}")


def _narrowed(kind: inspect.Type, step: Step) -> inspect.Type:
    kind = _present(kind)
    if not isinstance(kind, inspect.ListType):
        if step.where:
            raise ValueError(f"{step.name} is no list: nothing to choose from")
        return kind
    item = kind.item_type
    if not isinstance(item, inspect.StructType):
        raise ValueError(f"{step.name} is a list of no records")
    check_where(item.cls, step.where)
    names = {field.name for field in item.fields}
    if not step.where and not {"venue", "symbol"} <= names:
        raise ValueError(f"{step.name} is a list: say which of it, as in {step.name}[field=value]")
    return item


def _present(kind: inspect.Type) -> inspect.Type:
    """Return a type without its null."""
    if isinstance(kind, inspect.UnionType):
        left = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        if len(left) == 1:
            return left[0]
    return kind


def _words(kind: inspect.Type) -> tuple[str, ...]:
    kind = _present(kind)
    if isinstance(kind, inspect.BoolType):
        return "true", "false"
    return tuple(map(word, kind.cls)) if isinstance(kind, inspect.EnumType) else ()
