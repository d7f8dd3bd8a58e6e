"""Price elasticities from the past only, drawn towards those of all products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracer_sklearn.features._comoments import (
    Comoments,
    count_levels,
    expanding_comoments,
    partial_out,
    previous_equal,
    rolling_comoments,
)
from tracer_sklearn.features.price._panel import Past, Series

__all__ = ["Elasticity", "Options", "Pooled", "Sales", "elasticities", "moment_kappa", "year_waves"]

_YEAR = 365.25
_FULL_YEAR = 365
LEAST_ROWS, LEAST_VARIATION = 8, 1e-4
# Windows of series and dates that are worked on at once.
_GRID = 1 << 20
KAPPA_RANGE = (1e-3, 1e6)


@dataclass(frozen=True)
class Options:
    """How elasticities are estimated; see `PriceFeatures`.

    Attributes
    ----------
    window_days : int or None
        Length of the window; None takes the whole past.
    kappa : float
        Variation of the log price that the pooled slope counts as.
    prior : float or None
        Where there is nothing to pool.
    seasonal : {"auto", "fourier", "none"}
        Whether the yearly wave is taken out.
    n_promotions : int
        Number of columns ``promo_0`` ... that are taken out.
    """

    window_days: int | None
    kappa: float
    prior: float | None
    seasonal: str
    n_promotions: int


@dataclass(frozen=True)
class Elasticity:
    """Elasticities of rows.

    Attributes
    ----------
    slope, error, weight, mean_log_price : ndarray of shape (n_rows,)
        The elasticity, its standard error, the weight of the product's own data, and the mean log
        price over the window.
    n_levels : ndarray of int of shape (n_rows,)
        Distinct prices in the window.
    """

    slope: np.ndarray
    error: np.ndarray
    weight: np.ndarray
    mean_log_price: np.ndarray
    n_levels: np.ndarray


@dataclass(frozen=True)
class Pooled:
    """Sums over series at one date: what the pooled slopes and the noise are made of.

    Attributes
    ----------
    sums : ndarray of shape (4,)
        Variation of the price, co-variation, what the slopes leave, degrees of freedom.
    by_group : ndarray of shape (2, n_groups)
        Variation and co-variation in each category.
    """

    sums: np.ndarray
    by_group: np.ndarray


class Sales:
    """Sales of series, with what is asked of them for every row."""

    def __init__(self, series: Series) -> None:
        self.series = series

    @cached_property
    def starts(self) -> np.ndarray:
        """Return where each series begins, and the number of observations."""
        return self.series.starts()

    @cached_property
    def codes(self) -> np.ndarray:
        """Return the series, in order."""
        codes: np.ndarray = self.series.codes[self.starts[:-1]]
        return codes

    @cached_property
    def first_days(self) -> np.ndarray:
        """Return the first day of each series."""
        days: np.ndarray = self.series.days[self.starts[:-1]]
        return days

    @cached_property
    def waves(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the wave of the year at every observation."""
        return year_waves(self.series.days)

    @cached_property
    def previous(self) -> np.ndarray:
        """Return where each price was asked last."""
        return previous_equal(self.series["x"], self.starts)

    def place(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of each series, and whether it has sales."""
        place = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return place, self.codes[place] == codes

    def __len__(self) -> int:
        return len(self.series.key)


def year_waves(days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sine and cosine of the year, from a fixed origin."""
    angle = 2 * np.pi * days / _YEAR
    return np.sin(angle), np.cos(angle)


def elasticities(
    sales: Sales,
    past: Past,
    groups: np.ndarray | None,
    group_of: np.ndarray,
    options: Options,
    pools: dict[int, Pooled],
) -> Elasticity:
    """Return the elasticity of every row, from sales up to its day minus the horizon.

    Parameters
    ----------
    sales : Sales
        Observations with positive price and quantity: ``x``, their logs ``y``, ``promo_0`` ...
    past : Past
        The rows, sorted by series and day.
    groups : ndarray of int of shape (n_series,) or None
        Category of each series of ``sales``; None shrinks to all products at once.
    group_of : ndarray of int of shape (n_rows,)
        Category of each row; -1 where it has none.
    options : Options
        How to estimate.
    pools : dict of int to Pooled
        What is known of dates already, for these sales; the dates of the rows are added.
    """
    low, high = past.window(sales.series, options.window_days)
    until = past.days - past.horizon
    waves = _with_waves(sales, until, options)
    own = _moments(sales, low, high, past.codes, options, waves=waves)
    sxx, sxy, _, _ = _own_slopes(sales, own, past.codes, until, options, waves=waves)
    dates, date_of = np.unique(until, return_inverse=True)
    fresh = np.array([date for date in dates.tolist() if date not in pools], dtype=np.int64)
    if len(fresh):
        pools |= _pooled(sales, fresh, groups, options)
    sums = np.array([pools[date].sums for date in dates.tolist()]).reshape(-1, 4).T
    with np.errstate(invalid="ignore", divide="ignore"):
        towards = np.where(sums[0] >= LEAST_VARIATION, sums[1] / sums[0], np.nan)
        sigma = np.sqrt(np.where(sums[3] > 0, sums[2] / sums[3], np.nan))
    target = towards[date_of]
    if groups is not None and len(dates) and pools[int(dates[0])].by_group.size:
        of_group = np.stack([pools[date].by_group for date in dates.tolist()], axis=2)
        # one unit of variation for all products together
        drawn = (of_group[1] + towards) / (of_group[0] + 1.0)
        in_group = (group_of >= 0) & (group_of < len(drawn))
        target = np.where(in_group, drawn[np.where(in_group, group_of, 0), date_of], target)
    usable = (own.count >= LEAST_ROWS) & (sxx >= LEAST_VARIATION) & ~np.isnan(target)
    sxx, sxy = np.where(usable, sxx, 0.0), np.where(usable, sxy, 0.0)
    kappa = options.kappa
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(usable, (sxy + kappa * target) / (sxx + kappa), target)
        weight = np.where(usable, sxx / (sxx + kappa), 0.0)
        error = sigma[date_of] / np.sqrt(sxx + kappa)
    error = np.where(np.isfinite(error) & ~np.isnan(slope), error, np.nan)
    if options.prior is not None:
        slope = np.where(np.isnan(slope), options.prior, slope)
    levels = count_levels(sales.previous, low, high)
    return Elasticity(slope, error, weight, own.mean[-2], levels)


def moment_kappa(count: np.ndarray, sxx: np.ndarray, sxy: np.ndarray, syy: np.ndarray) -> float:
    """Estimate the noise variance over the variance of slopes between products, by moments.

    Large where products agree (slopes are drawn together), small where they differ.
    """
    own = (count > 2) & (sxx >= LEAST_VARIATION)
    if own.sum() < 2:
        return 1.0
    count, sxx, sxy, syy = count[own], sxx[own], sxy[own], syy[own]
    noise = np.maximum(syy - sxy**2 / sxx, 0.0).sum() / (count - 2).sum()
    if noise <= 0:
        return KAPPA_RANGE[0]
    pooled = sxy.sum() / sxx.sum()
    spread = (sxx * (sxy / sxx - pooled) ** 2).sum() / noise
    weight = sxx / noise
    between = (spread - (len(sxx) - 1)) / (weight.sum() - (weight**2).sum() / weight.sum())
    return float(np.clip(noise / between if between > 0 else np.inf, *KAPPA_RANGE))


def learnt_kappa(sales: Sales, options: Options) -> float:
    """Return the kappa by moments of all sales, each series over its newest window."""
    if not len(sales):
        return 1.0
    days = sales.series.days[sales.starts[1:] - 1]
    low, high = Past(sales.codes, days, 0).window(sales.series, options.window_days)
    waves = _with_waves(sales, days, options)
    moments = _moments(sales, low, high, sales.codes, options, waves=waves)
    sxx, sxy, syy, used = _own_slopes(sales, moments, sales.codes, days, options, waves=waves)
    return moment_kappa(moments.count - used, sxx, sxy, syy)


# -- parts ---------------------------------------------------------------------------------------


def _with_waves(sales: Sales, until: np.ndarray, options: Options) -> bool:
    """Tell whether any window can need the year's wave: a year of past, up to the newest date."""
    if options.seasonal != "auto" or not len(sales) or not len(until):
        return options.seasonal == "fourier"
    return int(until.max()) - int(sales.first_days.min()) >= _FULL_YEAR


def _moments(
    sales: Sales,
    low: np.ndarray,
    high: np.ndarray,
    codes: np.ndarray,
    options: Options,
    *,
    waves: bool,
) -> Comoments:
    """Return the co-moments of the controls (waves, promotions), then x and y."""
    series = sales.series
    promotions = [series[f"promo_{i}"] for i in range(options.n_promotions)]
    year: Sequence[np.ndarray] = sales.waves if waves else []
    columns = [*year, *promotions, series["x"], series["y"]]
    if options.window_days is not None or not len(sales):
        return rolling_comoments(columns, low, high)
    place, there = sales.place(codes)
    # a series that has no sales has no past of another
    high = np.where(there, high, sales.starts[place])
    return expanding_comoments(columns, sales.starts, place, high)


def _own_slopes(
    sales: Sales,
    moments: Comoments,
    codes: np.ndarray,
    until: np.ndarray,
    options: Options,
    *,
    waves: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return what controls leave of Sxx, Sxy and Syy, and how many controls took something."""
    x, y = len(moments.mean) - 2, len(moments.mean) - 1
    everything = partial_out(moments, x, y, list(range(x)))
    if not waves or options.seasonal == "fourier":
        return everything
    plain = partial_out(moments, x, y, list(range(2, x)))
    # the wave needs a year of the series' own past
    place, there = sales.place(codes)
    full = there & (until - sales.first_days[place] >= _FULL_YEAR)
    chosen = [np.where(full, one, other) for one, other in zip(everything, plain, strict=True)]
    return chosen[0], chosen[1], chosen[2], chosen[3]


def _pooled(
    sales: Sales, dates: np.ndarray, groups: np.ndarray | None, options: Options
) -> dict[int, Pooled]:
    """Sum what every series knew at every date, whoever is among the rows."""
    n_dates = len(dates)
    waves = _with_waves(sales, dates, options)
    n_groups = int(groups.max(initial=-1)) + 1 if groups is not None else 0
    sums = np.zeros((4, n_dates))
    by_group = np.zeros((2, n_groups * n_dates))
    codes = sales.codes if len(sales) else np.zeros(0, dtype=np.int64)
    at_once = max(1, _GRID // n_dates)
    for begin in range(0, len(codes), at_once):
        chunk = codes[begin : begin + at_once]
        code, date = np.repeat(chunk, n_dates), np.tile(np.arange(n_dates), len(chunk))
        low, high = Past(code, dates[date], 0).window(sales.series, options.window_days)
        filled = high > low
        low, high, code, date = low[filled], high[filled], code[filled], date[filled]
        moments = _moments(sales, low, high, code, options, waves=waves)
        sxx, sxy, syy, used = _own_slopes(sales, moments, code, dates[date], options, waves=waves)
        sure = (moments.count >= LEAST_ROWS) & (sxx >= LEAST_VARIATION)
        left = np.where(sure, np.maximum(syy - sxy * sxy / np.where(sure, sxx, 1.0), 0.0), 0.0)
        freedom = np.where(sure, moments.count - 2 - used, 0)
        for total, part in zip(sums, (sxx, sxy, left, freedom), strict=True):
            total += np.bincount(date, part, n_dates)
        if n_groups and groups is not None:
            group = np.repeat(groups[begin : begin + at_once], n_dates)[filled]
            some = group >= 0
            place = group[some] * n_dates + date[some]
            for total, part in zip(by_group, (sxx, sxy), strict=True):
                total += np.bincount(place, part[some], n_groups * n_dates)
    shaped = by_group.reshape(2, n_groups, n_dates)
    return {
        date: Pooled(sums[:, at].copy(), shaped[:, :, at].copy())
        for at, date in enumerate(dates.tolist())
    }
