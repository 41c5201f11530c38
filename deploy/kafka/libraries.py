"""The jars of a broker: fetched once with Maven, compared with the committed checksums."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.kafka.errors import KafkaUnavailable, LibraryError
from deploy.kafka.java import find_java

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / "build" / "kafka" / "libs"
CHECKSUMS = HERE / "libraries.sha256"
_MAVEN_SECONDS = 900.0


def fetch_libraries(folder: Path = FOLDER) -> Path:
    """Return the folder of the jars, fetching them where it is missing or of another version.

    Several processes may ask at once: one fetches, the others wait for it.

    Raises:
        KafkaUnavailable: they are not there and cannot be fetched.
        LibraryError: a jar is not the listed one.
    """
    return provide(folder, CHECKSUMS.read_text(), copy_from_maven)


def provide(folder: Path, listed: str, copy: Callable[[Path], None]) -> Path:
    """Return `folder` holding exactly the listed jars, with `copy` called where it does not."""
    with _alone(folder):
        if not folder.is_dir() or differences(folder, listed):
            with _renewed(folder, copy) as fresh:
                verify(fresh, listed)
    return folder


def write_checksums(folder: Path = FOLDER, checksums: Path = CHECKSUMS) -> Path:
    """Fetch the jars that the POM names now and list them in `checksums`.

    Raises:
        KafkaUnavailable: they cannot be fetched.
    """
    with _alone(folder), _renewed(folder, copy_from_maven) as fresh:
        lines = [f"{digest}  {name}\n" for name, digest in sorted(digests(fresh).items())]
        checksums.write_text("".join(lines))
    return checksums


def verify(folder: Path, listed: str) -> None:
    """Compare a folder with a list of checksums.

    Raises:
        LibraryError: one line with the first jar that differs, is missing or is extra.
    """
    for difference in differences(folder, listed):
        raise LibraryError(f"Kafka's jars are not those of {CHECKSUMS.name}: {difference}")


def differences(folder: Path, listed: str) -> list[str]:
    """Say of each jar that is not as listed what is wrong with it.

    Args:
        folder: where the jars are.
        listed: lines as `sha256sum` writes them.
    """
    found = digests(folder)
    wanted = {name: digest for digest, name in (line.split() for line in listed.splitlines())}
    missing = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    extra = [f"{name} is extra" for name in sorted(found.keys() - wanted.keys())]
    changed = [
        f"{name} differs: SHA-256 {found[name]}, listed {wanted[name]}"
        for name in sorted(wanted.keys() & found.keys())
        if found[name] != wanted[name]
    ]
    return changed + missing + extra


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a folder by its name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


def copy_from_maven(folder: Path) -> None:
    """Let Maven copy what `pom.xml` names, with all that it needs, into a folder.

    Raises:
        KafkaUnavailable: there is no Maven, or it failed; the message has its first error.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailable("Kafka's jars are not fetched yet and mvn (Maven) is not found")
    command = [
        maven, "--batch-mode", "--quiet", f"--file={HERE / 'pom.xml'}",
        "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}",
    ]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603  # the user's Maven on our own POM
            command,
            env=os.environ | {"JAVA_HOME": str(find_java().home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_MAVEN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise KafkaUnavailable(f"mvn took more than {_MAVEN_SECONDS:.0f} s") from None
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise KafkaUnavailable(f"mvn failed: {(errors or ['no reason given'])[0]}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from looking at the folder meanwhile."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _renewed(folder: Path, copy: Callable[[Path], None]) -> Iterator[Path]:
    """Fill a folder beside `folder`, which takes its place if the block ends well."""
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as beside:
        fresh = Path(beside) / "fresh"
        fresh.mkdir()
        copy(fresh)
        yield fresh
        if folder.exists():
            folder.rename(Path(beside) / "old")
        fresh.rename(folder)
