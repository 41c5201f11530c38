"""Settings: where they come from, and what a wrong one says."""

from pathlib import Path

import pytest

from runtime.errors import ConfigurationError
from runtime.settings import load_settings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_options_win_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "perptape.toml").write_text('assets = ["XRP"]\nlinger_ms = 30\nhttp_port = 9000\n')
    monkeypatch.setenv("PERPTAPE_LINGER_MS", "40")
    monkeypatch.setenv("PERPTAPE_HTTP_PORT", "9001")
    settings = load_settings(http_port=9002)
    assert settings.assets == ("XRP",)
    assert settings.linger_ms == 40
    assert settings.http_port == 9002


def test_lists_are_comma_separated_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERPTAPE_ASSETS", "BTC,DOGE")
    assert load_settings().assets == ("BTC", "DOGE")


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("colour = 'red'\n", "colour"),
        ("linger_ms = 'soon'\n", "linger_ms"),
        ("base_interval_seconds = 7\n", "base_interval_seconds"),
        ("assets = [\n", "perptape.toml"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(tmp_path: Path, file: str, named: str) -> None:
    (tmp_path / "perptape.toml").write_text(file)
    with pytest.raises(ConfigurationError) as failure:
        load_settings()
    assert named in str(failure.value)
    assert "\n" not in str(failure.value)
