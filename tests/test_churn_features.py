from __future__ import annotations

import datetime as dt
import inspect
import math
import pickle
import warnings
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_churn import FEATURES, SlowChurn, to_date
from sklearn.base import clone

import tracer_sklearn as ts
from tracer_sklearn.features import _expressions as ex
from tracer_sklearn.testing import ENGINES, to_engine

LAZY = ("polars-lazy", "duckdb")
NAMED = [engine for engine in ENGINES if engine != "numpy"]
COLUMNS = {
    "customer": "customer_id",
    "last_activity": "last_activity_date",
    "created": "account_created_date",
    "value": "total_value",
    "tickets": "support_tickets",
    "usage": "feature_usage_count",
    "plan": "plan_type",
    "as_of": "as_of",
    "label_end": "label_end",
}
DTYPES = {
    "datetime": pl.Datetime("us"),
    "aware": pl.Datetime("us", "Asia/Tokyo"),
    "date": pl.Date,
    "text": pl.String,
    "time-text": pl.String,
    "number": pl.Float64,
}
NOW = dt.datetime(2024, 3, 1)


# -- drawing rows ----------------------------------------------------------------------------


def moments(low: int = -400, high: int = 8) -> st.SearchStrategy[dt.datetime]:
    near = st.integers(low * 24, high * 24).map(lambda h: NOW + dt.timedelta(hours=h))
    stand_ins = [dt.datetime(1900, 1, 1), dt.datetime(1970, 1, 1), dt.datetime(9999, 12, 31)]
    edges = [dt.datetime(1900, 1, 2), dt.datetime(1970, 1, 2), dt.datetime(2199, 12, 31, 23)]
    return st.one_of(near, near, near, near, st.sampled_from(stand_ins + edges))


def cell(moment: dt.datetime, style: str) -> Any:
    if style == "datetime":
        return moment
    if style == "aware":
        return moment.replace(tzinfo=dt.UTC)
    if style == "date":
        return moment.date()
    if style == "number":
        return (moment - dt.datetime(1970, 1, 1)) / dt.timedelta(days=1)
    return moment.strftime("%Y-%m-%d" if style == "text" else "%Y-%m-%dT%H:%M")


def dates(style: str) -> st.SearchStrategy[Any]:
    odd = {
        "text": ["", "soon", "2023-02-29", "2024-01-05 10:00", "01/02/2024", "2024-1-5"],
        "time-text": ["", "2024-01-05", "2024-01-05 25:00", "2024-01-05 10:00:59.25"],
        "number": [math.inf, math.nan, -math.inf, 1e300, 0.25],
    }
    good = moments().map(lambda moment: cell(moment, style))
    return st.one_of(good, good, good, st.none(), st.sampled_from(odd.get(style, [None])))


@st.composite
def tasks(draw: Any, engine: str) -> tuple[SlowChurn, ts.ChurnFeatures, pl.DataFrame, pl.DataFrame]:
    """Draw an oracle and a stage of the same configuration, rows to fit and rows to score."""
    styles = [style for style in DTYPES if not (engine == "duckdb" and style == "aware")]
    style = draw(st.sampled_from(styles))
    optional = ["customer", "created", "value", "tickets", "usage", "plan", "as_of", "label_end"]
    roles = ["last_activity", *draw(st.lists(st.sampled_from(optional), unique=True))]
    plans = st.sampled_from(
        draw(
            st.sampled_from([["Free", " pro\t", "BASIC", None, "  "], ["gold", "tin", "Pro", None]])
        )
    )
    numbers = st.one_of(
        st.integers(-8, 4000).map(lambda v: v / 4), st.sampled_from([None, math.nan, math.inf])
    )
    cells = {
        "customer": (st.sampled_from("abc"), pl.String),
        "last_activity": (dates(style), DTYPES[style]),
        "created": (dates(style), DTYPES[style]),
        "value": (numbers, pl.Float64),
        "tickets": (st.integers(-2, 9), pl.Int32),
        "usage": (numbers, pl.Float64),
        "plan": (plans, pl.String),
        "as_of": (dates(style), DTYPES[style]),
        "label_end": (st.just(NOW), pl.Datetime("us")),
    }

    def frame(n_rows: int, first: bool) -> pl.DataFrame:
        columns = {}
        for role in draw(st.permutations(roles)):
            strategy, dtype = cells[role]
            values = draw(st.lists(strategy, min_size=n_rows, max_size=n_rows))
            if first and role in ("last_activity", "created", "as_of"):
                values[0] = cell(NOW - dt.timedelta(days=3, hours=5), style)
            columns[COLUMNS[role]] = pl.Series(values, dtype=dtype, strict=False)
        columns["row_id"] = pl.Series(range(n_rows), dtype=pl.Int64)
        return pl.DataFrame(columns)

    fitted_on = frame(draw(st.integers(1, 15)), first=True)
    scored = frame(draw(st.integers(0, 8)), first=False).select(fitted_on.columns)
    settings_ = {
        "future_policy": draw(st.sampled_from(["guard", "clip", "nan"])),
        "half_life_days": draw(st.sampled_from([30, 7.5, "auto"])),
        "min_exposure_days": draw(st.sampled_from([30, 1])),
        "usage_window_days": draw(st.sampled_from([None, 28])),
        "plan_hierarchy": draw(
            st.sampled_from([None, ["FREE ", "basic", "pro"], {"pro": 0.9, "free": 0.2}])
        ),
        "weights": draw(st.sampled_from([None, {"support": -0.5}, {"recency": 0, "value": 2}])),
        "missing_counts": draw(st.sampled_from(["missing", "zero"])),
        "inputs": draw(st.sampled_from(["keep", "drop"])),
        "tz": draw(st.sampled_from(["UTC", "America/New_York"])),
    }
    date = draw(st.sampled_from([None, dt.date(2024, 3, 1), dt.date(2024, 2, 1)]))
    names = {role: COLUMNS[role] for role in roles}
    if engine == "numpy":
        numbered = {name: f"x{i}" for i, name in enumerate(fitted_on.columns)}
        names = {role: numbered[name] for role, name in names.items()}
        fitted_on, scored = fitted_on.rename(numbered), scored.rename(numbered)
    stage = ts.ChurnFeatures(
        **{f"{role}_column": name for role, name in names.items()}, reference_date=date, **settings_
    )
    return SlowChurn(names, reference_date=date, **settings_), stage, fitted_on, scored


