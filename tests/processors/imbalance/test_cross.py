"""Aggregates over venues: capped weights, and three that may differ in sign (definitions 5.6)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.imbalance.cross import VenueBand, aggregate, capped

HALF = (1, 2)


@pytest.mark.parametrize(
    ("flows", "expected"),
    [
        ({}, {}),
        ({"a": 7}, {"a": 1.0}),
        ({"a": 9, "b": 1}, {"a": 0.5, "b": 0.5}),
        ({"a": 1, "b": 1}, {"a": 0.5, "b": 0.5}),
        ({"a": 8, "b": 1, "c": 1}, {"a": 0.5, "b": 0.25, "c": 0.25}),
        ({"a": 5, "b": 3, "c": 2}, {"a": 0.5, "b": 0.3, "c": 0.2}),
        ({"a": 90, "b": 6, "c": 3, "d": 1}, {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}),
    ],
)
def test_no_weight_exceeds_one_half_after_the_rest_is_shared_out(
    flows: dict[str, int], expected: dict[str, float]
) -> None:
    assert capped(flows, HALF) == pytest.approx(expected)


def test_a_lower_cap_is_applied_until_nobody_exceeds_it() -> None:
    """At 0.4: b has 0.3 of the flow, but 0.45 once the excess of a is shared out."""
    found = capped({"a": 60, "b": 30, "c": 10}, (2, 5))
    assert found == pytest.approx({"a": 0.4, "b": 0.4, "c": 0.2})
    assert capped({"a": 60, "b": 30}, (2, 5)) == {"a": 0.5, "b": 0.5}


@given(
    st.dictionaries(st.text("abcdefgh", min_size=1, max_size=1), st.integers(1, 10**20)),
    st.sampled_from([(1, 2), (2, 5), (1, 3), (1, 1)]),
)
def test_weights_are_a_capped_share_of_one(flows: dict[str, int], cap: tuple[int, int]) -> None:
    found = capped(flows, cap)
    limit = Fraction(*cap)
    assert found.keys() == flows.keys()
    if not flows:
        return
    assert sum(found.values()) == pytest.approx(1)
    if len(flows) * limit >= 1:
        assert all(weight <= float(limit) + 1e-12 for weight in found.values())
    free = [name for name, weight in found.items() if weight < float(limit) - 1e-9]
    for one in free:
        for two in free:
            assert found[one] * flows[two] == pytest.approx(found[two] * flows[one])
    assert all(
        found[one] <= found[two] + 1e-12
        for one in flows
        for two in flows
        if flows[one] <= flows[two]
    )


def test_the_three_aggregates_may_differ_in_sign() -> None:
    """5.16, trap 11: a deep venue, a busy one and a third."""
    bands = [
        VenueBand("deep", 0.5, 3_000_000, 1_000_000),
        VenueBand("busy", -0.25, 300, 500),
        VenueBand("third", -0.1, 450, 550),
    ]
    found = aggregate(10, bands, {"deep": 100, "busy": 700, "third": 200}, HALF, 100)
    assert found.sum_depth == pytest.approx((3_000_750 - 1_001_050) / (3_000_750 + 1_001_050))
    assert found.flow_weighted == pytest.approx(-0.25 / 2 + (0.5 * 100 - 0.1 * 200) / 600)
    assert found.median == -0.1
    assert found.dispersion == 0.75
    assert (found.bid_usd_cents, found.ask_usd_cents) == (30_008, 10_010)
    assert found.venues == found.flow_venues == ["deep", "busy", "third"]


def test_what_takes_several_venues_is_null_with_fewer() -> None:
    one, two = VenueBand("a", 0.5, 3, 1), VenueBand("b", -0.5, 1, 3)
    alone = aggregate(10, [one], {}, HALF, 1)
    assert (alone.sum_depth, alone.median, alone.dispersion) == (0.5, None, None)
    assert (alone.flow_weighted, alone.flow_venues) == (None, [])
    both = aggregate(10, [one, two], {"a": 5, "b": 0}, HALF, 1)
    assert (both.sum_depth, both.median, both.dispersion) == (0.0, None, 1.0)
    # A venue that nobody takes from has no say in the flow.
    assert (both.flow_weighted, both.flow_venues) == (0.5, ["a"])


def test_an_even_number_of_venues_has_the_mean_of_the_middle_two_as_median() -> None:
    ratios = (0.1, 0.2, 0.4, -0.9)
    bands = [VenueBand(str(index), ratio, 1, 1) for index, ratio in enumerate(ratios)]
    found = aggregate(10, bands, {}, HALF, 1)
    assert found.median == pytest.approx(0.15)
    assert found.dispersion == pytest.approx(1.3)
