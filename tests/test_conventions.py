"""What the project asks of itself, held by a test where no linter can."""

import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from runtime.settings import Settings
from schemas.migrations import load
from schemas.topics import TOPICS

ROOT = Path(__file__).parents[1]
HARD_LIMIT_LINES = 400
README = (ROOT / "README.md").read_text()
DESCRIPTIONS = (ROOT / "schemas" / "README.md").read_text()


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of tracked files")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_module_is_longer_than_a_person_can_hold() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked_files()
        if path.suffix == ".py" and "tests" not in path.parts
        if (count := len(path.read_text().splitlines())) > HARD_LIMIT_LINES
    }
    assert not long


def test_no_file_names_this_checkout_or_a_package_index() -> None:
    # Everybody names the folder of temporary files; a checkout in it is named by itself.
    place = ROOT if ROOT.parent == Path(tempfile.gettempdir()) else ROOT.parent
    forbidden = re.compile(
        rf"{re.escape(str(place))}/|pypi\.org|pythonhosted|repo1?\.maven|registry\.npmjs"
    )
    found = []
    for path in tracked_files():
        if path.suffix in (".zst", ".gz", ".png") or path == Path(__file__):
            continue
        found += [f"{path.name}: {m.group()}" for m in forbidden.finditer(path.read_text())]
    assert not found


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_pinned_dependency_has_a_hash_and_no_index(name: str) -> None:
    text = (ROOT / name).read_text()
    pins = re.findall(r"^[a-z0-9][\w.\-\[\]]*==.*(?:\n    .*)*", text, re.MULTILINE)
    assert len(pins) > 30
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "index" not in re.sub(r"^[a-z].*$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_every_topic_is_in_the_readme_and_described(topic: str) -> None:
    assert f"`{topic}`" in README
    assert f"| `{topic}` |" in DESCRIPTIONS


def test_every_public_view_is_in_the_readme_and_described() -> None:
    sql = "\n".join(step for migration in load() for step in migration.steps)
    views = re.findall(r"CREATE OR REPLACE VIEW (\w+)", sql)
    assert len(views) >= 8
    for view in views:
        assert f"`{view}`" in README
        assert f"`{view}`" in DESCRIPTIONS


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_described_and_in_the_readme(name: str) -> None:
    assert Settings.model_fields[name].description
    assert f"`{name}`" in README
