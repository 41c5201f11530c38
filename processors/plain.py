"""The type of plain JSON values that state is dumped to; nothing else may be untyped."""

from typing import Any

Plain = Any
