"""CategoryEncoder against slow oracles, scikit-learn's TargetEncoder, and its own laws."""

import datetime as dt
import math
import pickle
import uuid
import warnings
from collections import Counter

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    TimeSeriesSplit,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder

from tracer_sklearn import CategoryEncoder
from tracer_sklearn.exceptions import (
    ConstantColumnWarning,
    DataError,
    DataQualityWarning,
    InputTypeError,
    ParameterError,
    SchemaError,
    UnseenCategoryWarning,
)
from tracer_sklearn.stages.encoding._crossfit import plan
from tracer_sklearn.stages.encoding._target import read_target

# -- oracles -------------------------------------------------------------------------------


def shrunken_mean(values, everything, smooth="auto"):
    """Encode one level by Micci-Barreca's formula, in plain Python."""
    prior = sum(everything) / len(everything)
    n = len(values)
    if n == 0:
        return prior
    mean = sum(values) / n
    if smooth == "auto":
        overall = sum((v - prior) ** 2 for v in everything) / len(everything)
        within = sum((v - mean) ** 2 for v in values) / n
        if overall == 0:
            return prior
        weight = overall * n / (overall * n + within)
    else:
        weight = n / (n + smooth) if n + smooth else 0.0
    return weight * mean + (1 - weight) * prior


def encoded_from(levels, y, learn, rows, smooth="auto"):
    """Encode rows from the rows that they may learn from."""
    return [
        shrunken_mean(
            [y[j] for j in learn if levels[j] == levels[i]], [y[j] for j in learn], smooth
        )
        for i in rows
    ]


def decision(values, *, y, max_onehot=10):
    """Return SPEC 1.5's decision for a column of text without a known order."""
    present = [v for v in values if v is not None]
    n = len(set(present))
    if n <= 2:
        return "label"
    if n <= max_onehot:
        return "onehot"
    if n / len(present) > 0.95:
        return "dropped"
    return "frequency" if y is None else "target"


def frame(values, name="c"):
    return pl.DataFrame({name: pl.Series(values, dtype=pl.String)})


some_levels = st.lists(
    st.one_of(st.none(), st.sampled_from(["a", "b", "B", "", "ünï", "a b", "'\";--"])),
    min_size=2,
    max_size=60,
)


# -- auto ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(0, 30).map(str)), min_size=1, max_size=50),
    with_y=st.booleans(),
    max_onehot=st.integers(0, 12),
)
def test_auto_follows_the_decision_table(values, with_y, max_onehot):
    y = np.arange(len(values)) % 2 if with_y else None
    encoder = CategoryEncoder(max_onehot=max_onehot)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataQualityWarning)
        encoder.fit(frame(values), y)
    expected = decision(values, y=y, max_onehot=max_onehot)
    assert encoder.choices_["c"].startswith(f"{expected}: ")


def test_choices_name_the_figure_that_decided():
    X = pl.DataFrame(
        {
            "two": ["a", "b"] * 50,
            "four": ["a", "b", "c", "d"] * 25,
            "many": [f"m{i % 20}" for i in range(100)],
            "size": ["S", "M", "L", "M"] * 25,
        }
    )
    encoder = CategoryEncoder(orders={"size": ["S", "M", "L"]}).fit(X, np.arange(100) % 2)
    assert encoder.choices_ == {
        "two": "label: 2 levels",
        "four": "onehot: 4 levels, at most max_onehot=10",
        "many": "target: 20 levels, more than max_onehot=10, y given",
        "size": "label: order given, 3 levels",
    }
    assert CategoryEncoder().fit(X.select("many")).choices_ == {
        "many": "frequency: 20 levels, more than max_onehot=10, no y"
    }


def test_identifiers_are_dropped_with_a_warning_and_recorded():
    X = pd.DataFrame({"id": [f"customer {i}" for i in range(100)], "n": range(100)})
    encoder = CategoryEncoder()
    with pytest.warns(DataQualityWarning, match=r"'id' has 100\.0% distinct text"):
        out = encoder.fit_transform(X)
    assert list(out) == ["n"]
    assert encoder.choices_["id"].startswith("dropped: 100.0% distinct text (100 levels)")
    assert encoder.get_feature_names_out().tolist() == ["n"]


def test_only_text_is_encoded_unless_named():
    X = pd.DataFrame(
        {
            "text": ["a", "b", "a"],
            "number": [1, 2, 1],
            "flag": [True, False, True],
            "loose": pd.Series([1, None, 2], dtype=object),
            "day": [dt.date(2024, 1, 1), None, dt.date(2024, 1, 2)],
        }
    )
    out = CategoryEncoder().fit_transform(X)
    assert out["text"].tolist() == [0, 1, 0]
    pd.testing.assert_frame_equal(out.drop(columns="text"), X.drop(columns="text"))
    named = CategoryEncoder(["number", "flag"], strategy="label").fit_transform(X)
    assert named["number"].tolist() == [0, 1, 0]
    assert named["flag"].tolist() == [1, 0, 1]


def test_made_columns_take_the_place_of_their_source():
    X = pd.DataFrame({"before": [1, 2, 3], "c": ["x", "y", "z"], "after": [4, 5, 6]})
    out = CategoryEncoder().fit_transform(X)
    assert list(out) == ["before", "c_x", "c_y", "c_z", "c__other", "after"]


