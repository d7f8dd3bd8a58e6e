"""The contract of a stage, check by check."""

from __future__ import annotations

import copy
import datetime as dt
import math
import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import clone

from tracer_sklearn.base import Stage
from tracer_sklearn.exceptions import (
    ParameterError,
    SchemaError,
    TracerWarning,
)
from tracer_sklearn.schema import fit_only_fields
from tracer_sklearn.testing._engines import ENGINES, to_engine

_LAZY = ("polars-lazy", "duckdb")
_KEY = "row_key__"
_RELATIVE = 1e-12


def check_stage(
    stage: Stage, frame: Any, y: Any = None, *, engines: Sequence[str] = ENGINES
) -> list[str]:
    """Hold a stage to the contract of the package.

    Use it in the tests of a stage of your own. The stage is cloned, never changed.

    Parameters
    ----------
    stage : Stage
        A configured instance.
    frame : polars or pandas DataFrame of at least 8 rows
        Rows that the stage can be fitted on. Integer and flag columns must hold no nulls,
        because plain pandas has no dtype for them.
    y : array-like of shape (n_rows,), default=None
        Target, for supervised strategies.
    engines : sequence of str, default=all
        Which engines to run, from `ENGINES`. ``"numpy"`` is run where the columns are named
        ``x0 ... xn``.

    Returns
    -------
    passed : list of str
        The checks that ran, as ``"<check>[<engine>]"``.

    Raises
    ------
    AssertionError
        If the contract is broken; the message says which check, engine and column.

    Examples
    --------
    >>> import polars as pl
    >>> from tracer_sklearn import FeatureScaler
    >>> from tracer_sklearn.testing import check_stage
    >>> frame = pl.DataFrame({"spend": [float(i * i) for i in range(12)], "plan": ["a", "b"] * 6})
    >>> "same_answer[duckdb]" in check_stage(FeatureScaler(), frame)
    True
    """
    rows: pl.DataFrame = nw.from_native(frame, eager_only=True).to_polars()
    if rows.columns != [f"x{i}" for i in range(rows.width)]:
        engines = [engine for engine in engines if engine != "numpy"]
    passed = []
    with warnings.catch_warnings():
        # what a stage warns about is for its own tests; here the answers count
        warnings.simplefilter("ignore", TracerWarning)
        subjects = {engine: _Subject(stage, rows, y, engine) for engine in engines}
        for check, on in _CHECKS:
            chosen = [e for e in engines if on == "all" or (on == "lazy") == (e in _LAZY)]
            for engine in chosen:
                try:
                    check(subjects[engine])
                except AssertionError as error:
                    title = check.__name__.removeprefix("_check_")
                    raise AssertionError(
                        f"{type(stage).__name__}: check {title} fails on {engine}: {error}"
                    ) from error
                passed.append(f"{check.__name__.removeprefix('_check_')}[{engine}]")
    return passed


# -- what is compared ------------------------------------------------------------------------


def _dates(name: str, n_rows: int) -> pl.Series:
    start = dt.date(2020, 1, 1)
    return pl.Series(name, [start + dt.timedelta(days=i) for i in range(n_rows)], dtype=pl.Date)


@dataclass
class _Subject:
    """What is checked on one engine; fits take most of the time, so two serve all checks."""

    stage: Stage
    rows: pl.DataFrame
    y: Any
    engine: str

    def frame(self, rows: pl.DataFrame | None = None) -> Any:
        """Return rows, or the training rows, in the form of the engine."""
        return to_engine(self.rows if rows is None else rows, self.engine)

    def keyed(self) -> pl.DataFrame:
        """Add a column that `fit` has not seen, to compare rows whose order is not promised."""
        if self.engine == "numpy":
            return self.rows
        return self.rows.with_columns(_dates(_KEY, len(self.rows)))

    def clone(self) -> Stage:
        """Return the stage as it was configured."""
        made: Stage = clone(self.stage)
        return made

    def fitted(self) -> Stage:
        """Return a copy of its own, fitted on the in-memory form of the engine."""
        return _copied(self._on_polars if self.engine in _LAZY else self._on_engine)

    def fitted_on_polars(self) -> Stage:
        """Return a copy of its own, fitted on Polars."""
        return _copied(self._on_polars)

    @cached_property
    def _on_engine(self) -> bytes:
        return pickle.dumps(self.clone().fit(self.frame(), self.y))

    @cached_property
    def _on_polars(self) -> bytes:
        return pickle.dumps(self.clone().fit(self.rows, self.y))


def _copied(pickled: bytes) -> Stage:
    stage: Stage = pickle.loads(pickled)
    return stage


