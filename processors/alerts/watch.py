"""One rule at work on one asset: finds in records what it asks for, and writes its alerts.

An event is told once for each state. A value is told when the condition begins to hold, and again
only after it did not hold in between; a null is no answer and changes nothing, so the condition is
as it was. What holds is offered with every record until it could be told: a funding rate that
passed its threshold in the quiet hours is told when they end, if it is still there.

State: the two gates, and since when the condition holds for up to `MAX_LANES` values.
"""

from collections.abc import Callable
from functools import partial

from processors.alerts import message
from processors.alerts.gate import Gate
from processors.alerts.path import Chain, Number, matches, numbers_at, steps_of, word
from processors.alerts.rules import AlertRule
from processors.alerts.standing import key_of, standing
from processors.derived import derived
from processors.events.writer import scope_name
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.scopes import ScopeKey
from processors.seconds.second import Second
from processors.units import AssetUnits
from schemas.alerts import Alert, AlertKind
from schemas.lineage import Status
from schemas.market import Scope

METHOD = "alerts/1.0.0"
MAX_LANES = 1000
"""Values of one rule that hold at once; beyond, the oldest is forgotten and may be told again."""


class Watch:
    """A rule, and what it has told of one asset.

    Args:
        asset: its name.
        units: its grids.
        rule: what is looked for.
        state: from `dump`.
    """

    def __init__(self, asset: str, units: AssetUnits, rule: AlertRule, state: Plain = None) -> None:
        self.rule, self.hash = rule, params_hash(units, rule)
        self._asset, self._source = asset, rule.of
        self._chosen = rule.chosen
        self._choices = [
            (name, frozenset(allowed))
            for name, allowed in (
                (self._source.kind, rule.kinds),
                (self._source.form, rule.forms),
                (self._source.state, rule.states),
                (self._source.side, rule.sides),
            )
            if allowed
        ]
        self._steps = steps_of(rule.field) if rule.field else ()
        alerts, notices, lanes = state or (None, None, {})
        self._alerts, self._notices = Gate(rule, alerts), Gate(rule, notices)
        self._since_us: dict[str, int] = dict(lanes)

    def take(self, second: Second, record: Plain) -> list[Alert]:
        """Look at one record of the second; return what there is to tell."""
        if not self.rule.provisional and _is_provisional(record):
            return []
        tell = self._event if self._source.id else self._values
        return [
            alert
            for chain in self._source.elements(record)
            if matches(chain[-1], self._chosen)
            for alert in tell(second, chain)
        ]

    def _event(self, second: Second, chain: Chain) -> list[Alert]:
        element, source = chain[-1], self._source
        for name, allowed in self._choices:
            if word(getattr(element, name)) not in allowed:
                return []
        key = key_of(chain)
        if not self._asked_for(key):
            return []
        value: Number | None = None
        if self._steps:
            value = next((one for _, one in numbers_at(element, self._steps)), None)
        if not self.rule.holds(value):
            return []
        state = word(getattr(element, source.state)) if source.state else ""
        subject = message.about(self._asset, key)
        say = partial(message.of_event, self.rule, chain, state, subject)
        told = self._tell(second, chain, key, (getattr(element, source.id), state), value, say)
        return [told] if told else []

    def _values(self, second: Second, chain: Chain) -> list[Alert]:
        found = []
        for through, value in numbers_at(chain[-1], self._steps):
            key = key_of(through)
            if value is None or not self._asked_for(key):
                continue
            lane = self._lane(through, key)
            if not self.rule.holds(value):
                self._since_us.pop(lane, None)
                continue
            since_us = self._since_us.setdefault(lane, second.end_us)
            if len(self._since_us) > MAX_LANES:
                del self._since_us[next(iter(self._since_us))]
            subject = message.about(self._asset, key)
            say = partial(message.of_value, self.rule, through, value, subject)
            state = self.rule.comparison.value if self.rule.comparison else ""
            told = self._tell(second, through, key, (f"{lane}:{since_us}", state), value, say)
            found += [told] if told else []
        return found

    def _lane(self, chain: Chain, key: ScopeKey) -> str:
        """Return what tells one value of this rule from another, the same in every record."""
        words = [self.rule.source, self._asset, scope_name(key)]
        words += [word(getattr(chain[0], name)) for name in self._source.lane]
        words += [named for one in chain if (named := getattr(one, "composition", ""))]
        return ":".join([*words, self.rule.field])

    def _asked_for(self, key: ScopeKey) -> bool:
        rule = self.rule
        in_scope = not rule.scopes or key.scope in rule.scopes
        return in_scope and (not rule.venues or key.venue in rule.venues)

    def _tell(
        self,
        second: Second,
        chain: Chain,
        key: ScopeKey,
        event: tuple[str, str],
        value: Number | None,
        say: Callable[[], str],
    ) -> Alert | None:
        """Return the alert, or the notice in its place; None where it may not go."""
        rule, (event_id, state) = self.rule, event
        name = "|".join((rule.name, scope_name(key), event_id, state))
        status, completeness = standing(second, chain, key, self._source.stream)
        kind = AlertKind.EVENT if self._source.id else AlertKind.VALUE
        gate = self._alerts
        if status is not Status.COMPLETE and not rule.allow_partial:
            kind, gate, name = AlertKind.DATA_QUALITY, self._notices, f"data_quality|{name}"
        suppressed = gate.ask(name, second.end_us)
        if suppressed is None:
            return None
        said = say()
        if kind is AlertKind.DATA_QUALITY:
            said = message.of_partial(said, completeness)
        record: Plain = chain[0]
        return Alert(
            **derived(second, METHOD, self.hash),
            is_final=not _is_provisional(record),
            key=name,
            rule=rule.name,
            kind=kind,
            severity=rule.severity,
            source=rule.source,
            scope=key.scope,
            venue=key.venue if key.scope is Scope.VENUE else "",
            symbol=key.symbol if key.scope is Scope.VENUE else "",
            event_id=event_id,
            state=state,
            field=rule.field,
            value=None if value is None else float(value),
            threshold=None if rule.threshold is None else float(rule.threshold),
            event_time_us=second.end_us,
            status=status,
            completeness=completeness,
            evidence=self._evidence(chain),
            methods=[record.method],
            suppressed=suppressed,
            message=message.with_suppressed(said, suppressed),
        )

    def _evidence(self, chain: Chain) -> list[str]:
        """Name the record, and what that rests on itself."""
        element = chain[-1] if self._source.each else chain[0]
        name = [] if self._source.id else [self.rule.source]  # events name themselves
        name += [word(getattr(element, field)) for field in self._source.identity]
        further = getattr(element, "evidence", None)
        return [":".join(name), *(further if isinstance(further, list) else [])]

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self._alerts.dump(), self._notices.dump(), self._since_us]


def _is_provisional(record: Plain) -> bool:
    """Say whether a record may still change; some say so beside being sent as final."""
    return not record.is_final or getattr(record, "provisional", False)