# -- onehot, label, frequency --------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(train=some_levels, new=some_levels, share=st.sampled_from([0.0, 0.05, 0.3]))
def test_onehot_says_exactly_one_thing_about_every_cell(train, new, share):
    encoder = CategoryEncoder(strategy="onehot", min_level_share=share)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (ConstantColumnWarning, UnseenCategoryWarning))
        encoder.fit(frame(train))
        out = encoder.transform(frame(new))
    assert set(out.dtypes) == {pl.Int8}
    counts = Counter(train)
    for row, value in zip(out.to_dicts(), new, strict=True):
        if value is None:
            expected = "c__missing" if counts[None] else "c__other"
        elif counts[value] and counts[value] / len(train) >= share:
            expected = f"c_{value}"
        else:
            expected = "c__other"
        assert {name for name, cell in row.items() if cell} == {expected}


def test_rare_levels_are_pooled_and_counted():
    values = ["a"] * 600 + ["b"] * 395 + ["c"] * 4 + ["d"]
    encoder = CategoryEncoder().fit(frame(values))
    assert encoder.made_ == {"c": ["c_a", "c_b", "c__other"]}
    assert encoder.counts_ == {"c": {"missing": 0, "unseen": 0, "pooled": 5}}
    assert encoder.report(frame(["c", "d", "a", "?", None])).loc["c"].to_dict() == {
        "missing": 1,
        "unseen": 1,
        "pooled": 2,
    }


def test_onehot_of_rare_levels_only_is_said():
    with pytest.warns(ConstantColumnWarning, match="strategy='target' or 'frequency'"):
        CategoryEncoder(strategy="onehot").fit(frame([f"v{i}" for i in range(200)]))


def test_label_is_the_sorted_position_with_two_codes_for_the_unknown():
    encoder = CategoryEncoder(strategy="label").fit(frame(["b", "a", "é", "Z", None]))
    out = encoder.transform(frame(["Z", "a", "b", "é", "new", None]))
    assert out["c"].to_list() == [0, 1, 2, 3, -1, -2]
    assert out["c"].dtype == pl.Int32


def test_known_orders_are_kept():
    sizes = ["M", "S", "L", "S"]
    for strategy in ("auto", "label"):
        encoder = CategoryEncoder(strategy=strategy, orders={"c": ["S", "M", "L", "XL"]})
        assert encoder.fit_transform(frame(sizes))["c"].to_list() == [1, 0, 2, 0]
        assert encoder.transform(frame(["XL", "?", None]))["c"].to_list() == [3, -1, -2]
    ranks = CategoryEncoder(["r"], orders={"r": [3, 1, 2]})
    assert ranks.fit_transform(pl.DataFrame({"r": [1.0, 2.0, 3.0]}))["r"].to_list() == [1, 2, 0]


def test_an_order_must_name_every_training_level():
    with pytest.raises(DataError, match=r"1 of 3 are not in \['S', 'M'\]") as caught:
        CategoryEncoder(orders={"c": ["S", "M"]}).fit(frame(["S", "L", "M", "L"]))
    assert (caught.value.column, caught.value.rule, caught.value.n_rows) == ("c", "orders", 2)
    ranked = CategoryEncoder(["n"], orders={"n": ["low", "high"]})
    with pytest.raises(DataError, match=r"2 of 2 are not in \['low', 'high'\]"):
        ranked.fit(pl.DataFrame({"n": [1, 2]}))
    with pytest.raises(ParameterError, match="`orders` must be about columns that are encoded"):
        CategoryEncoder(orders={"d": ["S", "M"]}).fit(frame(["S", "M"]))


@settings(deadline=None, max_examples=40)
@given(train=some_levels)
def test_frequency_is_the_share_of_the_training_rows(train):
    encoder = CategoryEncoder(strategy="frequency").fit(frame(train))
    out = encoder.transform(frame([*train, "never"]))["c"].to_list()
    counts = Counter(train)
    assert out == [counts[value] / len(train) for value in train] + [0.0]


# -- target --------------------------------------------------------------------------------


def columns_and_target(kind, n=400, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "a": rng.choice(["u", "v", "w", "x"], n),
            "b": pd.Series(rng.integers(0, 30, n)).astype(str),
        }
    )
    X.loc[rng.random(n) < 0.1, "a"] = np.nan
    y = {
        "binary": (rng.random(n) < 0.3).astype(int),
        "flags": rng.random(n) < 0.3,
        "words": rng.choice(["stay", "leave"], n),
        "numbers": rng.normal(5, 3, n),
        "classes": rng.choice(["low", "mid", "high"], n),
    }[kind]
    return X, y


@pytest.mark.parametrize("smooth", ["auto", 0.0, 3.0, 20])
@pytest.mark.parametrize("kind", ["binary", "flags", "words", "numbers", "classes"])
def test_target_equals_scikit_learn_in_both_directions(kind, smooth):
    X, y = columns_and_target(kind)
    splitter = KFold(5, shuffle=True, random_state=3)
    ours = CategoryEncoder(strategy="target", smooth=smooth, cv=splitter)
    theirs = TargetEncoder(smooth=smooth, cv=splitter)
    np.testing.assert_allclose(ours.fit_transform(X, y), theirs.fit_transform(X, y), rtol=1e-12)
    new = pd.DataFrame({"a": ["u", None, "new"], "b": ["1", "29", "x"]})
    np.testing.assert_allclose(ours.transform(new), theirs.transform(new), rtol=1e-12)
    np.testing.assert_allclose(ours.fit(X, y).transform(X), theirs.transform(X), rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c", None]), st.floats(-1e6, 1e6)),
        min_size=1,
        max_size=40,
    ),
    smooth=st.one_of(st.just("auto"), st.floats(0, 100)),
)
def test_target_is_the_shrunken_mean(rows, smooth):
    levels, y = [level for level, _ in rows], [0.5 + value for _, value in rows]
    encoder = CategoryEncoder(strategy="target", smooth=smooth).fit(frame(levels), np.array(y))
    expected = encoded_from(levels, y, range(len(y)), range(len(y)), smooth)
    if encoder.target_type_ == "continuous":
        out = encoder.transform(frame(levels))["c"].to_list()
        assert out == pytest.approx(expected, rel=1e-9, abs=1e-9 * max(map(abs, y)))


