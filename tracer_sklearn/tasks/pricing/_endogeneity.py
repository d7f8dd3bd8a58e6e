"""How far the data can say what a price does: slopes under several controls, and warning signs."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from tracer_sklearn._params import check_column, fail
from tracer_sklearn.exceptions import DataError
from tracer_sklearn.tasks.pricing._reading import (
    days_of,
    enter_rows,
    numbers,
    positive,
    product_ids,
)

__all__ = ["ElasticityEstimate", "ElasticityReport", "elasticity_report"]

_WHO = "elasticity_report"
_YEAR = 365.25
_SEASONAL_SPAN = 350
_MEANING = (
    "A predictive, conditional slope; causal only if price moves are as good as random given the "
    "controls. Test with an experiment."
)
_LEAST_PRICE_SD = 0.05
_CALENDAR_SHARE = 0.5
_ZERO_SHARE = 0.05
_CORRELATED = 0.1
_ROUNDS, _SETTLED = 500, 1e-10


class ElasticityEstimate(BaseModel):
    """Hold the slope of log quantity on log price under one set of controls.

    Parameters
    ----------
    controls : str
        What was held fixed.
    elasticity : float or None
        The slope; None where the controls leave no variation of the price.
    standard_error : float or None
        The larger of the errors clustered by product and by date; None with fewer than two of
        both.
    in_band : bool
        Whether it belongs to the band: it compares prices of one product, not products.

    Examples
    --------
    >>> from tracer_sklearn import ElasticityEstimate
    >>> ElasticityEstimate(
    ...     controls="product", elasticity=-2.4, standard_error=0.1, in_band=True
    ... ).elasticity
    -2.4
    """

    model_config = ConfigDict(frozen=True)

    controls: str
    elasticity: float | None
    standard_error: float | None
    in_band: bool


class ElasticityReport(BaseModel):
    """Hold the band of elasticities over sets of controls, and what speaks against each.

    Parameters
    ----------
    estimates : tuple of ElasticityEstimate
        One for each set of controls, from none to all.
    band : tuple of two floats or None
        Lowest and highest slope within products, two standard errors included; None without any.
    n_rows : int
        Rows with a product, a date, a positive price and a positive quantity.
    n_products : int
        Products among them.
    n_left_out : int
        Rows that were left out.
    zero_share : float
        Share of rows with a price whose quantity is 0.
    price_sd_within : float
        Standard deviation of the log price within products.
    price_share_of_dates : float or None
        Share of that variation which dates explain, all products moving together.
    lead_placebo : float or None
        Slope on the *next* price of the product, given the present one and the season: near 0
        unless prices follow what moves demand.
    lead_placebo_se : float or None
        Its standard error.
    price_demand_correlation : float or None
        Correlation of the price with the previous residual of demand: near 0 unless prices react
        to demand.
    concerns : tuple of str
        What these figures speak against, in words.
    meaning : str
        What an elasticity from past prices is.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_price_panel(-2.5, n_products=30, random_state=0)
    >>> report = ts.elasticity_report(X)
    >>> report.band[0] < -2.5 < report.band[1]
    True
    """

    model_config = ConfigDict(frozen=True)

    estimates: tuple[ElasticityEstimate, ...]
    band: tuple[float, float] | None
    n_rows: int
    n_products: int
    n_left_out: int
    zero_share: float
    price_sd_within: float
    price_share_of_dates: float | None
    lead_placebo: float | None
    lead_placebo_se: float | None
    price_demand_correlation: float | None
    concerns: tuple[str, ...]
    meaning: str = _MEANING

    def _repr_html_(self) -> str:
        """Show the report in a notebook, escaped."""
        rows = "".join(
            f"<tr><td>{html.escape(e.controls)}</td><td>{_shown(e.elasticity)}</td>"
            f"<td>{_shown(e.standard_error)}</td><td>{'yes' if e.in_band else 'no'}</td></tr>"
            for e in self.estimates
        )
        figures = {
            "rows": f"{self.n_rows:,}",
            "products": f"{self.n_products:,}",
            "share of zero quantities": _shown(self.zero_share),
            "price sd within products (log)": _shown(self.price_sd_within),
            "share of price variation explained by dates": _shown(self.price_share_of_dates),
            "placebo: slope on the next price": _shown(self.lead_placebo),
            "price against the previous demand residual": _shown(self.price_demand_correlation),
        }
        facts = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
            for name, value in figures.items()
        )
        concerns = "".join(f"<li>{html.escape(text)}</li>" for text in self.concerns)
        band = "none" if self.band is None else " to ".join(_shown(end) for end in self.band)
        return (
            f"<p><b>Elasticity, over sets of controls: {html.escape(band)}</b></p>"
            "<table><tr><th>controls</th><th>elasticity</th><th>se</th><th>in band</th></tr>"
            f"{rows}</table><table>{facts}</table>"
            f"{f'<ul>{concerns}</ul>' if concerns else ''}<p>{html.escape(self.meaning)}</p>"
        )


def elasticity_report(
    X: Any,
    *,
    product_column: str = "product_id",
    price_column: str = "price",
    quantity_column: str = "quantity_sold",
    date_column: str = "date",
    promo_columns: Sequence[str] | None = None,
) -> ElasticityReport:
    r"""Estimate the price elasticity under several sets of controls, and test what may bias it.

    Use it before any decision on prices. One number is never the answer: slopes under different
    controls differ by more than their standard errors, and the figures of the report say which
    controls matter. It is not meant for features; `PriceFeatures` computes those from the past
    only.

    Parameters
    ----------
    X : pandas, Polars or PyArrow frame of shape (n_rows, n_columns)
        One row a product and date.
    product_column : str, default="product_id"
        The product (or product and store, in one column).
    price_column : str, default="price"
        Price of a unit.
    quantity_column : str, default="quantity_sold"
        Units sold.
    date_column : str, default="date"
        The date.
    promo_columns : sequence of str or None, default=None
        Numbers or flags that tell promotions.

    Returns
    -------
    report : ElasticityReport
        The band, the estimates, the diagnostics and the concerns.

    Raises
    ------
    SchemaError
        If a column is missing or holds no numbers.
    DataError
        If no row is usable, or no price varies within a product.

    Notes
    -----
    Each estimate is the slope :math:`b` of :math:`\log q_{it} = b \log p_{it} + \text{controls}`
    by least squares on what the controls leave: none; product effects; with the yearly wave (from
    a year of data on); with promotions; with date effects, which take out whatever moves all
    products at once. Rows without a positive price and quantity are left out and counted: with
    many zeros every one of these slopes is too flat; aggregate to weeks first.

    For causal estimates with many controls see double machine learning (``econml.dml.LinearDML``,
    ``doubleml.DoubleMLPLR``), and cost shifters as instruments. Cost: linear, date effects by a
    few dozen sweeps.

    References
    ----------
    Bijmolt, van Heerde & Pieters (2005), doi 10.1509/jmkr.42.2.141.62296: taking endogeneity into
    account changes the estimates of a meta-analysis most.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_price_panel(-2.5, n_products=30, season=0.5, endogeneity=0.3,
    ...                                   random_state=0)
    >>> report = ts.elasticity_report(X)
    >>> [estimate.controls for estimate in report.estimates]
    ['none', 'product', 'product + season', 'product + date']
    >>> report.estimates[1].elasticity > -2 > report.estimates[3].elasticity
    True
    """
    promos = _checked(promo_columns)
    for name, column in {
        "product_column": product_column,
        "price_column": price_column,
        "quantity_column": quantity_column,
        "date_column": date_column,
    }.items():
        check_column(_WHO, name, column)
    if price_column == quantity_column:
        raise fail(_WHO, "quantity_column", "another column than `price_column`", quantity_column)
    roles = [product_column, price_column, quantity_column, date_column, *promos]
    entered = enter_rows(X, roles, who=_WHO)
    ids = product_ids(entered, product_column)
    price = positive(numbers(entered, price_column, who=_WHO))
    sold = numbers(entered, quantity_column, who=_WHO)
    days = days_of(entered, date_column, who=_WHO)
    flags = [np.nan_to_num(numbers(entered, name, who=_WHO)) for name in promos]
    usable = ids.is_not_null().to_numpy() & ~np.isnan(price) & ~np.isnan(days)
    zero_share = float((sold[usable] == 0).mean()) if usable.any() else 0.0
    usable &= sold > 0
    order = np.flatnonzero(usable)
    product = ids.rank("dense").fill_null(0).to_numpy()
    order = order[np.lexsort((days[order], product[order]))]
    product = np.unique(product[order], return_inverse=True)[1]
    if not len(order):
        raise DataError(
            f"{_WHO}: X must have rows with a product, a date, a price and a quantity above 0, "
            f"found none in {len(usable)}; check the columns.",
            rule="positive",
            n_rows=len(usable),
        )
    panel = _Panel(product, days[order], np.log(price[order]), np.log(sold[order]))
    if panel.within(panel.x).std() <= 1e-12:
        raise DataError(
            f"{_WHO}: the price of some product must vary over rows with a positive quantity, it "
            f"varies in none of {len(set(product.tolist()))} products; add dates with other "
            "prices.",
            column=price_column,
            rule="price_variation",
            n_rows=len(order),
        )
    return _report(panel, [flag[order] for flag in flags], zero_share, entered.n_rows)


class _Panel:
    """Sorted rows of a panel, and what product or date effects leave of a column."""

    def __init__(self, product: np.ndarray, day: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        self.product, self.x, self.y = product, x, y
        self.day = day
        self.date = np.unique(day, return_inverse=True)[1]

    def within(self, values: np.ndarray) -> np.ndarray:
        """Take the mean of each product out."""
        return _demeaned(values, self.product)

    def within_both(self, values: np.ndarray) -> np.ndarray:
        """Take the means of products and of dates out, in turns until both are gone."""
        left = self.within(values)
        scale = float(np.abs(left).max(initial=0.0))
        for _ in range(_ROUNDS):
            before = left
            left = self.within(_demeaned(left, self.date))
            if float(np.abs(left - before).max(initial=0.0)) <= _SETTLED * scale:
                break
        return left


def _demeaned(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    mean = np.bincount(group, values) / np.maximum(np.bincount(group), 1)
    left: np.ndarray = values - mean[group]
    return left


def _report(
    panel: _Panel, promos: list[np.ndarray], zero_share: float, n_given: int
) -> ElasticityReport:
    season: list[np.ndarray] = []
    if np.ptp(panel.day) >= _SEASONAL_SPAN:
        angle = 2 * np.pi * panel.day / _YEAR
        season = [np.sin(angle), np.cos(angle)]
    x, y = panel.within(panel.x), panel.within(panel.y)
    waves, flags = ([panel.within(c) for c in columns] for columns in (season, promos))

    estimates = [_estimate("none", panel, panel.x - panel.x.mean(), panel.y - panel.y.mean(), [])]
    estimates.append(_estimate("product", panel, x, y, []))
    if season:
        estimates.append(_estimate("product + season", panel, x, y, waves))
    if promos:
        estimates.append(_estimate("product + promotions", panel, x, y, flags))
        if season:
            controls = [*waves, *flags]
            estimates.append(_estimate("product + season + promotions", panel, x, y, controls))
    both_x, both_y = panel.within_both(panel.x), panel.within_both(panel.y)
    estimates.append(_estimate("product + date", panel, both_x, both_y, []))
    if promos:
        both = [panel.within_both(c) for c in promos]
        estimates.append(_estimate("product + date + promotions", panel, both_x, both_y, both))

    share = None
    if len(np.unique(panel.product)) > 1:
        by_date = x - _demeaned(x, panel.date)
        share = float((by_date**2).sum() / (x**2).sum())
    controls = [*waves, *flags]
    lead, lead_se = _lead_placebo(panel, season, promos)
    correlation = _feedback(panel, x, y, controls)
    found = [e for e in estimates if e.in_band and e.elasticity is not None]
    ends = [
        e.elasticity + side * 2 * (e.standard_error or 0.0)  # type: ignore[operator]
        for e in found
        for side in (-1, 1)
    ]
    sd = float(np.sqrt((x**2).mean()))
    return ElasticityReport(
        estimates=tuple(estimates),
        band=(min(ends), max(ends)) if ends else None,
        n_rows=len(x),
        n_products=len(np.unique(panel.product)),
        n_left_out=n_given - len(x),
        zero_share=zero_share,
        price_sd_within=sd,
        price_share_of_dates=share,
        lead_placebo=lead,
        lead_placebo_se=lead_se,
        price_demand_correlation=correlation,
        concerns=_concerns(found, sd, share, (lead, lead_se), correlation, zero_share),
    )


def _estimate(
    controls: str, panel: _Panel, x: np.ndarray, y: np.ndarray, columns: list[np.ndarray]
) -> ElasticityEstimate:
    slope, error = _slope(panel, x, y, columns)
    return ElasticityEstimate(
        controls=controls, elasticity=slope, standard_error=error, in_band=controls != "none"
    )


def _slope(
    panel: _Panel, x: np.ndarray, y: np.ndarray, columns: list[np.ndarray]
) -> tuple[float | None, float | None]:
    """Return the slope of y on x given the columns, with the larger clustered error."""
    before = float((x**2).sum())
    if columns:
        controls = np.stack(columns, axis=1)
        x = x - controls @ np.linalg.lstsq(controls, x, rcond=None)[0]
        y = y - controls @ np.linalg.lstsq(controls, y, rcond=None)[0]
    information = float((x**2).sum())
    if information <= 1e-10 * max(before, 1e-300) or information <= 1e-14:
        return None, None
    slope = float((x * y).sum()) / information
    moment = x * (y - slope * x)
    errors = []
    for group in (panel.product, panel.date):
        sums = np.bincount(group, moment)
        clusters = len(np.unique(group))
        if clusters > 1:
            variance = clusters / (clusters - 1) * float((sums**2).sum()) / information**2
            errors.append(variance**0.5)
    return slope, max(errors) if errors else None


def _lead_placebo(
    panel: _Panel, season: list[np.ndarray], promos: list[np.ndarray]
) -> tuple[float | None, float | None]:
    """Return the slope on the product's next price, given the present one and the controls."""
    here = np.flatnonzero(panel.product[1:] == panel.product[:-1])
    if len(here) < 10:
        return None, None
    rows = _Panel(
        np.unique(panel.product[here], return_inverse=True)[1],
        panel.day[here],
        panel.x[here],
        panel.y[here],
    )
    given = [panel.x[here], *(c[here] for c in (*season, *promos))]
    columns = [rows.within(c) for c in given]
    return _slope(rows, rows.within(panel.x[here + 1]), rows.within(rows.y), columns)


