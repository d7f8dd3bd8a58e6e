from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import cross_validate
from sklearn.svm import LinearSVC

from tracer_sklearn.exceptions import DataError, ParameterError
from tracer_sklearn.tasks import metrics
from tracer_sklearn.tasks.metrics import (
    calibration_in_the_large,
    expected_maximum_profit,
    expected_profit_at_k,
    top_decile_lift,
)

GOLDEN = ([0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9])
RANKING_METRICS = (top_decile_lift, expected_maximum_profit, expected_profit_at_k)

pairs = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9])),
    min_size=1,
    max_size=30,
)


# -- oracles -------------------------------------------------------------------------------


def lift_by_enumeration(truth, scores):
    """Average the lift over every order of the rows, breaking ties by that order."""
    n = len(truth)
    k = math.ceil(n / 10)
    found = []
    for order in itertools.permutations(range(n)):
        ranked = sorted(order, key=lambda i: -scores[i])
        found.append(sum(truth[i] for i in ranked[:k]) / k)
    return np.mean(found) / np.mean(truth)


def profit_of_contacting(truth, contacted, gamma, clv, d, f):
    """Go through the customers one by one, as in the paper's figure of the campaign."""
    money = 0.0
    for churner, called in zip(truth, contacted, strict=True):
        if called:
            money -= f
            money += gamma * (clv - d) if churner else -d
    return money / len(truth)


def profit_by_quadrature(truth, scores, alpha=6, beta=14, clv=200, d=10, f=1):
    """Choose the best threshold anew for each gamma, and integrate numerically."""
    thresholds = [math.inf, *sorted(set(scores), reverse=True)]
    # a campaign's profit is linear in gamma
    lines = []
    for threshold in thresholds:
        contacted = [s >= threshold for s in scores]
        low, high = (
            profit_of_contacting(truth, contacted, gamma, clv, d, f) for gamma in (0.0, 1.0)
        )
        lines.append((low, high - low))
    density = stats.beta(alpha, beta).pdf

    def best(gamma):
        return max(a + b * gamma for a, b in lines) * density(gamma)

    edges = np.linspace(0, 1, 41)
    return sum(
        integrate.quad(best, low, high, epsabs=1e-10, limit=200)[0]
        for low, high in itertools.pairwise(edges)
    )


# -- lift ----------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.1, 0.5, 0.9])), min_size=1, max_size=6)
)
@settings(deadline=None, max_examples=40)
def test_lift_of_few_rows_is_the_mean_over_all_orders(rows):
    truth, scores = zip(*[*rows, (1, 0.5)], strict=True)
    assert top_decile_lift(truth, scores) == pytest.approx(lift_by_enumeration(truth, scores))


def test_lift_takes_the_next_whole_customer():
    truth = [1] * 3 + [0] * 18
    scores = np.arange(21)[::-1]
    assert top_decile_lift(truth[:20], scores[:20]) == pytest.approx(20 / 3)  # k = 2
    assert top_decile_lift(truth, scores) == pytest.approx(7.0)  # k = 3


def test_lift_of_constant_scores_is_one_whatever_the_order():
    truth = np.r_[np.ones(30), np.zeros(70)]
    assert top_decile_lift(truth, np.full(100, 0.5)) == pytest.approx(1.0)
    assert top_decile_lift(truth[::-1], np.full(100, 0.5)) == pytest.approx(1.0)


def test_lift_without_churners_is_undefined_and_with_churners_only_is_one():
    with pytest.raises(DataError, match="at least one churner") as caught:
        top_decile_lift([0, 0, 0], [0.1, 0.2, 0.3])
    assert caught.value.rule == "one_class"
    assert top_decile_lift([1, 1, 1], [0.1, 0.2, 0.3]) == 1.0


# -- expected maximum profit ---------------------------------------------------------------


def test_profit_golden_value():
    assert expected_maximum_profit(*GOLDEN) == pytest.approx(23.8756, abs=1e-3)


def test_profit_of_contacting_everybody_at_the_churn_rate_of_telco():
    truth = np.r_[np.ones(1_869), np.zeros(5_174)]
    assert expected_maximum_profit(truth, np.zeros(7_043)) == pytest.approx(6.91, abs=0.005)


