"""Every feature of rows, from the observations that they may know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracer_sklearn.features._comoments import Comoments, mid_ranks, rolling_comoments
from tracer_sklearn.features.price._elasticity import (
    Elasticity,
    Options,
    Pooled,
    Sales,
    elasticities,
)
from tracer_sklearn.features.price._panel import Panel, Past, Series, product_of, store_of
from tracer_sklearn.features.price._poisson import poisson_elasticities

__all__ = ["History", "Rows", "Setting", "demand_features", "newest_known", "position_features"]

_MONTH, _QUARTER, _YEAR = 30, 90, 365
_REGULAR_DAYS, _REGULAR_SHARE = 56, 0.75
_GROWTH = (7, 30)
_TREND = (30, 90)
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Setting:
    """What the stage was asked for; see `PriceFeatures`.

    Attributes
    ----------
    horizon : int
        Days between a row and the newest outcome it may know.
    windows : sequence of int
        Days of the moving averages.
    method : {"loglog", "poisson"}
        How elasticities are estimated.
    options : Options
        The rest of how they are.
    """

    horizon: int
    windows: Sequence[int]
    method: str
    options: Options


@dataclass(frozen=True)
class Rows:
    """Rows to make features for, sorted by series and day.

    Attributes
    ----------
    codes, days : ndarray of int64 of shape (n_rows,)
        Series and day.
    price : ndarray of shape (n_rows,)
        The price asked; NaN where it is none.
    """

    codes: np.ndarray
    days: np.ndarray
    price: np.ndarray


class History:
    """A panel with everything that can be told from it before a row is asked for.

    Each part is made on first use and kept, so that a single row costs its own windows only.
    """

    def __init__(self, panel: Panel, n_promotions: int) -> None:
        self.panel = panel
        self.n_promotions = n_promotions
        self.pools: dict[int, Pooled] = {}

    @cached_property
    def asked(self) -> Series:
        """Return the prices."""
        price = self.panel.values["price"]
        asked = Series.where(self.panel, ~np.isnan(price), {"p": price, "log": np.log(price)})
        return Series(asked.key, {**asked.columns, "since": _run_starts(asked)})

    @cached_property
    def sold(self) -> Series:
        """Return the quantities."""
        quantity = self.panel.values["quantity"]
        log, day = np.log1p(np.maximum(quantity, 0)), self.panel.days.astype(float)
        return Series.where(
            self.panel, ~np.isnan(quantity), {"q": quantity, "log": log, "day": day}
        )

    @cached_property
    def earned(self) -> Series:
        """Return the revenues."""
        quantity = self.panel.values["quantity"]
        with np.errstate(over="ignore"):
            money = self.panel.values["price"] * quantity
        return Series.where(self.panel, np.isfinite(money), {"r": money, "q": quantity})

    @cached_property
    def totals(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the days with revenue, and that of all series on them."""
        days, place = np.unique(self.earned.days, return_inverse=True)
        return days, np.bincount(place, self.earned["r"], len(days))

    @cached_property
    def sales(self) -> Sales:
        """Return what the logs can use."""
        return Sales(sales_of(self.panel, self.n_promotions, least=1))

    @cached_property
    def counted(self) -> Sales:
        """Return what a Poisson regression can use: zeros too."""
        return Sales(sales_of(self.panel, self.n_promotions, least=0))


def sales_of(panel: Panel, n_promotions: int, *, least: float) -> Series:
    """Return the observations with a price, and a quantity above ``least`` (or at it, for 0)."""
    price, quantity = panel.values["price"], panel.values["quantity"]
    valid = (quantity > 0) if least > 0 else (quantity >= 0)
    valid &= ~np.isnan(price)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {"x": np.log(price), "y": np.log(quantity), "q": quantity}
    for number in range(n_promotions):
        columns[f"promo_{number}"] = np.nan_to_num(panel.values[f"promo_{number}"])
    return Series.where(panel, valid, columns)


# -- demand --------------------------------------------------------------------------------------


def demand_features(
    history: History,
    rows: Rows,
    setting: Setting,
    category_of: np.ndarray | None,
) -> dict[str, np.ndarray]:
    """Return revenue, elasticity and demand features.

    Parameters
    ----------
    history : History
        What was observed: ``price`` and ``quantity``.
    rows : Rows
        For whom.
    setting : Setting
        How.
    category_of : ndarray of int or None
        Category of each product; None without categories.
    """
    past = Past(rows.codes, rows.days, setting.horizon)
    out = _revenue_features(history, past, setting)
    elasticity = _elasticity(history, past, setting, category_of)
    out["price_elasticity"] = elasticity.slope
    out["price_elasticity_se"] = elasticity.error
    out["elasticity_weight"] = elasticity.weight
    out["n_price_levels"] = elasticity.n_levels.astype(float)
    out |= _trend_features(history.sold, past, setting)
    out["base_demand"] = _base_demand(history.sales.series, past, elasticity)
    return out