def _as_rows(out: Any, engine: str) -> tuple[dict[str, str], dict[str, list[Any]]]:
    """Return kinds and values of a frame of any engine, by name, in key order."""
    if isinstance(out, np.ndarray):
        names = [f"{i}" for i in range(out.shape[1])]
        return dict.fromkeys(names, ""), {n: _plain(out[:, i]) for i, n in enumerate(names)}
    frame = nw.from_native(out)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect("polars")
    kinds = {name: _dtype_name(dtype) for name, dtype in frame.schema.items()}
    table = frame.to_polars()
    if _KEY in table.columns and engine in _LAZY:
        table = table.sort(_KEY)
    return kinds, {name: _plain(table[name].to_list()) for name in table.columns if name != _KEY}


def _dtype_name(dtype: Any) -> str:
    """Name a dtype by what every engine can say; categories are text with a dictionary."""
    if dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object):
        return "text"
    if dtype in (nw.Datetime, nw.Date):
        return "date"
    if dtype == nw.Duration:
        return "duration"
    return str(dtype)


def _plain(values: Any) -> list[Any]:
    out = []
    for value in values:
        missing = value is None or (isinstance(value, float | np.floating) and math.isnan(value))
        out.append(None if missing else value)
    return out


def _same_values(found: Sequence[Any], expected: Sequence[Any], name: str) -> None:
    assert len(found) == len(expected), (
        f"column {name!r} has {len(found)} rows, expected {len(expected)}"
    )
    for row, (a, b) in enumerate(zip(found, expected, strict=True)):
        if isinstance(a, float | int) and isinstance(b, float | int):
            same = a == b or abs(a - b) <= _RELATIVE * max(1.0, abs(a), abs(b))
        elif isinstance(a, dt.date) and isinstance(b, dt.date):
            same = _midnight(a) == _midnight(b)
        else:
            same = a == b
        assert same, f"column {name!r}, row {row}: {a!r} instead of {b!r}"


def _midnight(value: dt.date) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value
    return dt.datetime(value.year, value.month, value.day)


def _same_frames(found: Any, expected: Any, engine: str, *, dtypes: bool = True) -> None:
    kinds, values = _as_rows(found, engine)
    kinds_expected, values_expected = _as_rows(expected, "polars")
    if isinstance(found, np.ndarray):
        values_expected = dict(
            zip(values, (v for n, v in values_expected.items() if n != _KEY), strict=True)
        )
    assert list(values) == list(values_expected), (
        f"names {list(values)}, expected {list(values_expected)}"
    )
    if dtypes and not isinstance(found, np.ndarray):
        kinds.pop(_KEY, None)
        kinds_expected.pop(_KEY, None)
        assert kinds == kinds_expected, f"dtypes {kinds}, expected {kinds_expected}"
    for name, column in values.items():
        _same_values(column, values_expected[name], name)


def _has_dtypes_of_fit(of: _Subject) -> bool:
    return not (of.engine in _LAZY and of.stage._dtypes_follow_rows)


def _state(stage: Stage) -> dict[str, Any]:
    return {k: v for k, v in stage.__getstate__().items() if k != "_plans_"}


def _same_state(found: Any, expected: Any, at: str) -> None:
    if isinstance(expected, dict):
        assert isinstance(found, dict), f"{at}: {found!r}"
        assert list(found) == list(expected), f"{at}: keys {list(found)} against {list(expected)}"
        for key in expected:
            _same_state(found[key], expected[key], f"{at}.{key}")
    elif isinstance(expected, list | tuple | np.ndarray):
        assert len(found) == len(expected), f"{at}: {found!r} against {expected!r}"
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            _same_state(a, b, f"{at}[{i}]")
    elif isinstance(expected, float):
        _same_values(_plain([found]), _plain([expected]), at)
    elif isinstance(expected, str | int | bool | type(None) | dt.date):
        assert found == expected, f"{at}: {found!r} against {expected!r}"


# -- the checks ------------------------------------------------------------------------------


def _check_same_answer(of: _Subject) -> None:
    """One fitted object gives the same names, dtypes and values on every engine."""
    fitted = of.fitted_on_polars()
    keyed = of.keyed()
    expected = fitted.transform(keyed)
    if of.engine == "numpy":
        fitted = of.fitted()
    found = fitted.transform(of.frame(keyed))
    _same_frames(found, expected, of.engine, dtypes=_has_dtypes_of_fit(of))


def _check_same_learning(of: _Subject) -> None:
    """Whatever library the training rows are in, the same is learnt from them."""
    state, state_expected = _state(of.fitted()), _state(of.fitted_on_polars())
    for learnt in (state, state_expected):
        learnt.pop("feature_names_in_", None)
    _same_state(state, state_expected, "state")


