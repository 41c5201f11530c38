"""How a file that cannot be used says where."""

from pathlib import Path

from runtime.errors import PayloadError


class DumpError(PayloadError):
    """A file that cannot be used, with the line at which that shows.

    Args:
        path: the file.
        line: counted from 1, 0 where it is not about one.
        detail: what was expected and what was there.
    """

    def __init__(self, path: Path, line: int, detail: str) -> None:
        place = f"{path} line {line}" if line else str(path)
        super().__init__("broken_file", f"{place}: {detail}")
        self.line = line
