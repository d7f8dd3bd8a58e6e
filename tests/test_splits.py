from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score

from tracer_sklearn.exceptions import DataError, InputTypeError, ParameterError, SchemaError
from tracer_sklearn.tasks.splits import PurgedSnapshotSplit

ORIGIN = dt.date(2024, 1, 1)
DAY = dt.timedelta(days=1)


def panel(n_dates=8, n_customers=6, step=30, horizon=60, library="pandas"):
    """Every customer at every date, in shuffled order."""
    frame = pl.DataFrame(
        [
            {
                "customer_id": f"c{c}",
                "as_of": ORIGIN + d * step * DAY,
                "label_end": ORIGIN + (d * step + horizon) * DAY,
            }
            for d in range(n_dates)
            for c in range(n_customers)
        ]
    ).sample(fraction=1.0, shuffle=True, seed=0)
    if library == "pyarrow":
        return frame.to_arrow()
    if library == "polars":
        return frame
    X = frame.to_pandas()
    X.index = [i // 2 for i in range(len(X))][::-1]
    return X


def dates_of(X, name, rows):
    column = pl.from_pandas(X[name]) if isinstance(X, pd.DataFrame) else pl.Series(X[name])
    return [v.date() if isinstance(v, dt.datetime) else v for v in column.gather(rows)]


rows = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 40), st.integers(0, 5)), min_size=1, max_size=60
)


@given(
    rows=rows,
    n_splits=st.integers(1, 4),
    embargo=st.integers(0, 20),
    customers=st.sampled_from(["keep", "disjoint"]),
)
@settings(deadline=None, max_examples=200)
def test_no_training_interval_meets_a_test_interval(rows, n_splits, embargo, customers):
    X = pl.DataFrame(
        {
            "as_of": [ORIGIN + 10 * d * DAY for d, _, _ in rows],
            "label_end": [ORIGIN + (10 * d + length) * DAY for d, length, _ in rows],
            "customer_id": [c for _, _, c in rows],
        }
    )
    cv = PurgedSnapshotSplit(n_splits, embargo_days=embargo, customers=customers)
    try:
        splits = list(cv.split(X))
    except ParameterError:
        return
    dates = sorted(set(X["as_of"]))
    length = len(dates) // (n_splits + 1)
    blocks = dates[-n_splits * length :]
    assert len(splits) == n_splits == cv.get_n_splits()
    for fold, (train, test) in enumerate(splits):
        inside = set(blocks[fold * length : (fold + 1) * length])
        assert set(dates_of(X, "as_of", test)) <= inside
        first_test = min(inside)
        purged = [i for i in range(len(X)) if X["label_end"][i] <= first_test - embargo * DAY]
        if customers == "keep":
            assert train.tolist() == purged
            assert test.tolist() == [i for i in range(len(X)) if X["as_of"][i] in inside]
        else:
            assert set(train) <= set(purged)
            assert not set(X["customer_id"].gather(train)) & set(X["customer_id"].gather(test))
        for i in train:
            for j in test:
                covered = X["as_of"][int(i)], X["label_end"][int(i)]
                assert max(covered) <= X["as_of"][int(j)] - embargo * DAY


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("customers", ["keep", "disjoint"])
def test_every_library_gets_the_same_rows(library, customers):
    cv = PurgedSnapshotSplit(3, customers=customers)
    expected = list(cv.split(panel()))
    found = list(cv.split(panel(library=library)))
    for (train, test), (train_found, test_found) in zip(expected, found, strict=True):
        np.testing.assert_array_equal(train, train_found)
        np.testing.assert_array_equal(test, test_found)


def test_blocks_are_the_last_whole_dates():
    X = panel(n_dates=8, step=30, horizon=60)
    dates = sorted({*X["as_of"]})
    tested, trained = [], []
    for train, test in PurgedSnapshotSplit(3).split(X):  # 8 // 4 = 2 dates a block
        tested.append(sorted(set(X["as_of"].iloc[test])))
        trained.append(max(X["as_of"].iloc[train]))
        assert len(test) == 2 * 6
    assert tested == [dates[2:4], dates[4:6], dates[6:8]]
    assert trained == [dates[0], dates[2], dates[4]]


def test_embargo_keeps_more_training_rows_out():
    X = panel(n_dates=8, step=30, horizon=30)
    newest = [
        max(X["label_end"].iloc[train])
        for embargo in (0, 1, 30, 31)
        for train, _ in [next(PurgedSnapshotSplit(1, embargo_days=embargo).split(X))]
    ]
    first_test = pd.Timestamp(ORIGIN) + pd.Timedelta(days=120)
    ends = [first_test - pd.Timedelta(days=d) for d in (0, 30, 30, 60)]
    assert newest == ends


def test_disjoint_tests_every_customer_exactly_once_and_in_groups_of_equal_size():
    X = panel(n_customers=10)
    tested = [
        set(X["customer_id"].iloc[test])
        for _, test in PurgedSnapshotSplit(3, customers="disjoint").split(X)
    ]
    assert sorted(map(len, tested)) == [3, 3, 4]
    assert set.union(*tested) == set(X["customer_id"])


def test_order_of_rows_does_not_matter():
    X = panel()
    X["row"] = range(len(X))
    shuffled = X.sample(frac=1.0, random_state=1)
    cv = PurgedSnapshotSplit(3, customers="disjoint")
    for one, other in zip(cv.split(X), cv.split(shuffled), strict=True):
        for side, side_shuffled in zip(one, other, strict=True):
            assert set(X["row"].iloc[side]) == set(shuffled["row"].iloc[side_shuffled])


