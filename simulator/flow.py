"""The latent part of the scripted market: efficient price, order intensity and pressure.

Per asset: a log price that shares a common factor with the others, a self-exciting order
intensity (Hawkes process with an exponential kernel), and buying or selling pressure that
changes sides every quarter of a minute or so. Cascades come on top, as functions of time. Where a
scenario has a path for the price, it takes the place of all that.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt, tanh
from random import Random

from runtime.errors import ConfigurationError
from schemas.market import Side
from simulator.scenarios.parts import Path

US = 1_000_000
BPS = 1e-4
MAX_CASCADES = 64

_VOLATILITY_BPS = 0.6  # per square root of a second: 1.8 % a day
_COMMON_SHARE = 0.75
_HOME_SECONDS = 6 * 3600
_OFFSPRING = 0.6
_EXCITEMENT_SECONDS = 1.5
_REGIME_SECONDS = 15.0
_PRESSURE_SECONDS = 4.0
_IMPACT_BPS = 0.05
_IMPACT_USD = 20_000.0
_QUIET_AFTER = 0.3
_RETRACE = 0.3


@dataclass(frozen=True, slots=True)
class Cascade:
    """One-sided flow that feeds on itself, then exhausts.

    Over `build_seconds` the order rate climbs to `1 + peak` times its base and the price moves by
    `move_bps`, both with the square of the progress. Over `exhaust_seconds` the rate falls below
    its base, the other side answers, and three tenths of the move come back.

    `side` is the aggressor's: SELL is a cascade of liquidated longs. `assets` empty means all.
    """

    start_us: int
    side: Side
    assets: tuple[str, ...] = ()
    build_seconds: float = 20.0
    exhaust_seconds: float = 15.0
    move_bps: float = 120.0
    peak: float = 25.0

    @property
    def end_us(self) -> int:
        """When it is over."""
        return self.start_us + int((self.build_seconds + self.exhaust_seconds) * US)

    def progress(self, now_us: int) -> tuple[float, float]:
        """Return the progress of building and of exhaustion, each 0 to 1."""
        elapsed = (now_us - self.start_us) / US
        build = min(1.0, max(0.0, elapsed / self.build_seconds))
        exhaust = min(1.0, max(0.0, (elapsed - self.build_seconds) / self.exhaust_seconds))
        return build, exhaust

    def rate(self, now_us: int) -> float:
        """Return the factor on the base rate."""
        build, exhaust = self.progress(now_us)
        if exhaust == 0.0:
            return 1.0 + self.peak * build * build
        return max(_QUIET_AFTER, (1.0 + self.peak) * (1.0 - exhaust) ** 3)

    def log_move(self, now_us: int) -> float:
        """Return the displacement of the log price."""
        build, exhaust = self.progress(now_us)
        return int(self.side) * self.move_bps * BPS * build * build * (1.0 - _RETRACE * exhaust)

    def bias(self, now_us: int) -> float:
        """Return what is added to the probability of a buy."""
        build, exhaust = self.progress(now_us)
        one_sided = 0.15 + 0.3 * min(1.0, 2.0 * build)
        return int(self.side) * (one_sided if exhaust == 0.0 else -0.15)


class AssetFlow:
    """The latent state of one asset.

    Args:
        random: the market's one source of randomness.
        price: opening price in quote coin.
        orders_per_second: base rate of taker orders over all venues, excitement included.
        now_us: time of opening.
        paths: what a scenario asks of the price, one after the other.
    """

    def __init__(
        self,
        random: Random,
        *,
        price: float,
        orders_per_second: float,
        now_us: int,
        paths: Sequence[Path] = (),
    ) -> None:
        self._random = random
        self._price = price
        self._own_rate = orders_per_second * (1.0 - _OFFSPRING)
        self._now_us = now_us
        self._log_move = 0.0
        self._excitement = 0.0
        self._pressure = 0.0
        self._target = 0.0
        self._regime_ends_us = now_us
        self._cascades: list[Cascade] = []
        self._paths = deque(paths)
        self._anchor: float | None = None
        """The displacement at which the present path began."""

    def add(self, cascade: Cascade) -> None:
        """Let a cascade act on this asset.

        Raises:
            ConfigurationError: 64 are scheduled already.
        """
        if len(self._cascades) >= MAX_CASCADES:
            raise ConfigurationError(f"{MAX_CASCADES} cascades are scheduled already")
        self._cascades.append(cascade)

    def advance(self, now_us: int, common_step: float) -> None:
        """Move on in time; `common_step` is the common factor's increment, variance = seconds."""
        seconds = (now_us - self._now_us) / US
        self._now_us = now_us
        before = self._log_move
        own_step = self._random.gauss(0.0, 1.0) * sqrt(seconds)
        mixed = sqrt(_COMMON_SHARE) * common_step + sqrt(1.0 - _COMMON_SHARE) * own_step
        self._log_move *= exp(-seconds / _HOME_SECONDS)
        self._log_move += _VOLATILITY_BPS * BPS * mixed
        self._excitement *= exp(-seconds / _EXCITEMENT_SECONDS)
        if now_us >= self._regime_ends_us:
            self._change_sides(now_us)
        self._pressure += (self._target - self._pressure) * (
            1.0 - exp(-seconds / _PRESSURE_SECONDS)
        )
        self._retire_cascades()
        self._follow_path(before)

    def intensity(self, rate: float) -> float:
        """Return the present rate of orders a second."""
        factor = 1.0
        for cascade in self._cascades:
            factor *= cascade.rate(self._now_us)
        return self._own_rate * self._background() * rate * factor + self._excitement

    def highest_intensity(self, rate: float, until_us: int) -> float:
        """Return a bound on the rate until a time, as long as nothing trades."""
        factor = 1.0
        for cascade in self._cascades:
            if cascade.start_us <= until_us:
                factor *= 1.0 + cascade.peak
        return self._own_rate * rate * factor + self._excitement

    def price(self) -> float:
        """Return the efficient price."""
        moves = sum(cascade.log_move(self._now_us) for cascade in self._cascades)
        return self._price * exp(self._log_move + moves)

    def buy_probability(self) -> float:
        """Return how likely the next taker is a buyer."""
        if self._anchor is not None:
            return 0.5
        bias = sum(cascade.bias(self._now_us) for cascade in self._active())
        return min(0.97, max(0.03, 0.5 + 0.5 * tanh(self._pressure) + bias))

    def size_factor(self) -> float:
        """Return how much larger orders are than usual."""
        return 2.0 if self._active() else 1.0

    def forced(self) -> tuple[Side, float] | None:
        """Return the side that a building cascade forces and its progress, None without one."""
        for cascade in self._active():
            build, exhaust = cascade.progress(self._now_us)
            if exhaust == 0.0:
                return cascade.side, build
        return None

    def traded(self, side: Side, notional_usd: float) -> None:
        """Take an order into account: it excites others and moves the price a little."""
        self._excitement += _OFFSPRING / _EXCITEMENT_SECONDS
        size = min(10.0, sqrt(notional_usd / _IMPACT_USD))
        self._log_move += int(side) * _IMPACT_BPS * BPS * size

    def _background(self) -> float:
        return 1.0 if self._anchor is None else self._paths[0].background

    def _follow_path(self, before: float) -> None:
        """Let a path decide where the price is, if there is one now.

        Args:
            before: the displacement before this step.
        """
        while self._paths and self._paths[0].end_us <= self._now_us:
            path = self._paths.popleft()
            self._log_move = path.log_move(self._now_us, before)
            self._anchor = None
        if not self._paths or self._now_us < self._paths[0].start_us:
            return
        if self._anchor is None:
            self._anchor = before
        self._log_move = self._paths[0].log_move(self._now_us, self._anchor)

    def _active(self) -> Sequence[Cascade]:
        return [cascade for cascade in self._cascades if cascade.start_us <= self._now_us]

    def _change_sides(self, now_us: int) -> None:
        sign = -1.0 if self._target > 0.0 else 1.0
        self._target = sign * self._random.uniform(0.05, 0.45)
        length = self._random.expovariate(1.0 / _REGIME_SECONDS)
        self._regime_ends_us = now_us + int(length * US) + 1

    def _retire_cascades(self) -> None:
        for cascade in [item for item in self._cascades if item.end_us <= self._now_us]:
            self._log_move += cascade.log_move(self._now_us)
            self._cascades.remove(cascade)