def _revenue_features(history: History, past: Past, setting: Setting) -> dict[str, np.ndarray]:
    earned = history.earned
    at, known = past.newest(earned)
    out = {"revenue_lag": _picked(earned["r"], at, known)}
    for days in setting.windows:
        low, high = past.window(earned, days)
        out[f"revenue_ma_{days}d"] = rolling_comoments([earned["r"]], low, high).mean[0]
    low, high = past.window(earned, max(setting.windows))
    both = rolling_comoments([earned["r"], earned["q"]], low, high)
    out["revenue_per_unit_past"] = _ratio(both.mean[0], np.where(both.mean[1] > 0, both.mean[1], 0))
    out["product_revenue_share_past"] = _revenue_share(history, past)
    return out


def _revenue_share(history: History, past: Past) -> np.ndarray:
    own = rolling_comoments([history.earned["r"]], *past.window(history.earned, _MONTH))
    days, totals = history.totals
    dates, date_of = np.unique(past.days, return_inverse=True)
    newest = dates - past.horizon
    begin = np.searchsorted(days, newest - _MONTH, side="right")
    end = np.searchsorted(days, newest, side="right")
    everything = rolling_comoments([totals], begin, end)
    with np.errstate(invalid="ignore"):
        total = everything.mean[0] * everything.count
        mine = own.mean[0] * own.count
    return _ratio(mine, np.where(total > 0, total, 0.0)[date_of])


def _elasticity(
    history: History, past: Past, setting: Setting, category_of: np.ndarray | None
) -> Elasticity:
    options = setting.options
    if setting.method == "poisson":
        return poisson_elasticities(history.counted, past, options)
    groups, group_of = None, np.full(len(past.codes), -1)
    if category_of is not None:
        groups = category_of[product_of(history.sales.codes)]
        group_of = category_of[product_of(past.codes)]
    return elasticities(history.sales, past, groups, group_of, options, history.pools)


def _trend_features(sold: Series, past: Past, setting: Setting) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    means: dict[int, np.ndarray] = {}
    for days in dict.fromkeys((*setting.windows, *_GROWTH)):
        means[days] = rolling_comoments([sold["q"]], *past.window(sold, days)).mean[0]
    for days in setting.windows:
        out[f"demand_ma_{days}d"] = means[days]
    for days in _GROWTH:
        before = rolling_comoments([sold["q"]], *past.window(sold, days, back=days)).mean[0]
        out[f"demand_growth_{days}d"] = _ratio(means[days] - before, np.abs(before))
    for days in _TREND:
        both = rolling_comoments([sold["day"], sold["log"]], *past.window(sold, days))
        out[f"demand_trend_{days}d"] = _MONTH * _ratio(both.cross(0, 1), both.cross(0, 0))
    month = rolling_comoments([sold["q"]], *past.window(sold, _MONTH))
    out[f"demand_cv_{_MONTH}d"] = _ratio(_deviation(month), np.abs(month.mean[0]))
    return out


def _base_demand(sales: Series, past: Past, elasticity: Elasticity) -> np.ndarray:
    both = rolling_comoments([sales["x"], sales["y"]], *past.window(sales, _QUARTER))
    removed = elasticity.slope * (both.mean[0] - elasticity.mean_log_price)
    base: np.ndarray = both.mean[1] - removed
    return base


# -- position ------------------------------------------------------------------------------------


def position_features(
    history: History, rows: Rows, horizon: int, category_of: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Return where the price asked stands among the product's past prices and its peers'."""
    past = Past(rows.codes, rows.days, horizon)
    asked = history.asked
    low, high = past.window(asked, _QUARTER)
    quarter = rolling_comoments([asked["p"]], low, high)
    out = {"price_index_own": _ratio(rows.price, quarter.mean[0])}
    low, high = past.window(asked, _YEAR)
    out["price_percentile_own"] = mid_ranks(asked["p"], rows.price, low, high)
    low, high = past.window(asked, _REGULAR_DAYS)
    regular = _upper_quartile(asked["p"], low, high)
    out["discount_depth"] = 1.0 - _ratio(rows.price, regular)
    at, known = past.newest(asked)
    out["price_change_pct"] = _ratio(rows.price, _picked(asked["p"], at, known)) - 1.0
    out["days_since_price_change"] = rows.days - _picked(asked["since"], at, known)
    if category_of is not None:
        peers = _peer_log_price(asked, past, category_of)
        with np.errstate(over="ignore"):
            out["price_index_category"] = _ratio(rows.price, np.exp(peers))
    return out


def _upper_quartile(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the 75th percentile of windows, linear between neighbours; NaN if empty."""
    out = np.full(len(low), np.nan)
    count = high - low
    longest = int(count.max(initial=0))
    steps = np.arange(longest)
    for begin in range(0, len(low), _BLOCK):
        take = slice(begin, begin + _BLOCK)
        n = count[take, None]
        place = np.minimum(low[take, None] + steps, max(len(values) - 1, 0))
        if not longest:
            continue
        ordered = np.sort(np.where(steps < n, values[place], np.inf), axis=1)
        at = _REGULAR_SHARE * np.maximum(n - 1, 0)
        below = np.floor(at).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(n - 1, 0))
        lower = np.take_along_axis(ordered, below, axis=1)
        upper = np.take_along_axis(ordered, above, axis=1)
        share = at - below
        with np.errstate(invalid="ignore"):
            found = lower + share * (upper - lower)
        out[take] = np.where(n > 0, found, np.nan)[:, 0]
    return out