def _check_lazy_learning(of: _Subject) -> None:
    """Without a target a lazy frame is gathered once and gives rows in memory."""
    if of.y is not None:
        return
    found = of.clone().fit_transform(of.frame())
    assert isinstance(found, pl.DataFrame), f"fit_transform gave {type(found).__name__}"
    assert len(found) == len(of.rows)


def _check_goes_out_as_it_came(of: _Subject) -> None:
    """Library, row count, index and input survive; made columns can be written to."""
    frame = of.frame(of.keyed())
    before = copy.deepcopy(frame)
    out = of.fitted().transform(frame)
    assert type(out) is type(frame), f"{type(frame).__name__} became {type(out).__name__}"
    assert len(out) == len(frame), f"{len(frame)} rows became {len(out)}"
    if isinstance(frame, pd.DataFrame):
        pd.testing.assert_index_equal(out.index, frame.index)
        for position in range(out.shape[1]):
            out.iloc[0, position] = out.iloc[1, position]
    elif isinstance(out, np.ndarray) and out.size:
        out[0, :] = out[1, :]
    assert _equal(frame, before), "transform, or writing to its result, changed the input"


def _equal(frame: Any, before: Any) -> bool:
    if isinstance(frame, np.ndarray):
        return all(_plain(a) == _plain(b) for a, b in zip(frame, before, strict=True))
    # Polars takes NaN for equal to NaN, as is meant here; Arrow does not
    found, expected = (nw.from_native(f, eager_only=True).to_polars() for f in (frame, before))
    return bool(found.equals(expected) and found.schema == expected.schema)


def _check_object_unchanged(of: _Subject) -> None:
    """`transform` and `report` leave the fitted object as it is."""
    fitted = of.fitted()
    before = pickle.dumps(_state(fitted))
    frame = of.frame(of.keyed())
    fitted.transform(frame)
    fitted.report(frame)
    assert pickle.dumps(_state(fitted)) == before, "transform or report changed the object"


def _check_refit_forgets(of: _Subject) -> None:
    """A second fit gives what a first one would."""
    half = len(of.rows) // 2
    again = of.clone()
    again.fit(of.frame(of.rows.tail(half)), None if of.y is None else np.asarray(of.y)[-half:])
    again.fit(of.frame(), of.y)
    _same_state(_state(again), _state(of.fitted()), "state")
    assert of.stage.get_params(deep=False).keys() == again.get_params(deep=False).keys()


def _check_few_rows(of: _Subject) -> None:
    """Zero rows and one row work, and a row does not depend on its batch."""
    fitted = of.fitted()
    keyed = of.keyed()
    expected = fitted.transform(of.frame(keyed) if of.engine == "numpy" else keyed)
    for take in (0, 1):
        out = fitted.transform(of.frame(keyed.head(take)))
        _same_frames(out, _head(expected, take), of.engine, dtypes=False)


def _head(frame: Any, take: int) -> pl.DataFrame:
    if isinstance(frame, np.ndarray):
        head = frame[:take]
        return pl.DataFrame({f"x{i}": head[:, i].tolist() for i in range(frame.shape[1])})
    head_rows: pl.DataFrame = frame.head(take)
    return head_rows


def _check_bound_by_name(of: _Subject) -> None:
    """Reordered and extra columns are fine, the order of fit leaves; a missing one is named."""
    if of.engine == "numpy":
        return
    fitted = of.fitted()
    keyed = of.keyed()
    expected = fitted.transform(keyed)
    turned = fitted.transform(of.frame(keyed.select(reversed(keyed.columns))))
    _same_frames(turned, expected, of.engine, dtypes=_has_dtypes_of_fit(of))
    extra = keyed.with_columns(_dates("extra__", len(keyed)))
    assert "extra__" in nw.from_native(fitted.transform(of.frame(extra))).columns
    optional = fit_only_fields() | fitted._optional_columns()
    gone = next((name for name in fitted.columns_ if name not in optional), None)
    if gone is None:
        return
    with _raising(SchemaError, type(of.stage).__name__, gone):
        fitted.transform(of.frame(keyed.drop(gone)))


def _check_names_out(of: _Subject) -> None:
    """`get_feature_names_out` says what leaves."""
    fitted = of.fitted()
    out = fitted.transform(of.frame())
    names = fitted.get_feature_names_out().tolist()
    if isinstance(out, np.ndarray):
        assert out.shape[1] == len(names), f"{out.shape[1]} columns for {len(names)} names"
    else:
        assert list(nw.from_native(out).columns) == names


