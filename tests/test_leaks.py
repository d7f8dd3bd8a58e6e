"""LeakAudit and leak_audit: planted leaks are found, honest data are not accused."""

from __future__ import annotations

import decimal
import html.parser
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.tree import DecisionTreeClassifier

import tracer_sklearn as ts
from tracer_sklearn import DataError, DataQualityWarning, LeakAudit, ParameterError, leak_audit
from tracer_sklearn.stages.audit._strength import (
    codes_of,
    concordance,
    folds_of,
    target_of,
    told,
)
from tracer_sklearn.testing import to_engine

NAN, INF = math.nan, math.inf
DAY = pd.Timedelta(days=1)


# -- measures against oracles ----------------------------------------------------------------


def plain_concordance(scores, y):
    """Every pair of rows of different targets."""
    higher = pairs = 0.0
    for i in range(len(y)):
        for j in range(len(y)):
            if y[i] < y[j]:
                pairs += 1
                higher += 1.0 if scores[i] < scores[j] else 0.5 if scores[i] == scores[j] else 0.0
    return higher / pairs if pairs else 0.5


numbers = st.lists(st.integers(-4, 4), min_size=2, max_size=25)


@given(st.data())
def test_concordance_is_the_share_of_pairs(data):
    y = data.draw(numbers)
    scores = data.draw(st.lists(st.integers(-3, 3), min_size=len(y), max_size=len(y)))
    found = concordance(np.array(scores, float), np.array(y, float), is_number=True)
    assert found == pytest.approx(plain_concordance(scores, y), abs=1e-12)


@given(st.data())
def test_concordance_of_two_classes_is_the_area_under_the_curve(data):
    y = [0, 1, *data.draw(st.lists(st.integers(0, 1), max_size=25))]
    scores = data.draw(st.lists(st.integers(-3, 3), min_size=len(y), max_size=len(y)))
    found = concordance(np.array(scores, float), np.array(y, float), is_number=False)
    assert found == pytest.approx(roc_auc_score(y, scores), abs=1e-12)
    assert found == pytest.approx(plain_concordance(scores, y), abs=1e-12)


def test_concordance_without_ties_is_kendalls_tau():
    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    b = a + rng.normal(size=500)
    expected = 0.5 + kendalltau(a, b).statistic / 2
    assert concordance(a, b, is_number=True) == pytest.approx(expected)


def test_a_shape_is_told_as_well_as_by_a_small_tree():
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    y = ((np.abs(x) > 0.7) ^ (rng.random(4000) < 0.1)).astype(int)
    tree = cross_val_score(
        DecisionTreeClassifier(max_depth=3), x[:, None], y, cv=StratifiedKFold(5), scoring="roc_auc"
    ).mean()
    assert told(codes_of(x), target_of(y), folds_of(4000, rng)) == pytest.approx(tree, abs=0.02)


@pytest.mark.parametrize("levels", [2, 50, 1500])
def test_noise_is_told_by_nobody(levels):
    rng = np.random.default_rng(levels)
    y = rng.integers(0, 2, 3000)
    strength = told(rng.integers(0, levels, 3000), target_of(y), folds_of(3000, rng))
    assert strength == pytest.approx(0.5, abs=0.04)


@given(st.lists(st.one_of(st.floats(), st.sampled_from([0.0, 1.0])), min_size=1, max_size=60))
def test_bins_keep_the_order_and_equals_together(values):
    values = np.array(values)
    codes = codes_of(values)
    finite = np.isfinite(values)
    order = np.argsort(values[finite], kind="stable")
    assert (np.diff(codes[finite][order]) >= 0).all()
    for value in {v for v in values if v == v}:
        assert len({*codes[values == value]}) == 1
    assert not {*codes[~finite]} & {*codes[finite]}


# -- planted: two classes --------------------------------------------------------------------


@pytest.fixture(scope="module")
def churn():
    X, y = ts.datasets.make_customer_churn(400, random_state=3)
    return X.reset_index(drop=True), np.asarray(y)


def naive_encoding(y, rng, groups=250):
    shop = rng.integers(0, groups, len(y))
    sums, rows = np.bincount(shop, y, groups), np.bincount(shop, minlength=groups)
    return {"shop": shop.astype(str), "shop_risk": sums[shop] / rows[shop]}


def shared_secret(y, rng):
    secret = rng.normal(size=len(y)) * 10
    return {"left": secret, "right": secret + np.where(y == 1, -1, 1) * rng.random(len(y))}


def ratio(y, rng):
    base = rng.lognormal(3, 1, len(y))
    return {"paid": base * np.where(y == 1, 0.4, 1) * rng.uniform(0.6, 1, len(y)), "due": base}


