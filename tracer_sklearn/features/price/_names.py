"""Names of roles and of generated columns, in the order of the output."""

from __future__ import annotations

from collections.abc import Sequence

ROLES = ("product", "price", "quantity", "date", "store", "category", "competitor")

# Parameters of the roles that are not named after them.
PARAMETERS = {role: f"{role}_column" for role in ROLES} | {"competitor": "competitor_price_column"}

CALENDAR = ("day_of_week", "month", "quarter", "week_of_year")
CATEGORIES = ("product", "store", "category")


def outcome_names(windows: Sequence[int]) -> list[str]:
    """Return the columns that come from past quantities."""
    return [
        "revenue_lag",
        *(f"revenue_ma_{days}d" for days in windows),
        "revenue_per_unit_past",
        "product_revenue_share_past",
        "price_elasticity",
        "price_elasticity_se",
        "elasticity_weight",
        "n_price_levels",
        *(f"demand_ma_{days}d" for days in windows),
        "demand_growth_7d",
        "demand_growth_30d",
        "demand_trend_30d",
        "demand_trend_90d",
        "demand_cv_30d",
        "base_demand",
    ]


def position_names(*, category: bool, competitor: bool) -> list[str]:
    """Return the columns that come from prices."""
    return [
        "price_index_own",
        "price_percentile_own",
        "discount_depth",
        "price_change_pct",
        "days_since_price_change",
        *(["price_index_category"] if category else []),
        *(["price_gap_competitor"] if competitor else []),
    ]
