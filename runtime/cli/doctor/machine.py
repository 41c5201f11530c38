"""The machine: the program with its packages, and the disks."""

import importlib.metadata
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import runtime
from runtime.cli.doctor.findings import Finding, ok, warn, wrong
from runtime.cli.doctor.thresholds import DISK_FREE_BYTES
from runtime.disk import free_bytes
from runtime.settings import Settings

LOCK = Path(runtime.__file__).parents[1] / "requirements.lock"
"""What the program was tested with; only beside a checkout."""

_PIN = re.compile(r"^([a-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)([^\\\n]*)", re.MULTILINE)
GIB = 2**30


def look_at_machine(settings: Settings) -> list[Finding]:
    """Say how the machine stands."""
    free = {name: free_bytes(path) for name, path in settings.folders.items()}
    return [
        judge_packages(*_packages()),
        judge_disks(free, settings.spool_bytes),
    ]


def pinned(lock: str) -> dict[str, str]:
    """Return the version that a lock file names of each package; those with conditions left out."""
    return {name: version for name, version, more in _PIN.findall(lock) if ";" not in more}


def _packages() -> tuple[dict[str, str], dict[str, str | None]]:
    """Return what is locked, nothing without a lock file, and what of it is installed."""
    wanted = pinned(LOCK.read_text(encoding="utf-8")) if LOCK.is_file() else {}
    found: dict[str, str | None] = {}
    for name in wanted:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return wanted, found


def judge_packages(wanted: Mapping[str, str], found: Mapping[str, str | None]) -> Finding:
    """Judge the packages that are installed by those that are locked."""
    version = importlib.metadata.version("perptape")
    ours = f"perptape {version}, Python {sys.version.split()[0]}"
    if not wanted:
        return ok("program", f"{ours}; no requirements.lock beside it")
    missing = sorted(name for name in wanted if found.get(name) is None)
    other = [
        f"{name} {found[name]} (locked {wanted[name]})"
        for name in sorted(wanted)
        if found.get(name) not in (None, wanted[name])
    ]
    do = "install what was tested: pip install --require-hashes -r requirements.lock"
    if missing:
        return wrong("program", f"not installed: {', '.join(missing)}", do)
    if other:
        return warn("program", f"other than locked: {', '.join(other)}", do)
    return ok("program", f"{ours}, {len(wanted)} packages as locked")


def judge_disks(free: Mapping[str, int], spool_bytes: int) -> Finding:
    """Judge the room for log, spool and store."""
    sees = "free: " + ", ".join(
        f"{size / GIB:,.1f} GiB for the {name}" for name, size in free.items()
    )
    low = [name for name, size in free.items() if size < DISK_FREE_BYTES]
    if low:
        do = f"free or add space for the {' and '.join(low)}; the store's oldest partitions can go"
        return wrong("disk", sees, do)
    if free.get("spool", spool_bytes) < spool_bytes:
        do = f"the spool may take {spool_bytes / GIB:,.1f} GiB: add space, or lower spool_bytes"
        return warn("disk", sees, do)
    return ok("disk", sees)
