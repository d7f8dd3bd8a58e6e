"""Demand in closed form: log quantity on log price, or on price, within products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tracer_sklearn.features.price._elasticity import moment_kappa

Form = Literal["constant_elasticity", "semilog"]

_YEAR = 365.25
# a year of weekly rows spans 51 weeks
_SEASONAL_SPAN = 350


@dataclass(frozen=True)
class LogDemand:
    r"""One fit of :math:`\log q = a_i + b_i x + \gamma s(t)`, by product.

    :math:`x` is the log of the price, or (semilog) the price over the product's mean price, so
    that :math:`b` is the elasticity at that price. The last entry stands for unknown products.

    Attributes
    ----------
    form : {"constant_elasticity", "semilog"}
        What x is.
    mean_price, level, slope : ndarray of shape (n_products + 1,)
        By product.
    season : ndarray of shape (2,)
        Coefficients of the year's sine and cosine; zeros where they are not fitted.
    kappa : float
        What the slopes were drawn together with.
    """

    form: Form
    mean_price: np.ndarray
    level: np.ndarray
    slope: np.ndarray
    season: np.ndarray
    kappa: float

    def quantity(self, codes: np.ndarray, prices: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return the expected quantity of rows at prices."""
        x = _regressor(self.form, prices, self.mean_price[codes])
        seasonal = self.season @ _year(days) if self.season.any() else 0.0
        with np.errstate(over="ignore"):
            quantity: np.ndarray = np.exp(self.level[codes] + self.slope[codes] * x + seasonal)
        return quantity

    def elasticity(self, codes: np.ndarray, prices: np.ndarray) -> np.ndarray:
        """Return the elasticity of rows at prices."""
        if self.form == "constant_elasticity":
            slope: np.ndarray = self.slope[codes]
            return slope
        relative: np.ndarray = self.slope[codes] * prices / self.mean_price[codes]
        return relative


def fit_log_demand(
    form: Form,
    codes: np.ndarray,
    n_products: int,
    prices: np.ndarray,
    quantities: np.ndarray,
    days: np.ndarray | None,
    *,
    weights: np.ndarray | None = None,
    kappa: float | None = None,
) -> LogDemand:
    """Fit within products, with the slopes drawn towards the pooled one.

    Parameters
    ----------
    form : {"constant_elasticity", "semilog"}
        The curve.
    codes, prices, quantities : ndarray of shape (n_rows,)
        Rows with a positive price and quantity.
    n_products : int
        Number of products.
    days : ndarray of shape (n_rows,) or None
        Days since 1970-01-01; with a year or more of them, a yearly wave is fitted too.
    weights : ndarray of shape (n_rows,) or None
        How often each row counts.
    kappa : float or None
        Given, it is used; None estimates it by moments.
    """
    w = np.ones(len(codes)) if weights is None else weights
    total = np.bincount(codes, w, n_products)

    def by_product(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes, w * values, n_products)

    with np.errstate(invalid="ignore", divide="ignore"):
        mean_price = by_product(prices) / total
        x = _regressor(form, prices, mean_price[codes])
        y = np.log(quantities)
        means = {"x": by_product(x) / total, "y": by_product(y) / total}
    dx, dy = x - means["x"][codes], y - means["y"][codes]
    waves = None
    if days is not None and len(days) and np.ptp(days) >= _SEASONAL_SPAN:
        year = _year(days)
        with np.errstate(invalid="ignore", divide="ignore"):
            waves = year - np.stack([(by_product(wave) / total)[codes] for wave in year])
    if waves is not None:
        dx, dy = _without(waves, dx, w), _without(waves, dy, w)
    sxx, sxy, syy = by_product(dx * dx), by_product(dx * dy), by_product(dy * dy)
    pooled = sxy.sum() / sxx.sum() if sxx.sum() > 0 else 0.0
    if kappa is None:
        kappa = moment_kappa(total, sxx, sxy, syy)
    slope = (sxy + kappa * pooled) / (sxx + kappa)

    season, raw = np.zeros(2), slope[codes] * x
    if waves is not None and days is not None:
        away = y - means["y"][codes] - slope[codes] * (x - means["x"][codes])
        season = _coefficients(waves, away, w)
        raw = raw + season @ _year(days)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = by_product(y - raw) / total
        # the mean of a log is not the log of a mean: meet each product's mean quantity
        centre = centre + np.log(by_product(quantities) / by_product(np.exp(centre[codes] + raw)))
    overall = np.log(np.average(quantities, weights=w)) if len(codes) else np.nan
    typical = np.average(prices, weights=w) if len(codes) else np.nan
    anchor = _regressor(form, np.array([typical]), np.array([typical]))[0]
    return LogDemand(
        form=form,
        mean_price=np.append(mean_price, typical),
        level=np.append(centre, overall - pooled * anchor),
        slope=np.append(slope, pooled),
        season=season,
        kappa=float(kappa),
    )


def _regressor(form: Form, prices: np.ndarray, mean_price: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        x: np.ndarray = np.log(prices) if form == "constant_elasticity" else prices / mean_price
    return x


def _year(days: np.ndarray) -> np.ndarray:
    angle = 2 * np.pi * days / _YEAR
    return np.stack([np.sin(angle), np.cos(angle)])


def _coefficients(waves: np.ndarray, values: np.ndarray, w: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.linalg.lstsq((waves * w) @ waves.T, (waves * w) @ values, rcond=None)[0]
    return found


def _without(waves: np.ndarray, values: np.ndarray, w: np.ndarray) -> np.ndarray:
    left: np.ndarray = values - _coefficients(waves, values, w) @ waves
    return left
