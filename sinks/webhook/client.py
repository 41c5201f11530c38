"""Posts one alert and says how that ended; nothing of the address or the secret is ever told."""

import importlib.metadata
import os
import time
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

import aiohttp

from runtime.errors import ConfigurationError
from sinks.webhook.answers import Answer, Result, answer_of
from sinks.webhook.signature import headers_of

LEAST_SECRET_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where alerts go. Addresses of webhooks often hold a token: only the host may be shown.

    Raises:
        ConfigurationError: no http(s) address, or a secret that is missing or too short.
    """

    url: str = field(repr=False)
    secret: str = field(repr=False)
    timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            usable = usable and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable:
            raise ConfigurationError("setting alert_webhook_url: must be http(s)://host/...")
        if len(self.secret) < LEAST_SECRET_CHARACTERS:
            raise ConfigurationError(
                "setting alert_webhook_secret: must have at least "
                f"{LEAST_SECRET_CHARACTERS} characters, for every post is signed with it"
            )

    @property
    def host(self) -> str:
        """The host and port, for people."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


class WebhookClient:
    """One pool of connections to a receiver, open between `async with`."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "WebhookClient":
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._receiver.timeout_seconds),
            headers={"User-Agent": f"perptape/{importlib.metadata.version('perptape')}"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def post(self, body: bytes, key: str, skipped: int = 0) -> Answer:
        """Post an alert once; only the status of the answer is read."""
        if self._http is None:
            raise RuntimeError("the client is not open")
        secret = self._receiver.secret.encode()
        headers = headers_of(
            body, key, secret=secret, sent_seconds=int(time.time()), skipped=skipped
        )
        try:
            async with self._http.post(
                self._receiver.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                retry_after = response.headers.get("Retry-After", "")
                return answer_of(response.status, retry_after, time.time())
        except TimeoutError:
            return Answer(Result.TIMEOUT, f"no answer in {self._receiver.timeout_seconds:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Answer(Result.UNREACHABLE, _in_words(error))


def _in_words(error: Exception) -> str:
    """Say what kind of failure it was; the error's own text may have the address in it."""
    number = getattr(error, "errno", None)
    why = f": {os.strerror(number)}" if isinstance(number, int) and number > 0 else ""
    return f"{type(error).__name__}{why}"
