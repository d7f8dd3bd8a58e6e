"""The stage: parameters, what it keeps of the past, and the columns it makes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils.validation import check_is_fitted

from tracer_sklearn._frame import Entered, enter, gather
from tracer_sklearn.base import Counts, Stage
from tracer_sklearn.exceptions import HorizonWarning, SchemaError
from tracer_sklearn.features import _expressions as ex
from tracer_sklearn.features.price import _names
from tracer_sklearn.features.price._checks import (
    check_kinds,
    check_parameters,
    warn_of_short_windows,
    warn_of_zeros,
)
from tracer_sklearn.features.price._compute import (
    History,
    Rows,
    Setting,
    demand_features,
    newest_known,
    position_features,
)
from tracer_sklearn.features.price._elasticity import Options, learnt_kappa
from tracer_sklearn.features.price._panel import Panel, merged
from tracer_sklearn.features.price._reading import (
    NO_LABEL,
    Labels,
    Sheet,
    calendar,
    learn_labels,
    observations,
    read,
    with_unseen,
)

__all__ = ["PriceFeatures"]

# Features that are left missing where the outcomes do not reach up to the horizon.
_REACHING = ("revenue_", "product_revenue_", "demand_", "base_demand")


class PriceFeatures(Stage):
    r"""Turn a panel of products and dates into features of price and past demand.

    Use it on one row a product (and store) and date, with the price asked and, for training, the
    quantity sold. A row sees the outcomes up to its date minus the horizon, those of ``fit``
    included: ``transform`` of future rows goes on from the history that ``fit`` has seen, as
    production does. It is not meant for single transactions; aggregate those to days or weeks.

    Parameters
    ----------
    product_column : str or None, default="product_id"
        The product; leaves as a category. None takes all rows for one product.
    price_column : str, default="price"
        Price of a unit on the date: a decision, so the row's own price is used as it is.
    quantity_column : str or None, default="quantity_sold"
        Units sold: the outcome. Needed in ``fit``, may be absent in ``transform``, never leaves.
        None makes the features of prices only.
    date_column : str, default="date"
        Date of the row; a number counts days since 1970-01-01.
    store_column : str or None, default=None
        Where it was sold: product and store together are then a series.
    category_column : str or None, default=None
        Products that compete with one another: elasticities are drawn towards their category's,
        and the price is compared with theirs.
    competitor_price_column : str or None, default=None
        Price of the same product elsewhere.
    promo_columns : sequence of str or None, default=None
        Numbers or flags of promotions, known ahead; their effect is taken out of elasticities.
    horizon_days : int >= 0, default=1
        Days between a row and the newest outcome it may know. If a whole month is planned at
        once, it must be at least the length of the month. With 0 the row's own outcome is known:
        for targets that come later only.
    windows : sequence of int, default=(7, 30, 90)
        Days of the moving averages of quantity and revenue, ascending.
    elasticity_window_days : int or None, default=365
        Days of the past that elasticities rest on; None takes all of it. Elasticities drift: half
        a year did as well as two years.
    kappa : float >= 0 or "eb", default=1.0
        How strongly a product's elasticity is drawn towards that of all products, in units of
        squared log price: 1 is worth 39 observations at a typical spread of prices. 0.3 to 3 do
        about as well. ``"eb"`` learns it in ``fit``, by moments.
    prior_elasticity : float or None, default=None
        Elasticity where the past of all products says nothing; None leaves it missing. The mean
        of 1,851 published estimates for packaged goods is -2.62.
    method : {"loglog", "poisson"}, default="loglog"
        ``"loglog"``: least squares within products on logs; rows without a sale are left out,
        which flattens the slope where they are many. ``"poisson"``: one regression of all
        products a month, which keeps the zeros and is not shrunk.
    seasonal_control : {"auto", "fourier", "none"}, default="auto"
        Whether a yearly wave is taken out of prices and quantities: always, never, or (auto) once
        a product has a year of past. Without it a retailer who raises prices in the season makes
        every slope too flat.
    competitor_timing : {"contemporaneous", "lagged"}, default="contemporaneous"
        Whether the competitor's price of the date is known, or only that of the past.
    target : {"quantity", "none"}, default="quantity"
        ``"quantity"`` is what a model predicts, so the revenue of the same row, which contains
        it, does not leave. ``"none"`` adds it as ``revenue``, for description only.
    duplicates : {"raise", "sum", "mean", "last"}, default="raise"
        What several rows of a series and date mean: an error; one sum of quantities at their mean
        price; one mean; or the last one.
    tz : str, default="UTC"
        Time zone whose days count; zone-aware dates are converted to it.

    Attributes
    ----------
    columns_ : list of str
        Columns that are read.
    roles_ : dict of str to str
        The column of each role.
    history_ : dict of str to ndarray
        What ``fit`` and `update` have seen, sorted: ``key`` (series and day) and the values.
    products_, stores_, categories_ : list
        Levels, by their codes.
    category_of_product_ : ndarray of int of shape (n_products,)
        Code of each product's category, -1 without one.
    spacing_days_ : float or None
        Median distance of a series' dates.
    kappa_ : float
        What is used for ``kappa``.
    dates_left_out_ : list of str
        Columns of dates that have no role; they do not leave.
    learned_statistics_ : dict of str to list of str
        For each feature that depends on what ``fit`` has learnt beyond the history, the
        attributes: ``spacing_days_`` decides from when on outcomes count as not yet known.
    counts_ : dict of str to dict of str to int
        What was missing, not positive, negative or zero in the training data, by column.

    Raises
    ------
    ParameterError
        If a parameter is illegal.
    SchemaError
        If a column is missing or of a kind that its role cannot have.
    DataError
        If a series has two rows of one date and ``duplicates="raise"``.

    Warns
    -----
    DataQualityWarning
        If more than 5 % of the quantities are 0 (logs leave them out), or if windows are shorter
        than the spacing of the dates.
    HorizonWarning
        If rows lie so far ahead that outcomes are not known which the horizon lets them know:
        their windows are missing, until `update` brings the outcomes.

    Notes
    -----
    With a row of series i at day t, and the past up to :math:`t - h`, windows being
    :math:`(t-h-w, t-h]`:

    - ``revenue_lag``, ``revenue_ma_<w>d``: newest and mean revenue, price times quantity;
      ``revenue_per_unit_past``: revenue over quantity in the longest window;
      ``product_revenue_share_past``: share of all revenue of 30 days.
    - ``price_elasticity``: :math:`b_i = (S_{xy} + \kappa b_0)/(S_{xx} + \kappa)`, with x and y
      the logs of price and quantity within the product and its window, controls taken out, and
      :math:`b_0` the same slope over all products (with categories: over the category, drawn to
      all with :math:`\kappa = 1`). Under 8 rows or :math:`S_{xx} < 10^{-4}` it is :math:`b_0`.
      ``price_elasticity_se`` is :math:`\hat\sigma/\sqrt{S_{xx} + \kappa}`, with the residual
      deviation within products; ``elasticity_weight`` is :math:`S_{xx}/(S_{xx} + \kappa)`;
      ``n_price_levels`` counts distinct prices. The sign is not clipped.
    - ``demand_ma_<w>d``; ``demand_growth_<w>d``: window mean over that of the window before,
      minus 1; ``demand_trend_<w>d``: slope of log(1 + q) in 30 days; ``demand_cv_30d``;
      ``base_demand``: mean of log q over 90 days with the effect of own price moves removed.
    - ``price_index_own``: price over its mean of 90 days; ``price_percentile_own``: mid-rank in
      365 days; ``discount_depth``: 1 - price / (75th percentile of 8 weeks);
      ``price_change_pct`` against the newest past price; ``days_since_price_change``: since the
      newest past price was first asked; ``price_index_category``: price over the geometric mean
      of the newest past prices of the other products (of the store); ``price_gap_competitor``:
      price / competitor's - 1.
    - ``day_of_week`` (Monday is 0), ``month``, ``quarter``, ``week_of_year`` (ISO).

    Then product, store and category as categories, and the other columns as they are. Prices not
    above 0 are missing; negative quantities (returns) count in means and not in elasticities. A
    ratio with divisor 0 is missing. Values of rows in ``transform`` win over the history for that
    call; nothing is kept of them: `update` does that. An elasticity from past prices is a
    predictive, conditional slope; causal only if price moves are as good as random given the
    controls: test with an experiment, and see `elasticity_report`.

    Cost: observations times the length of the longest window in rows, in NumPy; the history is
    kept at 8 bytes a value. Lazy frames are collected, once.

    References
    ----------
    Smith & Griffin (2023), doi 10.1007/s11129-022-09260-7, for shrinking towards groups. Bijmolt,
    van Heerde & Pieters (2005), doi 10.1509/jmkr.42.2.141.62296, for the prior.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_price_panel(-2.5, n_products=20, random_state=0)
    >>> past, future = X[X["date"] < "2024-12-01"], X[X["date"] == "2024-12-02"]
    >>> features = ts.PriceFeatures(horizon_days=7).fit(past)
    >>> made = features.transform(future.drop(columns="quantity_sold"))
    >>> made["price_elasticity"].between(-3.5, -1.5).all(), "quantity_sold" in made
    (np.True_, False)
    """

    _gathers: ClassVar[bool] = True

    def __init__(
        self,
        *,
        product_column: str | None = "product_id",
        price_column: str = "price",
        quantity_column: str | None = "quantity_sold",
        date_column: str = "date",
        store_column: str | None = None,
        category_column: str | None = None,
        competitor_price_column: str | None = None,
        promo_columns: Any = None,
        horizon_days: int = 1,
        windows: Any = (7, 30, 90),
        elasticity_window_days: int | None = 365,
        kappa: Any = 1.0,
        prior_elasticity: float | None = None,
        method: str = "loglog",
        seasonal_control: str = "auto",
        competitor_timing: str = "contemporaneous",
        target: str = "quantity",
        duplicates: str = "raise",
        tz: str = "UTC",
    ) -> None:
        self.product_column = product_column
        self.price_column = price_column
        self.quantity_column = quantity_column
        self.date_column = date_column
        self.store_column = store_column
        self.category_column = category_column
        self.competitor_price_column = competitor_price_column
        self.promo_columns = promo_columns
        self.horizon_days = horizon_days
        self.windows = windows
        self.elasticity_window_days = elasticity_window_days
        self.kappa = kappa
        self.prior_elasticity = prior_elasticity
        self.method = method
        self.seasonal_control = seasonal_control
        self.competitor_timing = competitor_timing
        self.target = target
        self.duplicates = duplicates
        self.tz = tz

    def update(self, X: Any) -> Self:
        """Add what has been observed since to the history, without learning anew.

        Use it day by day in production: statistics stay as ``fit`` learnt them, and the rows that
        follow see the new outcomes. For a series and date that is known already, what X knows wins.

        Parameters
        ----------
        X : frame or array of shape (n_rows, n_columns)
            Rows with their outcomes.

        Returns
        -------
        self : object
            The stage with a longer history.

        Raises
        ------
        SchemaError
            If a column is missing, the quantity included.
        DataError
            If a series has two rows of one date and ``duplicates="raise"``.
        """
        check_is_fitted(self, "columns_")
        self._check_params()
        entered = self._bind_names(enter(X, stage=self._name))
        self._require(self.columns_, entered.names)
        rows = gather(entered) if entered.is_lazy else entered
        frame = self._conform(nw.from_native(rows.cross(self.columns_)).lazy()).collect()
        labels = self._labels_with(frame)
        sheet = self._sheet(frame, labels)
        key, values = observations(sheet, self.duplicates, until=np.inf, stage=self._name)
        panel = merged(self._panel(), key, values)
        self.category_of_product_ = self._categories_with(sheet, labels)
        self._keep(panel, labels)
        return self

    # -- parameters and columns -----------------------------------------------------------------

    def _check_params(self) -> None:
        check_parameters(self._name, self.get_params(deep=False))

    def _bind(self, schema: Mapping[str, nw.dtypes.DType]) -> list[str]:
        wanted = {role: getattr(self, name) for role, name in _names.PARAMETERS.items()}
        self.roles_ = {role: column for role, column in wanted.items() if column is not None}
        columns = list(dict.fromkeys([*self.roles_.values(), *self._promotions()]))
        self._require(columns, list(schema))
        generated = {*self._made_names(), "revenue"} & set(columns)
        if generated:
            raise SchemaError(
                f"{self._name}: a generated column must not bear the name of an existing one, "
                f"the inputs {sorted(generated)!r} do; rename those in X.",
                unexpected=sorted(generated),
            )
        return columns

    def _require(self, names: Sequence[str], available: Sequence[str]) -> None:
        missing = [name for name in names if name not in available]
        if missing and list(available) == [f"x{i}" for i in range(len(available))]:
            raise SchemaError(
                f"{self._name}: an array must have the columns that the roles name, it lacks "
                f"{missing!r} with n_features = {len(available)}; name others, or give a frame.",
                missing=missing,
            )
        super()._require(names, available)

    def _bound(self, entered: Entered) -> list[str]:
        columns = super()._bound(entered)
        self.dates_left_out_ = [
            name
            for name, dtype in entered.schema().items()
            if dtype in (nw.Date, nw.Datetime) and name not in columns
        ]
        return columns

    def _same_kind(self, name: str, fitted: str, found: str) -> bool:
        if name == self.roles_["date"]:
            return found in (fitted, "date")
        return fitted == found or {fitted, found} == {"number", "flag"}

    def _optional_columns(self) -> set[str]:
        return {*self.dates_left_out_, *self._unknown_ahead()}

    def _unknown_ahead(self) -> set[str]:
        """Return the columns of outcomes: they never leave, and future rows lack them."""
        unknown = {self.roles_[role] for role in ("quantity",) if role in self.roles_}
        if "competitor" in self.roles_ and self.competitor_timing == "lagged":
            unknown.add(self.roles_["competitor"])
        # only arrays can have one column in two roles, to try the stage on
        return unknown - {self.roles_["price"]}

    def _promotions(self) -> list[str]:
        return list(self.promo_columns or [])

    def _made_names(self) -> list[str]:
        roles = self.roles_
        outcomes = _names.outcome_names(self.windows) if "quantity" in roles else []
        return [
            *(["revenue"] if self.target == "none" and "quantity" in roles else []),
            *outcomes,
            *_names.position_names(category="category" in roles, competitor="competitor" in roles),
            *_names.CALENDAR,
        ]

    def _names_out(self, names: Sequence[str], made: Sequence[str]) -> list[str]:
        levels = [self.roles_[role] for role in _names.CATEGORIES if role in self.roles_]
        fresh = [name for name in made if name not in levels]
        price = self.roles_["price"]
        hidden = {self.roles_["date"], *self.dates_left_out_, *self._unknown_ahead()} - {price}
        apart = {price, *fresh, *levels, *hidden}
        return [price, *fresh, *levels, *(name for name in names if name not in apart)]

    # -- learning ---------------------------------------------------------------------------------

    @property
    def _needs_rows(self) -> str | None:
        return "the history of the series"

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:  # noqa: ARG002
        check_kinds(self._name, self.roles_, self._promotions(), self._kinds_)
        labels = {role: learn_labels(frame, self.roles_.get(role)) for role in _names.CATEGORIES}
        sheet = self._sheet(frame, labels)
        key, values = observations(sheet, self.duplicates, until=np.inf, stage=self._name)
        self.category_of_product_ = np.zeros(0, dtype=np.int64)
        self.category_of_product_ = self._categories_with(sheet, labels)
        self._integral_ = {role: found.integral for role, found in labels.items()}
        self._keep(Panel(key, values), labels)
        self.spacing_days_ = _spacing(self._panel())
        reaching = [name for name in self._made_names() if name.startswith(_REACHING)]
        self.learned_statistics_ = {name: ["spacing_days_"] for name in reaching}
        self.kappa_ = self._learn_kappa()
        if "quantity" in values and self.method == "loglog":
            warn_of_zeros(self._name, values["quantity"])
        warn_of_short_windows(self._name, self._made_names(), self.spacing_days_)

    def _learn_kappa(self) -> float:
        if not isinstance(self.kappa, str):
            return float(self.kappa)
        for name in ("price_elasticity", "price_elasticity_se", "elasticity_weight"):
            self.learned_statistics_[name] = ["kappa_"]
        if "quantity" not in self.roles_:
            return 1.0
        options = self._options(1.0)
        return learnt_kappa(History(self._panel(), options.n_promotions).sales, options)

    # -- history ----------------------------------------------------------------------------------

    def _keep(self, panel: Panel, labels: Mapping[str, Labels]) -> None:
        self.history_ = {"key": panel.key, **panel.values}
        quantity = panel.values.get("quantity", np.zeros(0))
        self._newest_ = _newest(panel.days, quantity) if len(quantity) else -np.inf
        self.__dict__.pop("_prepared_", None)
        self.products_ = labels["product"].levels
        self.stores_ = labels["store"].levels
        self.categories_ = labels["category"].levels

    def _panel(self) -> Panel:
        values = {name: column for name, column in self.history_.items() if name != "key"}
        return Panel(self.history_["key"], values)

    def _history_with(self, key: np.ndarray, values: Mapping[str, np.ndarray]) -> History:
        """Return the history with the past that rows bring; the same object if they bring none."""
        panel = merged(self._panel(), key, values)
        if panel.key is not self.history_["key"] or any(
            column is not self.history_[name] for name, column in panel.values.items()
        ):
            return History(panel, len(self._promotions()))
        kept: tuple[Any, History] | None = getattr(self, "_prepared_", None)
        options = self._options(self.kappa_)
        if kept is None or kept[0] != options:
            kept = self._prepared_ = options, History(panel, options.n_promotions)
        return kept[1]

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        state.pop("_prepared_", None)  # made anew where it is needed
        return state

    def _labels_with(self, frame: nw.DataFrame[Any]) -> dict[str, Labels]:
        levels = {"product": self.products_, "store": self.stores_, "category": self.categories_}
        return {
            role: with_unseen(frame, self.roles_.get(role), Labels(known, self._integral_[role]))
            for role, known in levels.items()
        }

    def _sheet(self, frame: nw.DataFrame[Any], labels: Mapping[str, Labels]) -> Sheet:
        return read(frame, self.roles_, self._promotions(), labels, tz=self.tz, stage=self._name)

    def _categories_with(self, sheet: Sheet, labels: Mapping[str, Labels]) -> np.ndarray:
        """Return the category of each product; a product keeps the first that was learnt."""
        n = max(len(labels["product"].levels), 1)
        out = np.full(n, NO_LABEL)
        some = (sheet.products >= 0) & (sheet.categories >= 0)
        out[sheet.products[some]] = sheet.categories[some]
        known = self.category_of_product_
        out[: len(known)] = np.where(known >= 0, known, out[: len(known)])
        return out

    # -- making -----------------------------------------------------------------------------------

    def _options(self, kappa: float) -> Options:
        return Options(
            window_days=self.elasticity_window_days,
            kappa=kappa,
            prior=self.prior_elasticity,
            seasonal=self.seasonal_control,
            n_promotions=len(self._promotions()),
        )

    def _apply_rows(self, table: Any) -> Any:
        frame = nw.from_native(table, eager_only=True)
        labels = self._labels_with(frame)
        sheet = self._sheet(frame, labels)
        made = self._features(sheet, labels)
        namespace = nw.get_native_namespace(frame)
        levels = {
            self.roles_[role]: frame[self.roles_[role]].cast(nw.String).cast(nw.Categorical)
            for role in _names.CATEGORIES
            if role in self.roles_
        }
        out = nw.from_dict(made, backend=namespace)
        return out.select(nw.all().fill_nan(None), **levels).to_native()

    def _features(self, sheet: Sheet, labels: Mapping[str, Labels]) -> dict[str, np.ndarray]:
        n = len(sheet.days)
        rows = np.flatnonzero(sheet.usable)
        days = sheet.days[rows].astype(np.int64)
        order = np.lexsort((days, sheet.codes[rows]))
        rows, days = rows[order], days[order]
        asked = Rows(sheet.codes[rows], days, sheet.values["price"][rows])
        # what lies after every row's past cannot matter
        until = int(days.max()) - self.horizon_days if len(days) else -np.inf
        key, values = observations(sheet, self.duplicates, until=until, stage=self._name)
        history = self._history_with(key, values)
        categories = None
        if "category" in self.roles_:
            categories = self._categories_with(sheet, labels)
        found: dict[str, np.ndarray] = {}
        if "quantity" in self.roles_:
            setting = Setting(
                self.horizon_days, self.windows, self.method, self._options(self.kappa_)
            )
            found |= demand_features(history, asked, setting, categories)
            self._blank_beyond_reach(found, sheet, days)
        found |= position_features(history, asked, self.horizon_days, categories)
        out = {}
        for name in self._made_names():
            if name in found:
                column = np.full(n, np.nan)
                # what overflows is missing
                column[rows] = np.where(np.isfinite(found[name]), found[name], np.nan)
                out[name] = column
        if "competitor" in self.roles_:
            out["price_gap_competitor"] = self._competitor_gap(sheet, history, rows, asked)
        out |= calendar(sheet.days)
        if self.target == "none" and "quantity" in self.roles_:
            with np.errstate(over="ignore"):
                revenue = sheet.values["price"] * sheet.values["quantity"]
            out["revenue"] = np.where(np.isfinite(revenue), revenue, np.nan)
        return {name: out[name] for name in self._made_names()}

    def _blank_beyond_reach(
        self, found: dict[str, np.ndarray], sheet: Sheet, days: np.ndarray
    ) -> None:
        """Leave windows missing where outcomes are not there that the horizon lets a row know."""
        known = [self._newest_]
        known.append(_newest(sheet.days[sheet.usable], sheet.values["quantity"][sheet.usable]))
        newest = max(known)
        beyond = days - self.horizon_days >= newest + max(self.spacing_days_ or 1.0, 1.0)
        if not np.isfinite(newest) or not beyond.any():
            return
        for name, column in found.items():
            if name.startswith(_REACHING):
                column[beyond] = np.nan
        warnings.warn(
            f"{self._name}: outcomes must be known up to {self.horizon_days} days before a row, "
            f"for {int(beyond.sum())} rows they are not, and their windows are missing; add what "
            "has been observed with `update`, or fit with a larger `horizon_days`.",
            HorizonWarning,
            stacklevel=2,
        )

    def _competitor_gap(
        self, sheet: Sheet, history: History, rows: np.ndarray, asked: Rows
    ) -> np.ndarray:
        price, theirs = sheet.values["price"], sheet.values["competitor"]
        if self.competitor_timing == "lagged":
            theirs = np.full(len(price), np.nan)
            theirs[rows] = newest_known(history, "competitor", asked, self.horizon_days)
        with np.errstate(invalid="ignore", divide="ignore"):
            gap: np.ndarray = np.where(theirs > 0, price / theirs - 1.0, np.nan)
        return gap

    # -- counting ---------------------------------------------------------------------------------

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        schema = frame.collect_schema()
        counts: dict[str, dict[str, nw.Expr]] = {}
        for role in ("product", "store", "date"):
            name = self.roles_.get(role)
            if name is not None:
                counts[name] = {"missing": ex.count_true(ex.is_blank(name, schema[name]))}
        price = self.roles_["price"]
        value = ex.number(price, schema[price])
        counts[price] = counts.get(price, {}) | {
            "missing": ex.count_true(value.is_null()),
            "not_positive": ex.count_true(value <= 0),
        }
        quantity = self.roles_.get("quantity")
        if quantity in schema and quantity is not None:
            value = ex.number(quantity, schema[quantity])
            counts[quantity] = counts.get(quantity, {}) | {
                "missing": ex.count_true(value.is_null()),
                "negative": ex.count_true(value < 0),
                "zero": ex.count_true(value == 0),
            }
        return counts


def _spacing(panel: Panel) -> float | None:
    """Return the median distance of the dates of a series; None without any."""
    codes, days = panel.codes, panel.days
    same = codes[1:] == codes[:-1]
    steps = (days[1:] - days[:-1])[same]
    return float(np.median(steps)) if len(steps) else None


def _newest(days: np.ndarray, quantity: np.ndarray) -> float:
    known = days[~np.isnan(quantity)]
    return float(known.max()) if len(known) else -np.inf
