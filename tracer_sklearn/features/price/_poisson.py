"""One elasticity for all products by Poisson regression: for sales with many zeros."""

from __future__ import annotations

import numpy as np

from tracer_sklearn.features._comoments import count_levels, rolling_comoments
from tracer_sklearn.features.price._elasticity import Elasticity, Options, Sales, year_waves
from tracer_sklearn.features.price._panel import Past, Series

__all__ = ["poisson_elasticities"]

# The regression is run anew every so many days; a row takes the newest run it may know.
_GRID_DAYS = 30
_MAX_STEPS, _SETTLED = 50, 1e-10
_LEAST_ROWS, _LEAST_VARIATION = 8, 1e-4
_FULL_YEAR = 365


def poisson_elasticities(sold: Sales, past: Past, options: Options) -> Elasticity:
    """Return, for every row, the slope of the newest monthly regression on what it may know.

    Parameters
    ----------
    sold : Sales
        Observations with a positive price and a quantity of at least 0: ``x`` (log price),
        ``q``, ``promo_0`` ...
    past : Past
        The rows, sorted by series and day.
    options : Options
        Window, season and promotions; nothing is shrunk.
    """
    sales = sold.series
    grid = (past.days - past.horizon) // _GRID_DAYS * _GRID_DAYS
    runs, run_of = np.unique(grid, return_inverse=True)
    days = sales.days
    slopes, errors = np.full(len(runs), np.nan), np.full(len(runs), np.nan)
    for number, until in enumerate(runs):
        inside = days <= until
        if options.window_days is not None:
            inside &= days > until - options.window_days
        slopes[number], errors[number] = _regression(sales, inside, options)
    low, high = past.window(sales, options.window_days)
    slope = slopes[run_of]
    if options.prior is not None:
        slope = np.where(np.isnan(slope), options.prior, slope)
    return Elasticity(
        slope=slope,
        error=errors[run_of],
        weight=np.zeros(len(slope)),
        mean_log_price=rolling_comoments([sales["x"]], low, high).mean[0],
        n_levels=count_levels(sold.previous, low, high),
    )


def _regression(sales: Series, inside: np.ndarray, options: Options) -> tuple[float, float]:
    """Fit log E q = product effect + slope * log price + controls; return slope and error."""
    quantity = sales["q"][inside]
    product = np.unique(sales.codes[inside], return_inverse=True)[1]
    sold = np.bincount(product, quantity) if len(product) else np.zeros(0)
    some = sold[product] > 0  # a product that never sold says nothing of its price
    if some.sum() < _LEAST_ROWS:
        return np.nan, np.nan
    quantity, product = quantity[some], np.unique(product[some], return_inverse=True)[1]
    day = sales.days[inside][some]
    columns = [sales["x"][inside][some]]
    columns += [sales[f"promo_{i}"][inside][some] for i in range(options.n_promotions)]
    seasonal = options.seasonal == "fourier" or (
        options.seasonal == "auto" and int(np.ptp(day)) >= _FULL_YEAR - 14
    )
    if seasonal:
        columns += list(year_waves(day))
    z = np.stack([_within(column, product, np.ones(len(day))) for column in columns])
    if float((z[0] ** 2).sum()) < _LEAST_VARIATION:
        return np.nan, np.nan
    total = np.bincount(product, quantity)
    beta = np.zeros(len(z))
    with np.errstate(all="ignore"):
        for _ in range(_MAX_STEPS):
            mean = _expected(beta, z, product, total)
            away = np.stack([_within(column, product, mean) for column in z])
            information = (away * mean) @ away.T
            step = np.linalg.lstsq(information, z @ (quantity - mean), rcond=None)[0]
            beta = beta + np.clip(step, -2.0, 2.0)  # far steps overflow the exponential
            if not np.isfinite(beta).all():
                return np.nan, np.nan
            if np.abs(step).max() <= _SETTLED:
                break
        else:
            return np.nan, np.nan
        mean = _expected(beta, z, product, total)
        freedom = len(quantity) - len(total) - len(z)
        dispersion = ((quantity - mean) ** 2 / mean).sum() / freedom if freedom > 0 else np.nan
        variance = np.linalg.pinv(information)[0, 0] * dispersion
    return float(beta[0]), float(np.sqrt(variance))


def _expected(
    beta: np.ndarray, z: np.ndarray, product: np.ndarray, total: np.ndarray
) -> np.ndarray:
    """Return expected quantities; the product effects meet each product's own total."""
    relative = np.exp(beta @ z)
    expected: np.ndarray = relative * (total / np.bincount(product, relative))[product]
    return expected


def _within(values: np.ndarray, product: np.ndarray, weights: np.ndarray) -> np.ndarray:
    mean = np.bincount(product, weights * values) / np.bincount(product, weights)
    left: np.ndarray = values - mean[product]
    return left
