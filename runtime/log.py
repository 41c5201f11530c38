"""What a process writes about itself: one JSON line an event on stderr, or colours on a terminal.

Fields: `ts` (RFC 3339, UTC), `level`, `event` (stable snake_case), `service`, `version`, and what
the event is about (`venue`, `symbol`, `topic`, `partition`, `offset`, `error`). Libraries that log
through the standard library come out in the same form.
"""

import json as json_library
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import orjson
import structlog
from structlog.types import Processor

from runtime.errors import ConfigurationError

HIDDEN = "[hidden]"
QUIET_LIBRARIES = ("aiokafka",)
"""What these call errors are mostly steps that they repeat by themselves, ten times a second (a
leader is just being elected, a coordinator has moved); what fails for good reaches us as an
exception. They speak at level DEBUG."""
_SECRET_NAME = re.compile(
    r"(?:^|[_\-.])(?:passwords?|passwd|secrets?|tokens?|api[_\-]?keys?|private[_\-]?keys?|access[_\-]?keys?"
    r"|authorization|credentials?)(?:$|[_\-.])",
    re.IGNORECASE,
)
_SECRET_IN_TEXT = re.compile(
    r"(?P<name>(?:\b|_)(?:passwords?|passwd|secret|token|api[_\-]?key|signature|authorization)"
    r"[\"']?\s*[=:]\s*[\"']?)(?P<scheme>(?:bearer|basic)\s+)?[^\s\"'&,;}\]]+",
    re.IGNORECASE,
)
_SECRET_IN_ADDRESS = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.\-]*://)[^\s/@:]*:[^\s/@]+@", re.IGNORECASE
)
_DEEPEST = 6

EventDict = MutableMapping[str, Any]


def configure_logging(
    level: str = "INFO", json: bool | None = None, *, service: str = "", version: str = ""
) -> None:
    """Set up logging for the whole process; calling it again replaces what was set up.

    Args:
        level: the least severe level that is written, e.g. `INFO`.
        json: JSON lines or console; None means console on a terminal, JSON anywhere else.
        service: which stage this is; left out of the lines where empty.
        version: of the program, likewise.

    Raises:
        ConfigurationError: there is no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigurationError(
            f"log level {level!r}: choose DEBUG, INFO, WARNING, ERROR or CRITICAL"
        )
    as_json = not sys.stderr.isatty() if json is None else json
    about = {name: value for name, value in (("service", service), ("version", version)) if value}
    shared = _shared_processors(about)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=False,  # loggers made at import must follow a later call
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(as_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for library in QUIET_LIBRARIES:
        told = number if number <= logging.DEBUG else logging.CRITICAL
        logging.getLogger(library).setLevel(told)
    logging.captureWarnings(True)


def _shared_processors(about: Mapping[str, str]) -> list[Processor]:
    """Return what happens to every event, ours or a library's."""

    def add_about(_logger: object, _method: str, event: EventDict) -> EventDict:
        for name, value in about.items():
            event.setdefault(name, value)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.StackInfoRenderer(),
        add_about,
    ]


def _renderers(as_json: bool) -> list[Processor]:
    """Return how a line is written; secrets go last, when tracebacks are text already."""
    last: Processor = structlog.processors.JSONRenderer(serializer=_to_json)
    if not as_json:
        last = structlog.dev.ConsoleRenderer(
            timestamp_key="ts", exception_formatter=structlog.dev.plain_traceback
        )
    return [structlog.processors.format_exc_info, hide_secrets, last]


def _to_json(event: object, **_: object) -> str:
    """Write a line; what orjson has no form for (integers above 64 bits) goes the slow way."""
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:
        return json_library.dumps(event, default=repr)


def hide_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replace what is named like a secret, and passwords inside texts and addresses."""
    for name, value in event.items():
        event[name] = HIDDEN if _SECRET_NAME.search(name) else _cleaned(value, _DEEPEST)
    return event


def _cleaned(value: object, depth: int) -> object:
    """Return a value without its secrets; what is nested too deeply is left out."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        value = _SECRET_IN_ADDRESS.sub(rf"\g<scheme>{HIDDEN}@", value)
        return _SECRET_IN_TEXT.sub(rf"\g<name>{HIDDEN}", value)
    if not isinstance(value, Mapping | list | tuple):
        return value
    if depth == 0:
        return "[too deep]"
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if _SECRET_NAME.search(str(name)) else _cleaned(inner, depth - 1)
            for name, inner in value.items()
        }
    return [_cleaned(inner, depth - 1) for inner in value]