def test_classes_name_their_columns():
    X, y = columns_and_target("classes")
    encoder = CategoryEncoder(["a"], strategy="target", smooth=10).fit(X, y)
    assert encoder.target_type_ == "multiclass"
    assert encoder.classes_ == ["high", "low", "mid"]
    assert list(encoder.transform(X)) == ["a_high", "a_low", "a_mid", "b"]
    np.testing.assert_allclose(encoder.transform(X).iloc[:, :3].sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("y", "kind", "classes"),
    [
        (["no", "yes"] * 6, "binary", ["no", "yes"]),
        ([True, False] * 6, "binary", [False, True]),
        ([1, 2] * 6, "binary", [1, 2]),
        ([0.0, 1.0] * 6, "binary", [0.0, 1.0]),
        (["only"] * 12, "binary", ["only"]),
        ([0, 1, 2] * 4, "multiclass", [0, 1, 2]),
        (list("abcd") * 3, "multiclass", list("abcd")),
        (list(range(12)), "continuous", []),
        ([0.0, 1.0, 2.0] * 4, "continuous", []),
        ([0.5, 1.5] * 6, "continuous", []),
    ],
)
def test_what_y_is(y, kind, classes):
    X = frame(["a", "b", "c"] * 4)
    for given_y in (y, np.array(y), pd.Series(y), pl.Series(y), pa.array(y), np.array(y)[:, None]):
        encoder = CategoryEncoder(strategy="target", random_state=0).fit(X, given_y)
        assert (encoder.target_type_, encoder.classes_) == (kind, classes)
        out = encoder.fit_transform(X, given_y).to_numpy()
        assert np.isfinite(out).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        ([1.0, np.nan, 0.0], "found 1 NaN or null in 3"),
        (["a", None, "b"], "found 1 NaN or null in 3"),
        ([1.0, np.inf, 0.0], "y must be finite"),
        ([[1, 2], [3, 4], [5, 6]], "y must have one column"),
        (np.array(["a", 1, True], dtype=object), "must be of one kind, found bool, int, str"),
    ],
)
def test_a_target_that_cannot_be_used_is_refused(y, message):
    with pytest.raises(DataError, match=message):
        CategoryEncoder(strategy="target").fit(frame(["a", "b", "c"]), y)


def test_large_targets_do_not_overflow():
    levels = ["a", "b", "a", "b", "c", "a"]
    y = np.array([1e308, -1e308, 1.1e308, 0.0, 1e300, 1.2e308])
    encoder = CategoryEncoder(strategy="target", cv=2, random_state=0)
    assert np.isfinite(encoder.fit_transform(frame(levels), y).to_numpy()).all()
    small = CategoryEncoder(strategy="target").fit(frame(levels), y / 1e308)
    np.testing.assert_allclose(
        encoder.transform(frame(levels)) / 1e308, small.transform(frame(levels)), rtol=1e-12
    )


# -- cross-fitting -------------------------------------------------------------------------


def noisy(n=3000, n_levels=40, seed=0):
    rng = np.random.default_rng(seed)
    return [f"l{i}" for i in rng.integers(0, n_levels, n)], rng.normal(size=n)


@pytest.mark.parametrize("kind", ["words", "numbers"])
def test_folds_of_an_integer_cv_are_apart_and_stratified(kind):
    X, y = columns_and_target(kind, n=203)
    target = read_target(np.asarray(y), "test")
    scheme = plan("test", 5, target, 203, X=X, y=y, groups=None, times=None, random_state=0)
    assert sorted(np.concatenate(scheme.parts).tolist()) == list(range(203))
    for learn, encode in scheme.pairs():
        assert not set(learn) & set(encode)
        assert len(learn) + len(encode) == 203
        assert len(encode) in (40, 41)
        if kind == "words":
            leaving = np.mean(np.asarray(y) == "leave")
            assert abs(np.mean(np.asarray(y)[encode] == "leave") - leaving) < 0.03


@settings(deadline=None, max_examples=25)
@given(row=st.integers(0, 199), value=st.floats(-1e3, 1e3))
def test_no_row_helps_to_encode_itself(row, value):
    levels, y = noisy(200, 8)
    encoder = CategoryEncoder(strategy="target", random_state=0)
    before = encoder.fit_transform(frame(levels), y)["c"]
    y[row] = value
    after = encoder.fit_transform(frame(levels), y)["c"]
    assert after[row] == before[row]


@settings(deadline=None, max_examples=25)
@given(group=st.integers(0, 29), seed=st.integers(0, 5))
def test_no_group_helps_to_encode_itself(group, seed):
    levels, y = noisy(400, 6, seed)
    groups = np.random.default_rng(seed).integers(0, 30, 400)  # groups overlap in levels and rows
    encoder = CategoryEncoder(strategy="target")
    before = encoder.fit_transform(frame(levels), y, groups=groups)["c"].to_numpy()
    y[groups == group] += 1000.0
    after = encoder.fit_transform(frame(levels), y, groups=groups)["c"].to_numpy()
    np.testing.assert_array_equal(after[groups == group], before[groups == group])
    assert not np.array_equal(after, before)


