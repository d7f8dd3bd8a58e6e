"""Price elasticities from the past only, drawn towards those of all products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

__all__ = ["Elasticity", "Options", "elasticities", "moment_kappa", "year_waves"]

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


@dataclass
class _Pool:
    """Sums over series, by date: what the pooled slope and the noise are made of."""

    sxx: np.ndarray
    sxy: np.ndarray
    left: np.ndarray
    freedom: np.ndarray


def year_waves(days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sine and cosine of the year, from a fixed origin."""
    angle = 2 * np.pi * days / _YEAR
    return np.sin(angle), np.cos(angle)


def elasticities(
    sales: Series, past: Past, groups: np.ndarray | None, group_of: np.ndarray, options: Options
) -> Elasticity:
    """Return the elasticity of every row, from sales up to its day minus the horizon.

    Parameters
    ----------
    sales : Series
        Observations with positive price and quantity: ``x``, their logs ``y``, ``promo_0`` ...
    past : Past
        The rows, sorted by series and day.
    groups : ndarray of int of shape (n_series,) or None
        Category of each series of ``sales``; None shrinks to all products at once.
    group_of : ndarray of int of shape (n_rows,)
        Category of each row; -1 where it has none.
    options : Options
        How to estimate.
    """
    low, high = past.window(sales, options.window_days)
    until = past.days - past.horizon
    waves = _with_waves(sales, until, options)
    own = _moments(sales, low, high, past.codes, options, waves=waves)
    sxx, sxy, _, _ = _own_slopes(sales, own, past.codes, until, options, waves=waves)
    dates, date_of = np.unique(past.days, return_inverse=True)
    pool, by_group = _pooled(sales, dates, past.horizon, groups, options)
    with np.errstate(invalid="ignore", divide="ignore"):
        towards = np.where(pool.sxx >= LEAST_VARIATION, pool.sxy / pool.sxx, np.nan)
        sigma = np.sqrt(np.where(pool.freedom > 0, pool.left / pool.freedom, np.nan))
    target = towards[date_of]
    if by_group is not None:
        group_sxx, group_sxy = by_group
        in_group = (group_of >= 0) & (group_of < len(group_sxx))
        # one unit of variation for all products together
        drawn = (group_sxy + towards) / (group_sxx + 1.0)
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
    levels = count_levels(previous_equal(sales["x"], sales.starts()), low, high)
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


def learnt_kappa(sales: Series, options: Options) -> float:
    """Return the kappa by moments of all sales, each series over its newest window."""
    if not len(sales.key):
        return 1.0
    starts = sales.starts()
    newest = starts[1:] - 1
    codes, days = sales.codes[newest], sales.days[newest]
    past = Past(codes, days, 0)
    low, high = past.window(sales, options.window_days)
    waves = _with_waves(sales, days, options)
    moments = _moments(sales, low, high, codes, options, waves=waves)
    sxx, sxy, syy, used = _own_slopes(sales, moments, codes, days, options, waves=waves)
    return moment_kappa(moments.count - used, sxx, sxy, syy)


# -- parts ---------------------------------------------------------------------------------------


def _columns(sales: Series, options: Options, *, waves: bool) -> list[np.ndarray]:
    """Return the columns whose co-moments are taken: controls first, then x and y."""
    promotions = [sales[f"promo_{i}"] for i in range(options.n_promotions)]
    year: Sequence[np.ndarray] = year_waves(sales.days) if waves else []
    return [*year, *promotions, sales["x"], sales["y"]]


def _with_waves(sales: Series, until: np.ndarray, options: Options) -> bool:
    """Tell whether any window can need the year's wave: a year of past, up to the newest date."""
    if options.seasonal != "auto" or not len(sales.key) or not len(until):
        return options.seasonal == "fourier"
    return int(until.max()) - int(sales.days.min()) >= _FULL_YEAR


