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


@pytest.mark.parametrize(
    "file", ["alert_webhook_secret = 271828182845", "[kafka]\npassword = 271828182845"]
)
def test_what_was_wrong_with_a_secret_is_said_without_it(tmp_path: Path, file: str) -> None:
    (tmp_path / "perptape.toml").write_text(file)
    with pytest.raises(ConfigurationError) as failure:
        load_settings()
    assert "(was 'hidden')" in str(failure.value)
    assert "2718" not in str(failure.value)


def test_settings_do_not_show_where_alerts_go_or_how_they_are_signed() -> None:
    settings = load_settings(
        **dict.fromkeys(("alert_webhook_url", "alert_webhook_secret"), "hush T0KEN hush")
    )
    assert "T0KEN" not in repr(settings)
    assert "hush" not in repr(settings)
