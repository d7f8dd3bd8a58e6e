"""Fitted pipelines become files, and files become pipelines, without running what they hold."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import IngestionError, MissingDependencyError
from tracer_sklearn.io._atomic import written_whole
from tracer_sklearn.io._source import regular_bytes

__all__ = ["load", "save"]

# What may be constructed besides what skops trusts by itself. Names, not a prefix: a function of
# this package, put into a FunctionTransformer, could write files.
TRUSTED = (
    "datetime.date",
    "datetime.datetime",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "tracer_sklearn._text.format.ColumnFormat",
    "tracer_sklearn.blueprints._choosers.Present",
    "tracer_sklearn.blueprints._choosers.Watchable",
    "tracer_sklearn.features.churn._features.ChurnFeatures",
    "tracer_sklearn.features.price._features.PriceFeatures",
    "tracer_sklearn.features.revenue._features.RevenueFeatures",
    "tracer_sklearn.schema._blueprint.BlueprintSchema",
    "tracer_sklearn.schema._fields.FieldRule",
    "tracer_sklearn.schema._fields.FieldSpec",
    "tracer_sklearn.stages.audit._drift.DriftMonitor",
    "tracer_sklearn.stages.audit._findings.LeakFinding",
    "tracer_sklearn.stages.audit._findings.LeakReport",
    "tracer_sklearn.stages.audit._leak.LeakAudit",
    "tracer_sklearn.stages.encoding._encoder.CategoryEncoder",
    "tracer_sklearn.stages.imputation._imputer.MissingValueImputer",
    "tracer_sklearn.stages.outliers.OutlierCapper",
    "tracer_sklearn.stages.parsing.ColumnParser",
    "tracer_sklearn.stages.reduction.DtypeReducer",
    "tracer_sklearn.stages.scaling.FeatureScaler",
    "tracer_sklearn.stages.validation._readiness.ReadinessCheck",
    "tracer_sklearn.stages.validation._validator.DataValidator",
)
_MADE_WITH = ("scikit-learn", "skops", "tracer-sklearn")


def save(pipeline: Any, path: str | os.PathLike[str], *, trusted: Iterable[str] = ()) -> None:
    """Save a fitted pipeline, with a manifest beside it.

    Use it for every pipeline that leaves the process. Not for pipelines with functions or
    estimators of your own, unless you name their types: nothing else could be loaded again.

    Parameters
    ----------
    pipeline : estimator
        A fitted pipeline or stage.
    path : path
        The file, of the ending ``.skops``; the manifest gets the ending ``.json``.
    trusted : list of str, default=()
        Full names of further types that it may hold. Empty, because each is a promise about
        somebody's code.

    Raises
    ------
    ParameterError
        If the path has another ending, or the pipeline holds a type that is not trusted.
    MissingDependencyError
        If skops is not installed.

    Notes
    -----
    The file is that of skops, which constructs named types only and runs no code of the file. The
    manifest holds its SHA-256, the versions it was made with and the columns it was fitted on.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_customer_churn(300, random_state=0)
    >>> pipe = ts.customer_churn_pipeline().fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ts.save(pipe, pathlib.Path(folder, "churn.skops"))
    ...     again = ts.load(pathlib.Path(folder, "churn.skops"))
    >>> again.transform(X).equals(pipe.transform(X))
    True
    """
    skops = _skops("save")
    file, manifest = _files("save", path)
    stored: bytes = skops.dumps(pipeline)
    unknown = _unknown(skops, stored, trusted)
    if unknown:
        raise fail("save", "pipeline", "made of types that can be loaded again", unknown)
    columns = getattr(pipeline, "feature_names_in_", None)
    account = {
        "file": file.name,
        "sha256": hashlib.sha256(stored).hexdigest(),
        "made_with": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _MADE_WITH},
        },
        "columns": None if columns is None else [str(name) for name in columns],
    }
    with written_whole("save", file) as out:
        out.write(stored)
    with written_whole("save", manifest) as out:
        out.write(json.dumps(account, indent=2).encode() + b"\n")


def load(path: str | os.PathLike[str], *, trusted: Iterable[str] = ()) -> Any:
    """Load a pipeline that `save` wrote, if it is the file of its manifest.

    Not for pickle or joblib files: loading one runs whatever it holds.

    Parameters
    ----------
    path : path
        The file, of the ending ``.skops``.
    trusted : list of str, default=()
        Full names of further types that may be constructed.

    Returns
    -------
    pipeline : estimator
        As it was saved.

    Raises
    ------
    IngestionError
        If the file or its manifest is missing or damaged, the two do not belong together, or the
        file holds a type that is not trusted.
    ParameterError
        If the path has another ending than ``.skops``.
    MissingDependencyError
        If skops is not installed.

    Notes
    -----
    The digest finds damage and mix-ups. It finds tampering only where the manifest is kept in a
    place that the writer of the file cannot reach; what a tampered file could construct is
    limited to trusted types either way.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_daily_revenue(n_days=100, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "revenue.skops")
    ...     ts.save(ts.revenue_projection_pipeline().fit(X, y), path)
    ...     ts.load(path).transform(X.tail(1)).shape[0]
    1
    """
    skops = _skops("load")
    file, manifest = _files("load", path)
    try:
        stored = regular_bytes(file)
        expected = json.loads(regular_bytes(manifest))["sha256"]
    except IngestionError:  # it says already which file, and why
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IngestionError.from_reason(
            str(file),
            f"the pipeline and its manifest {manifest.name} must be readable, found {error!r}",
            "save it again with `tracer_sklearn.save`",
        ) from error
    if hashlib.sha256(stored).hexdigest() != expected:
        raise IngestionError.from_reason(
            str(file),
            f"the pipeline must be the file that {manifest.name} describes, its SHA-256 differs",
            "save it again, or bring back the manifest that belongs to it",
        )
    unknown = _unknown(skops, stored, trusted)
    if unknown:
        raise IngestionError.from_reason(
            str(file),
            f"only trusted types are constructed, found {', '.join(unknown)}",
            "if you know them, name them in `trusted`",
        )
    return skops.loads(stored, trusted=[*TRUSTED, *trusted])


def _skops(who: str) -> Any:
    try:
        import skops.io
    except ModuleNotFoundError:
        raise MissingDependencyError.from_extra(who, "service") from None
    return skops.io


def _files(who: str, path: str | os.PathLike[str]) -> tuple[Path, Path]:
    file = Path(path)
    if file.suffix != ".skops":
        raise fail(
            who, "path", "of the ending .skops (pickle and joblib files run code)", str(path)
        )
    return file, file.with_suffix(".json")


def _unknown(skops: Any, stored: bytes, trusted: Iterable[str]) -> list[str]:
    known = {*TRUSTED, *trusted}
    return sorted(set(skops.get_untrusted_types(data=stored)) - known)