def _moments(
    sales: Series,
    low: np.ndarray,
    high: np.ndarray,
    codes: np.ndarray,
    options: Options,
    *,
    waves: bool,
) -> Comoments:
    columns = _columns(sales, options, waves=waves)
    if options.window_days is not None or not len(sales.key):
        return rolling_comoments(columns, low, high)
    starts = sales.starts()
    known = sales.codes[starts[:-1]]
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    # a series that has no sales has no past of another
    high = np.where(known[place] == codes, high, starts[place])
    return expanding_comoments(columns, starts, place, high)


def _own_slopes(
    sales: Series,
    moments: Comoments,
    codes: np.ndarray,
    until: np.ndarray,
    options: Options,
    *,
    waves: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return what controls leave of Sxx, Sxy and Syy, and how many controls took something."""
    d = len(moments.mean)
    x, y = d - 2, d - 1
    n_waves = 2 if waves else 0
    everything = partial_out(moments, x, y, list(range(x)))
    if not n_waves or options.seasonal == "fourier":
        return everything
    plain = partial_out(moments, x, y, list(range(n_waves, x)))
    # the wave needs a year of the series' own past
    starts = sales.starts()
    known, first = sales.codes[starts[:-1]], sales.days[starts[:-1]]
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    full = (known[place] == codes) & (until - first[place] >= _FULL_YEAR)
    chosen = [np.where(full, one, other) for one, other in zip(everything, plain, strict=True)]
    return chosen[0], chosen[1], chosen[2], chosen[3]


def _pooled(
    sales: Series,
    dates: np.ndarray,
    horizon: int,
    groups: np.ndarray | None,
    options: Options,
) -> tuple[_Pool, tuple[np.ndarray, np.ndarray] | None]:
    """Sum what every series knew at every date, whoever is among the rows."""
    n_dates = len(dates)
    waves = _with_waves(sales, dates - horizon, options)
    pool = _Pool(*(np.zeros(n_dates) for _ in range(4)))
    codes = sales.codes[sales.starts()[:-1]] if len(sales.key) else np.zeros(0, dtype=np.int64)
    n_groups = int(groups.max(initial=-1)) + 1 if groups is not None else 0
    by_group = (np.zeros(n_groups * n_dates), np.zeros(n_groups * n_dates))
    at_once = max(1, _GRID // max(n_dates, 1))
    for begin in range(0, len(codes), at_once):
        chunk = codes[begin : begin + at_once]
        code, date = np.repeat(chunk, n_dates), np.tile(np.arange(n_dates), len(chunk))
        past = Past(code, dates[date], horizon)
        low, high = past.window(sales, options.window_days)
        filled = high > low
        if not filled.any():
            continue
        low, high, code, date = low[filled], high[filled], code[filled], date[filled]
        moments = _moments(sales, low, high, code, options, waves=waves)
        until = dates[date] - horizon
        sxx, sxy, syy, used = _own_slopes(sales, moments, code, until, options, waves=waves)
        sure = (moments.count >= LEAST_ROWS) & (sxx >= LEAST_VARIATION)
        safe = np.where(sure, sxx, 1.0)
        left = np.where(sure, np.maximum(syy - sxy * sxy / safe, 0.0), 0.0)
        freedom = np.where(sure, moments.count - 2 - used, 0)
        for total, part in zip(
            (pool.sxx, pool.sxy, pool.left, pool.freedom), (sxx, sxy, left, freedom), strict=True
        ):
            total += np.bincount(date, part, n_dates)
        if groups is not None:
            group = np.repeat(groups[begin : begin + at_once], n_dates)[filled]
            some = group >= 0
            place = group[some] * n_dates + date[some]
            for total, part in zip(by_group, (sxx, sxy), strict=True):
                total += np.bincount(place, part[some], n_groups * n_dates)
    if not n_groups:
        return pool, None
    sxx, sxy = (total.reshape(n_groups, n_dates) for total in by_group)
    return pool, (sxx, sxy)
