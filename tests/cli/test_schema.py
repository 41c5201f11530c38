"""`perptape schema export`: the files of the contract, written and compared."""

from pathlib import Path

from schemas.topics import TOPICS
from tests.cli.program import run


def test_export_writes_files_that_the_check_accepts(tmp_path: Path) -> None:
    first = run(tmp_path, "schema", "export", "out")
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    written = sorted(path.name for path in (tmp_path / "out").rglob("*.json"))
    names = [f"{topic.schema_name}.schema.json" for topic in TOPICS.values()]
    assert written == sorted(["asyncapi.json", *names])
    assert run(tmp_path, "schema", "export", "out", "--check").returncode == 0


def test_the_check_names_every_file_that_differs_and_writes_nothing(tmp_path: Path) -> None:
    run(tmp_path, "schema", "export", "out")
    json = tmp_path / "out" / "json"
    (json / "trades.v1.schema.json").unlink()
    (json / "cvd.v1.schema.json").write_bytes(b"\xff")
    (json / "gone.v1.schema.json").write_text("{}\n")

    done = run(tmp_path, "schema", "export", "out", "--check")
    assert done.returncode == 1
    assert sorted(line.partition(": ")[0] for line in done.stderr.splitlines()) == [
        "out/json/cvd.v1.schema.json",
        "out/json/gone.v1.schema.json",
        "out/json/trades.v1.schema.json",
    ]
    assert not (json / "trades.v1.schema.json").exists()


def test_a_folder_that_cannot_be_written_is_a_wrong_argument(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    done = run(tmp_path, "schema", "export", "out")
    assert done.returncode == 2
    assert done.stderr.startswith("perptape: out")
    assert done.stderr.count("\n") == 1
