"""Alerts of one asset: rules over what the operators before this one have sent in the second.

It comes last, so that it sees all of them, and the final footprint bars that end with the second.
Every rule has a cooldown, a limit an hour and a memory of its own (`processors.alerts.gate`).

Settled here, where 5.15 leaves it open:
- cooldown and limit are per rule and asset, not per rule: assets are spread over partitions that
  know nothing of one another, and an alert on one coin must not silence that on another;
- a notice of partial inputs has a key and a gate of its own: it neither uses up the alert's key nor
  delays the next alert, and the alert follows where the inputs are whole while it still holds;
- a value is an event each time that it begins to satisfy the rule; its id has the time of that;
- an instrument's number inside a record over many stands for itself: it is partial where its own
  feed was, whoever else was missing.

State: per rule at most 1000 digests of keys and `most_per_hour` times, twice, and 1000 values that
hold. A rule that was changed begins anew, the others go on.
Source: definitions 5.15.
"""

from collections.abc import Iterator

import msgspec

from processors.alerts.rules import AlertParams
from processors.alerts.watch import Watch
from processors.operator import Output
from processors.plain import Plain
from processors.seconds.second import Second
from processors.state import State
from processors.units import AssetUnits
from schemas.alerts import ALERTS_TOPIC


class AlertOperator:
    """All rules on one asset, in their order."""

    name = "alerts"

    def __init__(self, asset: str, units: AssetUnits, params: AlertParams) -> None:
        self._asset, self._units = asset, units
        self._watches = [
            Watch(asset, units, rule)
            for rule in params.rules
            if not rule.assets or asset in rule.assets
        ]
        self._by_record: dict[type[msgspec.Struct], list[Watch]] = {}
        self._sort()

    def on_second(self, second: Second) -> list[Output]:
        """Ask every rule about what was sent in this second."""
        return [
            Output(ALERTS_TOPIC, self._asset, alert, second.end_us)
            for record in _records(second)
            for watch in self._by_record.get(type(record), ())
            for alert in watch.take(second, record)
        ]

    def _sort(self) -> None:
        self._by_record = {}
        for watch in self._watches:
            self._by_record.setdefault(watch.rule.of.record, []).append(watch)

    # --- state

    def snapshot(self) -> State:
        """Return what every rule has told; there are no parts."""
        return State([[one.rule.name, one.hash, one.dump()] for one in self._watches], {})

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot, as far as the rules are still the same."""
        known = {(name, params): state for name, params, state in head}
        self._watches = [
            Watch(self._asset, self._units, one.rule, known.get((one.rule.name, one.hash)))
            for one in self._watches
        ]
        self._sort()

    def keeps(self, part: str) -> bool:
        """There are no parts."""
        return False


def _records(second: Second) -> Iterator[msgspec.Struct]:
    for output in second.events:
        yield output.record
    yield from second.bars
