"""The meta-estimator: demand as a function of the price, and the price that follows from it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_is_fitted,
    column_or_1d,
)

from tracer_sklearn._frame import Entered, enter_target
from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import DataError
from tracer_sklearn.tasks._containers import frame_in
from tracer_sklearn.tasks._threads import threads_for
from tracer_sklearn.tasks.pricing import _checks, _choice
from tracer_sklearn.tasks.pricing._demand import LogDemand, fit_log_demand
from tracer_sklearn.tasks.pricing._drawing import draw_response, prices_to_draw
from tracer_sklearn.tasks.pricing._models import FittedModel, fit_model, resampled
from tracer_sklearn.tasks.pricing._reading import (
    as_polars,
    at_price,
    codes_of,
    days_of,
    enter_rows,
    learn_prices,
    numbers,
    positive,
    product_ids,
    take_row,
)

__all__ = ["PriceOptimizer"]


class PriceOptimizer(MetaEstimatorMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    r"""Learn demand as a function of the price, and recommend prices where the data allow it.

    Use it on a panel of products and dates whose prices have varied, to ask what a small change
    of a price would do. It keeps the price, with the reason, wherever the data cannot answer.
    It is no causal estimate: a slope learnt from past prices is a predictive, conditional one, and
    causal only if price moves were as good as random given the controls. Look at
    `elasticity_report` first, and test a recommendation with an experiment.

    Parameters
    ----------
    estimator : scikit-learn regressor or None, default=None
        Model of the quantity, for ``demand="model"``; usually a `price_optimization_pipeline`.
        None takes that pipeline with a Poisson gradient boosting whose response to every column
        that moves with the price is monotone.
    price_column : str, default="price"
        Price of a unit: the decision.
    product_column : str or None, default="product_id"
        The product; None takes all rows for one.
    date_column : str or None, default="date"
        Date of a row: what the bootstrap draws. None draws rows.
    objective : {"revenue", "profit"} or callable, default="revenue"
        What is maximised. A callable takes arrays of prices, quantities and unit costs (NaN
        without ``cost_column``) and returns what they earn.
    cost_column : str or None, default=None
        Cost of a unit; needed for ``"profit"``.
    bounds : "observed", tuple of two floats or dict, default="observed"
        Allowed prices, always within ``max_change`` too. ``"observed"``: between the 5th and
        the 95th percentile of the product's training prices. A tuple: factors of the current
        price. A dict: product to (lowest, highest) price; products not in it have no bounds here.
    max_change : float in (0, 1), default=0.1
        Largest change, as a share of the current price: what is far from experience is a guess.
    grid : int >= 3, default=41
        Number of prices tried between the bounds; with the default bounds steps of half a
        per cent.
    price_endings : tuple of floats in [0, 1) or None, default=None
        Endings that a price may have, such as ``(0.49, 0.99)``; None allows any.
    demand : {"model", "constant_elasticity", "semilog"}, default="model"
        ``"model"`` asks ``estimator``. The closed forms fit the log of the quantity within
        products, on the log of the price or on the price; the slopes of products are drawn
        together as far as they agree. Under constant elasticity revenue has no best price inside
        the bounds: take ``"semilog"`` for revenue.
    n_bootstrap : int >= 0, default=50
        Refits on resampled dates, for intervals; 0 gives none.
    risk : {"mean", "lower"}, default="mean"
        Maximise the mean of the objective over the refits, or the lower tenth of its gain over
        the current price, which then stays unless the gain is fairly sure.
    min_price_levels : int >= 2, default=3
        Fewest distinct prices of a product in training for a recommendation.
    random_state : int, RandomState instance or None, default=None
        Seed of the bootstrap (and of the default model).

    Attributes
    ----------
    estimator_ : estimator or None
        The model fitted to all rows; None for closed forms.
    demand_ : LogDemand or None
        The closed form fitted to all rows; None for a model.
    products_ : list
        The products of training.
    n_price_levels_ : ndarray of int of shape (n_products,)
        Distinct prices of each.
    price_range_ : ndarray of shape (n_products, 2)
        5th and 95th percentile of the prices of each.
    n_left_out_ : int
        Rows that a closed form cannot use: quantity not above 0, no price, no product or no date.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names; only where the input had names.

    Raises
    ------
    ParameterError
        If a parameter is illegal, or ``"profit"`` comes without ``cost_column``.
    SchemaError
        If a column that it reads is missing or holds no numbers.
    DataError
        If a closed form finds no row with a positive price and quantity.

    Notes
    -----
    A counterfactual changes the price in X and runs the whole pipeline again. The history that
    the pipeline keeps is untouched: lags stay, what is derived from the price of the row moves.
    Give ``recommend`` one date a product; several dates of one product answer one another.

    The model is refitted, for each draw, on the features of the resampled dates; the features
    themselves are computed once. ``status`` is ``ok``, or the reason to keep the price:

    - ``insufficient_variation``: fewer than ``min_price_levels`` prices in training;
    - ``extrapolation``: the bounds exclude every price, the best price was never near, or the
      row lacks a price, a date or a cost (with a warning);
    - ``nonnegative_elasticity``: demand does not fall with the price;
    - ``at_bound``: the best price is a bound, so that it may lie anywhere beyond.

    Under constant elasticity :math:`b < -1` and unit cost :math:`c` the best price is
    :math:`cb/(1 + b)`; for :math:`q = a e^{-\beta p}` it is :math:`1/\beta` for revenue and
    :math:`c + 1/\beta` for profit. The optimum is each product's own: it ignores that a cheaper
    product takes customers from its neighbours, and that customers stock up.

    Cost: ``n_bootstrap + 1`` fits of the model; ``grid`` transforms for a recommendation.

    References
    ----------
    Smith & Griffin (2023), doi 10.1007/s11129-022-09260-7, for drawing slopes together; Bijmolt,
    van Heerde & Pieters (2005), doi 10.1509/jmkr.42.2.141.62296, for what elasticities are usual.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_price_panel(-2.5, n_products=20, cost=6.0, random_state=0)
    >>> optimizer = ts.PriceOptimizer(
    ...     demand="constant_elasticity", objective="profit", cost_column="unit_cost",
    ...     bounds=(0.5, 1.5), max_change=0.5, random_state=0,
    ... ).fit(X, y)
    >>> last = X[X["date"] == X["date"].max()]
    >>> advice = optimizer.recommend(last)
    >>> print(advice["recommended_price"].median().round(0))  # 6 * 2.5 / 1.5
    10.0
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        price_column: str = "price",
        product_column: str | None = "product_id",
        date_column: str | None = "date",
        objective: Any = "revenue",
        cost_column: str | None = None,
        bounds: Any = "observed",
        max_change: float = 0.10,
        grid: int = 41,
        price_endings: Any = None,
        demand: str = "model",
        n_bootstrap: int = 50,
        risk: str = "mean",
        min_price_levels: int = 3,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.price_column = price_column
        self.product_column = product_column
        self.date_column = date_column
        self.objective = objective
        self.cost_column = cost_column
        self.bounds = bounds
        self.max_change = max_change
        self.grid = grid
        self.price_endings = price_endings
        self.demand = demand
        self.n_bootstrap = n_bootstrap
        self.risk = risk
        self.min_price_levels = min_price_levels
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        missing = self.estimator is None or get_tags(self.estimator).input_tags.allow_nan
        tags.input_tags.allow_nan = bool(missing)
        tags.regressor_tags.poor_score = True  # the score is minus an error, never above 0
        return tags

    # -- fitting --------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the demand.

        Parameters
        ----------
        X : {pandas, Polars or PyArrow frame, array} of shape (n_rows, n_columns)
            Rows in memory: whatever the estimator needs, and the columns named by parameters.
        y : array-like of shape (n_rows,)
            Quantity sold.

        Returns
        -------
        self : object
            The fitted optimizer.
        """
        self._check_params()
        entered = self._enter(X, min_rows=1)
        quantity = self._target(y, entered.n_rows)
        ids = product_ids(entered, self.product_column)
        prices = positive(numbers(entered, self.price_column, who=self._name))
        self._prices = learn_prices(ids, prices)
        self.products_ = list(self._prices.labels)
        self.n_price_levels_ = self._prices.n_levels[:-1]
        self.price_range_ = np.stack([self._prices.low, self._prices.high], axis=1)[:-1]
        self.n_features_in_ = len(entered.names)
        if entered.named:
            self.feature_names_in_ = np.asarray(entered.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        rng = check_random_state(self.random_state)
        blocks = np.arange(entered.n_rows, dtype=float)
        if self.date_column is not None:
            blocks = days_of(entered, self.date_column, who=self._name)
        if self.demand == "model":
            rows = entered.native if entered.kind == "numpy" else X
            self._fit_model(rows, quantity, blocks, rng)
        else:
            self._fit_closed_form(ids, prices, quantity, blocks, rng)
        return self

    def _fit_model(
        self, X: Any, quantity: np.ndarray, blocks: np.ndarray, rng: np.random.RandomState
    ) -> None:
        draws = resampled(blocks, self.n_bootstrap, rng)
        estimator = None if self.estimator is None else clone(self.estimator)
        roles = {
            "product": self.product_column,
            "price": self.price_column,
            "date": self.date_column,
        }
        with threads_for(len(quantity)):
            self._model: FittedModel | None = fit_model(
                estimator, X, quantity, draws, rng, roles=roles
            )
        self.estimator_ = self._model.estimator
        self.demand_: LogDemand | None = None
        self._draws: list[LogDemand] = []
        self.n_left_out_ = 0

    def _fit_closed_form(
        self,
        ids: pl.Series,
        prices: np.ndarray,
        quantity: np.ndarray,
        blocks: np.ndarray,
        rng: np.random.RandomState,
    ) -> None:
        codes = codes_of(ids, self.products_)
        usable = (codes < len(self.products_)) & ~np.isnan(prices) & (quantity > 0)
        usable &= ~np.isnan(blocks)
        self.n_left_out_ = int((~usable).sum())
        if not usable.any():
            raise DataError(
                f"{self._name}: demand={self.demand!r} needs rows with a positive price and a "
                f"positive quantity, found none in {len(usable)}; check the columns, or choose "
                "demand='model'.",
                column=self.price_column,
                rule="positive",
                n_rows=len(usable),
            )
        rows = codes[usable], len(self.products_), prices[usable], quantity[usable]
        days = blocks[usable] if self.date_column is not None else None
        form: Any = self.demand
        self.demand_ = fit_log_demand(form, *rows, days)
        self._draws = [
            fit_log_demand(
                form,
                *rows,
                days,
                weights=np.bincount(drawn, minlength=len(rows[0])).astype(float),
                kappa=self.demand_.kappa,
            )
            for drawn in resampled(blocks[usable], self.n_bootstrap, rng)
        ]
        self.estimator_ = None
        self._model = None

    # -- asking -----------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """Predict the quantity at the price that X gives.

        Parameters
        ----------
        X : {pandas, Polars or PyArrow frame, array} of shape (n_rows, n_columns)
            Rows; the quantity column can be absent.

        Returns
        -------
        quantity : ndarray of shape (n_rows,)
            Expected quantities.
        """
        check_is_fitted(self, "products_")
        if self._model is not None:
            with threads_for(_num_samples(X)):
                return self._model.predict(X)
        entered = self._enter(X)
        answers = self._closed(entered, self._current(entered)[None], [self.demand_])
        predicted: np.ndarray = answers[0, 0]
        return predicted

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        r"""Return minus the WAPE of the predicted quantities: 0 is perfect.

        Parameters
        ----------
        X : frame or array of shape (n_rows, n_columns)
            Rows.
        y : array-like of shape (n_rows,)
            Quantities that were sold.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row.

        Returns
        -------
        score : float
            :math:`-\sum |y - \hat y| / \sum |y|`; NaN where nothing was sold.
        """
        predicted = self.predict(X)
        sold = self._target(y, len(predicted))
        weights = _check_sample_weight(sample_weight, sold)
        total = float((weights * np.abs(sold)).sum())
        return -float((weights * np.abs(sold - predicted)).sum()) / total if total else float("nan")

    def demand_curve(self, X: Any, prices: Any) -> Any:
        """Predict the quantity of every row at every price.

        Parameters
        ----------
        X : frame or array of shape (n_rows, n_columns)
            Rows.
        prices : array-like of shape (n_prices,)
            Prices to put in the place of the row's own, above 0.

        Returns
        -------
        curve : frame of shape (n_rows * n_prices, 7 or more)
            ``row`` (its number in X), the product, ``price``, ``q`` with its 90 % interval
            ``q_lo`` and ``q_hi``, ``revenue`` and, with a cost column, ``profit``. In the library
            of X; pandas for arrays.

        Warns
        -----
        DataQualityWarning
            If prices lie further beyond those of a product in training than ``max_change``.
        """
        check_is_fitted(self, "products_")
        entered = self._enter(X)
        asked = _checks.asked_prices(self._name, prices)
        tried = np.repeat(asked[:, None], entered.n_rows, axis=1)
        codes = codes_of(product_ids(entered, self.product_column), self.products_)
        _checks.warn_of_far_prices(self._name, tried, codes, self._prices, self.max_change)
        quantities = self._quantities(entered, tried)
        quantity, low, high = _choice.interval(quantities)
        rows = np.repeat(np.arange(entered.n_rows), len(asked))
        columns = {"row": pl.Series(rows)}
        if self.product_column is not None:
            columns[self.product_column] = product_ids(entered, self.product_column).gather(rows)
        flat = {
            "price": tried,
            "q": quantity,
            "q_lo": low,
            "q_hi": high,
            "revenue": tried * quantity,
        }
        if self.cost_column is not None:
            flat["profit"] = (tried - self._costs(entered)) * quantity
        columns |= {name: pl.Series(values.T.ravel()) for name, values in flat.items()}
        return frame_in(pl.DataFrame(columns), _library(entered))

    def recommend(self, X: Any) -> Any:
        """Recommend a price for every row, or keep it and say why.

        Parameters
        ----------
        X : frame or array of shape (n_rows, n_columns)
            Rows at their current prices, one date a product.

        Returns
        -------
        advice : frame of shape (n_rows, 16 or more)
            The product; ``current_price``, ``recommended_price``, ``lower_bound``,
            ``upper_bound``; ``q_now`` and ``q_then``, ``revenue_...`` and, with a cost column,
            ``profit_...``; ``lift`` of the objective with its 90 % interval ``lift_lo`` and
            ``lift_hi``; ``elasticity`` with ``elasticity_se``; ``n_price_levels``; ``status``. In
            the library of X, with its index; pandas for arrays.

        Warns
        -----
        DataQualityWarning
            If rows have no price above 0, no date or, for ``"profit"``, no cost.
        """
        check_is_fitted(self, "products_")
        self._check_params()
        entered = self._enter(X)
        ids = product_ids(entered, self.product_column)
        codes = codes_of(ids, self.products_)
        current = self._current(entered)
        costs = self._costs(entered)
        needed = {"a price above 0": current, "a date": self._days(entered)}
        if self.objective == "profit":
            needed["a unit cost"] = costs
        complete = _checks.warn_of_gaps(self._name, needed)
        low, high = _choice.price_limits(
            current, codes, ids.to_list(), self._prices, self.bounds, self.max_change
        )
        tried = _choice.candidates(current, low, high, self.grid, self.price_endings)
        quantities = self._quantities(entered, tried)
        values = np.stack(
            [_choice.earned(self._name, self.objective, tried, q, costs) for q in quantities]
        )
        slopes = self._elasticities(codes, tried, quantities)
        choice = _choice.choose(
            tried,
            values,
            low=low,
            high=high,
            codes=codes,
            prices=self._prices,
            elasticity=slopes[0],
            complete=complete,
            min_price_levels=self.min_price_levels,
            risk=self.risk,
        )
        rows = np.arange(entered.n_rows)
        mean = quantities[1:].mean(axis=0) if len(quantities) > 1 else quantities[0]
        now, then = mean[0], mean[choice.best, rows]
        price = tried[choice.best, rows]
        columns: dict[str, Any] = {}
        if self.product_column is not None:
            columns[self.product_column] = ids
        columns |= {
            "current_price": current,
            "recommended_price": price,
            "lower_bound": np.where(low <= high, low, np.nan),
            "upper_bound": np.where(low <= high, high, np.nan),
            "q_now": now,
            "q_then": then,
            "revenue_now": current * now,
            "revenue_then": price * then,
        }
        if self.cost_column is not None:
            columns["profit_now"] = (current - costs) * now
            columns["profit_then"] = (price - costs) * then
        nothing = np.full(len(rows), np.nan)
        columns |= {
            "lift": choice.lift,
            "lift_lo": choice.lift_low,
            "lift_hi": choice.lift_high,
            "elasticity": slopes[0],
            "elasticity_se": slopes[1:].std(axis=0, ddof=1) if len(slopes) > 2 else nothing,
            "n_price_levels": self._prices.n_levels[codes],
            "status": choice.status,
        }
        advice = frame_in(pl.DataFrame(columns), _library(entered))
        return advice.set_index(entered.native.index) if entered.kind == "pandas" else advice

    def plot_response(self, X: Any, key: Any = None, *, prices: Any = None, ax: Any = None) -> Any:
        """Draw the demand of one product against its price, with what is known of it.

        Parameters
        ----------
        X : frame or array of shape (n_rows, n_columns)
            Rows; the last one of the product is drawn.
        key : object, default=None
            The product; None takes that of the last row.
        prices : array-like of shape (n_prices,) or None, default=None
            Prices to draw; None draws the allowed ones.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ax : matplotlib.axes.Axes
            The curve with its 90 % interval, the current and the recommended price.

        Raises
        ------
        ParameterError
            If X has no row of the product, or `prices` or `ax` is illegal.
        DataError
            If the row has no price above 0 and no `prices` are given.
        MissingDependencyError
            If matplotlib is not installed.
        """
        check_is_fitted(self, "products_")
        entered = self._enter(X)
        ids = product_ids(entered, self.product_column).to_list()
        wanted = (ids[-1] if ids else None) if key is None else key
        mine = [row for row, product in enumerate(ids) if product == wanted]
        if not mine:
            must = f"a product of X, which has {len(ids)} rows"
            raise fail(self._name, "key", must, key, f"give one of them, as in {ids[-1:]!r}")
        row = take_row(entered, mine[-1])
        advice = as_polars(self.recommend(row)).row(0, named=True)
        asked = prices_to_draw(advice, self.grid) if prices is None else prices
        curve = as_polars(self.demand_curve(row, asked))
        return draw_response(advice, curve, title=str(wanted), ax=ax)

    # -- inside -----------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _enter(self, X: Any, *, min_rows: int = 0) -> Entered:
        names = [self.price_column, self.product_column, self.date_column]
        names += [self.cost_column] if min_rows == 0 else []
        return enter_rows(X, names, who=self._name, min_rows=min_rows)

    def _target(self, y: Any, n_rows: int) -> np.ndarray:
        if y is None:
            raise ValueError(
                f"{self._name}: requires y to be passed, but the target y is None; give the "
                "quantities."
            )
        target = column_or_1d(enter_target(y, n_rows, stage=self._name), warn=True)
        quantity = np.asarray(target, dtype=float)
        odd = int((~np.isfinite(quantity)).sum())
        if odd:
            raise DataError(
                f"{self._name}: every quantity in y must be finite, found {odd} that are missing, "
                "NaN or infinity; leave these rows out.",
                rule="finite",
                n_rows=odd,
            )
        return quantity

    def _current(self, entered: Entered) -> np.ndarray:
        return positive(numbers(entered, self.price_column, who=self._name))

    def _costs(self, entered: Entered) -> np.ndarray:
        if self.cost_column is None:
            return np.full(entered.n_rows, np.nan)
        return numbers(entered, self.cost_column, who=self._name)

    def _days(self, entered: Entered) -> np.ndarray:
        if self.date_column is None:
            return np.zeros(entered.n_rows)
        return days_of(entered, self.date_column, who=self._name)

    def _quantities(self, entered: Entered, tried: np.ndarray) -> np.ndarray:
        """Return quantities of shape (1 + n_draws, n_prices, n_rows), none below 0."""
        if self._model is None:
            return self._closed(entered, tried, [self.demand_, *self._draws])
        if not entered.n_rows:  # which few models take
            return np.empty((1 + len(self._model.refits), *tried.shape))
        with threads_for(entered.n_rows):
            at = [self._model.quantities(at_price(entered, self.price_column, p)) for p in tried]
        sold: np.ndarray = np.maximum(np.stack(at, axis=1), 0.0)
        return sold

    def _closed(self, entered: Entered, tried: np.ndarray, fits: list[Any]) -> np.ndarray:
        codes = codes_of(product_ids(entered, self.product_column), self.products_)
        codes = np.broadcast_to(codes, tried.shape)
        days = np.broadcast_to(self._days(entered), tried.shape)
        flat = codes.ravel(), tried.ravel(), days.ravel()
        return np.stack([fit.quantity(*flat).reshape(tried.shape) for fit in fits])

    def _elasticities(
        self, codes: np.ndarray, tried: np.ndarray, quantities: np.ndarray
    ) -> np.ndarray:
        if self.demand_ is not None:
            fits = [self.demand_, *self._draws]
            return np.stack([fit.elasticity(codes, tried[0]) for fit in fits])
        return _choice.arc_elasticity(tried, quantities)

    def _check_params(self) -> None:
        _checks.check_parameters(self._name, self.get_params(deep=False))


def _library(entered: Entered) -> str:
    return "pandas" if entered.kind == "numpy" else entered.kind
