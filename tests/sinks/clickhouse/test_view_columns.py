"""The columns of the views of raw data and of the toolkit: names and types are a contract."""

import re

import pytest

from sinks.clickhouse.client import Store

COLUMNS = {
    "venue_comparison": "asset minute_start scope venue symbol is_final status close close_all "
    "vwap vwap_all vwap_difference_bp volume volume_all volume_share delta delta_all "
    "delta_share delta_share_all",
    "conservation": "asset scope venue symbol interval_seconds row_size bar_start class broken "
    "checked",
    "data_quality": "asset venue symbol stream minute_start feed_state feed_states coverage_ms "
    "coverage messages items gaps resyncs reconnects refusals rejected duplicates out_of_order "
    "late late_more lag_p50_us lag_p99_us watermark_lag_us invalid_us sessions summaries",
    "books": "asset venue kind symbol second_start book_valid book_state feed_state "
    "best_bid best_ask spread spread_bp mid best_bid_qty best_ask_qty bids_price bids_qty "
    "asks_price asks_qty bid_levels ask_levels event_time receive_time watermark_time "
    "clock_skew_us quote tick lot bids_ticks bids_lots asks_ticks asks_lots stream "
    "session sequence update_id book_epoch top_stream top_epoch revision log_partition "
    "log_offset",
    "book_bands": "asset venue kind symbol second_start half_width_bp bid_qty ask_qty "
    "bid_notional ask_notional bid_covered ask_covered quote event_time",
    "liquidations": "asset venue kind symbol quote event_time liquidated_side price qty "
    "notional price_kind unit sampling_class method is_backlog is_order_price occurrence "
    "receive_time watermark_time clock_skew_us feed_state stream session sequence "
    "qty_lots lot log_partition log_offset",
    "tickers": "asset venue kind symbol second_start mark_price mark_time index_price "
    "index_time funding_rate funding_time funding_interval_seconds funding_seen_time "
    "settled_funding_rate settled_funding_time open_interest open_interest_halved "
    "open_interest_time open_interest_source quote feed_state receive_time watermark_time "
    "clock_skew_us stream session sequence revision log_partition log_offset",
    "events": "asset kind form side scope venue symbol start_time end_time id state "
    "event_time low high status venues_expected venues values qty usd evidence "
    "null_reasons tests_seen is_final revision method params tick lot low_ticks "
    "high_ticks whole_values real_values inputs_topic inputs_partition "
    "inputs_first_offset inputs_last_offset log_partition log_offset",
    "cascades": "asset liquidated_side start_time id state_time state previous_state "
    "reason reference start_price extreme_price extreme_time move_bp observed_usd "
    "upper_usd peak_minute_usd peak_time baseline_multiple interest_change "
    "interest_venues depth_change depth_venues depth_band_bp swept_level_kind "
    "swept_level_price swept_level_known_time oi_confirmed outcome outcome_time all_share "
    "confidence_class attribution venues venues_share venues_onset_time status "
    "venues_expected venues_complete venues_partial coverage_ms feed_states last_10s_usd "
    "last_60s_usd episodes_60s threshold_usd p99_usd floor_usd max_10s_usd high low last "
    "atr flow_60s_usd flow_60s_peak_usd open_interest open_interest_age_us "
    "liquidation_feed_states price_feed_state bar_start bar_high bar_low bar_close "
    "bar_delta bar_is_complete null_reasons measured_from_time is_final revision method "
    "params tick lot inputs_topic inputs_partition inputs_first_offset inputs_last_offset "
    "log_partition log_offset",
    "cascade_venues": "asset liquidated_side start_time id state_time state venue symbol "
    "sampling_class episodes observed_usd upper_usd bounds_inconsistent share p99_usd "
    "onset_time precedes",
    "liquidation_flow": "asset interval_seconds scope venue symbol composition "
    "liquidated_side window_start window_end status count qty observed_usd lower_usd "
    "upper_usd estimate_usd estimate_count estimate_count_limit sampling_class "
    "is_throttled report_seconds all_share order_price_count bounds_inconsistent "
    "backlog_count price_kind venues feeds_status venues_expected venues_complete "
    "venues_partial coverage_ms feed_states null_reasons is_final revision method params "
    "lot qty_lots inputs_topic inputs_partition inputs_first_offset inputs_last_offset "
    "log_partition log_offset",
    "liquidation_clusters": "asset liquidated_side start_time id end_time count qty "
    "observed_usd low_price high_price end_reason largest_member largest_time "
    "largest_price largest_price_kind largest_qty largest_usd venues_usd partial_venues "
    "is_final revision method params lot inputs_topic inputs_partition "
    "inputs_first_offset inputs_last_offset log_partition log_offset",
    "context": "asset minute_start as_of_time is_final quadrant obi cvd cvd_p95 "
    "cvd_normalised cvd_samples cvd_venues obi_weights status venues_expected "
    "venues_complete venues_partial coverage_ms feed_states null_reasons revision method "
    "params tick lot cvd_lots cvd_p95_lots inputs_topic inputs_partition "
    "inputs_first_offset inputs_last_offset log_partition log_offset",
    "open_interest": "asset scope venue symbol composition minute_start as_of_time "
    "is_final qty usd oldest_time oldest_age_us windows_seconds start_qty change_qty "
    "change change_venues halved polled venues null_reasons revision",
    "funding": "asset scope venue symbol composition minute_start as_of_time is_final "
    "predicted_rate predicted_interval_h predicted_rate_8h predicted_rate_annual "
    "predicted_settlement_time predicted_age_us settled_rate settled_interval_h "
    "settled_rate_8h settled_rate_annual settled_settlement_time settled_age_us "
    "funding_rate_8h funding_venues mark_price mark_age_us index_price index_age_us "
    "best_bid best_ask basis_bp obi refused null_reasons revision",
    "quadrants": "asset scope venue symbol composition minute_start as_of_time is_final "
    "window_seconds quadrant price_change_bp atr_bp reference null_reasons revision",
    "liquidation_levels": "asset minute_start map_start kind long_usd short_usd "
    "open_interest_start open_interest_change placed_qty skipped_minutes row_size "
    "rows_price rows_side rows_estimate_usd rows_low_usd rows_high_usd rows_since_time "
    "venues status venues_expected venues_complete venues_partial coverage_ms feed_states "
    "null_reasons is_final revision method params tick lot row_size_ticks rows_ticks "
    "inputs_topic inputs_partition inputs_first_offset inputs_last_offset log_partition "
    "log_offset",
    "liquidation_level_rows": "asset minute_start side row_price row_size estimate_usd "
    "low_usd high_usd since_time kind map_start status revision",
    "trapped": "asset minute_start map_start kind price long_usd short_usd open_interest "
    "open_interest_change move placed_qty skipped_minutes row_size rows_price rows_side "
    "rows_estimate_usd rows_loss_usd rows_share rows_since_time venues status "
    "venues_expected venues_complete venues_partial coverage_ms feed_states null_reasons "
    "is_final revision method params tick lot row_size_ticks rows_ticks inputs_topic "
    "inputs_partition inputs_first_offset inputs_last_offset log_partition log_offset",
    "trapped_rows": "asset minute_start side row_price row_size estimate_usd loss_usd "
    "share since_time kind map_start status revision",
}
COLUMNS["event_states"] = COLUMNS["events"]
COLUMNS["cascade_states"] = COLUMNS["cascades"]


def types_of(store: Store, view: str) -> dict[str, str]:
    return {row[0]: row[1] for row in store.query(f"DESCRIBE TABLE {view}").rows}


@pytest.mark.parametrize("view", COLUMNS)
def test_a_view_has_exactly_the_columns_of_the_contract(store: Store, view: str) -> None:
    assert list(types_of(store, view)) == COLUMNS[view].split()


@pytest.mark.parametrize("view", COLUMNS)
def test_prices_coins_and_dollars_are_exact_and_times_are_utc(store: Store, view: str) -> None:
    for name, type_ in types_of(store, view).items():
        if re.search(
            r"^(?!is_).*(?<![a-z])(price|qty|notional|usd|bid|ask|low|high|mid|spread)$", name
        ):
            assert "Decimal(38, " in type_, name
        if re.search(r"(_time|_start)$", name) and not name.startswith("open_interest_start"):
            assert "DateTime64(6, 'UTC')" in type_, name
