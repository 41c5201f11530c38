"""Numbers inside records, by path."""

import pytest

from processors.alerts.message import amount
from processors.alerts.path import check_path, numbers_at, steps_of
from processors.alerts.sources import SOURCES
from schemas.cascades import CascadeState
from tests.processors.alerts.builders import (
    NAMES,
    cascade,
    context,
    flow_event,
    liquidations,
)


def values(record: object, path: str) -> list[object]:
    return [value for _, value in numbers_at(record, steps_of(path))]  # type: ignore[arg-type]


def test_a_list_of_instruments_yields_a_number_of_each_with_what_led_to_it() -> None:
    record = context({NAMES[0]: 0.1, NAMES[1]: -0.2})
    found = list(numbers_at(record, steps_of("instruments.predicted.rate_8h")))
    assert [value for _, value in found] == [0.1, -0.2]
    assert [chain[1].venue for chain, _ in found] == ["binance", "bybit"]  # type: ignore[attr-defined]


def test_what_is_null_on_the_way_is_a_null_at_the_end() -> None:
    assert values(context({NAMES[0]: None}), "instruments.predicted.rate_8h") == [None]
    assert values(liquidations(None), "series[composition=all].long.obs_usd_cents") == [None]


def test_elements_are_chosen_by_what_they_say() -> None:
    record = liquidations(7, common=5)
    assert values(record, "series[composition=all].long.obs_usd_cents") == [7]
    assert values(record, "series[composition=common, scope=perp].long.obs_usd_cents") == [5]
    assert values(record, "series[composition=all,scope=spot].long.obs_usd_cents") == []
    assert values(record, "series.long.obs_usd_cents") == [7, 5]


def test_a_key_of_a_mapping_is_a_name_and_null_where_it_is_missing() -> None:
    assert values(flow_event(), "values.levels") == [4]
    assert values(flow_event(), "values.unknown") == [None]
    assert values(flow_event(), "values.nothing") == [None]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("imbalance", "instruments.bands[half_width_bp=20].obi"),
        ("imbalance", "scopes[scope=perp].common[half_width_bp=20].flow_weighted"),
        ("imbalance", "instruments.z_scores.band_20bp"),
        ("imbalance", "instruments.bid_pull.ratio"),
        ("context", "perp[composition=common].funding_rate_8h"),
        ("context", "instruments.basis_bp"),
        ("context", "book_flow.cvd_normalised"),
        ("liquidations", "series[composition=all].short.all_share"),
        ("cvd_structure", "series[scope=perp,composition=common].normalised"),
        ("bar", "delta_lots"),
        ("cascade", "evidence.l60_usd_cents"),
    ],
)
def test_what_the_operators_compute_can_be_named(source: str, path: str) -> None:
    check_path(SOURCES[source].element, steps_of(path))


def test_every_field_that_a_source_names_is_there() -> None:
    for source in SOURCES.values():
        fields = set(source.element.__struct_fields__)
        named = {source.id, source.kind, source.form, source.state, source.side, *source.identity}
        assert named - {""} | set(source.lane) <= fields
        for _, path in source.shown:
            assert steps_of(path)[0].name in fields
        assert {"method", "is_final", "inputs"} <= set(source.record.__struct_fields__)


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("a.usd_cents", 521_040_049, "$5,210,400"),
        ("obs_usd_cents", -150, "-$2"),
        ("obs_usd_cents", 123_456.0, "$1,235"),
        ("last_ticks", 6_351_240, "63,512.4"),
        ("mid_ticks", 6_351_240.5, "63,512.405"),
        ("move_bp", -84.25, "-84.2 bp"),
        ("predicted.rate_8h", 0.0006, "0.0600 %"),
        ("count", 1234, "1,234"),
        ("obi", 0.123456, "0.1235"),
    ],
)
def test_a_number_is_written_in_the_unit_that_its_name_ends_with(
    path: str, value: float, text: str
) -> None:
    assert amount(path, value, (cascade(CascadeState.ACTIVE),)) == text


def test_lots_are_written_on_the_grid_of_their_record() -> None:
    assert amount("interest_lots", 1_234_567, (flow_event(),)) == "1,234.567"
