"""The scenarios that can be played by name.

Operators that compare with the past need one: absorption 200 windows of ten seconds, so 34 minutes,
a divergence 30 bars, a sweep a confirmed pivot. Each act comes once there is enough of it.
"""

from runtime.errors import ConfigurationError
from schemas.market import Side
from simulator.scenarios.acts.cascade import LiquidationCascade
from simulator.scenarios.acts.divergence import Divergence
from simulator.scenarios.acts.trend import ExhaustedTrend
from simulator.scenarios.acts.wall import HitWall, SpoofedWall
from simulator.scenarios.scenario import Scenario

_ALL = (
    Scenario("calm", "nothing happens"),
    Scenario(
        "walls",
        "a bid wall absorbs sellers, an ask wall absorbs buyers, a bid wall breaks",
        ((36, HitWall()), (42, HitWall(side=Side.SELL)), (48, HitWall(holds=False))),
    ),
    Scenario(
        "spoofs",
        "a bid wall and an ask wall are pulled before anything trades with them",
        ((2, SpoofedWall()), (5, SpoofedWall(side=Side.SELL, feed="okx.swap"))),
    ),
    Scenario(
        "trend",
        "buyers dry up at rising highs, sellers at falling lows",
        ((6, ExhaustedTrend()), (15, ExhaustedTrend(side=Side.SELL))),
    ),
    Scenario(
        "divergence",
        "a lower low against buyers, a higher high against sellers",
        ((32, Divergence()), (54, Divergence(side=Side.SELL))),
    ),
    Scenario(
        "cascade",
        "longs are liquidated through a low that is reclaimed",
        ((10, LiquidationCascade()),),
    ),
    Scenario(
        "failed-cascade",
        "longs are liquidated through a low, and a lower one follows",
        ((10, LiquidationCascade(reclaims=False)),),
    ),
    Scenario(
        "short-cascade",
        "shorts are liquidated through a high that is reclaimed",
        ((10, LiquidationCascade(side=Side.BUY)),),
    ),
)
SCENARIOS = {scenario.name: scenario for scenario in _ALL}


def scenario(name: str) -> Scenario:
    """Return a scenario.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if name not in SCENARIOS:
        raise ConfigurationError(f"no scenario {name}; there are: {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
