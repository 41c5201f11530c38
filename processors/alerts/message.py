"""The words of an alert: one line that a trader reads at a glance."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from processors.alerts.path import Chain, Number, numbers_at, steps_of, word
from processors.alerts.rules import AlertRule
from processors.alerts.sources import Source
from processors.scopes import ScopeKey
from schemas.lineage import Completeness
from schemas.market import Scope
from schemas.units import plain, round_half_even

_AGGREGATES = {Scope.PERP: "all perpetuals", Scope.SPOT: "all spot"}
_AT_MOST_NAMED = 4


def about(asset: str, key: ScopeKey) -> str:
    """Return what an alert is about, e.g. `BTC okx BTC-USDT-PERP`."""
    place = _AGGREGATES.get(key.scope, f"{key.venue} {key.symbol}".strip())
    return f"{asset} {place}"


def of_event(rule: AlertRule, chain: Chain, state: str, subject: str) -> str:
    """Say which state an event has reached, and the numbers that tell how large it is."""
    source, element = rule.of, chain[-1]
    kind = word(getattr(element, source.kind)) if source.kind else rule.source
    side = word(getattr(element, source.side)) if source.side else ""
    words = [subject + ":", rule.label or kind.replace("_", " "), *([state] if state else []), side]
    return "; ".join([" ".join(filter(None, words)), *_shown(source, chain)])


def of_value(rule: AlertRule, chain: Chain, value: Number, subject: str) -> str:
    """Say which value has crossed which threshold."""
    comparison = rule.comparison.value.replace("_", " ") if rule.comparison else ""
    wanted = amount(rule.field, rule.threshold or 0, chain)
    shown = amount(rule.field, value, chain)
    what = rule.label or f"{rule.source} {rule.field}"
    return f"{subject}: {what} {shown}, {comparison} {wanted}"


def of_partial(said: str, completeness: Completeness) -> str:
    """Say that an alert would have rested on partial inputs, and who was missing."""
    complete = set(completeness.venues_complete)
    missing = [name for name in completeness.venues_expected if name not in complete]
    named = ", ".join(missing[:_AT_MOST_NAMED]) or "within the window"
    more = len(missing) - _AT_MOST_NAMED
    return f"partial data ({named}{f' and {more} more' if more > 0 else ''}), not alerted: {said}"


def with_suppressed(said: str, suppressed: Mapping[str, int]) -> str:
    """Add how many alerts were held back since the last one."""
    if not suppressed:
        return said
    reasons = ", ".join(f"{reason.replace('_', ' ')} {n}" for reason, n in suppressed.items())
    return f"{said} ({sum(suppressed.values())} held back: {reasons})"


def _shown(source: Source, chain: Chain) -> Sequence[str]:
    """Return the numbers of an event that are known, each with its word."""
    found = []
    for label, path in source.shown:
        for through, value in numbers_at(chain[-1], steps_of(path)):
            if value is not None:
                found.append(f"{label} {amount(path, value, (*chain, *through))}")
    return found


def amount(path: str, value: Number, chain: Chain) -> str:
    """Write a number in the unit that the end of its name tells; ticks and lots on their grid."""
    name = path.rpartition(".")[2]
    if name.endswith("usd_cents"):
        cents = round(value)
        return f"{'-' if cents < 0 else ''}${round_half_even(abs(cents), 100):,}"
    if name.endswith("_ticks") and (tick := _grid(chain, "tick")):
        return f"{Decimal(plain(Decimal(str(value)) * Decimal(tick))):,}"
    if name.endswith("_lots") and (lot := _grid(chain, "lot")):
        return f"{Decimal(plain(Decimal(str(value)) * Decimal(lot))):,}"
    if name.endswith("_bp"):
        return f"{value:,.1f} bp"
    if "rate_" in name:
        return f"{100 * value:.4f} %"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _grid(chain: Chain, name: str) -> str:
    return next((getattr(one, name) for one in reversed(chain) if hasattr(one, name)), "")
