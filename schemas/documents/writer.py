"""JSON for people to read and for git to compare: what fits on a line is on one."""

import json
from typing import Any

WIDTH = 100
_INDENT = "  "


def render(value: Any) -> str:
    """Write a value of JSON's own types, always in the same way, with a newline at the end.

    Objects keep their order.
    """
    return _text(value, "", 0) + "\n"


def _text(value: Any, indent: str, before: int) -> str:
    """Write a value that begins `before` characters after the indent of its line."""
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not value or not isinstance(value, dict | list) or len(indent) + before + len(flat) < WIDTH:
        return flat
    inner = indent + _INDENT
    if isinstance(value, dict):
        keys = [json.dumps(str(key), ensure_ascii=False) + ": " for key in value]
        lines = [
            key + _text(item, inner, len(key))
            for key, item in zip(keys, value.values(), strict=True)
        ]
    else:
        lines = [_text(item, inner, 0) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([opening, ",\n".join(inner + line for line in lines), indent + closing])
