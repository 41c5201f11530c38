"""Settings: defaults in code, `perptape.toml`, `PERPTAPE_*` in the environment, then options.

An unknown key or an unusable value is a ConfigurationError of one line that names it.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from runtime.bus.kafka.settings import KafkaSettings, brokers_of
from runtime.errors import ConfigurationError

EMBEDDED = "embedded"
"""As a bus: the log of this machine, in a folder."""

EVERYTHING = "*"
"""As an asset: every perpetual that a venue lists."""

HIDDEN = ("password", "secret", "webhook_url")
"""What the names of settings have in them whose values no message shows."""

Words = Annotated[tuple[str, ...], NoDecode]


class AssetGrid(BaseModel):
    """The common grids of an asset that has none built in; decimal text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tick: str = Field(pattern=r"^\d+(\.\d+)?$")
    lot: str = Field(pattern=r"^\d+(\.\d+)?$")
    row_size: str = Field(pattern=r"^\d+(\.\d+)?$")


class Settings(BaseSettings):
    """What a process of perptape can be told."""

    model_config = SettingsConfigDict(
        env_prefix="PERPTAPE_",
        env_nested_delimiter="__",
        toml_file="perptape.toml",
        extra="forbid",
        frozen=True,
    )

    assets: Words = Field(
        ("BTC", "ETH", "SOL", "BNB", "XRP", "DOGE"),
        description="Assets to collect, by coin; * is every perpetual that a venue lists.",
    )
    quotes: Words = Field(
        ("USDT", "USDC", "USD"),
        description="Quotes in order of preference; one instrument per feed and asset.",
    )
    feeds: Words = Field(
        (), description="Feeds to collect, e.g. binance.usdm; empty means every default feed."
    )
    store: Path = Field(Path("data/store"), description="Folder of the embedded ClickHouse store.")
    spool: Path = Field(
        Path("data/spool"), description="Folder where collected data waits while the log is away."
    )
    spool_bytes: int = Field(
        2**31, ge=2**20, description="How much may wait there; beyond, the oldest is dropped."
    )
    redundant: bool = Field(
        False, description="Hold every connection twice; the first copy of each event counts."
    )
    refresh_seconds: float = Field(
        600, ge=10, description="How often the venues' lists of instruments are asked for."
    )
    bus: str = Field(
        EMBEDDED, description="The log: embedded, or kafka://host:port,host:port of a cluster."
    )
    kafka: KafkaSettings = Field(KafkaSettings(), description="How to connect to that cluster.")
    log: Path = Field(Path("data/log"), description="Folder of the embedded log.")
    clickhouse_url: str = Field(
        "", description="http(s)://user:password@host:port of a ClickHouse server, if not embedded."
    )
    alert_rules: str = Field(
        "", description="TOML file of alert rules; empty takes those shipped, off takes none."
    )
    alert_webhook_url: SecretStr = Field(
        SecretStr(""), description="http(s) address that alerts are posted to; empty is nowhere."
    )
    alert_webhook_secret: SecretStr = Field(
        SecretStr(""), description="What every post is signed with (HMAC-SHA256); keep it secret."
    )
    alert_webhook_timeout_seconds: float = Field(
        10, ge=0.1, le=120, description="How long the receiver may take to answer a post."
    )
    alert_webhook_oldest_seconds: float = Field(
        900, ge=1, description="Alerts older than this are not posted any more, but counted."
    )
    base_interval_seconds: int = Field(
        60, ge=1, le=3600, description="Base interval of footprints."
    )
    toolkit: bool = Field(
        True, description="Whether all of the order flow is computed, or footprint and CVD alone."
    )
    grids: dict[str, AssetGrid] = Field({}, description="Grids of assets, over the built-in ones.")
    parquet_seconds: float = Field(
        300, ge=1, le=3600, description="How often the Parquet sink looks for what is new."
    )
    http_port: int = Field(8123, ge=0, le=65535, description="Port of the read-only SQL server.")
    metrics_host: str = Field("127.0.0.1", description="Address that the metrics are served at.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of the metrics; 0 is off.")
    linger_ms: int = Field(20, ge=0, le=1000, description="How long trades wait to share a batch.")
    log_level: str = Field(
        "warning", pattern="^(debug|info|warning|error)$", description="Least severe level logged."
    )

    @property
    def stored_in(self) -> Path | str:
        """Where the tables are: the address of a server, or the folder of the embedded store."""
        return self.clickhouse_url or self.store

    @property
    def store_name(self) -> str:
        """That place in words, without a password."""
        return self.clickhouse_url.rpartition("@")[2] or str(self.store)

    @property
    def folders(self) -> dict[str, Path]:
        """The folders that are written to, by name."""
        folders = {"spool": self.spool}
        if self.bus == EMBEDDED:
            folders["log"] = self.log
        if not self.clickhouse_url:
            folders["store"] = self.store
        return folders

    @field_validator("assets", "quotes", "feeds", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(word for word in value.split(",") if word) if isinstance(value, str) else value

    @field_validator("bus")
    @classmethod
    def _is_a_bus(cls, value: str) -> str:
        if value != EMBEDDED:
            brokers_of(value)
        return value

    @field_validator("base_interval_seconds")
    @classmethod
    def _divides_a_minute_grid(cls, value: int) -> int:
        if 300 % value:
            raise ValueError("must divide 300, so that five-minute bars are whole merges")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: options, environment, file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**options: object) -> Settings:
    """Read the settings; options that are None were not given.

    A `store` that is given comes before a server that other settings name.

    Raises:
        ConfigurationError: names the setting, what it was and what it must be.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if "store" in given:
        given.setdefault("clickhouse_url", "")
    try:
        return Settings(**given)  # type: ignore[arg-type]  # checked by pydantic itself
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        hidden = any(word in name for word in HIDDEN)
        shown = "hidden" if hidden else str(first.get("input"))[:60]
        raise ConfigurationError(f"setting {name}: {first['msg']} (was {shown!r})") from error
    except ValueError as error:
        raise ConfigurationError(f"perptape.toml: {error}") from error
