from __future__ import annotations

import datetime as dt
import math
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from tracer_sklearn.exceptions import (
    DataError,
    DataQualityWarning,
    InputTypeError,
    ParameterError,
    SchemaError,
)
from tracer_sklearn.tasks.snapshots import churn_label, make_snapshots, snapshot_account
from tracer_sklearn.tasks.splits import PurgedSnapshotSplit

ORIGIN = dt.date(2024, 1, 1)
ROLES = {
    "customer_column": "who",
    "date_column": "when",
    "value_column": "paid",
    "activity_column": "counts",
    "usage_column": "basket",
}
LIBRARIES = ("pandas", "polars", "pyarrow")


def day(offset):
    return ORIGIN + dt.timedelta(days=offset)


# -- frames and the oracle -----------------------------------------------------------------


def as_frame(rows, library="polars"):
    """Rows are (who, day offset, paid, counts, basket); the hour is noise that must not matter."""
    frame = pl.DataFrame(
        {
            "who": pl.Series([r[0] for r in rows], dtype=pl.String),
            "when": pl.Series(
                [
                    None
                    if r[1] is None
                    else dt.datetime.combine(day(r[1]), dt.time(hour=(7 * i) % 24))
                    for i, r in enumerate(rows)
                ],
                dtype=pl.Datetime("us"),
            ),
            "paid": pl.Series([r[2] for r in rows], dtype=pl.Float64),
            "counts": pl.Series([r[3] for r in rows], dtype=pl.Boolean),
            "basket": pl.Series([r[4] for r in rows], dtype=pl.Int64),
        }
    )
    if library == "pyarrow":
        return frame.to_arrow()
    if library == "polars":
        return frame
    pandas = frame.to_pandas()
    pandas.index = [i // 2 for i in range(len(pandas))][::-1]
    return pandas


def oracle(rows, dates, *, horizon, lead, window):
    """Look through all events again for each customer and date."""
    last_day = max(r[1] for r in rows if r[1] is not None)
    known = [r for r in rows if r[0] is not None and r[1] is not None]
    out = []
    for as_of in dates:
        if as_of + lead + horizon > last_day:
            continue
        for who in sorted({r[0] for r in known}):
            past = [r for r in known if r[0] == who and r[1] < as_of]
            acts = [r for r in past if r[3]]
            if not acts or (window is not None and max(r[1] for r in acts) < as_of - window):
                continue
            values = sorted((r[1], r[2]) for r in past if r[2] is not None and math.isfinite(r[2]))
            total = None
            for _, value in values:
                total = (total or 0.0) + value
            later = [r for r in known if r[0] == who and r[3]]
            stayed = any(as_of + lead <= r[1] < as_of + lead + horizon for r in later)
            out.append(
                {
                    "customer_id": who,
                    "as_of": day(as_of),
                    "label_end": day(as_of + lead + horizon),
                    "account_created_date": day(min(r[1] for r in acts)),
                    "last_activity_date": day(max(r[1] for r in acts)),
                    "total_value": total,
                    "feature_usage_count": len({r[4] for r in acts if r[4] is not None}),
                    "churn": int(not stayed),
                }
            )
    return out


def as_rows(X, y):
    """Return snapshots of any library as a list of plain dicts."""
    if isinstance(X, pd.DataFrame):
        assert X.index.equals(pd.RangeIndex(len(X)))
        assert y.index.equals(X.index)
        X = pl.from_pandas(X).with_columns(
            pl.col("as_of", "label_end", "account_created_date", "last_activity_date").cast(pl.Date)
        )
    elif isinstance(X, pa.Table):
        X = pl.from_arrow(X)
    labels = y.to_pylist() if isinstance(y, pa.ChunkedArray) else y.to_list()
    rows = X.to_dicts()
    assert len(rows) == len(labels)
    return [row | {"churn": label} for row, label in zip(rows, labels, strict=True)]


any_events = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "eve", None]),
        st.one_of(st.none(), st.integers(0, 40)),
        st.one_of(st.none(), st.sampled_from([math.inf, math.nan]), st.floats(-1e6, 1e6)),
        st.sampled_from([True, True, False, None]),
        st.one_of(st.none(), st.integers(0, 3)),
    ),
    min_size=1,
    max_size=25,
)
# most of the time the events last long enough for every rule below
events = any_events | any_events.map(
    lambda rows: [*rows, ("bob", 1, 2.5, True, 7), ("eve", 70, 0.1, True, 8)]
)
rules = st.fixed_dictionaries(
    {
        "horizon": st.integers(1, 15),
        "lead": st.integers(0, 5),
        "window": st.one_of(st.none(), st.integers(1, 20)),
    }
)
dates = st.lists(st.integers(-3, 45), min_size=1, max_size=4, unique=True).map(sorted)