def _run_starts(asked: Series) -> np.ndarray:
    """Return, for each observation, the day on which its price was first asked without a break."""
    if not len(asked.key):
        return np.zeros(0)
    codes, price = asked.codes, asked["p"]
    new = np.concatenate([[True], (codes[1:] != codes[:-1]) | (price[1:] != price[:-1])])
    first = np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))
    starts: np.ndarray = asked.days[first].astype(float)
    return starts


def _peer_log_price(asked: Series, past: Past, category_of: np.ndarray) -> np.ndarray:
    """Return the mean log of the newest known prices of the other products of the category."""
    out = np.full(len(past.codes), np.nan)
    if not len(asked.key):
        return out
    begins = asked.starts()
    series = asked.codes[begins[:-1]]
    group, group_of = _peer_groups(series, past.codes, category_of)
    at, known = past.newest(asked)
    own = _picked(asked["log"], at, known)
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(group.max(initial=-1) + 2))
    rows_by_group = np.argsort(group_of, kind="stable")
    row_edges = np.searchsorted(group_of[rows_by_group], np.arange(len(edges)))
    for number in range(len(edges) - 1):
        rows = rows_by_group[row_edges[number] : row_edges[number + 1]]
        members = series[order[edges[number] : edges[number + 1]]]
        if not len(rows):
            continue
        dates, date_of = np.unique(past.days[rows], return_inverse=True)
        total, count = np.zeros(len(dates)), np.zeros(len(dates))
        at_once = max(1, (1 << 20) // len(dates))
        for begin in range(0, len(members), at_once):
            some = members[begin : begin + at_once]
            shape = (len(some), len(dates))
            theirs = Past(np.repeat(some, len(dates)), np.tile(dates, len(some)), past.horizon)
            position, there = theirs.newest(asked)
            newest = np.where(there, asked["log"][position], 0.0)
            total += newest.reshape(shape).sum(axis=0)
            count += there.reshape(shape).sum(axis=0)
        mine = known[rows]
        others = count[date_of] - mine
        sums = total[date_of] - np.where(mine, own[rows], 0.0)
        out[rows] = _ratio(sums, others)
    return out


def _peer_groups(
    series: np.ndarray, rows: np.ndarray, category_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return one number for category and store, of series and of rows; -1 without a category."""
    pairs = [
        np.where(
            category_of[product_of(codes)] >= 0,
            (category_of[product_of(codes)] << 20) | store_of(codes),
            -1,
        )
        for codes in (series, rows)
    ]
    known = np.unique(pairs[0][pairs[0] >= 0])
    numbered = []
    for pair in pairs:
        place = np.minimum(np.searchsorted(known, pair), max(len(known) - 1, 0))
        there = (pair >= 0) & (len(known) > 0)
        if len(known):
            there &= known[place] == pair
        numbered.append(np.where(there, place, -1))
    return numbered[0], numbered[1]


def newest_known(history: History, name: str, rows: Rows, horizon: int) -> np.ndarray:
    """Return the newest value of a column that rows may know; NaN where there is none."""
    column = history.panel.values[name]
    seen = Series.where(history.panel, ~np.isnan(column), {"value": column})
    return _picked(seen["value"], *Past(rows.codes, rows.days, horizon).newest(seen))


# -- arithmetic ----------------------------------------------------------------------------------


def _picked(values: np.ndarray, at: np.ndarray, known: np.ndarray) -> np.ndarray:
    out = np.full(len(at), np.nan)
    out[known] = values[at[known]]
    return out


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide; NaN where the divisor is 0 or missing, or the quotient overflows."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        quotient = above / below
    return np.where(np.isfinite(quotient), quotient, np.nan)


def _deviation(moments: Comoments) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation: np.ndarray = np.sqrt(moments.cross(0, 0) / (moments.count - 1))
    return np.where(moments.count > 1, deviation, np.nan)