def two_dates(y, rng, as_of):
    start = as_of - pd.to_timedelta(rng.integers(50, 700, len(y)), unit="D")
    span = np.where(y == 1, rng.integers(1, 20, len(y)), rng.integers(20, 45, len(y)))
    return {"opened": start, "ended": start + pd.to_timedelta(span, unit="D")}


BINARY = {
    # name: (columns made of X, y and rng, the columns to be found, the detectors that may do it)
    "copy": (lambda X, y, rng: {"z": y}, {"z"}, {"copy"}),
    "inverted": (lambda X, y, rng: {"z": 1 - y}, {"z"}, {"copy"}),
    "flag": (lambda X, y, rng: {"z": y == 1}, {"z"}, {"copy"}),
    "in words": (lambda X, y, rng: {"z": np.where(y == 1, "gone", "here")}, {"z"}, {"copy"}),
    "as text": (
        lambda X, y, rng: {"z": (y + rng.random(len(y)) / 3).round(3).astype(str)},
        {"z"},
        {"association"},
    ),
    "noisy copy": (lambda X, y, rng: {"z": y + rng.normal(0, 0.2, len(y))}, {"z"}, {"association"}),
    "amount after": (
        lambda X, y, rng: {"z": y * rng.lognormal(3, 1, len(y))},
        {"z"},
        {"association"},
    ),
    "reason": (
        lambda X, y, rng: {
            "z": np.where(y == 1, rng.choice(["price", "moved", "other"], len(y)), "-")
        },
        {"z"},
        {"association"},
    ),
    "reason only for some": (
        lambda X, y, rng: {
            "z": np.where(
                (y == 1) & (rng.random(len(y)) < 0.5), "survey", rng.choice(["a", "b"], len(y))
            )
        },
        {"z"},
        {"pure_level"},
    ),
    "filled in after": (
        lambda X, y, rng: {"z": np.where(y == 1, rng.random(len(y)), NAN)},
        {"z"},
        {"missingness"},
    ),
    "emptied after": (
        lambda X, y, rng: {"z": np.where(y == 1, None, rng.choice(["a", "b", "c"], len(y)))},
        {"z"},
        {"missingness"},
    ),
    "gaps of some": (
        lambda X, y, rng: {
            "z": np.where((y == 1) & (rng.random(len(y)) < 0.6), NAN, rng.normal(size=len(y)))
        },
        {"z"},
        {"pure_level"},
    ),
    "sentinel": (
        lambda X, y, rng: {"z": np.where(y == 1, -1, rng.integers(0, 2, len(y)) * 99 - 50)},
        {"z"},
        {"association"},
    ),
    "infinite": (
        lambda X, y, rng: {"z": np.where(y == 1, INF, rng.normal(size=len(y)))},
        {"z"},
        {"association"},
    ),
    "u-shape": (
        lambda X, y, rng: {"z": rng.choice([-1, 1], len(y)) * (y * 2 + rng.random(len(y)))},
        {"z"},
        {"association"},
    ),
    "parity": (lambda X, y, rng: {"z": 2 * rng.integers(0, 9, len(y)) + y}, {"z"}, {"association"}),
    "date after": (
        lambda X, y, rng: {
            "closed_on": (
                X["as_of"] + pd.to_timedelta(rng.integers(1, 29, len(y)), unit="D")
            ).where(y == 1)
        },
        {"closed_on"},
        {"date_after", "missingness", "name"},
    ),
    "activity at the end": (
        lambda X, y, rng: {
            "z": X["as_of"]
            + pd.to_timedelta(np.where(y == 1, -9, 12) + rng.integers(0, 9, len(y)), unit="D")
        },
        {"z"},
        {"association", "date_after"},
    ),
    "numbered by outcome": (
        lambda X, y, rng: {"z": np.argsort(np.argsort(-y, kind="stable"))},
        {"z"},
        {"association"},
    ),
    "marked key": (
        lambda X, y, rng: {"z": [f"{i:06}-{'CX' if v else 'AC'}" for i, v in enumerate(y)]},
        {"z"},
        {"association"},
    ),
    "long key": (
        lambda X, y, rng: {"z": [f"{i:06}" + ("0" if v else "") for i, v in enumerate(y)]},
        {"z"},
        {"association"},
    ),
    "encoded": (lambda X, y, rng: naive_encoding(y, rng), {"shop_risk"}, {"target_mean"}),
    "difference": (lambda X, y, rng: shared_secret(y, rng), {"left", "right"}, {"arithmetic"}),
    "ratio": (lambda X, y, rng: ratio(y, rng), {"paid", "due"}, {"arithmetic"}),
    "two dates": (
        lambda X, y, rng: two_dates(y, rng, X["as_of"]),
        {"opened", "ended"},
        {"arithmetic"},
    ),
    "exclusive or": (
        lambda X, y, rng: {
            "p": (p := rng.integers(0, 2, len(y))),
            "q": np.where(p ^ y, "on", "off"),
        },
        {"p", "q"},
        {"combination"},
    ),
    "span": (
        lambda X, y, rng: {"z": pd.to_timedelta(y * 5 + rng.random(len(y)), unit="D")},
        {"z"},
        {"association"},
    ),
}