def snapshots_of(rows, dates, rule, library="polars"):
    """Return the snapshots as plain rows; none where the function refuses to make any."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataQualityWarning)
        try:
            X, y = make_snapshots(
                as_frame(rows, library),
                **ROLES,
                dates=[day(d) for d in dates],
                horizon_days=rule["horizon"],
                lead_days=rule["lead"],
                active_window_days=rule["window"],
            )
        except DataError:
            return []
    return as_rows(X, y)


# -- properties ----------------------------------------------------------------------------


@pytest.mark.parametrize("library", LIBRARIES)
@given(rows=events, dates=dates, rule=rules)
@settings(deadline=None, max_examples=60)
def test_agrees_with_the_oracle_exactly(library, rows, dates, rule):
    usable = [r for r in rows if r[0] is not None and r[1] is not None]
    expected = oracle(rows, dates, **rule) if usable else []
    assert snapshots_of(rows, dates, rule, library) == expected


@given(rows=events, dates=dates, rule=rules, data=st.data())
@settings(deadline=None, max_examples=40)
def test_order_of_events_does_not_matter(rows, dates, rule, data):
    shuffled = data.draw(st.permutations(rows))
    assert snapshots_of(shuffled, dates, rule) == snapshots_of(rows, dates, rule)


@given(rows=events, dates=dates, rule=rules, later=st.integers(0, 60))
@settings(deadline=None, max_examples=60)
def test_a_later_event_changes_no_feature(rows, dates, rule, later):
    rows = [*rows, ("ann", 0, 0.1, True, 1), ("bob", 70, 0.1, True, 8)]
    before = {(r["customer_id"], r["as_of"]): r for r in snapshots_of(rows, dates, rule)}
    injected = (max(dates) + later, 1e18, True, 99)
    after = snapshots_of([*rows, ("ann", *injected)], dates, rule)
    found = {(r["customer_id"], r["as_of"]): r for r in after}
    assert before.keys() <= found.keys()
    for key, row in before.items():
        changed = {name for name in row if row[name] != found[key][name]}
        assert changed <= ({"churn"} if key[0] == "ann" else set())
        if changed:
            assert (row["churn"], found[key]["churn"]) == (1, 0)


@given(rows=events, dates=dates, rule=rules)
@settings(deadline=None, max_examples=40)
def test_a_date_does_not_depend_on_the_other_dates(rows, dates, rule):
    together = snapshots_of(rows, dates, rule)
    assert together == [row for d in dates for row in snapshots_of(rows, [d], rule)]


@given(rows=events, date=st.integers(1, 40), rule=rules)
@settings(deadline=None, max_examples=40)
def test_churn_label_gives_the_labels_of_make_snapshots(rows, date, rule):
    expected = snapshots_of(rows, [date], rule)
    try:
        labels = churn_label(
            as_frame(rows),
            day(date),
            customer_column="who",
            date_column="when",
            activity_column="counts",
            horizon_days=rule["horizon"],
            lead_days=rule["lead"],
            active_window_days=rule["window"],
        )
        found = labels.to_dicts()
    except DataError:
        found = []
    kept = ("customer_id", "as_of", "label_end", "churn")
    assert found == [{name: row[name] for name in kept} for row in expected]


@given(rows=events, dates=dates, rule=rules)
@settings(deadline=None, max_examples=40)
def test_the_account_adds_up(rows, dates, rule):
    try:
        account = snapshot_account(
            as_frame(rows),
            **ROLES,
            dates=[day(d) for d in dates],
            horizon_days=rule["horizon"],
            lead_days=rule["lead"],
            active_window_days=rule["window"],
        )
    except DataError:
        return
    everybody = oracle(rows, dates, horizon=-100, lead=0, window=rule["window"])
    assert account.n_snapshots + account.n_censored == len(everybody)
    eligible = oracle(rows, dates, **rule)
    anyone = oracle(rows, dates, **(rule | {"window": None}))
    assert account.n_snapshots == len(eligible)
    assert account.n_inactive == len(anyone) - len(eligible)
    known = [r for r in rows if r[0] is not None and r[1] is not None]
    assert account.n_without_customer == sum(r[0] is None for r in rows)
    assert account.n_without_date == sum(r[1] is None for r in rows)
    assert account.n_without_value == sum(r[2] is None or not math.isfinite(r[2]) for r in known)
    assert account.n_without_activity == sum(r[3] is None for r in known)
    assert {*account.dates, *account.censored_dates} == {day(d) for d in dates}


# -- single rules --------------------------------------------------------------------------

VISITS = [
    ("ann", 0, 10.0, True, 1),
    ("ann", 30, 5.0, True, 2),
    ("bob", 20, 7.0, True, 3),
    ("eve", 59, 1.0, True, 4),
]


def labels_at(offset, rows=VISITS, **options):
    labels = churn_label(
        as_frame(rows), day(offset), customer_column="who", date_column="when", **options
    )
    return dict(labels.select("customer_id", "churn").rows())


def test_an_event_on_the_snapshot_day_belongs_to_the_label():
    assert labels_at(30, horizon_days=1) == {"ann": 0, "bob": 1}
    assert labels_at(31, horizon_days=1) == {"ann": 1, "bob": 1}
    assert labels_at(20, horizon_days=10) == {"ann": 1}  # the window ends before day 30
    assert labels_at(20, horizon_days=11) == {"ann": 0}


def test_lead_moves_the_label_window():
    assert labels_at(25, horizon_days=5, lead_days=5)["ann"] == 0
    assert labels_at(25, horizon_days=5, lead_days=6)["ann"] == 1


def test_an_unfinished_label_window_is_never_labelled():
    assert labels_at(49, horizon_days=10) == {"ann": 1, "bob": 1}
    with pytest.raises(DataError, match=r"full days.*up to 2024-02-19") as caught:
        labels_at(50, horizon_days=10)
    assert caught.value.rule == "right_censored"


def test_the_active_window_counts_whole_days_before_the_snapshot():
    assert set(labels_at(40, horizon_days=5, active_window_days=10)) == {"ann"}
    assert set(labels_at(40, horizon_days=5, active_window_days=20)) == {"ann", "bob"}
    with pytest.raises(DataError, match="active_window_days"):
        labels_at(40, horizon_days=5, active_window_days=9)


def test_without_usage_column_events_are_counted_and_without_activity_column_all_count():
    X, _ = make_snapshots(
        as_frame([*VISITS, ("ann", 30, -5.0, False, 2)]),
        customer_column="who",
        date_column="when",
        value_column="paid",
        dates=[day(35)],
        horizon_days=5,
    )
    assert X.select("feature_usage_count", "total_value").rows() == [(3, 10.0), (1, 7.0)]


def test_the_default_grid_starts_one_step_after_the_first_event():
    account = snapshot_account(as_frame(VISITS), **ROLES, step_days=10, horizon_days=20)
    assert account.dates == (day(10), day(20), day(30))
    assert account.censored_dates == (day(40), day(50))
    bounded = snapshot_account(
        as_frame(VISITS), **ROLES, step_days=10, horizon_days=20, start=day(15), end="2024-02-01"
    )
    assert bounded.dates == (day(15), day(25))
    assert bounded.censored_dates == ()


def test_explicit_dates_win_and_those_without_a_label_are_warned_about():
    with pytest.warns(DataQualityWarning, match="left out without a label: 2024-02-25;"):
        X, _ = make_snapshots(
            as_frame(VISITS),
            **ROLES,
            dates=[day(55), day(35), day(35)],
            start=day(1),
            horizon_days=10,
        )
    assert X["as_of"].unique().to_list() == [day(35)]


def test_a_grid_that_reaches_the_end_of_the_data_does_not_warn():
    X, _ = make_snapshots(as_frame(VISITS), **ROLES, step_days=10, horizon_days=20)
    assert X["as_of"].max() == day(30)


def test_one_event_with_a_wrong_date_is_noticed_by_the_silence_before_it():
    days = pd.date_range("2024-01-01", "2024-06-30", freq="5D")
    events = pd.DataFrame([(who, day, 1.0) for who in range(20) for day in days])
    events.columns = ["who", "day", "paid"]
    columns = {"customer_column": "who", "date_column": "day", "value_column": "paid"}
    assert make_snapshots(events, **columns, horizon_days=30)[1].sum() == 0
    events.loc[7, "day"] = pd.Timestamp("2042-02-05")
    with pytest.warns(DataQualityWarning, match=r"after 6 of 12 .* on 2042-02-05"):
        make_snapshots(events, **columns, horizon_days=30)


def test_time_zones_are_brought_to_utc_before_the_day_is_cut():
    late = pd.Timestamp("2024-01-10 23:30", tz="America/New_York")  # the 11th in UTC
    frame = pd.DataFrame(
        {"who": [1, 1], "when": [late, pd.Timestamp("2024-03-01", tz="America/New_York")], "v": 1.0}
    )
    roles = {"customer_column": "who", "date_column": "when"}
    with pytest.raises(DataError, match="found none"):
        churn_label(frame, "2024-01-11", **roles, horizon_days=5)
    assert len(churn_label(frame, "2024-01-12", **roles, horizon_days=5)) == 1


def test_placeholder_dates_are_missing_and_stretch_nothing():
    rows = [dt.date(1900, 1, 1), dt.date(1970, 1, 1), day(0), day(30), dt.date(9999, 12, 31)]
    frame = pl.DataFrame({"who": ["a"] * 5, "when": rows, "paid": [1.0] * 5})
    account = snapshot_account(
        frame,
        customer_column="who",
        date_column="when",
        value_column="paid",
        horizon_days=10,
        step_days=10,
    )
    assert account.n_without_date == 3
    assert (account.first_date, account.last_date) == (day(0), day(30))


@pytest.mark.parametrize(
    "ids",
    [
        pd.array([3, None, 1, 3], dtype="Int64"),
        np.array([3.0, np.nan, 1.0, 3.0]),
        pd.Categorical(["z", None, "a", "z"]),
        pd.array(["z", None, "a", "z"], dtype="str"),
        pd.array([3, None, 1, 3], dtype=pd.ArrowDtype(pa.int32())),
    ],
)
def test_ids_leave_as_the_kind_that_came_in(ids):
    frame = pd.DataFrame(
        {"who": ids, "when": pd.date_range("2024-01-01", periods=4), "paid": 1},
        index=[5, 5, 1, 0],
    )
    X, y = _two_customers(frame)
    assert X["customer_id"].dtype == frame["who"].dtype
    assert X["customer_id"].tolist() == sorted(set(frame["who"].dropna()))
    assert y.tolist() == [1, 0]


def _two_customers(frame):
    longer = pd.concat([frame, frame.iloc[[3]].assign(when=pd.Timestamp("2024-01-09"))])
    longer["who"] = longer["who"].astype(frame["who"].dtype)
    return make_snapshots(
        longer,
        customer_column="who",
        date_column="when",
        value_column="paid",
        dates=["2024-01-04"],
        horizon_days=5,
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_snapshots_go_straight_into_cross_validation(library):
    rng = np.random.default_rng(0)
    rows = [
        (f"c{rng.integers(60)}", int(rng.integers(200)), float(rng.normal()), True, 0)
        for _ in range(2_000)
    ]
    X, y = make_snapshots(as_frame(rows, library), **ROLES, horizon_days=5, step_days=15)

    class Usage(LogisticRegression):
        def fit(self, X, y):
            return super().fit(_usage(X), y)

        def predict(self, X):
            return super().predict(_usage(X))

    scores = cross_val_score(Usage(), X, y, cv=PurgedSnapshotSplit(3), scoring="accuracy")
    assert len(scores) == 3
    assert np.isfinite(scores).all()


def _usage(X):
    return np.asarray(X["feature_usage_count"], dtype=float).reshape(-1, 1)


# -- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"horizon_days": 0}, "horizon_days"),
        ({"horizon_days": 30.0}, "horizon_days"),
        ({"lead_days": -1}, "lead_days"),
        ({"step_days": 0}, "step_days"),
        ({"active_window_days": 0}, "active_window_days"),
        ({"dates": "2024-01-01"}, "dates"),
        ({"dates": []}, "dates"),
        ({"dates": ["01/02/2024"]}, "dates"),
        ({"dates": [None]}, "dates"),
        ({"start": "soon"}, "start"),
        ({"start": "2024-02-01", "end": "2024-01-01"}, "start"),
        ({"value_column": None}, "value_column"),
        ({"usage_column": 3}, "usage_column"),
    ],
)
def test_illegal_parameters_name_themselves(options, parameter):
    with pytest.raises(ParameterError, match=f"make_snapshots: `{parameter}`") as caught:
        make_snapshots(as_frame(VISITS), **(ROLES | options))
    assert caught.value.parameter == parameter


def test_a_missing_column_is_named_with_its_nearest():
    with pytest.raises(SchemaError, match=r"'basked' \(nearest: 'basket'\)"):
        make_snapshots(as_frame(VISITS), **(ROLES | {"usage_column": "basked"}))


@pytest.mark.parametrize(
    ("column", "values", "error"),
    [
        ("when", ["2024-01-01"] * 4, SchemaError),
        ("when", [20240101] * 4, SchemaError),
        ("paid", ["1,5"] * 4, SchemaError),
        ("counts", ["yes"] * 4, SchemaError),
        ("counts", [2, -1, 0, 1], DataError),
        ("who", [None] * 4, DataError),
    ],
)
def test_columns_of_the_wrong_kind_are_refused_by_name(column, values, error):
    frame = as_frame(VISITS).with_columns(pl.Series(column, values))
    with pytest.raises(error, match=f"{column}|customer"):
        make_snapshots(frame, **ROLES, horizon_days=5)


@pytest.mark.parametrize("container", [lambda f: f.lazy(), lambda f: f.to_numpy()])
def test_lazy_frames_and_arrays_are_refused(container):
    with pytest.raises(InputTypeError, match="collect it first"):
        make_snapshots(container(as_frame(VISITS)), **ROLES)


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_events_at_all_is_an_error(library):
    with pytest.raises(DataError, match="found none in 0 rows"):
        make_snapshots(as_frame([], library), **ROLES)


def test_events_too_short_for_the_horizon_say_what_would_fit():
    with pytest.raises(DataError, match="90 full days"):
        make_snapshots(as_frame(VISITS), **ROLES)


# -- real data -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def online_retail(real_data):
    file = real_data / "online_retail.csv.gz"
    if not file.exists():
        pytest.skip(f"TRACER_TEST_DATA: {file.name} is absent")
    frame = pl.read_csv(file, try_parse_dates=True, schema_overrides={"InvoiceNo": pl.String})
    return frame.with_columns(
        value=pl.col("Quantity") * pl.col("UnitPrice"), bought=pl.col("Quantity") > 0
    )


RETAIL = {
    "customer_column": "CustomerID",
    "date_column": "InvoiceDate",
    "value_column": "value",
    "activity_column": "bought",
    "usage_column": "InvoiceNo",
}


def test_online_retail_gives_the_published_base_rates(online_retail):
    X, y = make_snapshots(online_retail, **RETAIL, dates=["2011-09-01"], active_window_days=None)
    assert len(X) == 3_317
    assert y.mean() == pytest.approx(0.438, abs=5e-4)
    X, y = make_snapshots(online_retail, **RETAIL, dates=["2011-09-01"], active_window_days=90)
    assert len(X) == 1_923
    assert y.mean() == pytest.approx(0.319, abs=5e-4)


def test_online_retail_counts_what_it_leaves_out(online_retail):
    account = snapshot_account(online_retail, **RETAIL, dates=["2011-09-10", "2011-09-11"])
    assert account.n_events == 541_909
    assert account.n_without_customer == 135_080
    assert account.dates == (dt.date(2011, 9, 10),)
    assert account.censored_dates == (dt.date(2011, 9, 11),)
    assert account.n_censored > 0
