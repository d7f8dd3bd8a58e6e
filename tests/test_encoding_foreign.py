"""Encoders of other libraries as strategies: equal to themselves, on every engine, no leaks."""

import pickle
import warnings

import category_encoders as ce
import duckdb
import feature_engine.encoding as fe
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.preprocessing as sp
from category_encoders.wrapper import PolynomialWrapper
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import KFold

from tracer_sklearn import CategoryEncoder
from tracer_sklearn.exceptions import DataError, InputTypeError, ParameterError

UNSUPERVISED = [
    ce.BackwardDifferenceEncoder(),
    ce.BaseNEncoder(base=3),
    ce.BinaryEncoder(),
    ce.CountEncoder(),
    ce.GrayEncoder(),
    ce.HelmertEncoder(),
    ce.OneHotEncoder(use_cat_names=True),
    ce.OrdinalEncoder(),
    ce.PolynomialEncoder(),
    ce.RankHotEncoder(),
    ce.SumEncoder(),
    fe.CountFrequencyEncoder(missing_values="ignore"),
    fe.OrdinalEncoder(encoding_method="arbitrary", missing_values="ignore"),
    fe.RareLabelEncoder(n_categories=2, tol=0.2, missing_values="ignore"),
    sp.OneHotEncoder(handle_unknown="ignore"),
    sp.OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.2, sparse_output=False),
    sp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-9),
]
SUPERVISED = [
    ce.CatBoostEncoder(),
    ce.CountTargetEncoder(),
    ce.JamesSteinEncoder(),
    ce.LeaveOneOutEncoder(),
    ce.MEstimateEncoder(),
    ce.QuantileEncoder(),
    ce.SummaryEncoder(quantiles=(0.25, 0.75)),
    ce.TargetEncoder(),
    ce.WOEEncoder(),
    fe.MeanEncoder(missing_values="ignore"),
    fe.OrdinalEncoder(encoding_method="ordered", missing_values="ignore"),
    sp.TargetEncoder(),
]
NO_MISSING = [
    fe.OneHotEncoder(),
    fe.DecisionTreeEncoder(regression=False, random_state=0),
    fe.WoEEncoder(),
]
ROWS_ONLY = [
    ce.HashingEncoder(max_process=1),
    ce.MultiHotEncoder(),
    fe.StringSimilarityEncoder(missing_values="ignore"),
]


def named(encoder):
    return f"{type(encoder).__module__.partition('.')[0]}-{type(encoder).__name__}"


def rows(n=400, *, missing=True, seed=0):
    rng = np.random.default_rng(seed)
    colour = pd.Series(rng.choice(["red", "green", "blue", "x y", "ünï"], n), dtype="str")
    if missing:
        colour[rng.random(n) < 0.05] = np.nan
    X = pd.DataFrame({"colour": colour, "kept": np.arange(n)})
    return X, (rng.random(n) < 0.3).astype(int)