@pytest.mark.parametrize("kind", BINARY)
def test_a_planted_leak_is_found(churn, kind):
    X, y = churn
    make, columns, detectors = BINARY[kind]
    leaky = X.assign(**make(X, y, np.random.default_rng(0)))
    report = leak_audit(leaky, y)
    suspects = [*report.errors, *report.warnings]
    assert {finding.detector for finding in suspects} == detectors
    assert {name for finding in suspects for name in finding.columns} == columns
    if kind not in ("reason only for some", "gaps of some"):
        assert report.errors
    for finding in suspects:
        assert finding.remedy
        assert all(name in finding.message for name in finding.columns)


@pytest.mark.parametrize("kind", ["copy", "reason", "filled in after", "two dates", "encoded"])
def test_a_planted_leak_is_found_when_churn_is_rare(kind):
    X, y = ts.datasets.make_customer_churn(4000, random_state=5)
    rng = np.random.default_rng(0)
    kept = np.sort(np.r_[np.flatnonzero(y == 0), rng.choice(np.flatnonzero(y == 1), 120, False)])
    X, y = X.iloc[kept].reset_index(drop=True), np.asarray(y)[kept]
    make, columns, detectors = BINARY[kind]
    report = leak_audit(X.assign(**make(X, y, rng)), y)
    assert {finding.detector for finding in report.errors} == detectors
    assert {name for finding in report.errors for name in finding.columns} == columns


@pytest.mark.parametrize("kind", ["copy", "reason", "filled in after", "sentinel", "two dates"])
def test_the_target_may_be_words_flags_or_have_gaps(churn, kind):
    X, y = churn
    make, columns, _ = BINARY[kind]
    leaky = X.assign(**make(X, y, np.random.default_rng(0)))
    for target in (
        np.where(y == 1, "churned", "stayed").astype(object),
        pd.Series(y == 1),
        pl.Series(y),
        np.where(np.arange(len(y)) % 7 == 0, NAN, y),
        pd.Series(y, dtype="Int64").where(np.arange(len(y)) % 7 > 0),
        pd.Series(pd.Categorical(np.where(y == 1, "yes", "no"))),
        [decimal.Decimal(int(v)) for v in y],
        pd.Series(np.where(y == 1, "yes", "no")).where(np.arange(len(y)) % 7 > 0),
        y[:, None],
    ):
        found = {name for finding in leak_audit(leaky, target).errors for name in finding.columns}
        assert found == columns


def test_several_classes():
    rng = np.random.default_rng(0)
    y = np.array(["stays", "leaves", "pauses"])[rng.choice(3, 1500, p=[0.6, 0.3, 0.1])]
    honest = {"a": rng.normal(size=1500) + (y == "leaves"), "b": rng.choice(list("xyz"), 1500)}
    report = leak_audit(pd.DataFrame({**honest, "code": [ord(v[0]) for v in y]}), y)
    assert report.target == "classes"
    assert [finding.columns for finding in report.errors] == [("code",)]
    assert leak_audit(pd.DataFrame(honest), y).errors == ()


# -- planted: numbers ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def panel():
    """Quantities of 12 products on 200 days, driven by price, weekday and season."""
    rng = np.random.default_rng(0)
    day, product = (grid.ravel() for grid in np.meshgrid(np.arange(200), np.arange(12)))
    price = np.exp(rng.normal(1.5, 0.15, len(day))) * (1 + product / 6)
    level = np.exp(3 + product / 4 - 1.2 * np.log(price) + 0.3 * np.sin(day / 9))
    quantity = (
        rng.poisson(level * (1 + 0.4 * (day % 7 > 4)) * np.exp(rng.normal(0, 0.3, len(day)))) + 1
    )
    frame = pd.DataFrame(
        {
            "date": pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D"),
            "product_id": [f"p{i}" for i in product],
            "price": price.round(2),
            "weekday": day % 7,
        }
    )
    of_product = pd.Series(quantity.astype(float)).groupby(product)
    frame["quantity_lag_7"] = of_product.shift(7)
    frame["quantity_ma_28"] = of_product.transform(lambda v: v.shift(1).rolling(28).mean())
    order = rng.permutation(len(frame))
    return frame.iloc[order].reset_index(drop=True), quantity[order].astype(float)