def _check_set_output(of: _Subject) -> None:
    """The container that was asked for comes out, after `clone` too."""
    keyed = of.keyed()
    frame = of.frame(keyed)
    expected = of.fitted().transform(of.frame(keyed) if of.engine == "numpy" else keyed)
    before_fit = clone(of.clone().set_output(transform="pandas")).fit(of.frame(), of.y)
    asked = {
        "pandas": (before_fit, pd.DataFrame),
        "polars": (of.fitted().set_output(transform="polars"), pl.DataFrame),
        "default": (of.fitted().set_output(transform="default"), type(frame)),
    }
    for container, (fitted, kind) in asked.items():
        out = fitted.transform(frame)
        assert type(out) is kind, f"{container} gave {type(out).__name__}"
        if isinstance(frame, pd.DataFrame) and isinstance(out, pd.DataFrame):
            pd.testing.assert_index_equal(out.index, frame.index)
        if of.engine == "numpy":
            if container != "default":
                assert list(out.columns) == fitted.get_feature_names_out().tolist()
        else:
            _same_frames(out, expected, of.engine, dtypes=False)


def _check_stays_lazy(of: _Subject) -> None:
    """`transform` of a lazy frame runs nothing; a stage that needs the past collects once."""
    fitted = of.fitted()
    frame = of.frame(of.keyed())
    if fitted._gathers:
        _collects_once(fitted, frame)
        return
    with _collect_bomb():
        out = fitted.transform(frame)
    assert type(out) is type(frame), f"{type(frame).__name__} became {type(out).__name__}"


def _collects_once(fitted: Stage, frame: Any) -> None:
    """What needs the past runs its source one time, and answers in kind."""
    runs = []

    def counted(rows: pl.DataFrame) -> pl.DataFrame:
        runs.append(len(rows))
        return rows

    watched = frame.map_batches(counted) if isinstance(frame, pl.LazyFrame) else frame
    out = fitted.transform(watched)
    assert type(out) is type(frame), f"{type(frame).__name__} became {type(out).__name__}"
    assert len(runs) <= 1, f"the source ran {len(runs)} times"


@contextmanager
def _collect_bomb() -> Iterator[None]:
    def explode(*_: Any, **__: Any) -> Any:
        raise AssertionError("a lazy frame was collected during transform")

    keep = pl.LazyFrame.collect
    pl.LazyFrame.collect = explode  # type: ignore[method-assign]
    try:
        yield
    finally:
        pl.LazyFrame.collect = keep  # type: ignore[method-assign]


def _check_counts(of: _Subject) -> None:
    """`report` of the training rows is `counts_`, or `report_` itself, on every engine."""
    fitted = of.fitted()
    if hasattr(fitted, "report_"):
        again = fitted.report(of.frame())
        assert again == fitted.report_, f"report gives {again}, in fit {fitted.report_}"
        return
    report = fitted.report(of.frame(of.keyed()))
    assert report.attrs["n_rows"] == len(of.rows)
    found = {str(column): dict(counts) for column, counts in report.to_dict("index").items()}
    for column, counts in fitted.counts_.items():
        for what, count in counts.items():
            assert found[column][what] == count, (
                f"{what} of {column!r}: {found[column][what]}, in fit {count}"
            )


def _check_parameters(of: _Subject) -> None:
    """An illegal parameter raises in fit, and only there, naming stage and parameter."""
    frame = of.frame()
    for name in of.stage.get_params(deep=False):
        broken = of.clone().set_params(**{name: _Nonsense()})
        with _raising(ParameterError, type(of.stage).__name__, name):
            broken.fit(frame, of.y)


class _Nonsense:
    """A value that no parameter can mean."""


def _check_duplicate_names(of: _Subject) -> None:
    """Two columns of one name are refused, naming it."""
    if not of.engine.startswith("pandas"):
        return
    frame = of.frame()
    twice = pd.concat([frame, frame.iloc[:, :1]], axis=1)
    with _raising(SchemaError, type(of.stage).__name__, str(frame.columns[0])):
        of.clone().fit(twice, of.y)


@contextmanager
def _raising(kind: type[Exception], *words: str) -> Iterator[None]:
    try:
        yield
    except kind as error:
        for word in words:
            assert word in str(error), f"{word!r} is not in the message: {error}"
        back = pickle.loads(pickle.dumps(error))
        assert str(back) == str(error), "the error does not survive pickling"
        return
    raise AssertionError(f"{kind.__name__} naming {', '.join(words)} was not raised")


_CHECKS: list[tuple[Callable[[_Subject], None], str]] = [
    (_check_same_answer, "all"),
    (_check_same_learning, "memory"),
    (_check_lazy_learning, "lazy"),
    (_check_goes_out_as_it_came, "memory"),
    (_check_object_unchanged, "all"),
    (_check_refit_forgets, "memory"),
    (_check_few_rows, "all"),
    (_check_bound_by_name, "all"),
    (_check_names_out, "all"),
    (_check_set_output, "memory"),
    (_check_stays_lazy, "lazy"),
    (_check_counts, "all"),
    (_check_parameters, "memory"),
    (_check_duplicate_names, "memory"),
]