def by_itself(encoder, X, y, new=None):
    """What the encoder makes of the one column when nobody stands between."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = clone(encoder).fit(X[["colour"]], pd.Series(y))
        out = fitted.transform((X if new is None else new)[["colour"]])
    out = out.toarray() if hasattr(out, "toarray") else out
    return pd.DataFrame(np.asarray(out))


def assert_same(found, expected):
    assert found.shape == expected.shape
    for position in range(expected.shape[1]):
        left, right = found.iloc[:, position], expected.iloc[:, position]
        assert left.isna().tolist() == right.isna().tolist()
        assert left.dropna().tolist() == right.dropna().tolist()


# -- equal to themselves -------------------------------------------------------------------


def test_at_least_fifteen_classes_of_category_encoders_are_tried():
    tried = {
        type(e) for e in UNSUPERVISED + SUPERVISED if type(e).__module__.startswith("category")
    }
    assert len(tried) >= 15


@pytest.mark.parametrize("encoder", UNSUPERVISED + SUPERVISED, ids=named)
def test_values_are_the_encoders_own(encoder):
    X, y = rows()
    stage = CategoryEncoder(strategy=encoder).fit(X, y)
    out = stage.transform(X).drop(columns="kept")
    assert_same(out, by_itself(encoder, X, y))
    assert all(name == "colour" or name.startswith("colour_") for name in out)
    new = pd.DataFrame({"colour": pd.Series(["red", None, "never", "ünï"], dtype="str"), "kept": 0})
    assert_same(stage.transform(new).drop(columns="kept"), by_itself(encoder, X, y, new))


@pytest.mark.parametrize("encoder", NO_MISSING, ids=named)
def test_encoders_that_take_no_missing_cells(encoder):
    X, y = rows(missing=False)
    stage = CategoryEncoder(strategy=encoder).fit(X, y)
    assert_same(stage.transform(X).drop(columns="kept"), by_itself(encoder, X, y))
    with pytest.raises(DataError, match=r"must be able to learn column 'colour', it raised"):
        CategoryEncoder(strategy=encoder).fit(*rows(missing=True))
    assert stage.refused_ == {"colour": ["missing"]}
    with pytest.raises(DataError, match=f"found 1 .{type(encoder).__name__} raises on them"):
        stage.transform(X.assign(colour=[None, *X["colour"][1:]]))


@pytest.mark.parametrize("encoder", UNSUPERVISED, ids=named)
def test_unsupervised_training_columns_are_the_same(encoder):
    X, _ = rows()
    stage = CategoryEncoder(strategy=encoder)
    pd.testing.assert_frame_equal(stage.fit_transform(X), stage.transform(X))
    assert not stage.__sklearn_tags__().target_tags.required


@pytest.mark.parametrize("encoder", UNSUPERVISED + SUPERVISED, ids=named)
def test_every_engine_gives_the_same(encoder):
    X, y = rows(120)
    stage = pickle.loads(pickle.dumps(CategoryEncoder(strategy=encoder).fit(X, y)))
    stage_on_polars = CategoryEncoder(strategy=encoder).fit(pl.from_pandas(X), y)
    assert stage.tables_ == stage_on_polars.tables_
    expected = stage.transform(pl.from_pandas(X))
    assert stage.transform(pl.from_pandas(X).lazy()).collect().equals(expected)
    relation = duckdb.from_arrow(pl.from_pandas(X).to_arrow())
    found = stage.transform(relation).pl().sort("kept")
    assert found.schema == expected.schema
    assert found.equals(expected.sort("kept"))
    assert_same(stage.transform(X), expected.to_pandas())


@pytest.mark.parametrize("encoder", ROWS_ONLY, ids=named)
def test_what_does_not_depend_on_the_value_alone_serves_rows_in_memory(encoder):
    X, y = rows()
    stage = CategoryEncoder(strategy=encoder).fit(X)
    new = pd.DataFrame(
        {"colour": pd.Series(["red", None, "never", "red|blue", "blu"], dtype="str"), "kept": 0}
    )
    for frame in (X, new):
        out = stage.transform(frame).drop(columns="kept")
        assert_same(out, by_itself(encoder, X, y, frame))
    assert stage.transform(X.head(0)).shape == (0, out.shape[1] + 1)
    assert_same(stage.fit_transform(X), stage.transform(X))
    with pytest.raises(InputTypeError, match=f"the encoder {type(encoder).__name__} needs rows"):
        stage.transform(pl.from_pandas(X).lazy())


# -- training columns ----------------------------------------------------------------------


@pytest.mark.parametrize("encoder", SUPERVISED, ids=named)
def test_training_columns_come_from_the_other_folds(encoder):
    X, y = rows()
    splitter = KFold(4, shuffle=True, random_state=1)
    out = CategoryEncoder(strategy=encoder, cv=splitter).fit_transform(X, y).drop(columns="kept")
    for learn, encode in splitter.split(X):
        others = X.iloc[learn].reset_index(drop=True)
        expected = by_itself(encoder, others, y[learn], X.iloc[encode])
        assert_same(out.iloc[encode], expected)


@pytest.mark.parametrize("encoder", [*SUPERVISED, PolynomialWrapper(ce.WOEEncoder())], ids=named)
def test_a_random_target_stays_random(encoder):
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"colour": pd.Series(rng.integers(0, 1000, 5000)).astype(str)})
    y = (rng.random(5000) < 0.3).astype(int)
    stage = CategoryEncoder(strategy=encoder, random_state=0)
    assert stage.__sklearn_tags__().target_tags.required
    out = stage.fit_transform(X, y)
    naive = stage.transform(X)
    for name in out:
        known = out[name].notna()
        if out[name][known].std() > 0:
            assert abs(np.corrcoef(out[name][known], y[known])[0, 1]) < 0.1
    leaks = [abs(np.corrcoef(naive[n].fillna(0).astype(float), y)[0, 1]) for n in naive]
    assert max(leaks) > 0.2  # what the test would catch


@pytest.mark.parametrize("encoder", [ce.WOEEncoder(), sp.TargetEncoder()], ids=named)
def test_times_and_groups_hold_for_them_too(encoder):
    X, y = rows(300)
    days = np.random.default_rng(2).integers(0, 6, 300)
    stage = CategoryEncoder(strategy=encoder)
    before = stage.fit_transform(X, y, times=days)["colour"].to_numpy()
    for day in (2, 5):
        learn, encode = np.flatnonzero(days < day), np.flatnonzero(days == day)
        others = X.iloc[learn].reset_index(drop=True)
        expected = by_itself(encoder, others, y[learn], X.iloc[encode])
        np.testing.assert_allclose(before[encode], expected[0], rtol=1e-12)
    assert len(set(before[days == 0])) == 1
    grouped = stage.fit_transform(X, y, groups=days)["colour"].to_numpy()
    learn, encode = np.flatnonzero(days != 3), np.flatnonzero(days == 3)
    assert len(set(grouped[encode])) > 1
    flipped = y.copy()
    flipped[encode] = 1 - flipped[encode]
    again = stage.fit_transform(X, flipped, groups=days)["colour"].to_numpy()
    np.testing.assert_array_equal(again[encode], grouped[encode])


def test_splits_given_as_a_list_are_used_as_they_are():
    X, y = rows(90)
    part = np.arange(90)
    splits = [(part[30:70], part[:20]), (part[:10], part[20:])]
    out = CategoryEncoder(strategy=ce.WOEEncoder(), cv=splits).fit_transform(X, y)
    for learn, encode in splits:
        others = X.iloc[learn].reset_index(drop=True)
        expected = by_itself(ce.WOEEncoder(), others, y[learn], X.iloc[encode])
        assert_same(out.drop(columns="kept").iloc[encode], expected)


class Shy(TransformerMixin, BaseEstimator):
    """A supervised encoder that makes fewer columns of fewer rows."""

    def fit(self, X, y):
        self.width_ = 2 if len(X) >= 90 else 1
        return self

    def transform(self, X):
        return np.ones((len(X), self.width_))


def test_what_fails_in_a_fold_is_said():
    X, y = rows(90)
    with pytest.raises(DataError, match=r"same columns from every part .* 'colour_1'"):
        CategoryEncoder(strategy=Shy()).fit_transform(X, y)
    X["colour"] = [f"c{i // 2}" for i in range(90)]
    strict = ce.WOEEncoder(handle_unknown="error")
    with pytest.raises(DataError, match=r"WOEEncoder must encode every part .* accept unseen"):
        CategoryEncoder(strategy=strict, random_state=0).fit_transform(X, y)


def test_labels_and_numbers_as_target():
    X, y = rows()
    words = np.where(y == 1, "yes", "no")
    as_words = CategoryEncoder(strategy=ce.WOEEncoder(), random_state=0).fit_transform(X, words)
    as_codes = CategoryEncoder(strategy=ce.WOEEncoder(), random_state=0).fit_transform(X, y)
    pd.testing.assert_frame_equal(as_words, as_codes)
    amounts = np.random.default_rng(0).lognormal(size=len(X))
    stage = CategoryEncoder(strategy=ce.MEstimateEncoder()).fit(X, amounts)
    assert_same(stage.transform(X[["colour"]].assign(kept=0)).drop(columns="kept"),
                by_itself(ce.MEstimateEncoder(), X, amounts))  # fmt: skip
    three = np.random.default_rng(0).choice(["a", "b", "c"], len(X))
    wide = CategoryEncoder(strategy=sp.TargetEncoder()).fit(X, three).transform(X)
    assert list(wide) == ["colour_a", "colour_b", "colour_c", "kept"]
    with pytest.raises(DataError, match="requires y to be passed"):
        CategoryEncoder(strategy=ce.WOEEncoder()).fit(X)


# -- numbers, policies, refusals -----------------------------------------------------------


@pytest.mark.parametrize(
    "encoder",
    [ce.OrdinalEncoder(), ce.CountEncoder(), fe.CountFrequencyEncoder(missing_values="ignore"),
     sp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-9)],
    ids=named,
)  # fmt: skip
@pytest.mark.parametrize(
    "values", [[3, 1, 3, 2], [0.5, 1.5, np.nan, 0.5], [True, False, True, True]]
)
def test_numbers_and_flags_by_name(encoder, values):
    X = pd.DataFrame({"n": values * 5})
    stage = CategoryEncoder(["n"], strategy=encoder)
    out = stage.fit_transform(X)["n"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parameters = clone(encoder).get_params(deep=False)
        if "cols" in parameters:
            parameters["cols"] = ["n"]
        if "variables" in parameters:
            parameters |= {"variables": ["n"], "ignore_format": True}
        expected = type(encoder)(**parameters).fit_transform(X)
    np.testing.assert_array_equal(out, np.asarray(expected, dtype=float).ravel())


def test_unseen_cells_raise_where_the_encoder_raises():
    X, _ = rows(missing=False)
    stage = CategoryEncoder(strategy=sp.OneHotEncoder()).fit(X)
    assert stage.transform(X).shape == (400, 6)
    with pytest.raises(DataError, match=r"found 1 \(OneHotEncoder raises on them\)"):
        stage.transform(X.assign(colour=["never", *X["colour"][1:]]))
    with pytest.raises(InputTypeError, match="rows in memory"):
        stage.transform(pl.from_pandas(X).lazy())


def test_policies_apply_to_their_answers():
    X, _ = rows()
    new = pd.DataFrame({"colour": ["red", None, "never"], "kept": 0})
    stage = CategoryEncoder(strategy=ce.CountEncoder(), on_missing="missing", on_unseen="missing")
    assert stage.fit(X).transform(new)["colour"].isna().tolist() == [False, True, True]
    strict = CategoryEncoder(strategy=ce.CountEncoder(), on_unseen="error").fit(X)
    with pytest.raises(DataError, match="on_unseen='error'"):
        strict.transform(new)


class Lengths(TransformerMixin, BaseEstimator):
    """An encoder of a user's own: the length of each value, of unseen ones too."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.array([[len(str(value))] for value in X.iloc[:, 0]])


