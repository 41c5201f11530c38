-- Views made anew: setups' worth of every day.

-- step: what a kind was worth, on every day
CREATE OR REPLACE VIEW setup_worth_days AS
SELECT
    asset,
    measured,
    variant,
    side,
    horizon_minutes,
    as_of,
    n,
    mean_bp,
    median_bp,
    positive_share,
    mean_adverse_bp,
    mean_favourable_bp,
    baseline_n,
    matched_n,
    baseline_mean_bp,
    baseline_adverse_bp,
    difference_bp,
    difference_low_bp,
    difference_high_bp,
    experimental,
    null_reasons,
    revision
FROM setup_worth_log FINAL

-- step: what a kind was worth on the newest day
CREATE OR REPLACE VIEW setup_worth AS
SELECT *
FROM setup_worth_days
ORDER BY as_of DESC, revision DESC
LIMIT 1 BY asset, measured, variant, side, horizon_minutes
