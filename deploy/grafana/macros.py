"""What the data source puts into a statement before it asks: times and variables."""

import re
from collections.abc import Callable

_MACRO = re.compile(r"\$__(\w+?)(?:\(([^()]*)\)|(?![\w(]))")
_VARIABLE = re.compile(r"\$\{(\w+):singlequote\}|\$(\w+)")


def fill(
    sql: str, start_ms: int, end_ms: int, values: dict[str, list[str]], step_ms: int = 1000
) -> str:
    """Return a statement with macros and variables put in, as the data source puts them in.

    `step_ms` is the time from one point of a line to the next: what is shown, by the points that
    a panel has room for.

    Raises:
        KeyError: the statement has a macro or a variable that there is not.
    """
    since, until = (f"fromUnixTimestamp64Milli({time})" for time in (start_ms, end_ms))
    macros: dict[str, Callable[[str], str]] = {
        "timeFilter_ms": lambda column: f"{column} >= {since} AND {column} <= {until}",
        "timeInterval_ms": lambda column: (
            f"toStartOfInterval(toDateTime64({column}, 3), INTERVAL {step_ms} millisecond)"
        ),
        "fromTime_ms": lambda _: since,
        "toTime_ms": lambda _: until,
    }
    sql = _MACRO.sub(lambda found: macros[found[1]](found[2]), sql)
    return _VARIABLE.sub(
        lambda found: (
            ", ".join(f"'{value}'" for value in values[found[1]])
            if found[1]
            else values[found[2]][0]
        ),
        sql,
    )