def test_groups_reach_a_splitter():
    levels, y = noisy(300, 5)
    groups = np.arange(300) // 7
    splitter = GroupKFold(4)
    ours = CategoryEncoder(strategy="target", cv=splitter)
    out = ours.fit_transform(frame(levels), y, groups=pd.Series(groups))["c"].to_numpy()
    for learn, encode in splitter.split(levels, y, groups):
        np.testing.assert_allclose(out[encode], encoded_from(levels, y, learn, encode), rtol=1e-9)


def test_a_list_of_splits_is_used_as_it_is():
    levels, y = noisy(60, 4)
    rows = np.arange(60)
    # purged: not everything outside the test rows is learnt from
    splits = [(rows[20:50], rows[:10]), (rows[:5], rows[10:])]
    out = CategoryEncoder(strategy="target", cv=splits).fit_transform(frame(levels), y)["c"]
    for learn, encode in splits:
        np.testing.assert_allclose(
            out.to_numpy()[encode], encoded_from(levels, y, learn, encode), rtol=1e-9, atol=1e-12
        )


def times_of(kind, days):
    start = np.datetime64("2024-01-01")
    stamps = start + days.astype("timedelta64[D]")
    return {
        "number": days,
        "datetime64": stamps,
        "pandas": pd.Series(stamps),
        "pandas tz": pd.Series(stamps).dt.tz_localize("Europe/Zurich"),
        "polars": pl.Series(stamps),
        "date": [stamp.astype("datetime64[D]").item() for stamp in stamps],
    }[kind]


@pytest.mark.parametrize("kind", ["number", "datetime64", "pandas", "pandas tz", "polars", "date"])
def test_times_learn_from_strictly_earlier_rows_only(kind):
    levels, y = noisy(150, 4)
    days = np.random.default_rng(1).integers(0, 9, 150)
    encoder = CategoryEncoder(strategy="target")
    out = encoder.fit_transform(frame(levels), y, times=times_of(kind, days))["c"].to_numpy()
    for day in range(1, 9):
        rows = np.flatnonzero(days == day)
        learn = np.flatnonzero(days < day)
        np.testing.assert_allclose(
            out[rows], encoded_from(levels, y, learn, rows), rtol=1e-9, atol=1e-12
        )
    first = days == 0
    np.testing.assert_allclose(out[first], y[first].mean())


