"""The public stages, and instances of them that work on plain arrays."""

from __future__ import annotations

import inspect

from category_encoders import OrdinalEncoder
from feature_engine.imputation import EndTailImputer
from feature_engine.outliers import Winsorizer
from sklearn.impute import KNNImputer, SimpleImputer

import tracer_sklearn
from tracer_sklearn.base import Stage


def all_stages() -> list[type[Stage]]:
    """Return every public stage of the package, by name.

    Examples
    --------
    >>> from tracer_sklearn.testing import all_stages
    >>> all("fit" in dir(stage) for stage in all_stages())
    True
    """
    found = (getattr(tracer_sklearn, name) for name in sorted(tracer_sklearn.__all__))
    return [
        item
        for item in found
        if inspect.isclass(item) and issubclass(item, Stage) and item is not Stage
    ]


def example_stages() -> list[Stage]:
    """Return instances of every public stage that work on plain arrays.

    Examples
    --------
    >>> from tracer_sklearn.testing import all_stages, example_stages
    >>> {type(stage) for stage in example_stages()} == set(all_stages())
    True
    """
    return [
        tracer_sklearn.CategoryEncoder(),
        *(
            tracer_sklearn.CategoryEncoder(["x0"], strategy=strategy)
            for strategy in ("auto", "onehot", "label", "frequency", "target", OrdinalEncoder())
        ),
        # on arrays a numeric date is days since 1970-01-01
        tracer_sklearn.ChurnFeatures(last_activity_column="x0", reference_date="2024-01-01"),
        tracer_sklearn.ChurnFeatures(
            last_activity_column="x0",
            reference_date="2024-01-01",
            inputs="drop",
            half_life_days="auto",
        ),
        tracer_sklearn.ColumnParser(),
        tracer_sklearn.ColumnParser(["x0"], on_failure="raise", on_ambiguous_dates="day_first"),
        tracer_sklearn.DriftMonitor(),
        tracer_sklearn.DriftMonitor(["x0"], min_rows=5, on_drift="none"),
        tracer_sklearn.DataValidator(),
        tracer_sklearn.DataValidator(checks=("quality",), on_fail="warn"),
        tracer_sklearn.DtypeReducer(),
        tracer_sklearn.DtypeReducer(["x0"], min_category_repeats=1.0),
        tracer_sklearn.FeatureScaler(),
        tracer_sklearn.FeatureScaler(method="standard"),
        tracer_sklearn.FeatureScaler(["x0"], method="minmax"),
        tracer_sklearn.FeatureScaler(method="none"),
        tracer_sklearn.LeakAudit(on_suspect="none", random_state=0),
        tracer_sklearn.LeakAudit(error_above=1.0, warn_above=1.0, random_state=0),
        tracer_sklearn.MissingValueImputer(),
        tracer_sklearn.MissingValueImputer(strategy="mean", indicator="all"),
        tracer_sklearn.MissingValueImputer(strategy="median", indicator="none"),
        tracer_sklearn.MissingValueImputer(["x0"], strategy="constant", fill_value=-1),
        tracer_sklearn.MissingValueImputer(strategy="drop"),
        tracer_sklearn.MissingValueImputer(strategy={"x0": "median"}),
        tracer_sklearn.MissingValueImputer(strategy=SimpleImputer(strategy="median")),
        tracer_sklearn.MissingValueImputer(strategy=EndTailImputer()),
        tracer_sklearn.MissingValueImputer(strategy=KNNImputer(n_neighbors=2)),
        tracer_sklearn.OutlierCapper(),
        tracer_sklearn.OutlierCapper(method="zscore", min_rows=5),
        tracer_sklearn.OutlierCapper(["x0"], method="quantile", quantiles=(0.05, 0.9)),
        tracer_sklearn.OutlierCapper(method="mad", fold=2.0),
        tracer_sklearn.OutlierCapper(method="none"),
        tracer_sklearn.OutlierCapper(method=Winsorizer(capping_method="iqr", tail="both")),
        # a horizon of 80 years: the past of numbers drawn at random is no history
        tracer_sklearn.PriceFeatures(
            product_column=None,
            date_column="x0",
            price_column="x1",
            quantity_column=None,
            duplicates="mean",
            horizon_days=30_000,
        ),
        tracer_sklearn.PriceFeatures(
            product_column=None,
            date_column="x0",
            price_column="x0",
            quantity_column="x0",
            duplicates="last",
            horizon_days=30_000,
        ),
        tracer_sklearn.ReadinessCheck(),
        tracer_sklearn.ReadinessCheck(on_fail="warn"),
        tracer_sklearn.RevenueFeatures(
            date_column="x0", revenue_column="x1", duplicates="sum", windows=(3, 7)
        ),
        tracer_sklearn.RevenueFeatures(
            date_column="x0",
            revenue_column="x1",
            customer_count_column=None,
            duplicates="mean",
            growth="symmetric",
            seasonal_encoding="cyclical",
            seasonal_lags="none",
        ),
    ]