# -- comparing -------------------------------------------------------------------------------


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ts.TracerWarning)
        yield


def fit(stage: ts.ChurnFeatures, rows: pl.DataFrame, engine: str) -> ts.ChurnFeatures:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ts.TracerWarning)
        return stage.fit(to_engine(rows, "polars" if engine in LAZY else engine))


def transform(stage: ts.ChurnFeatures, rows: Any, engine: str) -> pl.DataFrame:
    """Transform on an engine; lazy frames promise no order and are sorted by `row_id`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ts.TracerWarning)
        out = stage.transform(to_engine(rows, engine) if isinstance(rows, pl.DataFrame) else rows)
    if isinstance(out, np.ndarray):
        names = stage.get_feature_names_out()
        return pl.DataFrame(
            {n: pl.Series(out[:, i].tolist(), strict=False) for i, n in enumerate(names)}
        )
    frame = nw.from_native(out)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect("polars").sort("row_id")
    return frame.to_polars()


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def assert_same(found: pl.DataFrame, expected: list[dict[str, Any]]) -> None:
    assert len(found) == len(expected)
    for at, (row, wanted) in enumerate(zip(found.iter_rows(named=True), expected, strict=True)):
        assert list(row) == list(wanted)
        for name, value in wanted.items():
            got = row[name]
            if isinstance(value, float | int) and not is_missing(value):
                same = not is_missing(got) and (
                    got == value or math.isclose(got, value, rel_tol=1e-12, abs_tol=1e-14)
                )
            else:
                same = is_missing(got) if is_missing(value) else got == value
            assert same, f"row {at}, {name}: {got!r} instead of {value!r}"


# -- properties ------------------------------------------------------------------------------


@settings(max_examples=20)
@given(data=st.data())
def test_values_are_those_of_the_oracle(engine: str, data: st.DataObject) -> None:
    oracle, stage, fitted_on, scored = data.draw(tasks(engine))
    oracle.fit(fitted_on.rows(named=True))
    fit(stage, fitted_on, engine)
    for rows in (fitted_on, scored):
        found = transform(stage, rows, engine)
        if len(rows):
            assert_same(found, oracle.transform(rows.rows(named=True)))
        assert found.columns == stage.get_feature_names_out().tolist()


@settings(max_examples=10)
@given(data=st.data())
def test_rows_keep_their_order_and_depend_on_nothing_but_themselves(
    engine: str, data: st.DataObject
) -> None:
    """Laws L1, L2, L3 and L7."""
    _, stage, fitted_on, scored = data.draw(tasks(engine))
    fit(stage, fitted_on, engine)
    whole = transform(stage, scored, engine)
    assert len(whole) == len(scored)
    order = data.draw(st.permutations(range(len(scored))))
    if engine not in LAZY:
        turned = transform(stage, scored[list(order)], engine)
        assert_same(turned, whole[list(order)].rows(named=True))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ts.TracerWarning)
            at_once = clone(stage).fit_transform(to_engine(fitted_on, engine))
        one_by_one = transform(stage, fitted_on, engine)
        if not isinstance(at_once, np.ndarray):
            at_once = nw.from_native(at_once).to_polars()
            assert_same(at_once, one_by_one.rows(named=True))
    for i in range(min(len(scored), 3)):
        alone = transform(stage, scored[i : i + 1], engine)
        assert_same(alone, whole[i : i + 1].rows(named=True))


def customers(n: int = 40, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    days = [NOW - dt.timedelta(days=int(d)) for d in rng.integers(1, 300, n)]
    return pl.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(n)],
            "as_of": [NOW] * n,
            "label_end": [NOW + dt.timedelta(days=30)] * n,
            "account_created_date": [d - dt.timedelta(days=100) for d in days],
            "last_activity_date": days,
            "total_value": rng.lognormal(4, 1, n).round(2),
            "support_tickets": rng.poisson(2, n),
            "feature_usage_count": rng.poisson(30, n),
            "plan_type": [["free", "basic", "pro"][i] for i in rng.integers(0, 3, n)],
            "region": ["north", "south"] * (n // 2),
            "row_id": range(n),
        }
    )


def test_a_reloaded_pickle_scores_one_row_without_label_end(engine: str) -> None:
    """Law L8."""
    rows = customers().drop("customer_id", "label_end") if engine == "numpy" else customers()
    stage = ts.ChurnFeatures()
    if engine == "numpy":
        names = {name: f"x{i}" for i, name in enumerate(rows.columns)}
        roles = {f"{r}_column": names[c] for r, c in COLUMNS.items() if c in names}
        stage, rows = ts.ChurnFeatures(**roles), rows.rename(names)
    fitted = pickle.loads(pickle.dumps(fit(stage, rows, engine)))
    row = rows[7:8].drop("label_end", strict=False)
    out = transform(fitted, row, engine)
    assert out.columns[:9] == FEATURES
    assert all(math.isfinite(v) for v in out.select(FEATURES).row(0))


@pytest.mark.parametrize("fitted_with", ["pandas", "pandas-arrow", "pyarrow"])
@pytest.mark.parametrize("named", NAMED)
def test_fitted_anywhere_serves_anywhere(fitted_with: str, named: str) -> None:
    rows = customers()
    stage = fit(ts.ChurnFeatures(), rows, fitted_with)
    expected = fit(ts.ChurnFeatures(), rows, "polars").transform(rows).rows(named=True)
    assert_same(transform(stage, rows, named), expected)


# -- output columns --------------------------------------------------------------------------


def test_the_output_has_the_features_the_inputs_the_rest_and_the_flags_in_order() -> None:
    out = ts.ChurnFeatures().fit_transform(customers().select(pl.all().reverse()))
    assert out.columns == [
        *FEATURES,
        "total_value",
        "support_tickets",
        "feature_usage_count",
        "plan_type",
        "region",
        "row_id",
        "plan_unknown",
    ]
    assert set(out.select(FEATURES).dtypes) == {pl.Float64}
    assert out["plan_unknown"].dtype == pl.Int8
    dropped = ts.ChurnFeatures(inputs="drop").fit_transform(customers())
    assert dropped.columns == [*FEATURES, "region", "row_id", "plan_unknown"]


def test_identifiers_and_dates_under_default_names_never_leave() -> None:
    rows = customers().with_columns(CustID="customer_id", seen="last_activity_date")
    stage = ts.ChurnFeatures(
        customer_column="CustID",
        last_activity_column="seen",
        as_of_column=None,
        label_end_column=None,
        reference_date="2024-03-01",
    )
    left = set(stage.fit_transform(rows).columns)
    assert not left & {*(COLUMNS[r] for r in ("customer", "as_of", "label_end")), "CustID", "seen"}
    assert "last_activity_date" not in left


@pytest.mark.parametrize("named", NAMED)
def test_dates_without_a_role_are_left_out_with_a_warning(named: str) -> None:
    back = pl.col("as_of").dt.offset_by("3d").dt.date()
    rows = customers().drop("label_end").with_columns(back=back, window_end=pl.lit(NOW))
    eager = "polars" if named in LAZY else named
    stage = ts.ChurnFeatures()
    with pytest.warns(ts.DataQualityWarning, match="left out: 'back', 'window_end'; give"):
        stage.fit(to_engine(rows, eager))
    assert stage.dates_left_out_ == ["back", "window_end"]
    left = nw.from_native(stage.transform(to_engine(rows, named))).columns
    assert left == stage.get_feature_names_out().tolist()
    assert not {"back", "window_end"} & set(left)
    later = stage.transform(to_engine(rows.drop("back", "window_end"), named))
    assert nw.from_native(later).columns == left


@pytest.mark.parametrize("absent", [r for r in COLUMNS if r not in ("last_activity", "as_of")])
def test_every_other_role_can_be_absent(absent: str) -> None:
    rows = customers().drop(COLUMNS[absent])
    without = fit(ts.ChurnFeatures(), rows, "polars").transform(rows)
    full = ts.ChurnFeatures().fit(customers()).transform(customers())
    missing = {
        "created": {"account_tenure_days", "daily_value_rate", "support_intensity"}
        | {"feature_usage_rate"},
        "value": {"daily_value_rate", "value_tier"},
        "tickets": {"support_intensity"},
        "usage": {"feature_usage_rate"},
        "plan": {"plan_value_score", "plan_unknown"},
    }.get(absent, set())
    assert set(full.columns) - set(without.columns) == missing | (
        {COLUMNS[absent]} & set(full.columns)
    )


def test_last_activity_is_indispensable_and_named_columns_must_be_there() -> None:
    with pytest.raises(ts.SchemaError, match=r"'last_activity_date' \(nearest: 'last_activity'"):
        ts.ChurnFeatures().fit(customers().rename({"last_activity_date": "last_activity"}))
    with pytest.raises(ts.SchemaError, match=r"'total_valu' \(nearest: 'total_value'"):
        ts.ChurnFeatures(value_column="total_valu").fit(customers())
    with pytest.raises(ts.SchemaError, match=r"ChurnFeatures: .*'as_of'"):
        ts.ChurnFeatures().fit(customers()).transform(customers().drop("as_of"))


def test_inputs_that_bear_a_generated_name_are_refused() -> None:
    rows = customers().rename({"total_value": "value_tier"})
    with pytest.raises(ts.SchemaError, match="value_tier"):
        ts.ChurnFeatures(value_column="value_tier").fit(rows)


# -- the reference date ----------------------------------------------------------------------


def one_snapshot(n: int = 40) -> pl.DataFrame:
    return customers(n).drop("as_of", "label_end")


def test_as_of_wins_over_reference_date_which_wins_over_learning() -> None:
    rows = customers().with_columns(as_of=pl.lit(NOW + dt.timedelta(days=10)))
    by_row = ts.ChurnFeatures(reference_date="2024-03-01").fit_transform(rows)
    given_date = ts.ChurnFeatures(as_of_column=None, reference_date="2024-03-01").fit_transform(
        rows
    )
    recency = "days_since_last_activity"
    assert (by_row[recency] - given_date[recency]).unique().to_list() == [10.0]
    stage = ts.ChurnFeatures(as_of_column=None)
    newest = rows["last_activity_date"].max()
    with pytest.warns(ts.ReferenceDateWarning, match="learnt"):
        learnt = stage.fit_transform(rows)
    assert stage.reference_date_ == newest.date() + dt.timedelta(days=1)
    assert learnt[recency].min() == 1.0


@pytest.mark.parametrize("named", NAMED)
def test_a_reference_date_set_after_fit_is_used_without_refit(named: str) -> None:
    rows = one_snapshot()
    stage = fit(ts.ChurnFeatures(reference_date="2024-03-01"), rows, named)
    before = transform(stage, rows, named)
    state = {k: v for k, v in vars(stage).items() if k.endswith("_") and k != "_plans_"}
    stage.set_params(reference_date=dt.date(2024, 4, 1))
    after = transform(stage, rows, named)
    days = after["days_since_last_activity"] - before["days_since_last_activity"]
    assert days.unique().to_list() == [31.0]
    assert {k: vars(stage)[k] for k in state} == state
    assert_same(
        before.select("value_tier", "plan_value_score"),
        after.select("value_tier", "plan_value_score").rows(named=True),
    )
    with pytest.raises(ts.ParameterError, match="reference_date"):
        transform(stage.set_params(reference_date="soon"), rows, named)


def late(n_rows: int, n_late: int, days: int) -> pl.DataFrame:
    """Return rows of which some were active so many days after 2024-03-01."""
    moved = pl.when(pl.col("row_id") < n_late).then(pl.lit(NOW + dt.timedelta(days=days)))
    return one_snapshot(n_rows).with_columns(
        last_activity_date=moved.otherwise("last_activity_date")
    )


def test_the_guard_stops_a_stale_date_and_only_that() -> None:
    stage = ts.ChurnFeatures(reference_date="2024-03-01").fit(one_snapshot())
    with pytest.raises(ts.StaleReferenceDateError, match=r"2024-03-01.*2024-03-08") as caught:
        stage.transform(late(40, 3, 7))
    assert caught.value.reference_date == dt.date(2024, 3, 1)
    assert caught.value.newest == dt.date(2024, 3, 8)
    assert caught.value.n_rows == 3
    with pytest.raises(ts.StaleReferenceDateError):
        clone(stage).fit(late(40, 3, 7))
    with pytest.warns(ts.ReferenceDateWarning, match="2 of 40"):  # 5 % is still allowed
        out = stage.transform(late(40, 2, 7))
    assert out["days_since_last_activity"][:2].to_list() == [0.0, 0.0]
    with pytest.warns(ts.ReferenceDateWarning, match="18 of 18"):  # too few rows to judge
        stage.transform(late(18, 18, 7))
    assert stage.transform(late(40, 40, 1))["days_since_last_activity"].max() == 0.0
    assert stage.transform(late(40, 40, 7).lazy()).collect()["days_since_last_activity"].max() == 0


@pytest.mark.parametrize("named", NAMED)
def test_the_other_policies(named: str) -> None:
    rows = late(40, 30, 7)
    found = {}
    for policy in ("clip", "nan"):
        stage = ts.ChurnFeatures(reference_date="2024-03-01", future_policy=policy)
        fit(stage, rows, named)
        out = transform(stage, rows, named)
        found[policy] = out["days_since_last_activity"][:30].fill_nan(None).unique().to_list()
        assert out["future_activity"].to_list() == [1] * 30 + [0] * 10
        report = stage.report(to_engine(rows, named))
        assert report.loc["last_activity_date", ["future", "max_days_ahead"]].to_list() == [30, 7]
    assert found == {"clip": [0.0], "nan": [None]}


def test_policy_raise_raises_for_one_row() -> None:
    stage = ts.ChurnFeatures(reference_date="2024-03-01", future_policy="raise").fit(one_snapshot())
    with pytest.raises(ts.StaleReferenceDateError, match="1 of 40"):
        stage.transform(late(40, 1, 1))


def test_the_guard_names_the_as_of_column() -> None:
    rows = customers().with_columns(as_of=pl.lit(dt.datetime(2023, 12, 1)))
    with pytest.raises(ts.StaleReferenceDateError, match="their 'as_of', by up to"):
        ts.ChurnFeatures().fit(rows)


def test_without_any_valid_date_none_is_learnt() -> None:
    rows = one_snapshot().with_columns(last_activity_date=pl.lit(dt.datetime(9999, 12, 31)))
    with pytest.raises(ts.DataError, match="has none"):
        ts.ChurnFeatures().fit(rows)
    with pytest.warns(ts.DataQualityWarning, match="last_activity_date"):
        out = ts.ChurnFeatures(reference_date="2024-03-01").fit_transform(rows)
    assert out["last_activity_missing"].to_list() == [1] * 40
    assert out["engagement_score"].null_count() == 0  # by the rates alone


def test_a_missing_as_of_leaves_the_dependent_features_missing_and_is_counted() -> None:
    rows = customers().with_columns(
        as_of=pl.when(pl.col("row_id") == 0).then(None).otherwise("as_of")
    )
    stage = ts.ChurnFeatures()
    out = stage.fit_transform(rows)
    assert out.row(0)[:6] == (None,) * 6
    assert out["days_since_last_activity"].null_count() == 1
    assert stage.counts_["as_of"] == {"missing": 1, "invalid": 0}


def test_a_frame_without_a_single_snapshot_date_does_not_pass_in_silence() -> None:
    rows = customers().with_columns(as_of=pl.lit(None, pl.Date))
    with pytest.raises(ts.DataError, match=r"must be known.*'as_of' has none; check"):
        ts.ChurnFeatures().fit(rows)
    stage = ts.ChurnFeatures().fit(customers())
    with pytest.warns(ts.DataQualityWarning, match=r"'as_of' is missing in all 1; .* fill"):
        stage.transform(rows.head(1))
    assert len(stage.transform(rows.head(0))) == 0


# -- dates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "valid"),
    [
        ("1900-01-01", False),
        ("1900-01-02", True),
        ("1969-12-31", True),
        ("1970-01-01", False),
        ("1970-01-02", True),
        ("2199-12-31", True),
        ("2200-01-01", False),
        ("9999-12-31", False),
    ],
)
def test_stand_ins_are_missing_and_counted(day: str, valid: bool, engine: str) -> None:
    date = dt.date.fromisoformat(day)
    number = float((date - dt.date(1970, 1, 1)).days)
    for value in (date, dt.datetime(date.year, date.month, date.day, 13), day, number):
        rows = pl.DataFrame({"x0": [value], "x1": [1.5]})
        stage = ts.ChurnFeatures(
            last_activity_column="x0", reference_date="2024-03-01", future_policy="clip"
        ).fit(rows)
        assert stage.counts_["x0"]["invalid"] == int(not valid)
        if engine == "numpy":
            stage.fit(to_engine(rows, engine))
        out = stage.transform(to_engine(rows, engine))
        out = out if engine == "numpy" else nw.from_native(out).lazy().collect().to_numpy()
        expected = max((dt.date(2024, 3, 1) - date).days, 0)
        found = out[0, 0]
        assert found == expected if valid else is_missing(found)


@pytest.mark.parametrize("named", ["polars", "duckdb"])
@given(moments=st.lists(st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)), max_size=20))
def test_the_day_number_is_the_calendars(named: str, moments: list[dt.datetime]) -> None:
    rows = pl.DataFrame({"x0": pl.Series(moments, dtype=pl.Datetime("us"))})
    frame = nw.from_native(to_engine(rows, named)).lazy()
    day = ex.day_number(frame, "x0", tz="UTC", date_format=None, stage="test")
    found = frame.select(day=day).collect("polars")["day"].to_list()
    assert sorted(found) == sorted(m.toordinal() - 719163 for m in moments)


@settings(max_examples=100)
@given(
    st.one_of(
        st.dates().map(dt.date.isoformat),
        st.from_regex(r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]\Z"),
        st.from_regex(r"\A[0-9]{4}-02-29[T ]?[0-2][0-9]:[0-6][0-9]\Z"),
        st.text(max_size=12),
    )
)
def test_the_pattern_lets_through_exactly_the_days_that_exist(text: str) -> None:
    rows = pl.DataFrame({"x0": [text, "2024-01-05"], "x1": [1, 2]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ts.TracerWarning)
        stage = ts.ChurnFeatures(
            last_activity_column="x0", reference_date="2024-03-01", future_policy="nan"
        ).fit(rows)
        found = stage.transform(rows)["days_since_last_activity"][0]
    day = to_date(text, "UTC", "date")
    expected = None if day is None else (dt.date(2024, 3, 1) - day).days
    assert found == (expected if expected is None or expected >= 0 else None)


def text_rows(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"last_activity_date": texts, "row_id": range(len(texts))})


@pytest.mark.parametrize("named", NAMED)
def test_one_text_format_is_learnt_and_frozen(named: str) -> None:
    stage = ts.ChurnFeatures(reference_date="2024-03-01")
    stage.fit(to_engine(text_rows(["2024-02-28", "2024-02-29"]), "polars"))
    assert stage.date_formats_ == {"last_activity_date": "%Y-%m-%d"}
    dirty = text_rows(["2024-02-27", "2024-02-27 10:00:00", "2024-02-30", "27.02.2024", " "])
    found = transform(stage, dirty, named)["days_since_last_activity"].fill_nan(None).to_list()
    assert found == [3.0, None, None, None, None]
    counts = stage.report(to_engine(dirty, named)).loc["last_activity_date"]
    assert (counts["missing"], counts["unparseable"], counts["invalid"]) == (1, 3, 0)


def test_unreadable_texts_are_warned_about_and_a_column_of_them_is_refused() -> None:
    stage = ts.ChurnFeatures(reference_date="2024-03-01").fit(text_rows(["2024-02-28"]))
    with pytest.warns(ts.DataQualityWarning, match="1 of 2 have another"):
        stage.transform(text_rows(["2024-02-28", "yesterday"]))
    with pytest.raises(ts.DataError, match=r"'last_activity_date'.*parse it first"):
        stage.fit(text_rows(["28/02/2024", "29/02/2024"]))


def test_a_stage_fitted_on_texts_serves_dates_but_not_the_reverse() -> None:
    texts = text_rows(["2024-02-28", "2024-02-29"])
    as_dates = texts.with_columns(pl.col("last_activity_date").str.to_date())
    stage = ts.ChurnFeatures(reference_date="2024-03-01").fit(texts)
    assert_same(stage.transform(as_dates), stage.transform(texts).rows(named=True))
    with pytest.raises(ts.SchemaError, match="'last_activity_date' was date and is text"):
        stage.fit(as_dates).transform(texts)


def test_zone_aware_datetimes_are_converted_before_the_day_is_taken() -> None:
    late_evening = dt.datetime(2024, 2, 27, 23, 30, tzinfo=dt.UTC)
    rows = pd.DataFrame({"last_activity_date": [pd.Timestamp(late_evening)]})
    found = {
        tz: ts.ChurnFeatures(reference_date="2024-03-01", tz=tz).fit_transform(rows).iloc[0, 0]
        for tz in ("UTC", "Asia/Tokyo", "America/New_York")
    }
    assert found == {"UTC": 3.0, "Asia/Tokyo": 2.0, "America/New_York": 3.0}
    naive = rows.assign(last_activity_date=[late_evening.replace(tzinfo=None)])
    stage = ts.ChurnFeatures(reference_date="2024-03-01", tz="Asia/Tokyo").fit(rows)
    assert stage.transform(naive).iloc[0, 0] == 3.0  # taken as already in Tokyo


@pytest.mark.parametrize("named", NAMED)
def test_a_zero_that_became_a_date_is_missing_in_any_time_zone(named: str) -> None:
    seen = [dt.datetime(1970, 1, 1), dt.datetime(1970, 1, 2, 5), dt.datetime(2024, 2, 29, 12)]
    aware = pl.Series(seen, dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone("America/New_York")
    rows = pl.DataFrame({"last_activity_date": aware})
    stage = ts.ChurnFeatures(reference_date="2024-03-01", tz="America/New_York").fit(rows)
    assert stage.counts_["last_activity_date"]["invalid"] == 1
    frame = to_engine(rows, named)
    if named == "duckdb":
        connection = pytest.importorskip("duckdb").connect()
        connection.execute("SET TimeZone = 'America/New_York'")
        frame = connection.from_arrow(rows.to_arrow())
    found = nw.from_native(stage.transform(frame)).lazy().collect("polars").to_native()
    recency = found["days_since_last_activity"].fill_nan(None).to_list()
    assert sorted(recency, key=lambda days: days or 0) == [None, 1.0, 19782.0]


def test_days_are_whole_across_a_change_of_clocks() -> None:
    rows = pl.DataFrame(
        {"last_activity_date": pl.Series([dt.datetime(2024, 3, 30, 23, 30)]), "row_id": [0]}
    ).with_columns(pl.col("last_activity_date").dt.replace_time_zone("Europe/Berlin"))
    stage = ts.ChurnFeatures(reference_date="2024-04-01", tz="Europe/Berlin")
    assert stage.fit_transform(rows)["days_since_last_activity"].to_list() == [2.0]


def test_a_column_that_mixes_aware_and_naive_is_refused() -> None:
    mixed = [dt.datetime(2024, 2, 1, tzinfo=dt.UTC), dt.datetime(2024, 2, 2), None]
    rows = pd.DataFrame({"last_activity_date": pd.Series(mixed, dtype=object)})
    with pytest.raises(ts.InputTypeError, match="'last_activity_date' mixes both"):
        ts.ChurnFeatures(reference_date="2024-03-01").fit(rows)


def test_duckdb_converts_no_zones_but_reads_its_own() -> None:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    relation = connection.sql(
        "SELECT TIMESTAMPTZ '2024-02-27 23:30:00+00' AS last_activity_date, 0 AS row_id"
    )
    naive = pl.DataFrame({"last_activity_date": [dt.datetime(2024, 2, 1)], "row_id": [0]})
    tokyo = ts.ChurnFeatures(reference_date="2024-03-01", tz="Asia/Tokyo").fit(naive)
    assert tokyo.transform(relation).fetchall()[0][0] == 2.0
    utc = ts.ChurnFeatures(reference_date="2024-03-01").fit(naive)
    with pytest.raises(ts.InputTypeError, match="SET TimeZone = 'UTC'"):
        utc.transform(relation)


# -- the nine features, edge by edge -----------------------------------------------------------


def made(engine: str = "polars", **columns: Any) -> dict[str, list[Any]]:
    """Fit and transform rows of 2024-03-01; every column has as many values."""
    n = max(len(values) for values in columns.values())
    base = {
        "last_activity_date": [dt.date(2024, 2, 29)] * n,
        "account_created_date": [dt.date(2023, 12, 2)] * n,
    }
    stage = ts.ChurnFeatures(reference_date="2024-03-01", future_policy="clip")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ts.TracerWarning)
        return stage.fit_transform(pl.DataFrame({**base, **columns}, strict=False)).to_dict(
            as_series=False
        )


def test_young_accounts_are_divided_by_the_least_exposure() -> None:
    days = [dt.date(2024, 3, 1), dt.date(2024, 2, 20), dt.date(2024, 1, 1), dt.date(2024, 3, 2)]
    out = made(account_created_date=days, total_value=[60.0] * 4, support_tickets=[3] * 4)
    assert out["account_tenure_days"] == [0.0, 10.0, 60.0, None]
    assert out["daily_value_rate"] == [2.0, 2.0, 1.0, None]
    assert out["support_intensity"][0] == pytest.approx(3 / 30 * 30.4375, rel=1e-15)


def test_refunds_are_kept_and_negative_counts_are_invalid() -> None:
    out = made(total_value=[-90.0, 90.0], support_tickets=[-1, 3], feature_usage_count=[-5, 9])
    assert out["daily_value_rate"] == [-1.0, 1.0]
    assert out["support_intensity"][0] is None
    assert out["feature_usage_rate"][0] is None


def test_an_activity_before_the_account_is_kept_and_flagged() -> None:
    out = made(last_activity_date=[dt.date(2023, 1, 1), dt.date(2024, 2, 1)])
    assert out["date_order_violation"] == [1, 0]
    assert out["days_since_last_activity"] == [425.0, 29.0]


def test_ties_go_to_the_lower_tier_and_the_scale_stays() -> None:
    out = made(total_value=[1.0, 2.0, 3.0, 4.0, 5.0])
    assert out["value_tier"] == [1.0, 1.0, 2.0, 3.0, 4.0]
    rows = customers().with_columns(total_value=pl.lit(7.0))
    with pytest.warns(ts.DataQualityWarning, match="'total_value' should differ"):
        stage = ts.ChurnFeatures().fit(rows)
    scored = rows[:3].with_columns(total_value=pl.Series([6.0, 7.0, 8.0]))
    assert stage.transform(scored)["value_tier"].to_list() == [1.0, 1.0, 4.0]


@pytest.mark.parametrize("named", NAMED)
def test_nothing_infinite_comes_in_or_goes_out(named: str) -> None:
    wild = [math.inf, -math.inf, 1e308, -1e308, 5e-324, 1.0, math.nan, None]
    rows = customers(8).with_columns(
        total_value=pl.Series(wild),
        feature_usage_count=pl.Series(wild),
        support_tickets=pl.Series(wild),
        as_of="account_created_date",
        last_activity_date="account_created_date",
    )
    stage = fit(ts.ChurnFeatures(weights={"support": -1.0}, min_exposure_days=1), rows, named)
    out = transform(stage, rows, named).select(FEATURES)
    for name in out.columns:
        assert all(is_missing(v) or math.isfinite(v) for v in out[name]), name
    assert stage.counts_["total_value"] == {"missing": 2, "infinite": 2}
    assert out["daily_value_rate"].fill_nan(None).null_count() == 4


def test_a_rate_at_the_median_is_worth_one_half() -> None:
    rows = made(
        last_activity_date=[None] * 3, feature_usage_count=[0, 90, 270], total_value=[-9.0, 90, 90]
    )
    # usage 0, 1, 3 a day (median of the positive 2), value -.1, 1, 1 (median 1)
    assert rows["engagement_score"] == pytest.approx(
        [0.0, (1 / 3 + 1 / 2) / 2, (3 / 5 + 1 / 2) / 2]
    )


def test_known_plans_take_the_built_in_order() -> None:
    out = made(plan_type=["Enterprise", " free ", "PRO", None, "\t"])
    assert out["plan_value_score"] == [1.0, 0.0, 0.5, 0.5, 0.5]
    assert out["plan_unknown"] == [0, 0, 0, 1, 1]


def test_one_plan_is_worth_one_half_and_unrankable_plans_have_no_score() -> None:
    assert made(plan_type=["pro", "pro"])["plan_value_score"] == [0.5, 0.5]
    rows = customers().drop("total_value").with_columns(plan_type=pl.lit("gold"))
    stage = ts.ChurnFeatures().fit(rows)
    assert "plan_value_score" not in stage.get_feature_names_out()
    assert stage.choices_["plan_value_score"].startswith("absent")
    other = rows[:2].with_columns(plan_type=pl.Series(["gold", "tin"]))
    assert stage.transform(other)["plan_unknown"].to_list() == [0, 1]


def test_other_plans_are_ranked_by_what_they_bring_and_small_ones_by_all() -> None:
    n = {"tin": 25, "gold": 25, "rare": 3}
    plans = [plan for plan, count in n.items() for _ in range(count)]
    worth = {"tin": 90.0, "gold": 900.0, "rare": 9e6}
    rows = pl.DataFrame(
        {
            "last_activity_date": [dt.date(2024, 2, 1)] * 53,
            "account_created_date": [dt.date(2023, 12, 2)] * 53,
            "total_value": [worth[plan] + i for i, plan in enumerate(plans)],
            "plan_type": plans,
        }
    )
    stage = ts.ChurnFeatures(reference_date="2024-03-01").fit(rows)
    assert stage.plan_scores_ == {"tin": 0.0, "rare": 0.5, "gold": 1.0}
    assert stage.plan_mean_score_ == pytest.approx((25 + 1.5) / 53)
    slow = SlowChurn(
        {r: COLUMNS[r] for r in ("last_activity", "created", "value", "plan")},
        reference_date=dt.date(2024, 3, 1),
    ).fit(rows.rows(named=True))
    assert_same(stage.transform(rows), slow.transform(rows.rows(named=True)))


@pytest.mark.parametrize("named", NAMED)
def test_plans_that_are_numbers_are_ranked_too(named: str) -> None:
    rows = customers().with_columns(plan_type=pl.Series([1, 2, 3, 2] * 10))
    stage = fit(ts.ChurnFeatures(plan_hierarchy=[3, 1]), rows, named)
    out = transform(stage, rows, named)
    assert out["plan_value_score"][:3].to_list() == [1.0, 0.5, 0.0]
    assert out["plan_unknown"][:3].to_list() == [0, 1, 0]


def test_a_hierarchy_that_names_no_plan_is_warned_about() -> None:
    rows = customers().with_columns(plan_type=pl.Series([1, 2] * 20))
    with pytest.warns(ts.DataQualityWarning, match=r"names \['1', '2'\] and none .* such as 1.0"):
        ts.ChurnFeatures(plan_hierarchy=["1", "2"]).fit(rows)


@pytest.mark.parametrize("named", NAMED)
def test_a_fit_that_saw_no_plan_knows_none(named: str) -> None:
    rows = customers()
    blank = rows.with_columns(plan_type=pl.lit(None, pl.String))
    stage = fit(ts.ChurnFeatures(), blank, named)
    out = transform(stage, rows, named)
    assert "plan_value_score" not in out.columns
    assert out["plan_unknown"].to_list() == [1] * 40


def test_half_life_auto_is_the_median_recency_within_bounds() -> None:
    rows = customers()
    stage = ts.ChurnFeatures(half_life_days="auto").fit(rows)
    recency = stage.transform(rows)["days_since_last_activity"]
    assert stage.half_life_ == recency.median()
    assert stage.learned_statistics_["activity_recency_score"] == ["half_life_"]
    quick = rows.with_columns(last_activity_date=pl.lit(dt.date(2024, 2, 29)))
    assert ts.ChurnFeatures(half_life_days="auto").fit(quick).half_life_ == 7.0


def test_columns_of_the_wrong_kind_are_named() -> None:
    for column, value in {"total_value": "12,5", "last_activity_date": True}.items():
        with pytest.raises(ts.SchemaError, match=f"'{column}' holds values of kind"):
            ts.ChurnFeatures().fit(customers().with_columns(pl.lit(value).alias(column)))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("last_activity_column", None),
        ("created_column", "total_value"),
        ("reference_date", "31.12.2024"),
        ("reference_date", dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
        ("future_policy", "ignore"),
        ("half_life_days", "median"),
        ("half_life_days", 0),
        ("min_exposure_days", 0),
        ("usage_window_days", -1),
        ("plan_hierarchy", []),
        ("plan_hierarchy", ["pro", "PRO "]),
        ("plan_hierarchy", {"pro": math.nan}),
        ("plan_hierarchy", [None]),
        ("weights", {"loyalty": 1}),
        ("weights", {"recency": 0, "usage": 0, "value": 0}),
        ("weights", {"support": math.inf}),
        ("missing_counts", "mean"),
        ("inputs", True),
        ("tz", "Mars/Olympus"),
    ],
)
def test_illegal_parameters_raise_in_fit(parameter: str, value: Any) -> None:
    stage = ts.ChurnFeatures().set_params(**{parameter: value})
    with pytest.raises(ts.ParameterError, match="ChurnFeatures: "):
        stage.fit(customers())


def test_the_signature_is_the_designs() -> None:
    parameters = inspect.signature(ts.ChurnFeatures).parameters
    assert {role: parameters[f"{role}_column"].default for role in COLUMNS} == COLUMNS


def test_the_learned_statistics_are_all_that_ties_a_row_to_the_training_rows() -> None:
    """Law L5: with them held fixed, other training rows change nothing."""
    rows = one_snapshot()
    stage = fit(ts.ChurnFeatures(half_life_days="auto", future_policy="clip"), rows, "polars")
    other = fit(ts.ChurnFeatures(half_life_days="auto", future_policy="clip"), rows[:9], "polars")
    learned = stage.learned_statistics_
    assert learned["days_since_last_activity"] == ["reference_date_"]
    assert learned["activity_recency_score"] == ["reference_date_", "half_life_"]
    before = stage.transform(rows).select(FEATURES)
    changed = other.transform(rows).select(FEATURES)
    differing = {name for name in FEATURES if not before[name].equals(changed[name])}
    assert "engagement_score" in differing <= set(learned)
    for name in {name for names in learned.values() for name in names}:
        setattr(other, name, getattr(stage, name))
    other._plans_ = {}
    assert other.transform(rows).select(FEATURES).equals(before)