@settings(deadline=None, max_examples=25)
@given(day=st.integers(1, 119), seed=st.integers(0, 5), n_days=st.sampled_from([12, 120]))
def test_the_future_changes_no_encoding_by_a_bit(day, seed, n_days):
    levels, y = noisy(500, 5, seed)
    days = np.random.default_rng(seed).integers(0, n_days, 500)
    encoder = CategoryEncoder(strategy="target")
    before = encoder.fit_transform(frame(levels), y, times=days)["c"].to_numpy()
    first_block = days <= np.sort(days)[500 // 50]
    later = (days >= day) & ~first_block
    y[later] = -1e6
    after = encoder.fit_transform(frame(levels), y, times=days)["c"].to_numpy()
    # equal times included: what happens on the day itself is not known on it
    np.testing.assert_array_equal(after[days <= day], before[days <= day])


def test_what_cannot_be_cross_fitted_is_refused():
    X, y = frame(["a", "b", "a", "b"]), np.array([1.0, 2.5, 3.0, 4.0])

    def encode(cv=5, **options):
        return CategoryEncoder(strategy="target", cv=cv).fit_transform(X, y, **options)

    with pytest.raises(DataError, match="either `groups` or `times`"):
        encode(groups=[1, 1, 2, 2], times=[1, 2, 3, 4])
    with pytest.raises(DataError, match="at least two groups"):
        encode(groups=[1, 1, 1, 1])
    with pytest.raises(DataError, match="at least two distinct times"):
        encode(times=[1, 1, 1, 1])
    with pytest.raises(DataError, match="`times` must be dates or numbers"):
        encode(times=["01/02/2024"] * 4)
    mixed = [dt.date(2024, 1, 1), dt.datetime(2024, 1, 2), dt.date(2024, 1, 3), dt.date.max]
    with pytest.raises(DataError, match="`times` must be of one kind"):
        encode(times=mixed)
    with pytest.raises(DataError, match="`groups` must be one known value a row, found 1 missing"):
        encode(groups=["g", None, "h", "h"])
    with pytest.raises(ValueError, match="found 4 and 3"):
        encode(times=[1, 2, 3])
    with pytest.raises(ParameterError, match="an integer where `times` is given"):
        encode(cv=KFold(2), times=[1, 2, 3, 4])
    with pytest.raises(ParameterError, match=r"cover every row exactly once.*give `times`"):
        encode(cv=TimeSeriesSplit(2))
    with pytest.raises(ParameterError, match="apart from its test rows"):
        encode(cv=[([0, 1, 2], [0, 1]), ([0, 1], [2, 3])])
    with pytest.raises(DataError, match="n_samples = 1"):
        CategoryEncoder(strategy="target").fit_transform(X.head(1), y[:1])


@pytest.mark.parametrize("kind", ["binary", "numbers"])
@pytest.mark.parametrize("options", [{}, {"groups": True}, {"times": True}])
def test_a_random_target_stays_random(kind, options):
    rng = np.random.default_rng(7)
    levels = [f"l{i}" for i in rng.integers(0, 1000, 5000)]
    y = rng.normal(size=5000) if kind == "numbers" else (rng.random(5000) < 0.3).astype(int)
    given_options = {name: rng.integers(0, 40, 5000) for name in options}
    encoder = CategoryEncoder(strategy="target", random_state=0)
    out = encoder.fit_transform(frame(levels), y, **given_options)["c"].to_numpy()
    assert abs(np.corrcoef(out, y)[0, 1]) < 0.1
    naive = encoder.transform(frame(levels))["c"].to_numpy()
    assert np.corrcoef(naive, y)[0, 1] > 0.3  # what the test would catch


# -- policies ------------------------------------------------------------------------------

NAN = None
POLICY_TABLE = {
    # (strategy, on_unseen, on_missing): cells for "a", an unseen level and a missing cell
    ("label", "other", "level"): (0, -1, -2),
    ("label", "missing", "level"): (0, -2, -2),
    ("label", "other", "missing"): (0.0, -1.0, NAN),
    ("label", "missing", "missing"): (0.0, NAN, NAN),
    ("frequency", "other", "level"): (0.5, 0.0, 0.25),
    ("frequency", "missing", "level"): (0.5, 0.25, 0.25),
    ("frequency", "other", "missing"): (0.5, 0.0, NAN),
    ("frequency", "missing", "missing"): (0.5, NAN, NAN),
    ("target", "other", "level"): (1.0, 2.5, 5.0),
    ("target", "missing", "level"): (1.0, 5.0, 5.0),
    ("target", "other", "missing"): (1.0, 2.5, NAN),
    ("target", "missing", "missing"): (1.0, NAN, NAN),
}


@pytest.mark.parametrize(("policy", "expected"), POLICY_TABLE.items())
def test_policies_for_unseen_and_missing_cells(policy, expected):
    strategy, on_unseen, on_missing = policy
    encoder = CategoryEncoder(
        strategy=strategy, on_unseen=on_unseen, on_missing=on_missing, smooth=0
    )
    encoder.fit(frame(["a", "a", "b", None]), [1.0, 1.0, 3.0, 5.0])
    rows = frame(["a", "?", None])
    assert encoder.transform(rows)["c"].to_list() == list(expected)
    assert encoder.transform(rows.head(1))["c"].dtype == encoder.transform(rows)["c"].dtype


def test_policies_of_onehot():
    train, new = frame(["a", "a", "b", None]), frame(["a", "?", None])

    def encoded(**policies):
        encoder = CategoryEncoder(strategy="onehot", **policies).fit(train)
        return encoder.transform(new).to_dict(as_series=False)

    assert encoded(on_unseen="missing") == {
        "c_a": [1, 0, 0],
        "c_b": [0, 0, 0],
        "c__missing": [0, 1, 1],
    }
    assert encoded(on_missing="missing") == {
        "c_a": [1.0, 0.0, None],
        "c_b": [0.0, 0.0, None],
        "c__other": [0.0, 1.0, None],
    }


def test_missing_training_cells_stay_missing_in_cross_fitted_columns():
    levels, y = noisy(100, 4)
    levels = [None if i % 7 == 0 else level for i, level in enumerate(levels)]
    encoder = CategoryEncoder(strategy="target", on_missing="missing", random_state=0)
    out = encoder.fit_transform(frame(levels), y)["c"]
    assert [value is None for value in out] == [level is None for level in levels]


def test_errors_as_policy():
    X = frame(["a", "b", "a"])
    strict = CategoryEncoder(strategy="label", on_unseen="error", on_missing="error").fit(X)
    assert strict.transform(X)["c"].to_list() == [0, 1, 0]
    with pytest.raises(DataError, match=r"column 'c' must not hold levels .* found 2") as caught:
        strict.transform(frame(["?", "!", "a"]))
    assert (caught.value.column, caught.value.rule, caught.value.n_rows) == ("c", "unseen", 2)
    with pytest.raises(DataError, match="must not hold missing cells, found 1"):
        strict.transform(frame([None]))
    with pytest.raises(InputTypeError, match="needs rows in memory"):
        strict.transform(X.lazy())
    with pytest.raises(DataError, match="must not hold missing cells, found 1"):
        strict.fit(frame(["a", None]))


def test_many_unseen_cells_warn_and_few_do_not():
    encoder = CategoryEncoder(strategy="label").fit(frame(["a", "b"]))
    encoder.transform(frame(["?"]))  # one row to score: counted, not shouted about
    encoder.transform(frame(["?"] * 5 + ["a"] * 95))
    with pytest.warns(UnseenCategoryWarning, match="'c' in 6 rows"):
        encoder.transform(frame(["?"] * 6 + ["a"] * 94))
    encoder.transform(frame(["?"] * 6 + ["a"] * 94).lazy()).collect()
    assert encoder.report(frame(["?"] * 6).lazy()).loc["c", "unseen"] == 6


# -- values and names ----------------------------------------------------------------------


def test_whole_floats_are_the_integers_that_they_were():
    encoder = CategoryEncoder(["n"], strategy="onehot").fit(pd.DataFrame({"n": [1, 2, 1, 3]}))
    assert encoder.levels_ == {"n": [1, 2, 3]}
    out = encoder.transform(pd.DataFrame({"n": [2.0, np.nan, 1.0, 2.5]}))
    assert out.to_dict("list") == {
        "n_1": [0, 0, 1, 0],
        "n_2": [1, 0, 0, 0],
        "n_3": [0, 0, 0, 0],
        "n__other": [0, 1, 0, 1],
    }
    back = CategoryEncoder(["n"], strategy="label").fit(pd.DataFrame({"n": [1.0, np.nan, 2.0]}))
    assert back.levels_ == {"n": [1, 2]}
    assert back.transform(pd.DataFrame({"n": [2, 1, 3]}))["n"].tolist() == [1, 0, -1]


def test_odd_numbers():
    values = [0.0, -0.0, 0.5, np.inf, -np.inf, np.nan]
    encoder = CategoryEncoder(["n"], strategy="frequency")
    out = encoder.fit_transform(pd.DataFrame({"n": values}))["n"]
    assert encoder.levels_ == {"n": [0.0, 0.5]}
    assert encoder.counts_["n"]["missing"] == 3
    np.testing.assert_allclose(out, [2 / 6, 2 / 6, 1 / 6, 0.5, 0.5, 0.5])
    big = [2**60, 2**60 + 1, 2**60 + 2, 2**60]
    wide = CategoryEncoder(["n"], strategy="label")
    assert wide.fit_transform(pl.DataFrame({"n": big}))["n"].to_list() == [0, 1, 2, 0]
    assert wide.levels_ == {"n": [2**60, 2**60 + 1, 2**60 + 2]}
    assert wide.transform(pl.DataFrame({"n": [float(2**60), 1.5]}))["n"].to_list() == [0, -1]


def test_flags_and_zeros_and_ones_are_interchangeable():
    encoder = CategoryEncoder(["f"], strategy="onehot", min_level_share=0)
    encoder.fit(pd.DataFrame({"f": [True, False, True]}))
    assert encoder.made_ == {"f": ["f_False", "f_True", "f__other"]}
    out = encoder.transform(pd.DataFrame({"f": [1, 0, 2]}))
    assert out.to_numpy().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    loose = pd.DataFrame({"f": pd.Series([True, None], dtype=object)})
    assert encoder.transform(loose).to_numpy().tolist() == [[0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    "odd",
    ["", " ", "a b", "'", '"', "x'; DROP TABLE t;--", "ünï \u2603", "\n", "%s{}", "L" * 10_000],
)
@pytest.mark.parametrize("strategy", ["onehot", "label", "frequency"])
def test_odd_level_names_on_every_engine(odd, strategy):
    train = frame([odd, "plain", "third", "plain", "third", "third"])
    encoder = CategoryEncoder(strategy=strategy).fit(train)
    expected = encoder.transform(train)
    assert expected.n_unique() == 3
    relation = duckdb.from_arrow(train.to_arrow())
    assert encoder.transform(relation).pl().sort(pl.all()).equals(expected.sort(pl.all()))
    assert encoder.transform(train.lazy()).collect().equals(expected)


def test_a_column_that_was_all_missing_takes_anything():
    X = pl.DataFrame({"c": pl.Series([None, None], dtype=pl.String)})
    for strategy, expected in {"label": [-1, -2], "frequency": [0.0, 1.0]}.items():
        encoder = CategoryEncoder(strategy=strategy).fit(X)
        assert encoder.transform(frame(["x", None]))["c"].to_list() == expected
    loose = pd.DataFrame({"c": pd.Series([None, None], dtype=object)})
    encoder = CategoryEncoder(strategy="label").fit(loose)
    assert encoder.transform(pd.DataFrame({"c": ["x", None]}))["c"].tolist() == [-1, -2]


def test_mixed_kinds_in_one_column_are_refused_with_its_name():
    with pytest.raises(InputTypeError, match="column 'c' holds int, str"):
        CategoryEncoder().fit(pd.DataFrame({"c": pd.Series([1, "1", 2], dtype=object)}))


def test_dates_are_refused_with_their_name():
    with pytest.raises(SchemaError, match=r"'d' holds Datetime.*derive parts"):
        CategoryEncoder(["d"]).fit(pd.DataFrame({"d": pd.to_datetime(["2024-01-01"])}))


def test_colliding_names_are_refused():
    with pytest.raises(SchemaError, match="c_x"):
        CategoryEncoder(["c"]).fit(pd.DataFrame({"c": ["x", "y", "z"], "c_x": [1, 2, 3]}))
    with pytest.raises(SchemaError, match="'a_b_c' comes from columns 'a' and 'a_b'"):
        CategoryEncoder().fit(pd.DataFrame({"a": ["b_c", "y", "z"], "a_b": ["c", "y", "z"]}))
    with pytest.raises(SchemaError, match="'a_b'"):
        CategoryEncoder().fit(pd.DataFrame({"a": ["b", "y", "z"], "a_b": ["c", "y", "c"]}))


@pytest.mark.parametrize("n_levels", [1_000, 100_000])
def test_many_levels_keep_row_order(n_levels):
    rng = np.random.default_rng(0)
    levels = rng.permutation(np.repeat([f"level {i}" for i in range(n_levels)], 2))
    encoder = CategoryEncoder(strategy="label").fit(pl.DataFrame({"c": levels}))
    position = {level: i for i, level in enumerate(sorted(set(levels)))}
    some = levels[:2000].tolist()
    sample = pl.DataFrame({"c": [*some, "new"], "row": range(2001)})
    expected = [position[level] for level in some] + [-1]
    assert encoder.transform(sample)["c"].to_list() == expected
    if n_levels == 1_000:
        relation = duckdb.from_arrow(sample.to_arrow())
        assert encoder.transform(relation).pl().sort("row")["c"].to_list() == expected


# -- engines -------------------------------------------------------------------------------


def containers():
    rng = np.random.default_rng(5)
    n = 300
    text = rng.choice(["red", "green", "blue", "x'y"], n).astype(object)
    text[::17] = None
    number = rng.integers(1, 5, n).astype(float)
    number[::13] = np.nan
    many = np.array([f"m{i}" for i in rng.integers(0, 30, n)], dtype=object)
    polars = pl.DataFrame(
        {
            "text": text.tolist(),
            "number": pl.Series(number, nan_to_null=True),
            "many": many.tolist(),
        }
    )
    plain = pd.DataFrame({"text": text, "number": number, "many": many})
    plain.index = rng.permutation(np.arange(n) // 2)
    arrow = polars.to_arrow()
    return {
        "polars": polars,
        "polars categorical": polars.with_columns(pl.col(pl.String).cast(pl.Categorical)),
        "pandas object": plain,
        "pandas": plain.astype({"text": "str", "many": "str"}),
        "pandas nullable": plain.convert_dtypes(dtype_backend="numpy_nullable"),
        "pandas arrow": plain.convert_dtypes(dtype_backend="pyarrow"),
        "pandas category": plain.astype({"text": "category", "many": "category"}),
        "pyarrow": arrow,
        "polars lazy": polars.lazy(),
        "duckdb": duckdb.from_arrow(arrow),
    }


def as_rows(out):
    if isinstance(out, pd.DataFrame):
        out = out.astype(object).where(out.notna(), None)
        return list(out), [tuple(row) for row in out.itertuples(index=False)]
    if isinstance(out, pl.LazyFrame):
        out = out.collect()
    if isinstance(out, duckdb.DuckDBPyRelation):
        out = out.pl()
    if isinstance(out, pa.Table):
        out = pl.from_arrow(out)
    return out.columns, out.rows()


@pytest.mark.parametrize("strategy", ["auto", "onehot", "label", "frequency", "target"])
@pytest.mark.parametrize("policy", ["other", "missing"])
def test_every_engine_gives_the_same(strategy, policy):
    frames = containers()
    y = np.random.default_rng(1).random(300)
    encoder = CategoryEncoder(
        ["text", "number", "many"],
        strategy=strategy,
        on_unseen=policy,
        on_missing="missing" if policy == "missing" else "level",
        random_state=0,
    )
    fitted = {
        kind: clone(encoder).fit(X, y)
        for kind, X in frames.items()
        if kind not in ("polars lazy", "duckdb")
    }
    names, expected = as_rows(fitted["polars"].transform(frames["polars"]))
    for kind, one in fitted.items():
        assert one.tables_ == fitted["polars"].tables_, kind
        served = pickle.loads(pickle.dumps(one))
        assert as_rows(served.transform(frames["duckdb"]))[0] == names
    for kind, X in frames.items():
        found_names, found = as_rows(fitted["pandas"].transform(X))
        assert found_names == names, kind
        key = repr
        assert sorted(found, key=key) == sorted(expected, key=key), kind
        if kind not in ("polars lazy", "duckdb"):
            assert found == expected, kind
    trained = [
        as_rows(clone(encoder).fit_transform(X, y))[1] for k, X in frames.items() if k in fitted
    ]
    assert all(rows == trained[0] for rows in trained)


def test_arrays_name_their_columns():
    X = np.array([["a", 1], ["b", 2], ["c", 1], ["a", 2]], dtype=object)
    out = CategoryEncoder().fit(X).transform(X)
    assert out.tolist() == [[1, 0, 0, 0, 1], [0, 1, 0, 0, 2], [0, 0, 1, 0, 1], [1, 0, 0, 0, 2]]


def test_a_lazy_frame_is_gathered_once_and_refuses_y():
    X = frame(["a", "b", "c", "a"])
    assert CategoryEncoder().fit_transform(X.lazy()).equals(CategoryEncoder().fit_transform(X))
    with pytest.raises(InputTypeError, match="collect X first"):
        CategoryEncoder().fit(X.lazy(), [0, 1, 0, 1])


def test_index_and_untouched_columns_survive_training():
    X, y = columns_and_target("binary")
    X["kept"] = np.arange(len(X))
    X.index = np.random.default_rng(0).permutation(len(X)) // 2
    out = CategoryEncoder(strategy="target", random_state=0).fit_transform(X, y)
    pd.testing.assert_index_equal(out.index, X.index)
    assert out["kept"].tolist() == X["kept"].tolist()
    with_array = CategoryEncoder(["x0", "x1"], strategy="target", random_state=0)
    np.testing.assert_array_equal(
        out.to_numpy(), with_array.fit_transform(X.to_numpy(dtype=object), y).astype(float)
    )


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_the_container_of_the_output_can_be_chosen(kind):
    X, y = columns_and_target("binary")
    X.index = np.random.default_rng(0).permutation(len(X)) // 2
    encoder = CategoryEncoder(strategy="target", random_state=0)
    expected = encoder.fit_transform(X, y)
    chosen = clone(encoder.set_output(transform=kind))
    if kind == "pandas":
        pd.testing.assert_frame_equal(chosen.fit_transform(X, y), expected)
        from_polars = chosen.fit_transform(pl.from_pandas(X), y)
        pd.testing.assert_frame_equal(from_polars, expected.reset_index(drop=True))
    else:
        assert chosen.fit_transform(X, y).equals(pl.from_pandas(expected))


def test_refit_forgets():
    encoder = CategoryEncoder(strategy="target").fit(frame(["a", "b", "c"]), [0, 1, 0])
    encoder.set_params(strategy="frequency").fit(frame(["z", "z"], "other"))
    fresh = CategoryEncoder(strategy="frequency").fit(frame(["z", "z"], "other"))
    assert encoder.levels_ == {"other": ["z"]}
    assert vars(encoder).keys() == vars(fresh).keys()
    assert encoder.target_type_ is None


# -- scikit-learn --------------------------------------------------------------------------


@pytest.mark.parametrize("metadata", ["groups", "times"])
def test_metadata_is_routed_through_a_pipeline(metadata):
    X, y = columns_and_target("binary")
    values = np.arange(len(X)) // 20
    with sklearn.config_context(enable_metadata_routing=True):
        encoder = CategoryEncoder(strategy="target", random_state=0)
        encoder.set_fit_request(**{metadata: True})
        pipe = Pipeline([("encode", encoder), ("model", LogisticRegression())])
        pipe.fit(X, y, **{metadata: values})
        by_hand = CategoryEncoder(strategy="target", random_state=0)
        train = by_hand.fit_transform(X, y, **{metadata: values})
        model = LogisticRegression().fit(train, y)
    np.testing.assert_array_equal(pipe["model"].coef_, model.coef_)


def test_strategies_can_be_searched():
    X, y = columns_and_target("words")
    pipe = Pipeline([("encode", CategoryEncoder(random_state=0)), ("model", LogisticRegression())])
    grid = {"encode__strategy": ["onehot", "target", "frequency"], "encode__on_unseen": ["missing"]}
    search = GridSearchCV(pipe, grid, cv=3, error_score="raise").fit(X, y)
    assert math.isfinite(search.best_score_)


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"columns": "c"}, "columns"),
        ({"strategy": "ordinal"}, "strategy"),
        ({"strategy": 3}, "strategy"),
        ({"strategy": TargetEncoder}, "strategy"),
        ({"max_onehot": -1}, "max_onehot"),
        ({"max_onehot": True}, "max_onehot"),
        ({"min_level_share": 1.0}, "min_level_share"),
        ({"on_unseen": "ignore"}, "on_unseen"),
        ({"on_missing": True}, "on_missing"),
        ({"orders": [["S", "M"]]}, "orders"),
        ({"orders": {"c": "SML"}}, "orders"),
        ({"orders": {"c": ["S", "S"]}}, "orders"),
        ({"smooth": -1}, "smooth"),
        ({"smooth": "eb"}, "smooth"),
        ({"cv": 1}, "cv"),
        ({"cv": "5"}, "cv"),
        ({"random_state": "x"}, "random_state"),
    ],
)
def test_illegal_parameters_are_named_at_fit(options, parameter):
    encoder = CategoryEncoder(**options)
    with pytest.raises(ParameterError, match=f"CategoryEncoder: `{parameter}` must be") as caught:
        encoder.fit(frame(["a", "b"]), [0, 1])
    assert caught.value.parameter == parameter


