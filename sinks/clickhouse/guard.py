"""What a read-only connection refuses beyond the engine's `readonly = 1`.

Tried on engine 26.9 with `readonly = 1`: inserts, DDL, `SET` and the table functions `file`, `url`,
`remote`, `executable` are refused, but these are not: `INTO OUTFILE` writes files, the scalar
function `file()` reads any file, `DESCRIBE TABLE url(...)` calls out, `KILL QUERY` and `USE` run.
So a statement is cut into words as the engine's lexer does, and must be one query without them;
what the two might cut differently is refused.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from sinks.clickhouse.client import QueryError

_ALLOWED = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "("})
_DENIED_FUNCTIONS = frozenset(
    [
        "FILE",
        "EVAL",
        "AIREDACT",
        "AISIMILARITY",
        "AIFILTER",
        "AICLASSIFY",
        "AIEMBED",
        "AIEXTRACT",
        "AIGENERATE",
        "AITRANSLATE",
    ]
)
_LONGEST_SQL = 64 * 1024

_TOKEN = re.compile(
    r"""
      (?P<gap> \s+ | (?: -- | // | \#[ !] )[^\n]* )
    | (?P<comment> /\*.*?\*/ )
    | (?P<open> /\* )
    | (?P<text> '(?:[^'\\]|\\.|'')*' )
    | (?P<quoted> `[^`\\]*` | "[^"\\]*" )
    | (?P<word> \w+ )
    | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_AMBIGUOUS = re.compile(r"[$\\\0`'\"]|[^\x00-\x7f]")
"""Signs whose meaning the engine's lexer decides by more than we look at: here-documents,
typographic quotes, escapes in names, a quote that is not closed."""


def check_readable(sql: str) -> None:
    """Let one query pass that only reads what is in the store.

    Raises:
        QueryError: it is anything else.
    """
    if len(sql) > _LONGEST_SQL:
        raise QueryError(f"the query is longer than {_LONGEST_SQL} characters")
    tokens = list(_tokens(sql))
    while tokens and tokens[-1] == ";":
        tokens.pop()
    if not tokens:
        raise QueryError("the query is empty")
    if tokens[0] not in _ALLOWED:
        raise QueryError(f"only queries are answered here, not {tokens[0][:40]}")
    if ";" in tokens:
        raise QueryError("one query at a time: remove the `;` inside")
    if "OUTFILE" in tokens:
        raise QueryError("INTO OUTFILE is not available here")
    _refuse_calls(tokens)


def _refuse_calls(tokens: list[str]) -> None:
    for name, following in pairwise(tokens):
        if following == "(" and name in _DENIED_FUNCTIONS:
            raise QueryError(f"the function {name.lower()} is not available here")
    for at, name in enumerate(tokens):
        if name in ("DESCRIBE", "DESC"):
            rest = tokens[at + 1 : at + 4]
            if rest and rest[0] == "TABLE":
                rest = rest[1:]
            if len(rest) > 1 and rest[0].isidentifier() and rest[1] == "(":
                raise QueryError(f"{name} of a table function is not available here")


def _tokens(sql: str) -> Iterator[str]:
    """Yield words in capitals and signs; texts as `''`, quoted identifiers as their content."""
    for match in _TOKEN.finditer(sql):
        kind, token = match.lastgroup, match[0]
        if kind == "quoted":
            yield token[1:-1].upper()
        elif kind == "text":
            yield "''"
        elif kind == "open" or (kind == "comment" and "/*" in token[2:]):
            raise QueryError("a comment is not closed, or has another one inside")
        elif kind == "sign" and _AMBIGUOUS.match(token):
            raise QueryError(f"the sign {token!r} is not available outside a text")
        elif kind in ("word", "sign"):
            yield token.upper()