def test_an_encoder_of_your_own():
    X = pd.DataFrame({"c": ["a", "bbb", "cc"]})
    stage = CategoryEncoder(strategy=Lengths()).fit(X)
    assert stage.transform(pd.DataFrame({"c": ["12345", "a"]}))["c"].tolist() == [5, 1]
    with pytest.raises(InputTypeError, match="the encoder Lengths needs rows in memory"):
        stage.transform(pl.DataFrame({"c": ["a"]}).lazy())


def test_parameters_of_the_encoder_can_be_searched_and_stay_untouched():
    stage = CategoryEncoder(strategy=ce.MEstimateEncoder(m=3))
    assert stage.get_params()["strategy__m"] == 3
    X, y = rows()
    before = stage.strategy.get_params()
    stage.set_params(strategy__m=5).fit(X, y)
    assert stage.strategy.get_params() == {**before, "m": 5}
    assert not hasattr(stage.strategy, "mapping") or stage.strategy.mapping is None


def test_columns_are_named_in_one_place():
    X, _ = rows()
    for encoder in (ce.CountEncoder(cols=["colour"]), fe.CountFrequencyEncoder(variables="colour")):
        with pytest.raises(ParameterError, match=r"name the columns in CategoryEncoder\(columns="):
            CategoryEncoder(strategy=encoder).fit(X)