def test_arrays_hold_numbers_of_days():
    X = panel(library="polars")
    array = X.select(
        pl.col("as_of", "label_end").cast(pl.Int32), pl.lit(0.5).alias("other")
    ).to_numpy()
    named = list(PurgedSnapshotSplit(3).split(X))
    unnamed = list(PurgedSnapshotSplit(3, time_column="x0", label_end_column="x1").split(array))
    for (train, test), (train_found, test_found) in zip(named, unnamed, strict=True):
        np.testing.assert_array_equal(train, train_found)
        np.testing.assert_array_equal(test, test_found)


def test_it_works_where_scikit_learn_takes_a_splitter():
    X = panel()
    y = pd.Series(np.arange(len(X)) % 2, index=X.index)
    scores = cross_val_score(DummyClassifier(), X, y, cv=PurgedSnapshotSplit(3))
    assert len(scores) == 3
    search = GridSearchCV(
        DummyClassifier(), {"strategy": ["prior", "uniform"]}, cv=PurgedSnapshotSplit(2)
    )
    assert clone(search).fit(X, y).n_splits_ == 2


def test_groups_for_a_model_pass_by_the_splitter_under_metadata_routing():
    X = panel(n_customers=2)
    y = pd.Series(np.arange(len(X)) % 2, index=X.index)

    class Grouped(DummyClassifier):
        def fit(self, X, y, groups=None):
            assert groups is not None
            return super().fit(X, y)

    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            Grouped().set_fit_request(groups=True),
            {"strategy": ["prior"]},
            cv=PurgedSnapshotSplit(2),
            error_score="raise",
        )
        assert search.fit(X, y, groups=np.arange(len(X))).n_splits_ == 2


def test_it_clones_and_prints_like_an_estimator():
    cv = PurgedSnapshotSplit(3, embargo_days=7, customers="disjoint")
    assert clone(cv).get_params() == cv.get_params()
    assert "PurgedSnapshotSplit(" in repr(cv)
    assert "embargo_days=7" in repr(cv)
    assert PurgedSnapshotSplit().set_params(n_splits=2).get_n_splits() == 2


# -- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["as_of", "label_end"])
def test_a_missing_date_column_is_a_schema_error(name):
    X = panel().drop(columns=name)
    with pytest.raises(SchemaError, match=f"missing: '{name}'") as caught:
        next(PurgedSnapshotSplit(3).split(X))
    assert caught.value.missing == (name,)


def test_customers_are_needed_only_where_they_are_used():
    X = panel().drop(columns="customer_id")
    assert len(list(PurgedSnapshotSplit(3).split(X))) == 3
    with pytest.raises(SchemaError, match="customer_id"):
        next(PurgedSnapshotSplit(3, customers="disjoint").split(X))


def test_an_empty_training_side_is_a_parameter_error():
    X = panel(n_dates=4, step=30, horizon=90)
    with pytest.raises(ParameterError, match=r"empty training side in split 0.*2024-01-31"):
        next(PurgedSnapshotSplit(3).split(X))


def test_too_few_dates_are_a_parameter_error():
    with pytest.raises(ParameterError, match="got 5 with 5 dates"):
        next(PurgedSnapshotSplit(5).split(panel(n_dates=5)))


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"n_splits": 0}, "n_splits"),
        ({"n_splits": 2.0}, "n_splits"),
        ({"embargo_days": -1}, "embargo_days"),
        ({"customers": "drop"}, "customers"),
        ({"time_column": None}, "time_column"),
    ],
)
def test_illegal_parameters_raise_in_split_and_not_before(options, parameter):
    cv = PurgedSnapshotSplit(**options)
    with pytest.raises(ParameterError, match=f"`{parameter}`"):
        next(cv.split(panel()))


@pytest.mark.parametrize("name", ["as_of", "label_end", "customer_id"])
def test_missing_values_are_refused_with_their_number(name):
    X = panel()
    X.iloc[3, X.columns.get_loc(name)] = None
    with pytest.raises(DataError, match=f"{name!r}.*1 missing") as caught:
        next(PurgedSnapshotSplit(3, customers="disjoint").split(X))
    assert caught.value.column == name


def test_a_window_that_ends_before_its_snapshot_is_refused():
    X = panel()
    X["label_end"] = X["as_of"] - pd.Timedelta(days=1)
    with pytest.raises(DataError, match="found 48 rows"):
        next(PurgedSnapshotSplit(3).split(X))


def test_text_dates_are_refused_by_name():
    X = panel()
    X["as_of"] = X["as_of"].astype(str)
    with pytest.raises(SchemaError, match="'as_of' must hold dates"):
        next(PurgedSnapshotSplit(3).split(X))


def test_lazy_frames_are_refused():
    with pytest.raises(InputTypeError, match="collect it first"):
        next(PurgedSnapshotSplit(3).split(panel(library="polars").lazy()))


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_a_window_that_ends_within_a_day_takes_the_whole_day(zone) -> None:
    as_of = pd.date_range("2024-01-01", periods=4, freq="30D", tz=zone)
    at_midnight = pd.DataFrame({"as_of": as_of, "label_end": as_of + pd.DateOffset(days=30)})
    (train, _), *_ = PurgedSnapshotSplit(1).split(at_midnight)
    assert list(train) == [0, 1]
    in_the_afternoon = at_midnight.assign(label_end=at_midnight["label_end"] + pd.Timedelta("15h"))
    (train, _), *_ = PurgedSnapshotSplit(1).split(in_the_afternoon)
    assert list(train) == [0]
