"""The revenue features of one row, in slow plain Python."""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections.abc import Mapping

from oracles_windows import NAN, inside, mean, std

_EPOCH = dt.date(1970, 1, 1)


def _growth(now: float, then: float, how: str) -> float:
    if math.isnan(now) or math.isnan(then):
        return NAN
    if how == "symmetric":
        size = abs(now) + abs(then)
        return 2 * (now - then) / size if size else 0.0
    return _divided(now - then, abs(then))


def _divided(above: float, below: float) -> float:
    """Features are finite: a ratio beyond the largest float is that float."""
    ratio = above / below if below else NAN
    return math.copysign(sys.float_info.max, ratio) if math.isinf(ratio) else ratio


def features(
    revenue: Mapping[int, float],
    customers: Mapping[int, float],
    day: int,
    *,
    horizon: int,
    windows: tuple[int, ...] = (7, 30, 90),
    growth_windows: tuple[int, ...] = (1, 7, 30),
    growth: str = "window",
) -> dict[str, float]:
    """What a row of a day sees, from the history of its own series; daily data, missing skipped."""
    last = day - horizon
    out = {f"revenue_ma_{w}d": mean(inside(revenue, last, w)) for w in windows}
    for w in growth_windows:
        if growth == "point":
            pair = revenue.get(last, NAN), revenue.get(last - w, NAN)
        else:
            pair = mean(inside(revenue, last, w)), mean(inside(revenue, last - w, w))
        out[f"revenue_growth_{w}d"] = _growth(*pair, growth)
    out |= {f"revenue_volatility_{w}d": std(inside(revenue, last, w)) for w in windows}
    level = mean(inside(revenue, last, windows[1]))
    spread = std(inside(revenue, last, windows[1]))
    out[f"revenue_cv_{windows[1]}d"] = _divided(spread, abs(level))
    weeks = max(1, math.ceil(horizon / 7))
    out[f"revenue_lag_{7 * weeks}d"] = revenue.get(day - 7 * weeks, NAN)
    same = [revenue[d] for k in range(4) if (d := day - 7 * (weeks + k)) in revenue]
    out["revenue_same_weekday_mean_4w"] = mean(same)
    for w in windows[:2]:
        out[f"customer_count_ma_{w}d"] = mean(inside(customers, last, w))
    for w in windows[:2]:
        both = [d for d in revenue if d in customers and last - w < d <= last]
        came = math.fsum(customers[d] for d in both)
        earned = math.fsum(revenue[d] for d in both)
        out[f"revenue_per_customer_ma_{w}d"] = _divided(earned, came)
    out["n_history"] = float(sum(d <= last for d in revenue))
    date = _EPOCH + dt.timedelta(days=day)
    out |= {
        "day_of_week": float(date.weekday()),
        "day_of_month": float(date.day),
        "week_of_year": float(date.isocalendar().week),
        "month": float(date.month),
        "quarter": float((date.month + 2) // 3),
        "is_weekend": float(date.weekday() >= 5),
        "is_month_start": float(date.day == 1),
        "is_month_end": float((date + dt.timedelta(days=1)).day == 1),
        "trend_days": float((date - dt.date(2000, 1, 1)).days),
    }
    return out