def _feedback(
    panel: _Panel, x: np.ndarray, y: np.ndarray, controls: list[np.ndarray]
) -> float | None:
    """Return the correlation of the price with the product's previous demand residual."""
    columns = np.stack([x, *controls], axis=1)
    residual = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
    here = np.flatnonzero(panel.product[1:] == panel.product[:-1])
    if len(here) < 10 or x[here + 1].std() <= 1e-12 or residual[here].std() <= 1e-12:
        return None
    return float(np.corrcoef(x[here + 1], residual[here])[0, 1])


def _concerns(
    found: list[ElasticityEstimate],
    sd: float,
    share: float | None,
    lead: tuple[float | None, float | None],
    correlation: float | None,
    zero_share: float,
) -> tuple[str, ...]:
    concerns = []
    if sd < _LEAST_PRICE_SD:
        concerns.append(
            f"Prices hardly move within products (sd of the log {sd:.3f}): slopes rest on little."
        )
    if share is not None and share > _CALENDAR_SHARE:
        concerns.append(
            f"Dates explain {share:.0%} of the price moves: price and season are hard to tell "
            "apart."
        )
    slope, error = lead
    if slope is not None and error is not None and abs(slope) > 2 * error:
        concerns.append(
            f"The next price already 'explains' demand ({slope:+.2f}, se {error:.2f}): prices "
            "follow something that moves demand too."
        )
    if correlation is not None and abs(correlation) > _CORRELATED:
        concerns.append(
            f"Prices react to demand (correlation {correlation:+.2f} with the previous residual)."
        )
    if zero_share > _ZERO_SHARE:
        concerns.append(
            f"{zero_share:.0%} of the quantities are 0 and left out, which flattens every slope: "
            "aggregate to longer periods."
        )
    slopes = [e.elasticity for e in found if e.elasticity is not None]
    errors = [e.standard_error or 0.0 for e in found]
    if slopes and max(slopes) - min(slopes) > 2 * max(errors):
        concerns.append(
            f"The slope depends on the controls ({min(slopes):.2f} to {max(slopes):.2f}): none of "
            "them alone is the answer."
        )
    if slopes and max(slopes) >= 0:
        concerns.append("Under some controls demand does not fall with the price.")
    return tuple(concerns)


def _checked(promo_columns: Sequence[str] | None) -> list[str]:
    if promo_columns is None:
        return []
    names = list(promo_columns) if isinstance(promo_columns, list | tuple) else None
    if names is None or not all(isinstance(name, str) and name for name in names):
        raise fail(_WHO, "promo_columns", "None or a list of column names", promo_columns)
    return names


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
