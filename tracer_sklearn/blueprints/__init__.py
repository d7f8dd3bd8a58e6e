"""The blueprints as stock scikit-learn pipelines: the one place where stages are put in line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracer_sklearn._params import check_choice
from tracer_sklearn.blueprints._choosers import Present as Present
from tracer_sklearn.blueprints._choosers import Watchable
from tracer_sklearn.exceptions import ParameterError
from tracer_sklearn.features.churn import ChurnFeatures
from tracer_sklearn.features.price import PriceFeatures
from tracer_sklearn.features.revenue import RevenueFeatures
from tracer_sklearn.schema import (
    CUSTOMER_CHURN,
    PRICE_OPTIMIZATION,
    REVENUE_PROJECTION,
    BlueprintSchema,
)
from tracer_sklearn.stages.audit import DriftMonitor, LeakAudit
from tracer_sklearn.stages.encoding import CategoryEncoder
from tracer_sklearn.stages.imputation import MissingValueImputer
from tracer_sklearn.stages.outliers import OutlierCapper
from tracer_sklearn.stages.parsing import ColumnParser
from tracer_sklearn.stages.scaling import FeatureScaler
from tracer_sklearn.stages.validation import DataValidator

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = [
    "blueprint_pipeline",
    "customer_churn_pipeline",
    "price_optimization_pipeline",
    "revenue_projection_pipeline",
    "search_space",
]

_CHURN_ROLES = {
    "customer_id": "customer_column",
    "as_of": "as_of_column",
    "label_end": "label_end_column",
    "account_created_date": "created_column",
    "last_activity_date": "last_activity_column",
    "total_value": "value_column",
    "support_tickets": "tickets_column",
    "feature_usage_count": "usage_column",
    "plan_type": "plan_column",
}

# Neither scores in [0, 1], tiers nor flags: those have bounds of their own.
_CHURN_CAPPED = (
    "days_since_last_activity",
    "account_tenure_days",
    "daily_value_rate",
    "support_intensity",
    "feature_usage_rate",
)

_PRICE_ROLES = {
    "product_id": "product_column",
    "date": "date_column",
    "price": "price_column",
    "quantity_sold": "quantity_column",
    "store": "store_column",
    "category": "category_column",
    "competitor_price": "competitor_price_column",
}

# Amounts; what the price itself moves keeps its scale, or its effect could not be read off.
_PRICE_CAPPED = (
    "revenue_lag",
    "revenue_ma_7d",
    "revenue_ma_30d",
    "revenue_ma_90d",
    "revenue_per_unit_past",
    "demand_ma_7d",
    "demand_ma_30d",
    "demand_ma_90d",
    "demand_growth_7d",
    "demand_growth_30d",
)

_REVENUE_ROLES = {
    "date": "date_column",
    "revenue": "revenue_column",
    "customer_count": "customer_count_column",
    "series": "series_column",
}

# Amounts and rates of the past; neither the calendar nor the trend has outliers.
_REVENUE_CAPPED = (
    "revenue_ma_7d",
    "revenue_ma_30d",
    "revenue_ma_90d",
    "revenue_growth_1d",
    "revenue_growth_7d",
    "revenue_growth_30d",
    "revenue_volatility_7d",
    "revenue_volatility_30d",
    "revenue_volatility_90d",
    "revenue_cv_30d",
    "revenue_same_weekday_mean_4w",
)


def customer_churn_pipeline(
    estimator: Any = None,
    *,
    fields: Mapping[str, str] | None = None,
    as_of_column: str | None = "as_of",
    reference_date: Any = None,
    missing_value_strategy: Any = "auto",
    outlier_method: Any = "iqr",
    encoding_strategy: Any = "auto",
    scaling_method: str = "robust",
    drift_monitor: str = "none",
    leak_audit: str = "none",
    memory: Any = None,
    verbose: bool = False,
) -> Pipeline:
    """Build the customer-churn blueprint: one row per customer and snapshot date to a model.

    The steps are ``parse, validate, features, impute, cap, encode, scale`` and, with an
    estimator, ``model``. A frame of nothing but strings will do: ``parse`` learns how its columns
    are written. ``validate`` warns of a table that cannot carry a model, and keeps what it found
    in ``report_``; a missing required field is an error. Features come before the others, because
    a rate must be computed from what was observed, not from a capped or imputed value. Use it on
    snapshots (`make_snapshots` builds them from raw events) with a splitter that knows time, such
    as `PurgedSnapshotSplit`; it is not meant for transactions themselves, one row an event.

    Parameters
    ----------
    estimator : scikit-learn estimator or None, default=None
        The last step, ``model``. Without it the pipeline is a transformer.
    fields : mapping of str to str or None, default=None
        The schema's field names to the frame's column names, for those that differ:
        ``{"customer_id": "CustID", "total_value": "LTV"}``.
    as_of_column : str or None, default="as_of"
        Column with the snapshot date of each row (days; features look at what was before it).
        It is used when the frame of ``fit`` has it; a row-wise date is the only exact design
        when rows are scored at several dates.
    reference_date : date, ISO str or None, default=None
        One snapshot date for all rows, where there is no ``as_of_column``. None learns the day
        after the newest activity, with a `ReferenceDateWarning`.
    missing_value_strategy : str, dict or estimator, default="auto"
        ``impute__strategy``, see `MissingValueImputer`.
    outlier_method : str or estimator, default="iqr"
        ``cap__method``, see `OutlierCapper`; applied to generated amounts only, never to flags,
        scores or the user's own columns.
    encoding_strategy : str or encoder, default="auto"
        ``encode__strategy``, see `CategoryEncoder`.
    scaling_method : str, default="robust"
        ``scale__method``, see `FeatureScaler`.
    drift_monitor : {"none", "warn", "raise"}, default="none"
        What a later batch does whose raw columns no longer look like the training rows: another
        value than none puts a `DriftMonitor` as step ``drift`` before ``features``.
    leak_audit : {"none", "warn", "raise"}, default="none"
        What ``fit`` does about features that know the target: another value than none puts a
        `LeakAudit` as step ``leak`` behind ``features``. None, because a search would pay for it
        at every fit; call the function `leak_audit` once instead.
    memory : str, joblib.Memory or None, default=None
        Cache of fitted steps, as in `sklearn.pipeline.Pipeline`.
    verbose : bool, default=False
        Whether scikit-learn prints the time of each step.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        Unfitted; every step and parameter can be set and searched.

    Raises
    ------
    ParameterError
        If ``fields`` names an unknown field, or another column than ``as_of_column``.

    See Also
    --------
    search_space : A ready grid for `sklearn.model_selection.GridSearchCV`.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_customer_churn(400, random_state=0)
    >>> pipe = ts.customer_churn_pipeline(LogisticRegression(max_iter=1000))
    >>> scores = cross_val_score(pipe, X, y, cv=ts.PurgedSnapshotSplit(2), scoring="roc_auc")
    >>> bool(scores.mean() > 0.6)
    True
    """
    from sklearn.pipeline import Pipeline  # loads rich and more: a tenth of the import time

    fields = fields or {}
    roles: dict[str, Any] = {"as_of_column": as_of_column, **_roles(fields, _CHURN_ROLES)}
    if as_of_column not in ("as_of", roles["as_of_column"]):
        raise ParameterError(
            "blueprints: `as_of_column` and the 'as_of' of `fields` must name the same column, got "
            f"{as_of_column!r} and {roles['as_of_column']!r}; give one of them only.",
            parameter="as_of_column",
            value=as_of_column,
        )
    named = {**fields, "as_of": roles["as_of_column"] or "as_of"}
    steps: list[tuple[str, Any]] = [
        ("parse", ColumnParser(schema=_kinds(CUSTOMER_CHURN, named))),
        ("validate", DataValidator(_renamed(CUSTOMER_CHURN, named), on_fail="warn")),
        *_drift_step(drift_monitor, unwatched=[roles.get("customer_column", "customer_id")]),
        ("features", ChurnFeatures(**roles, reference_date=reference_date)),
        *_leak_step(leak_audit),
        ("impute", MissingValueImputer(strategy=missing_value_strategy)),
        ("cap", OutlierCapper(Present(_CHURN_CAPPED), method=outlier_method)),
        ("encode", CategoryEncoder(strategy=encoding_strategy)),
        ("scale", FeatureScaler(method=scaling_method)),
    ]
    if estimator is not None:
        steps.append(("model", estimator))
    return Pipeline(steps, memory=memory, verbose=verbose)


def price_optimization_pipeline(
    estimator: Any = None,
    *,
    fields: Mapping[str, str] | None = None,
    horizon_days: int = 1,
    missing_value_strategy: Any = "auto",
    outlier_method: Any = "none",
    encoding_strategy: Any = "auto",
    scaling_method: str = "robust",
    drift_monitor: str = "none",
    leak_audit: str = "none",
    memory: Any = None,
    verbose: bool = False,
) -> Pipeline:
    """Build the price-optimization blueprint: one row per product and date to a model of demand.

    The steps are ``parse, validate, features, impute, cap, encode, scale`` and, with an
    estimator, ``model``. The frame of ``fit`` holds the quantity beside the target, because the
    features of a row come from what was sold before it; the row's own quantity never leaves. Rows
    to predict go on from that history. Use it with a splitter that cuts by date, such as
    `DateSeriesSplit`, and inside `PriceOptimizer`; it is not meant for single transactions.

    Parameters
    ----------
    estimator : scikit-learn estimator or None, default=None
        The last step, ``model``. Without it the pipeline is a transformer.
    fields : mapping of str to str or None, default=None
        The schema's field names to the frame's column names: ``{"product_id": "SKU"}``. Stores,
        categories and competitors' prices take part only where they are named here:
        ``{"category": "category"}``.
    horizon_days : int, default=1
        ``features__horizon_days``: days between a row and the newest quantity that it may know.
        If a month is planned at once, it must be at least a month.
    missing_value_strategy : str, dict or estimator, default="auto"
        ``impute__strategy``, see `MissingValueImputer`.
    outlier_method : str or estimator, default="none"
        ``cap__method``, see `OutlierCapper`; for amounts of past demand and revenue only. Off,
        because a promotion's peak is what a price model has to learn.
    encoding_strategy : str or encoder, default="auto"
        ``encode__strategy``, see `CategoryEncoder`.
    scaling_method : str, default="robust"
        ``scale__method``, see `FeatureScaler`.
    drift_monitor : {"none", "warn", "raise"}, default="none"
        What a later batch does whose raw columns no longer look like the training rows: another
        choice than ``"none"`` adds the step ``drift`` after ``validate``, a `DriftMonitor` of every
        column but the product and the date.
    leak_audit : {"none", "warn", "raise"}, default="none"
        What ``fit`` does about features that know the target: another value than none puts a
        `LeakAudit` as step ``leak`` behind ``features``. None, because a search would pay for it
        at every fit; call the function `leak_audit` once instead.
    memory : str, joblib.Memory or None, default=None
        Cache of fitted steps, as in `sklearn.pipeline.Pipeline`.
    verbose : bool, default=False
        Whether scikit-learn prints the time of each step.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        Unfitted; every step and parameter can be set and searched.

    Raises
    ------
    ParameterError
        If ``fields`` names an unknown field.

    See Also
    --------
    PriceOptimizer : From a model of demand to a price.
    search_space : A ready grid for `sklearn.model_selection.GridSearchCV`.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_price_panel(n_products=10, random_state=0)
    >>> past, future = X["date"] < "2024-12-02", X["date"] == "2024-12-02"
    >>> pipe = ts.price_optimization_pipeline(HistGradientBoostingRegressor(), horizon_days=7)
    >>> predicted = pipe.fit(X[past], y[past]).predict(X[future].drop(columns="quantity_sold"))
    >>> predicted.shape
    (10,)
    """
    from sklearn.pipeline import Pipeline  # loads rich and more: a tenth of the import time

    fields = fields or {}
    roles: dict[str, Any] = {**_roles(fields, _PRICE_ROLES)}
    steps: list[tuple[str, Any]] = [
        ("parse", ColumnParser(schema=_kinds(PRICE_OPTIMIZATION, fields))),
        ("validate", DataValidator(_renamed(PRICE_OPTIMIZATION, fields), on_fail="warn")),
        *_drift_step(
            drift_monitor,
            unwatched=[
                roles.get("product_column", "product_id"),
                roles.get("date_column", "date"),
                roles.get("quantity_column", "quantity_sold"),
            ],
        ),
        ("features", PriceFeatures(**roles, horizon_days=horizon_days)),
        *_leak_step(leak_audit),
        ("impute", MissingValueImputer(strategy=missing_value_strategy)),
        ("cap", OutlierCapper(Present(_PRICE_CAPPED), method=outlier_method)),
        ("encode", CategoryEncoder(strategy=encoding_strategy)),
        ("scale", FeatureScaler(method=scaling_method)),
    ]
    if estimator is not None:
        steps.append(("model", estimator))
    return Pipeline(steps, memory=memory, verbose=verbose)


def revenue_projection_pipeline(
    estimator: Any = None,
    *,
    fields: Mapping[str, str] | None = None,
    series_column: str | None = None,
    horizon_days: int = 1,
    missing_value_strategy: Any = "auto",
    outlier_method: Any = "none",
    encoding_strategy: Any = "auto",
    scaling_method: str = "robust",
    drift_monitor: str = "none",
    leak_audit: str = "none",
    memory: Any = None,
    verbose: bool = False,
) -> Pipeline:
    """Build the revenue-projection blueprint: one row per (series and) date to a model.

    The steps are ``parse, validate, features, impute, cap, encode, scale`` and, with an
    estimator, ``model``. The frame of ``fit`` holds the revenue beside the target, because the
    features of a row come from the revenue before it; the row's own never leaves. Rows to predict
    go on from that history and need no revenue. Use it on a daily, weekly or monthly table
    (`daily_revenue` makes one of single sales) with `DateSeriesSplit`; it is not meant for sales
    themselves, one row an event.

    Parameters
    ----------
    estimator : scikit-learn estimator or None, default=None
        The last step, ``model``. Without it the pipeline is a transformer.
    fields : mapping of str to str or None, default=None
        The schema's field names to the frame's column names, for those that differ:
        ``{"date": "Day", "revenue": "Sales"}``.
    series_column : str or None, default=None
        Which series (store, region) a row belongs to; ``fields={"series": ...}`` says the same.
    horizon_days : int, default=1
        ``features__horizon_days``: days between a row and the newest revenue that it may know.
        If four weeks are projected at once it must be 28; 1 projects tomorrow, daily.
    missing_value_strategy : str, dict or estimator, default="auto"
        ``impute__strategy``, see `MissingValueImputer`.
    outlier_method : str or estimator, default="none"
        ``cap__method``, see `OutlierCapper`; for generated amounts only. Off, because a peak before
        a holiday is what the model has to learn.
    encoding_strategy : str or encoder, default="auto"
        ``encode__strategy``, see `CategoryEncoder`.
    scaling_method : str, default="robust"
        ``scale__method``, see `FeatureScaler`.
    drift_monitor : {"none", "warn", "raise"}, default="none"
        What a later batch does whose raw columns no longer look like the training rows: another
        choice than ``"none"`` adds the step ``drift`` after ``validate``, a `DriftMonitor` of the
        columns that are known ahead.
    leak_audit : {"none", "warn", "raise"}, default="none"
        What ``fit`` does about features that know the target: another value than none puts a
        `LeakAudit` as step ``leak`` behind ``features``. None, because a search would pay for it
        at every fit; call the function `leak_audit` once instead.
    memory : str, joblib.Memory or None, default=None
        Cache of fitted steps, as in `sklearn.pipeline.Pipeline`.
    verbose : bool, default=False
        Whether scikit-learn prints the time of each step.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        Unfitted; every step and parameter can be set and searched.

    Raises
    ------
    ParameterError
        If ``fields`` names an unknown field, or another series than ``series_column``.

    See Also
    --------
    search_space : A ready grid for `sklearn.model_selection.GridSearchCV`.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_daily_revenue(n_days=200, random_state=0)
    >>> pipe = ts.revenue_projection_pipeline(Ridge(), horizon_days=7)
    >>> next_week = X.tail(7).drop(columns=["revenue", "customer_count"])
    >>> pipe.fit(X.head(193), y.head(193)).predict(next_week).shape
    (7,)
    """
    from sklearn.pipeline import Pipeline  # loads rich and more: a tenth of the import time

    fields = fields or {}
    roles: dict[str, Any] = {"series_column": series_column, **_roles(fields, _REVENUE_ROLES)}
    series = roles["series_column"]
    if series_column not in (None, series):
        raise ParameterError(
            "blueprints: `series_column` and the 'series' of `fields` must name the same column, "
            f"got {series_column!r} and {series!r}; give one of them only.",
            parameter="series_column",
            value=series_column,
        )
    named = {**fields, **({"series": series} if series else {})}
    unwatched = [named.get(name, name) for name in ("date", "revenue", "customer_count", "series")]
    steps: list[tuple[str, Any]] = [
        ("parse", ColumnParser(schema=_kinds(REVENUE_PROJECTION, named))),
        ("validate", DataValidator(_renamed(REVENUE_PROJECTION, named), on_fail="warn")),
        *_drift_step(drift_monitor, unwatched=unwatched),
        ("features", RevenueFeatures(**roles, horizon_days=horizon_days)),
        *_leak_step(leak_audit),
        ("impute", MissingValueImputer(strategy=missing_value_strategy)),
        ("cap", OutlierCapper(Present(_REVENUE_CAPPED), method=outlier_method)),
        ("encode", CategoryEncoder(strategy=encoding_strategy)),
        ("scale", FeatureScaler(method=scaling_method)),
    ]
    if estimator is not None:
        steps.append(("model", estimator))
    return Pipeline(steps, memory=memory, verbose=verbose)


_PIPELINES: dict[str, Callable[..., Pipeline]] = {
    "customer_churn": customer_churn_pipeline,
    "price_optimization": price_optimization_pipeline,
    "revenue_projection": revenue_projection_pipeline,
}

_SPACES: dict[str, dict[str, list[Any]]] = {
    "customer_churn": {
        "impute__strategy": ["auto", "median"],
        "cap__method": ["iqr", "zscore", "none"],
        "encode__strategy": ["onehot", "target"],
        "scale__method": ["robust", "none"],
    },
    "price_optimization": {
        "features__kappa": [0.3, 1.0, 3.0],
        "impute__strategy": ["auto", "median"],
        "encode__strategy": ["frequency", "target"],
        "scale__method": ["robust", "none"],
    },
    "revenue_projection": {
        "features__seasonal_encoding": ["ordinal", "onehot", "fourier"],
        "impute__strategy": ["auto", "median"],
        "cap__method": ["none", "iqr"],
        "scale__method": ["robust", "none"],
    },
}


def blueprint_pipeline(name: str, estimator: Any = None, **options: Any) -> Pipeline:
    """Build the pipeline of a blueprint by name.

    For code that is configured from outside; in a notebook the named function, such as
    `customer_churn_pipeline`, shows its options.

    Parameters
    ----------
    name : {"customer_churn", "price_optimization", "revenue_projection"}
        The blueprint.
    estimator : scikit-learn estimator or None, default=None
        The last step.
    **options
        Keyword arguments of the blueprint's own function.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        Unfitted.

    Raises
    ------
    ParameterError
        If no blueprint has this name.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> list(ts.blueprint_pipeline("customer_churn", scaling_method="none").named_steps)
    ['parse', 'validate', 'features', 'impute', 'cap', 'encode', 'scale']
    """
    return _named(name, _PIPELINES)(estimator, **options)


def search_space(name: str) -> dict[str, list[Any]]:
    """Return a ready parameter grid for the preprocessing options of a blueprint.

    Parameters
    ----------
    name : {"customer_churn", "price_optimization", "revenue_projection"}
        The blueprint.

    Returns
    -------
    grid : dict of str to list
        A fresh copy, for `sklearn.model_selection.GridSearchCV` and its kin; add the model's
        own parameters as ``model__...``.

    Raises
    ------
    ParameterError
        If no blueprint has this name.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> sorted(ts.search_space("customer_churn"))
    ['cap__method', 'encode__strategy', 'impute__strategy', 'scale__method']
    """
    return {parameter: list(values) for parameter, values in _named(name, _SPACES).items()}


def _drift_step(on_drift: str, *, unwatched: Sequence[str]) -> list[tuple[str, Any]]:
    if on_drift == "none":
        return []
    return [("drift", DriftMonitor(Watchable(tuple(unwatched)), on_drift=on_drift))]


def _leak_step(on_suspect: str) -> list[tuple[str, Any]]:
    if on_suspect == "none":
        return []
    return [("leak", LeakAudit(on_suspect=on_suspect, random_state=0))]


def _roles(fields: Mapping[str, str], roles: Mapping[str, str]) -> dict[str, str]:
    for name in fields:
        check_choice("blueprints", "fields", name, list(roles))
    return {roles[name]: column for name, column in fields.items()}


def _kinds(schema: BlueprintSchema, fields: Mapping[str, str]) -> dict[str, str]:
    """Return what the columns of a blueprint hold, by the names that they have in the frame."""
    return {fields.get(field.name, field.name): field.kind for field in schema.fields}


def _renamed(schema: BlueprintSchema, fields: Mapping[str, str]) -> BlueprintSchema | str:
    """Return a schema in the names of the frame; its own name, shorter to read, where it fits."""
    renamed = schema.renamed(fields)
    return schema.name if renamed == schema else renamed


def _named(name: str, known: Mapping[str, Any]) -> Any:
    check_choice("blueprints", "name", name, list(known))
    return known[name]