def by_product(X, values, change):
    """Apply a change along the days of each product."""
    table = X.assign(v=values).sort_values(["product_id", "date"])
    made = table.groupby("product_id")["v"].transform(change)
    return made.reindex(X.index).to_numpy()


def parts(y, rng):
    share = rng.uniform(0.2, 0.8, len(y))
    return {"online": y * share, "in_shops": y * (1 - share)}


def stock(y, rng):
    before = rng.integers(500, 5000, len(y))
    return {"stock_before": before, "stock_after": before - y}


def three_factors(X, y, rng):
    discount = rng.uniform(0.5, 1, len(y))
    price = rng.lognormal(2, 1, len(y))
    return {"list_price": price, "kept": discount, "revenue": (price * y * discount).round(2)}


NUMBERS = {
    "copy": (lambda X, y, rng: {"z": y}, {"z"}, {"copy"}),
    "straight line": (lambda X, y, rng: {"z": 7 - 0.3 * y}, {"z"}, {"copy"}),
    "rounded": (lambda X, y, rng: {"z": (y * 1.1).round()}, {"z"}, {"copy"}),
    "logarithm": (lambda X, y, rng: {"z": np.log(y)}, {"z"}, {"association"}),
    "falling": (lambda X, y, rng: {"z": 1 / y}, {"z"}, {"association"}),
    "revenue": (lambda X, y, rng: {"z": (X["price"] * y).round(2)}, {"price", "z"}, {"arithmetic"}),
    "revenue of another price": (
        lambda X, y, rng: {"p2": (p := rng.lognormal(2, 1, len(y))), "z": p * y},
        {"p2", "z"},
        {"arithmetic"},
    ),
    "per unit": (
        lambda X, y, rng: {"cost": (c := rng.lognormal(5, 1, len(y))), "unit_cost": c / y},
        {"cost", "unit_cost"},
        {"arithmetic"},
    ),
    "shares": (lambda X, y, rng: parts(y, rng), {"online", "in_shops"}, {"arithmetic"}),
    "stock": (lambda X, y, rng: stock(y, rng), {"stock_before", "stock_after"}, {"arithmetic"}),
    "weighted sum": (
        lambda X, y, rng: {
            "a": (a := rng.normal(size=len(y)) * 50),
            "b": (b := rng.normal(size=len(y)) * 50),
            "c": y - 2 * a + 0.5 * b,
        },
        {"a", "b", "c"},
        {"sum"},
    ),
    "three factors": (
        lambda X, y, rng: three_factors(X, y, rng),
        {"list_price", "kept", "revenue"},
        {"sum"},
    ),
    "mean with today": (
        lambda X, y, rng: {"z": by_product(X, y, lambda v: v.rolling(7).mean())},
        {"z"},
        {"window"},
    ),
    "centred mean": (
        lambda X, y, rng: {"z": by_product(X, y, lambda v: v.rolling(7, center=True).mean())},
        {"z"},
        {"window"},
    ),
    "sum so far": (
        lambda X, y, rng: {"z": by_product(X, y, lambda v: v.cumsum())},
        {"z"},
        {"window"},
    ),
    "tomorrow": (
        lambda X, y, rng: {"z": by_product(X, y, lambda v: v.shift(-1))},
        {"z"},
        {"window"},
    ),
    "growth to today": (
        lambda X, y, rng: {"z": by_product(X, y, lambda v: v - v.shift(7))},
        {"z"},
        {"window"},
    ),
    "customers of the day": (lambda X, y, rng: {"z": rng.poisson(y * 0.8)}, {"z"}, {"same_row"}),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_planted_leak_of_a_number_is_found(panel, kind):
    X, y = panel
    make, columns, detectors = NUMBERS[kind]
    report = leak_audit(X.assign(**make(X, y, np.random.default_rng(0))), y)
    suspects = [*report.errors, *report.warnings]
    assert {finding.detector for finding in suspects} >= detectors
    assert {name for finding in suspects for name in finding.columns} == columns
    assert bool(report.errors) == (kind != "customers of the day")


def test_one_series_is_a_panel_of_one(panel):
    X, y = panel
    one = np.flatnonzero(X["product_id"] == "p3")
    X, y = X.iloc[one].drop(columns="product_id").reset_index(drop=True), y[one]
    order = X["date"].argsort()
    sums = pd.Series(y)[order].rolling(5).sum().reindex(X.index)
    report = leak_audit(X.assign(z=sums), y)
    assert [(f.columns, f.detector) for f in report.errors] == [(("z",), "window")]


def test_time_may_be_given_beside_the_rows(panel):
    X, y = panel
    leaky = X.assign(z=by_product(X, y, lambda v: v.rolling(7).mean()))
    without = leaky.drop(columns="date")
    assert leak_audit(without, y).errors == ()
    for time in (leaky["date"], leaky["date"].to_numpy(), leaky["date"].dt.date.tolist()):
        assert leak_audit(without, y, time).errors == leak_audit(leaky, y).errors
    assert leak_audit(leaky.rename(columns={"date": "d"}), y, "d").errors[0].columns == ("z",)


# -- honest ----------------------------------------------------------------------------------


def assert_honest(report):
    assert report.errors == ()
    assert report.warnings == ()


def test_generated_churn_is_honest(churn):
    X, y = churn
    assert_honest(leak_audit(X, y))
    assert_honest(leak_audit(ts.customer_churn_pipeline().fit(X, y).transform(X), y))


def test_past_features_and_prices_are_honest(panel):
    X, y = panel
    report = leak_audit(X, y)
    assert_honest(report)
    found = {(finding.columns, finding.detector) for finding in report.notes}
    assert found <= {
        (("price",), "same_row"),  # a decision of the day, to be read about
        (("quantity_ma_28",), "association"),  # the level of its series
    }


def test_the_level_of_a_series_is_no_warning():
    """Past means of series of very different size nearly order the rows; that is no leak."""
    rng = np.random.default_rng(0)
    day, shop = (grid.ravel() for grid in np.meshgrid(np.arange(120), np.arange(30)))
    y = np.exp(shop / 2 + rng.normal(0, 0.05, len(day)))
    X = pd.DataFrame(
        {
            "date": pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D"),
            "shop": shop.astype(str),
            "mean_30": pd.Series(y)
            .groupby(shop)
            .transform(lambda v: v.shift(1).rolling(30).mean()),
        }
    )
    assert leak_audit(X.drop(columns="date"), y).warnings
    report = leak_audit(X, y)
    assert_honest(report)
    assert "level of its series" in str(report)


@pytest.mark.parametrize("kind", ["trend", "walk", "giants"])
def test_past_features_of_one_series_are_honest(kind):
    """A steep trend makes every past value nearly a straight-line function of the target."""
    rng = np.random.default_rng(1)
    day = np.arange(700)
    y = {
        "trend": day + rng.normal(0, 3, 700),
        "walk": rng.normal(size=700).cumsum(),
        "giants": rng.normal(size=700) * 1e300,
    }[kind]
    past = pd.Series(y).shift(1)
    X = pd.DataFrame(
        {
            "date": pd.Timestamp("2022-01-01") + pd.to_timedelta(day, unit="D"),
            "day": day,
            "weekday": day % 7,
            "lag_1": past,
            "mean_7": past.rolling(7).mean(),
            "mean_90": past.rolling(90).mean(),
            "most_30": past.rolling(30).max(),
            "so_far": past.expanding().mean(),
            "faded": past.ewm(halflife=7).mean(),
        }
    )
    assert_honest(leak_audit(X, y))
    mean_to_today = pd.Series(y).rolling(7).mean()
    report = leak_audit(X.assign(z=mean_to_today), y)
    assert {finding.columns for finding in report.errors} == {("z",)}


def test_real_turnover_is_honest(real_data):
    frame = pd.read_csv(real_data / "aus_retail_monthly.csv.gz")
    frame["date"] = pd.to_datetime(frame.pop("Month"), format="%Y %b")
    y = frame.pop("Turnover")
    series = y.groupby(frame["Series ID"])
    for lag in (1, 12):
        frame[f"lag_{lag}"] = series.shift(lag)
    frame["mean_12"] = series.transform(lambda v: v.shift(1).rolling(12).mean())
    assert_honest(leak_audit(frame, y))
    leaky = frame.assign(z=series.transform(lambda v: v.rolling(12).mean()))
    assert {finding.columns for finding in leak_audit(leaky, y).errors} == {("z",)}


@pytest.mark.parametrize("n", [20, 60, 400])
@pytest.mark.parametrize("kind", ["binary", "rare", "number"])
def test_noise_is_accused_in_few_tables(n, kind):
    rng = np.random.default_rng(n)
    accused = 0
    for _ in range(25):
        y = {
            "binary": lambda: rng.integers(0, 2, n),
            "rare": lambda: (np.arange(n) < max(3, n // 20)).astype(int)[rng.permutation(n)],
            "number": lambda: rng.lognormal(size=n),
        }[kind]()
        X = pd.DataFrame(rng.normal(size=(n, 12))).rename(columns=str)
        X["level"] = rng.choice(list("abcdefgh"), n)
        X["count"] = rng.poisson(2, n)
        X["gaps"] = np.where(rng.random(n) < 0.1, NAN, rng.normal(size=n))
        report = leak_audit(X, y)
        accused += bool(report.errors or report.warnings)
    assert accused <= 1


def test_telling_columns_of_real_tables_are_no_errors():
    cancer = load_breast_cancer(as_frame=True)
    assert leak_audit(cancer.data, cancer.target).errors == ()
    diabetes = load_diabetes(as_frame=True)
    assert_honest(leak_audit(diabetes.data, diabetes.target))


def test_real_churn_is_honest(real_data):
    telco = pd.read_csv(real_data / "telco_customer_churn_ibm.csv")
    assert_honest(leak_audit(telco.drop(columns="Churn"), telco["Churn"]))
    iranian = pd.read_csv(real_data / "iranian_churn.csv")
    assert_honest(leak_audit(iranian.drop(columns="Churn"), iranian["Churn"]))
    leaky = telco.rename(columns={"Churn": "Customer Status"})
    report = leak_audit(leaky, telco["Churn"])
    assert [finding.columns for finding in report.errors] == [("Customer Status",)]


def test_groceries_are_honest():
    X, y = ts.datasets.load_customer_churn()
    assert_honest(leak_audit(X, y))
    pipe = ts.customer_churn_pipeline().fit(X, y)
    assert_honest(leak_audit(pipe.transform(X), y))


@pytest.mark.parametrize(
    ("file", "target", "date", "price", "part"),
    [
        ("avocado.csv.gz", "Total Volume", "Date", "AveragePrice", "Total Bags"),
        (
            "hass_region_weekly.csv",
            "total_bulk_and_bags_units",
            "week_ending",
            "avg_selling_price",
            "total_bagged_units",
        ),
    ],
)
def test_a12_same_row_outcomes_of_price_panels(real_data, file, target, date, price, part):
    frame = pd.read_csv(real_data / file)
    frame[date] = pd.to_datetime(frame[date])
    y = frame.pop(target)
    past = frame[["region", "type", date, price]].copy()
    ordered = past.assign(y=y).sort_values(date).groupby(["region", "type"])["y"]
    past["lag_1"] = ordered.shift(1).reindex(past.index)
    past["ma_4"] = ordered.transform(lambda v: v.shift(1).rolling(4).mean()).reindex(past.index)
    honest = leak_audit(past, y, date)
    assert_honest(honest)
    with_revenue = leak_audit(past.assign(revenue=past[price] * y), y, date)
    assert ("revenue", price) in {f.columns for f in with_revenue.errors} or (price, "revenue") in {
        f.columns for f in with_revenue.errors
    }
    with_part = leak_audit(past.assign(part=frame[part]), y, date)
    assert [f.columns for f in with_part.warnings] == [("part",)]
    everything = leak_audit(frame, y, date)
    assert "sum" in {f.detector for f in everything.errors}


# -- dates, names, identifiers, order --------------------------------------------------------


def test_dates_after_the_snapshot_are_counted():
    n = 200
    as_of = pd.Series(pd.Timestamp("2024-03-01"), index=range(n))
    X = pd.DataFrame(
        {
            "as_of": as_of,
            "label_end": as_of + 30 * DAY,  # lies there by its nature
            "same_day": as_of + pd.Timedelta(hours=13),
            "contract_end": as_of + pd.to_timedelta(np.arange(n) % 2, unit="D"),
            "never": pd.Timestamp("2261-12-31"),
            "gone": pd.NaT,
        }
    ).astype(dict.fromkeys(["never", "gone"], "datetime64[us]"))
    report = leak_audit(X, None)
    assert [(f.columns, f.detector) for f in report.warnings] == [(("contract_end",), "date_after")]
    assert "in 100 rows" in report.warnings[0].message
    audit = LeakAudit(on_suspect="none").fit(X)
    assert audit.report(X).loc["contract_end", "after_snapshot"] == 100
    renamed = X.rename(columns={"as_of": "day"})
    assert leak_audit(renamed, None).warnings == ()
    assert leak_audit(renamed, None, "day").warnings[0].columns == ("contract_end",)
    assert LeakAudit(as_of_column="day", on_suspect="none").fit(renamed).leaks_.warnings


@pytest.mark.parametrize(
    ("name", "speaks"),
    [
        ("churn_score", True),
        ("ChurnReason", True),
        ("customerStatus", True),
        ("cancelled_at", True),
        ("TERMINATION DATE", True),
        ("CLTV", True),
        ("closed", True),
        ("engagement_score", False),
        ("enclosed", False),
        ("visits", False),
        ("statue", False),
        ("label_end", False),
    ],
)
def test_names_that_speak_of_the_outcome(name, speaks):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({name: rng.normal(size=100)})
    report = leak_audit(X, rng.integers(0, 2, 100))
    assert [f.detector for f in report.notes] == ["name"] * speaks
    assert report.warnings == ()


def test_a_speaking_name_with_a_telling_column_is_a_warning():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1000)
    report = leak_audit(pd.DataFrame({"cancel_score": y + rng.normal(0, 0.7, 1000)}), y)
    assert [f.detector for f in report.warnings] == ["name"]


def test_identifiers_and_sorted_rows_are_notes():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 300)
    X = pd.DataFrame({"email": [f"{i}@example.org" for i in rng.permutation(600)]})
    report = leak_audit(X, y)
    assert {(f.columns, f.detector) for f in report.notes} == {
        (("email",), "identifier"),
        ((), "row_order"),
    }
    assert_honest(report)


# -- the stage -------------------------------------------------------------------------------


@pytest.fixture
def leaky(churn):
    X, y = churn
    return X.assign(refund=y * 3.0 + np.random.default_rng(0).random(len(y))), y


def test_fit_warns_and_rows_pass(leaky):
    X, y = leaky
    with pytest.warns(DataQualityWarning, match="1 suspected: 'refund' alone tells the target"):
        audit = LeakAudit(random_state=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pd.testing.assert_frame_equal(audit.transform(X), X)
        audit.transform(X.head(0))
    assert audit.leaks_.errors[0].columns == ("refund",)


def test_fit_raises_on_errors_only(leaky):
    X, y = leaky
    with pytest.raises(DataError, match="'refund' alone") as caught:
        LeakAudit(on_suspect="raise").fit(X, y)
    assert (caught.value.column, caught.value.rule) == ("refund", "leak")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with pytest.warns(DataQualityWarning, match="refund"):
        LeakAudit(on_suspect="raise", error_above=1.0, warn_above=0.9).fit(X, y)


def test_no_value_of_a_cell_is_told(churn):
    X, y = churn
    leaky = X.assign(z=np.where(y == 1, "mallory", "alice"), w=[f"bob{v}" for v in range(len(y))])
    text = leak_audit(leaky, np.where(y == 1, "eve", "trent"))
    assert not {"mallory", "alice", "bob", "eve", "trent"} & {
        word.strip("'.,") for word in str(text).split()
    }
    assert "mallory" not in text.model_dump_json()


def test_without_a_target_only_what_needs_none(churn):
    X, _ = churn
    report = LeakAudit(on_suspect="none").fit(X.assign(churn_date=X["label_end"])).leaks_
    assert report.target == "none"
    assert {f.detector for f in report.findings} == {"date_after", "name"}
    assert "without a target" in str(report)


def test_a_constant_target_says_nothing(churn):
    X, y = churn
    assert leak_audit(X, np.zeros(len(y))).target == "none"
    assert leak_audit(X, np.full(len(y), NAN)).target == "none"


def test_it_repeats_itself(leaky):
    X, y = leaky
    assert leak_audit(X, y) == leak_audit(X, y)
    first = LeakAudit(on_suspect="none", random_state=7).fit(X, y).leaks_
    assert clone(LeakAudit(on_suspect="none", random_state=7)).fit(X, y).leaks_ == first


def test_every_engine_gives_the_same_report(engine, leaky):
    X, y = leaky
    table = pl.from_pandas(X)
    if engine in ("polars-lazy", "duckdb"):
        with pytest.raises(ts.InputTypeError, match="collect it first"):
            leak_audit(to_engine(table, engine), y)
        return
    if engine == "numpy":
        table = table.select("support_tickets", "total_value", "refund")
        expected = leak_audit(
            table.rename(dict(zip(table.columns, ("x0", "x1", "x2"), strict=True))), y
        )
    else:
        expected = leak_audit(table, y)
    assert leak_audit(to_engine(table, engine), y) == expected


@given(st.permutations(range(60)))
@settings(max_examples=10)
def test_the_order_of_columns_does_not_matter(order):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    X = pd.DataFrame(rng.normal(size=(200, 60))).rename(columns=str)
    X["7"] += 9 * y
    one, other = leak_audit(X, y), leak_audit(X.iloc[:, list(order)], y)
    assert one.findings == other.findings
    assert one.strengths == other.strengths


def test_more_of_a_leak_is_never_less():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 2000)
    noise, swap = rng.normal(size=2000), rng.random(2000)
    found = [
        leak_audit(pd.DataFrame({"z": np.where(swap < share, 9.0 * y, noise)}), y).strengths["z"]
        for share in np.linspace(0, 1, 9)
    ]
    assert found == sorted(found)
    assert found[0] < 0.56
    assert found[-1] == 1.0


@pytest.mark.parametrize(
    "y", [np.arange(40) % 2, np.arange(40.0), np.array(list("abcd") * 10)], ids=["2", "n", "c"]
)
def test_awkward_tables(y):
    n = 40
    X = pl.DataFrame(
        {
            "empty": pl.Series([None] * n, dtype=pl.Float64),
            "null": [None] * n,
            "constant": [1] * n,
            "wild": [INF, -INF, NAN, None, 1e308, -1e308] + [0.0] * (n - 6),
            "blank": [""] * n,
            "odd: <b>'name'</b>": [float(i % 3) for i in range(n)],
            "time": pl.Series([None] * n, dtype=pl.Time),
            "zoned": pl.Series([None] * n, dtype=pl.Datetime("ns", "UTC")),
            "date": pl.Series([None] * n, dtype=pl.Date),
            "as_of": pl.Series([None] * n, dtype=pl.Date),
        }
    )
    report = leak_audit(X, y)
    assert report.n_rows == n
    assert_honest(report)
    assert leak_audit(X.head(1), y[:1]).errors == ()


def test_giants_and_dwarfs():
    rng = np.random.default_rng(0)
    y = rng.normal(size=300) * 1e300
    X = {"giant": rng.normal(size=300) * 1e307, "dwarf": rng.normal(size=300) * 1e-308}
    assert_honest(leak_audit(pd.DataFrame(X), y))
    report = leak_audit(pd.DataFrame({**X, "z": y / 1e200}), y)
    assert [finding.columns for finding in report.errors] == [("z",)]


def test_only_one_target():
    X = pd.DataFrame({"a": [1.0, 2.0]})
    with pytest.raises(ts.InputTypeError, match="must be one target"):
        leak_audit(X, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="same number of rows"):
        leak_audit(X, [1, 0, 1])


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"error_above": 0.4}, "error_above"),
        ({"error_above": NAN}, "error_above"),
        ({"warn_above": 0.995}, "warn_above"),
        ({"on_suspect": "shout"}, "on_suspect"),
        ({"as_of_column": 3}, "as_of_column"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_illegal_parameters(options, name):
    with pytest.raises(ParameterError, match=name):
        LeakAudit(**options).fit(pd.DataFrame({"a": [1, 2]}), [0, 1])


def test_named_dates_must_be_dates():
    X = pd.DataFrame({"day": ["2024-01-01", "2024-01-02"], "a": [1, 2]})
    with pytest.raises(ts.SchemaError, match=r"'day' is .*String.*ColumnParser"):
        LeakAudit(as_of_column="day").fit(X, [0, 1])
    with pytest.raises(ts.SchemaError, match="nearest: 'day'"):
        leak_audit(X, [0, 1], "days")
    with pytest.raises(ParameterError, match="one date a row"):
        leak_audit(X, [0, 1], ["2024-01-01"])


# -- the report ------------------------------------------------------------------------------


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_as_html_escapes_names():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    name = "<script>alert('x')</script> & \"co\""
    page = leak_audit(pd.DataFrame({name: y, "b": rng.normal(size=200)}), y)._repr_html_()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", 'b"'} & tags.seen
    assert "&lt;script&gt;" in page
    assert "http" not in page


def test_the_report_as_table_text_and_json(leaky):
    X, y = leaky
    report = leak_audit(X.assign(churn_note="x"), y)
    table = report.to_frame()
    assert table["severity"].tolist() == ["error", "note"]
    assert table["columns"].tolist() == ["refund", "churn_note"]
    assert str(report).startswith("1 error, 1 note in ")
    assert ts.LeakReport.model_validate_json(report.model_dump_json()) == report
    assert leak_audit(X[["support_tickets"]], y).to_frame().empty


# -- in a pipeline ---------------------------------------------------------------------------


def test_the_churn_pipeline_audits_its_features(leaky):
    X, y = leaky
    assert "leak" not in ts.customer_churn_pipeline().named_steps
    with pytest.raises(DataError, match="'refund' alone tells the target"):
        ts.customer_churn_pipeline(leak_audit="raise").fit(X, y)
    pipe = ts.customer_churn_pipeline(leak_audit="raise")
    steps = list(pipe.named_steps)
    assert steps.index("features") + 1 == steps.index("leak") == steps.index("impute") - 1
    honest = X.drop(columns="refund")
    plain = ts.customer_churn_pipeline().fit(honest, y).transform(honest)
    pd.testing.assert_frame_equal(pipe.fit(honest, y).transform(honest), plain)
    assert_honest(pipe["leak"].leaks_)


def test_a_search_over_the_audit_gives_the_scores_of_one_without(churn):
    X, y = churn
    options = {"cv": ts.PurgedSnapshotSplit(2), "scoring": "roc_auc"}
    scores = [
        cross_val_score(
            ts.customer_churn_pipeline(LogisticRegression(max_iter=1000), leak_audit=audit),
            X,
            y,
            **options,
        )
        for audit in ("none", "raise")
    ]
    np.testing.assert_array_equal(*scores)