def test_levels_that_differ_by_case_only_are_refused_where_sql_ignores_case():
    rows = pl.DataFrame({"size": ["s", "S", "m", None]})
    encoder = CategoryEncoder(strategy="onehot").fit(rows)
    assert encoder.transform(rows)["size_s"].to_list() == [1, 0, 0, 0]
    assert encoder.transform(rows.lazy()).collect()["size_S"].to_list() == [0, 1, 0, 0]
    with pytest.raises(SchemaError, match=r"CategoryEncoder: .*'size_S' and 'size_s'.*one case"):
        encoder.transform(duckdb.from_arrow(rows.to_arrow()))
    one_column = CategoryEncoder(strategy="label").fit(rows)
    found = one_column.transform(duckdb.from_arrow(rows.to_arrow())).fetchall()
    assert sorted(found) == [(-2,), (0,), (1,), (2,)]


def test_a_fit_that_fails_leaves_nothing_that_could_serve():
    rows = pd.DataFrame({"c": list("abcd") * 5})
    encoder = CategoryEncoder(strategy="target").fit(rows, [0, 1, 1, 0] * 5)
    with pytest.raises(DataError, match="pass y"):
        encoder.fit(rows)
    with pytest.raises(NotFittedError):
        encoder.transform(rows)


def test_only_columns_of_levels_are_encoded_where_none_are_named():
    days = pd.date_range("2024", periods=3)
    frame = pd.DataFrame({"c": ["a", "b", "a"], "day": pd.Categorical(days)})
    frame["id"] = pd.Series([uuid.uuid4() for _ in days], dtype=object)
    frame["number"] = pd.Categorical([3, 1, 3])
    encoder = CategoryEncoder().fit(frame)
    assert encoder.columns_ == ["c", "number"]
    assert encoder.transform(frame)[["day", "id"]].equals(frame[["day", "id"]])
    table = pa.table({"c": ["a", "b"], "day": pa.array([0, 86_400_000], pa.date64())})
    assert CategoryEncoder().fit(table).columns_ == ["c"]
    with pytest.raises(SchemaError, match="'id' holds Binary"):
        CategoryEncoder(["id"]).fit(frame)


def test_levels_of_an_order_must_be_single_values():
    with pytest.raises(ParameterError, match="`orders` must be"):
        CategoryEncoder(orders={"c": [["S"]]}).fit(frame(["S"]))