@given(
    rows=pairs,
    parameters=st.sampled_from(
        [
            {},
            {"alpha": 1, "beta": 1},
            {"alpha": 2.5, "beta": 3, "clv": 50, "d": 20, "f": 5},
            {"clv": 12, "d": 10, "f": 4},
            {"d": 0, "f": 0},
        ]
    ),
)
@settings(deadline=None, max_examples=40)
def test_profit_agrees_with_quadrature(rows, parameters):
    truth, scores = zip(*rows, strict=True)
    expected = profit_by_quadrature(truth, scores, **parameters)
    found = expected_maximum_profit(truth, scores, **parameters)
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-7)


@given(rows=pairs)
@settings(deadline=None, max_examples=50)
def test_profit_is_at_least_that_of_any_fixed_campaign(rows):
    truth, scores = zip(*rows, strict=True)
    best = expected_maximum_profit(truth, scores)
    # contacting everybody, or nobody, or a whole group of equal scores is one of the choices
    for threshold in set(scores):
        k = sum(s >= threshold for s in scores)
        assert best >= expected_profit_at_k(truth, scores, k=k) - 1e-9
    assert best >= 0


def test_profit_with_one_class_is_nobody_or_everybody():
    assert expected_maximum_profit([0, 0, 0], [0.1, 0.2, 0.3]) == 0.0
    everybody = profit_by_quadrature([1, 1, 1], [0.1, 0.2, 0.3])
    assert expected_maximum_profit([1, 1, 1], [0.1, 0.2, 0.3]) == pytest.approx(everybody)
    assert everybody > 0.3 * 190 - 1 - 1e-9


@given(rows=pairs)
@settings(deadline=None, max_examples=50)
@pytest.mark.parametrize("metric", RANKING_METRICS)
def test_only_ranks_matter_and_the_order_of_rows_does_not(metric, rows):
    truth, scores = map(np.array, zip(*[*rows, (1, 0.3)], strict=True))
    value = metric(truth, scores)
    assert metric(truth[::-1], scores[::-1]) == pytest.approx(value, rel=1e-12, abs=1e-12)
    assert metric(truth, np.exp(3 * scores)) == pytest.approx(value, rel=1e-12, abs=1e-12)


# -- profit at k ---------------------------------------------------------------------------


def test_profit_at_k_agrees_with_going_through_the_customers():
    truth = [1, 0, 1, 0, 0, 1]
    scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    for k in range(1, 7):
        called = [i < k for i in range(6)]
        expected = profit_of_contacting(truth, called, 0.3, 200, 10, 1)
        assert expected_profit_at_k(truth, scores, k=k) == pytest.approx(expected)


def test_profit_at_k_takes_shares_and_numbers():
    truth = np.tile([1, 0, 0, 0, 0, 0, 0], 10)
    scores = np.linspace(1, 0, 70)
    assert expected_profit_at_k(truth, scores, k=0.1) == expected_profit_at_k(truth, scores, k=7)
    assert expected_profit_at_k(truth, scores, k=1.0) == expected_profit_at_k(truth, scores, k=70)
    assert expected_profit_at_k(truth, scores, k=500) == expected_profit_at_k(truth, scores, k=70)
    assert expected_profit_at_k(truth, scores, k=1e-9) == expected_profit_at_k(truth, scores, k=1)


def test_profit_at_k_shares_ties_out():
    split = expected_profit_at_k([1, 0], [0.5, 0.5], k=1)
    apart = [expected_profit_at_k([1, 0], s, k=1) for s in ([0.6, 0.5], [0.5, 0.6])]
    assert split == pytest.approx(np.mean(apart))


# -- calibration ---------------------------------------------------------------------------


def test_calibration_is_signed_and_defined_with_one_class():
    assert calibration_in_the_large([0, 0, 1, 1], [0.9, 0.9, 0.9, 0.9]) == pytest.approx(0.4)
    assert calibration_in_the_large([1, 1], [0.25, 0.75]) == pytest.approx(-0.5)


def test_calibration_refuses_scores_that_are_no_probabilities():
    with pytest.raises(DataError, match="predict_proba, not decision_function"):
        calibration_in_the_large([0, 1], [-0.5, 1.5])


# -- input ---------------------------------------------------------------------------------

