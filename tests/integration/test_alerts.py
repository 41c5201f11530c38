"""From trades to a receiver: host, operators, rule, log, post."""

from pathlib import Path

import msgspec

from processors.alerts.rules import AlertParams, AlertRule, Comparison
from processors.asset import EngineParams
from processors.host import BusHost
from processors.partitions import HostSettings
from runtime.bus.embedded import EmbeddedBus
from runtime.bus.protocol import Outgoing
from schemas.alerts import Alert, AlertKind
from schemas.topics import ALERTS, BOOKS, LIQUIDATIONS, TICKERS, TRADES
from sinks.webhook.sink import WebhookSettings, WebhookSink
from tests.processors.builders import NOON, SECOND, UNITS
from tests.processors.seconds.market import BYBIT, Market, in_turn
from tests.sinks.webhook.receiver import committed, listening, log, running

TOPIC = {
    "trades": TRADES.name,
    "books": BOOKS.name,
    "liquidations": LIQUIDATIONS.name,
    "tickers": TICKERS.name,
}
RULES = AlertParams(
    rules=(
        AlertRule(
            name="mids",
            source="imbalance",
            field="instruments.mid_ticks",
            comparison=Comparison.ABOVE,
            threshold=6_000_000,
            cooldown_seconds=20,
        ),
        AlertRule(name="clusters", source="cluster", cooldown_seconds=10, most_per_hour=5),
        AlertRule(
            name="longs",
            source="liquidations",
            where={"interval_seconds": 60},
            field="series[composition=all].long.obs_usd_cents",
            comparison=Comparison.AT_LEAST,
            threshold=1,
        ),
    )
)
PARAMS = EngineParams(units={"BTC": UNITS}, alerts=RULES)
MARKET = Market(190, outages=[(BYBIT, "liquidations", 130, 140)])


class ThatDay:
    """The clock of the recorded market."""

    def now_us(self) -> int:
        return NOON + 200 * SECOND

    async def sleep_until_us(self, time_us: int) -> None:
        raise AssertionError("nothing here waits for the market")


async def alerts_in(bus: EmbeddedBus) -> list[bytes]:
    reader = await bus.consumer([ALERTS.name])
    return [record.value or b"" for record in await reader.poll(1000, 0)]


async def test_what_a_rule_finds_in_the_market_reaches_the_receiver(tmp_path: Path) -> None:
    async with log(tmp_path) as bus, listening(503) as receiver:
        records = [
            Outgoing(TOPIC[topic], b"BTC", msgspec.json.encode(batch), batch.receive_time_us)
            for topic, batch in in_turn(MARKET.logs())
        ]
        for first in range(0, len(records), 1000):  # each time another host goes on
            await bus.send(records[first : first + 1000])
            settings = HostSettings(snapshot_records=100, poll_records=50)
            host = BusHost(bus, PARAMS, settings)
            await host.drain()
            await host.close()
        values = await alerts_in(bus)
        quick = WebhookSettings(first_retry_seconds=0.01)
        sink = WebhookSink(bus, receiver.told(), settings=quick, clock=ThatDay())
        async with running(sink):
            await committed(bus, [len(values)])

    alerts = [msgspec.json.decode(value, type=Alert) for value in values]
    assert {alert.rule for alert in alerts} == {"mids", "clusters", "longs"}
    assert {alert.kind for alert in alerts} == set(AlertKind)
    assert len(records) > 3000
    keys = [alert.key for alert in alerts]
    assert len(set(keys)) == len(keys)
    assert any(alert.suppressed for alert in alerts)
    assert {alert.venue for alert in alerts if alert.rule == "mids"} == {"binance", "bybit"}
    for alert in alerts:
        assert alert.evidence
        assert alert.methods[0].partition("/")[0] in ("liquidations", "imbalance")
        assert TRADES.name in {one.topic for one in alert.inputs} <= set(TOPIC.values())
        assert alert.asset in alert.message
    # The receiver was busy once, and then got each alert as it lies in the log, in order.
    assert [post.body for post in receiver.posts] == [values[0], *values]
