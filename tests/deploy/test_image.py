"""The image of perptape: how it is built, and that the wheel in it has everything."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.deploy.stack import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
IMAGES = sorted((ROOT / "deploy/images").glob("*/Dockerfile"))
OURS = ROOT / "deploy/images/perptape/Dockerfile"


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile and what they say, in one line each."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in pairs]


def stages(path: Path) -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage, from its FROM on."""
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions(path):
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def said(stage: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for name, rest in stage if name == word]


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.parent.name)
def test_bases_are_pinned_and_can_be_pinned_by_digest(path: Path) -> None:
    bases = [rest for word, rest in instructions(path) if word == "FROM"]
    # A name without a host, a full version, and the digest where one is given.
    pinned = re.compile(r"([a-z]+):(\d+\.\d+\.\d+-[a-z-]+)\$\{(\w+):\+@\$\3\}( AS \w+)?")
    for base in bases:
        match = pinned.fullmatch(base)
        assert match, base
        assert ("ARG", f'{match[3]}=""') in instructions(path)
    assert len(bases) > 1, "built in the image that runs"


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.parent.name)
def test_nothing_is_fetched_but_the_locked_packages(path: Path) -> None:
    words = {word for word, _ in instructions(path)}
    assert "ADD" not in words
    text = "\n".join(f"{word} {rest}" for word, rest in instructions(path))
    assert not re.search(r"https?://|index-url|curl|wget|apt|git\+", text)
    installs = [rest for rest in re.split(r"&&|\n", text) if " install " in rest and "pip" in rest]
    assert installs
    for line in installs:
        locked = "--require-hashes" in line and "-r requirements.lock" in line
        assert locked or "--no-index" in line, line


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.parent.name)
def test_it_runs_as_nobody_and_hears_signals(path: Path) -> None:
    last = stages(path)[-1]
    assert said(last, "USER") == ["10001:10001"]
    assert said(last, "STOPSIGNAL") == ["SIGTERM"]
    assert not said(last, "VOLUME")
    (entry,) = said(last, "ENTRYPOINT")
    assert re.fullmatch(r'\["\w+"\]', entry), "a shell would stand between us and the signals"
    after = [word for word, _ in last[[word for word, _ in last].index("USER") :]]
    assert not {"RUN", "COPY"} & set(after)
    assert all("--from=build" in rest for rest in said(last, "COPY"))
    assert "org.opencontainers.image.licenses=" in said(last, "LABEL")[0]


def test_the_entry_point_is_a_program_of_the_wheel() -> None:
    (entry,) = said(stages(OURS)[-1], "ENTRYPOINT")
    assert entry.strip('[]"') in PYPROJECT["project"]["scripts"]


def test_the_python_is_one_that_we_support_and_check() -> None:
    (base,) = {
        rest.split(":")[1].split("-")[0] for word, rest in instructions(OURS) if word == "FROM"
    }
    version = ".".join(base.split(".")[:2])
    assert PYPROJECT["tool"]["mypy"]["python_version"] == version
    assert f"python{version}/" in OURS.read_text(), "the folder in a comment"


def test_what_is_copied_is_what_the_wheel_is_made_of_and_not_ignored() -> None:
    copied = [rest.split() for rest in said(stages(OURS)[0], "COPY")]
    sources = {source for *given, _ in copied for source in given}
    assert sources == {
        *PACKAGES,
        "requirements.lock",
        "pyproject.toml",
        PYPROJECT["project"]["readme"],
    }
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {line[1:] for line in rules if line.startswith("!")} == sources


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("perptape-*.whl")
    return built


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix in (".py", ".sql", ".json")
    }
    assert any(name.endswith(".sql") for name in files)
    assert files <= packed
    assert not {name for name in packed if name.split("/")[0] in ("tests", "deploy", "data")}


def test_the_program_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    script = (
        "import sys\n"
        f"sys.path = [{str(tmp_path / 'site')!r}, *(p for p in sys.path if p != {str(ROOT)!r})]\n"
        "from schemas import migrations\n"
        "assert len(migrations.load()) > 3 and 'site' in migrations.__file__\n"
        "from runtime.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "schema", "export", "schemas/generated", "--check"],
        cwd=tmp_path / "site",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