ALL = (*RANKING_METRICS, calibration_in_the_large)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("container", [list, np.array, pd.Series, pl.Series, pa.array])
def test_any_library_may_hold_the_columns(metric, container):
    truth, scores = GOLDEN
    assert metric(container(truth), container(scores)) == metric(truth, scores)


@pytest.mark.parametrize("metric", ALL)
def test_labels_may_be_flags_signs_or_named(metric):
    truth, scores = np.array(GOLDEN[0]), GOLDEN[1]
    value = metric(truth, scores)
    assert metric(truth.astype(bool), scores) == value
    assert metric(2 * truth - 1, scores) == value
    assert metric(np.where(truth, "gone", "here"), scores, pos_label="gone") == value
    with pytest.raises(ParameterError, match="pos_label"):
        metric(np.where(truth, "gone", "here"), scores)
    with pytest.raises(ParameterError, match="'Gone'"):
        metric(np.where(truth, "gone", "here"), scores, pos_label="Gone")


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    ("truth", "scores", "message"),
    [
        ([], [], "at least one row"),
        ([0, 1], [0.1, np.nan], "1 missing"),
        ([0, None], [0.1, 0.2], "1 missing"),
        ([0.0, np.nan], [0.1, 0.2], "1 missing"),
        ([0, 1, 2], [0.1, 0.2, 0.3], "two labels"),
        ([0, 1], [[0.1, 0.9], [0.2, 0.8]], "one value a row"),
        ([0, 1], ["low", "high"], "numbers"),
    ],
)
def test_awkward_input_is_refused_clearly(metric, truth, scores, message):
    with pytest.raises(DataError, match=message):
        metric(truth, scores)


@pytest.mark.parametrize("metric", ALL)
def test_columns_of_different_length_are_refused(metric):
    with pytest.raises(ValueError, match="same number of rows, found 2 and 3"):
        metric([0, 1], [0.1, 0.2, 0.3])


@pytest.mark.parametrize("metric", [expected_maximum_profit, expected_profit_at_k])
@pytest.mark.parametrize(
    "options", [{"alpha": 0}, {"beta": -1}, {"clv": 10}, {"d": -1}, {"f": math.nan}]
)
def test_illegal_costs_name_themselves(metric, options):
    with pytest.raises(ParameterError, match=f"`{next(iter(options))}`"):
        metric(*GOLDEN, **options)


@pytest.mark.parametrize("k", [0, -1, 0.0, 1.5, True, "10%", None, math.nan])
def test_illegal_k_is_refused(k):
    with pytest.raises(ParameterError, match="`k`"):
        expected_profit_at_k(*GOLDEN, k=k)


# -- scorers -------------------------------------------------------------------------------

SCORERS = {name: getattr(metrics, f"{name.__name__}_scorer") for name in ALL}


def test_scorers_give_the_metric_of_the_probabilities():
    X, y = make_classification(300, weights=[0.8], random_state=0)
    model = LogisticRegression().fit(X, y)
    for metric, scorer in SCORERS.items():
        expected = metric(y, model.predict_proba(X)[:, 1])
        assert scorer(model, X, y) == pytest.approx(expected)


def test_scorers_work_together_in_cross_validation():
    X, y = make_classification(300, weights=[0.8], random_state=0)
    scoring = {metric.__name__: scorer for metric, scorer in SCORERS.items()}
    found = cross_validate(LogisticRegression(), X, y, cv=3, scoring=scoring)
    for name in scoring:
        assert np.isfinite(found[f"test_{name}"]).all()


def test_ranking_scorers_take_models_without_probabilities():
    X, y = make_classification(200, random_state=0)
    model = LinearSVC().fit(X, y)
    found = metrics.top_decile_lift_scorer(model, X, y)
    assert found == top_decile_lift(y, model.decision_function(X))


def test_a_scorer_for_named_labels_is_made_as_the_error_says():
    X, y = make_classification(200, random_state=0)
    named = np.where(y, "gone", "here")  # scikit-learn's positive class would be "here"
    scorer = make_scorer(top_decile_lift, response_method="predict_proba", pos_label="gone")
    model = LogisticRegression().fit(X, named)
    by_number = LogisticRegression().fit(X, y)
    assert scorer(model, X, named) == metrics.top_decile_lift_scorer(by_number, X, y)
