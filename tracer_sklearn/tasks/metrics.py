"""What a model is worth: lift, profit, calibration, errors of projections; also as scorers."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression
from scipy.special import betaincc
from sklearn.metrics import make_scorer

from tracer_sklearn._frame import enter_target
from tracer_sklearn._params import check_real, fail, is_number
from tracer_sklearn.exceptions import DataError, ParameterError
from tracer_sklearn.tasks._forecast_metrics import (
    mase,
    mase_scorer,
    rmsse,
    rmsse_scorer,
    wape,
    wape_scorer,
)

__all__ = [
    "calibration_in_the_large",
    "calibration_in_the_large_scorer",
    "expected_maximum_profit",
    "expected_maximum_profit_scorer",
    "expected_profit_at_k",
    "expected_profit_at_k_scorer",
    "mase",
    "mase_scorer",
    "rmsse",
    "rmsse_scorer",
    "top_decile_lift",
    "top_decile_lift_scorer",
    "wape",
    "wape_scorer",
]


def top_decile_lift(y_true: Any, y_score: Any, *, pos_label: Any = None) -> float:
    r"""Compare the churn rate among the tenth with the highest scores to that of everybody.

    Use it when a campaign reaches a fixed, small share of the customers. It looks at ranks only:
    it says nothing about calibration, and high risk is not the same as worth contacting.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The outcomes; NumPy, pandas, Polars or PyArrow.
    y_score : array-like of shape (n,)
        Scores or probabilities of churn; higher is riskier.
    pos_label : object, default=None
        The label of a churner. None takes 1, for labels that are Boolean, 0/1 or -1/1.

    Returns
    -------
    lift : float
        1 for a random model, at most ``min(10, 1 / base rate)`` for large n.

    Raises
    ------
    ParameterError
        If the labels are others than 0/1, -1/1 or Boolean and `pos_label` is not given.
    DataError
        If there are no rows, no churner (the lift is then undefined), missing values, or more
        than two labels.

    Notes
    -----
    :math:`\text{lift} = (\text{churners among the top } k)/k \,/\, \text{base rate}` with
    :math:`k = \lceil 0.1 n \rceil`: one row for n < 10. Rows that tie at the cut count by
    expectation over their random order, so the value does not depend on the order of rows.
    Cost: one sort.

    References
    ----------
    Ascarza (2018), doi 10.1509/jmr.16.0163, on why high risk is not the best target.

    Examples
    --------
    >>> from tracer_sklearn.tasks.metrics import top_decile_lift
    >>> top_decile_lift([0, 1, 0, 0, 1], [0.2, 0.9, 0.1, 0.4, 0.5])
    2.5
    """
    who = "top_decile_lift"
    churned, scores = _check_pair(who, y_true, y_score, pos_label)
    if not churned.any():
        raise DataError(
            f"{who}: the lift needs at least one churner in y_true, found none in {len(churned)} "
            "rows; use longer test periods or larger folds.",
            rule="one_class",
            n_rows=len(churned),
        )
    k = -(-len(churned) // 10)
    return _expected_churners(churned, scores, k) / k / float(churned.mean())


def expected_maximum_profit(
    y_true: Any,
    y_score: Any,
    *,
    alpha: float = 6,
    beta: float = 14,
    clv: float = 200,
    d: float = 10,
    f: float = 1,
    pos_label: Any = None,
) -> float:
    r"""Compute the profit a customer of a retention campaign whose size is chosen best (EMPC).

    Use it to compare models in money when how many to contact is still open; with a fixed budget
    use `expected_profit_at_k`. It looks at ranks only, and it assumes that the share of churners
    who accept an offer is the same at every score.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The outcomes; NumPy, pandas, Polars or PyArrow.
    y_score : array-like of shape (n,)
        Scores or probabilities of churn; higher is riskier.
    alpha : float, default=6
        First parameter (> 0) of the Beta distribution of the share of churners who accept the
        offer and stay; its mean is ``alpha / (alpha + beta)``, 0.3 by default.
    beta : float, default=14
        Second parameter (> 0) of that distribution.
    clv : float, default=200
        Value of a customer who stays, in money; more than `d`.
    d : float, default=10
        Cost of the offer, in money, at least 0: paid to churners who accept it and to every
        customer who would have stayed anyway.
    f : float, default=1
        Cost of a contact, in money, at least 0.
    pos_label : object, default=None
        The label of a churner. None takes 1, for labels that are Boolean, 0/1 or -1/1.

    Returns
    -------
    profit : float
        Money for each customer of the base, contacted or not; never negative, because nobody
        need be contacted.

    Raises
    ------
    ParameterError
        If a parameter is outside its legal set.
    DataError
        If there are no rows, missing values, or more than two labels.

    Notes
    -----
    :math:`\int_0^1 \max_t \{[\gamma(\text{clv} - d) - f]\, \pi_0 F_0(t)
    - (d + f)\, \pi_1 F_1(t)\}\, h(\gamma)\, d\gamma` with the shares :math:`\pi_0 F_0` of
    churners and :math:`\pi_1 F_1` of others who score above t, and the Beta density h. The best t
    lies on the convex hull of the ROC curve. The hull is found as the isotonic regression of the
    outcomes on the scores; each of its segments, with churn rate p, is contacted iff
    :math:`\gamma \ge (f + (1 - p) d)/(p(\text{clv} - d))`, so that the integral is a sum of
    incomplete Beta functions and exact. Tied scores are one segment. Where all outcomes are the
    same the value is still defined: 0 without churners, everybody's expected profit with
    churners only. The defaults are those of the paper and its R package. Cost: one sort.

    References
    ----------
    Verbraken, Verbeke & Baesens (2013), doi 10.1109/TKDE.2012.50.

    Examples
    --------
    >>> from tracer_sklearn.tasks.metrics import expected_maximum_profit
    >>> y_true = [0, 1, 0, 1, 0, 1, 0, 1]
    >>> y_score = [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]
    >>> round(expected_maximum_profit(y_true, y_score), 4)
    23.8756
    """
    who = "expected_maximum_profit"
    _check_campaign(who, alpha, beta, clv, d, f)
    churned, scores = _check_pair(who, y_true, y_score, pos_label)
    shares, rates = _hull(churned, scores)
    shares, rates = shares[rates > 0], rates[rates > 0]
    gain, loss = rates * (clv - d), f + (1 - rates) * d
    worth_it = np.minimum(loss / gain, 1.0)
    mean = alpha / (alpha + beta)
    accepted = mean * betaincc(alpha + 1, beta, worth_it)
    contacted = betaincc(alpha, beta, worth_it)
    return float(np.sum(shares * (gain * accepted - loss * contacted)))


def expected_profit_at_k(
    y_true: Any,
    y_score: Any,
    *,
    k: float = 0.1,
    alpha: float = 6,
    beta: float = 14,
    clv: float = 200,
    d: float = 10,
    f: float = 1,
    pos_label: Any = None,
) -> float:
    r"""Compute the profit a customer of contacting the k with the highest scores.

    Use it when the size of the campaign is fixed; `expected_maximum_profit` chooses it.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The outcomes; NumPy, pandas, Polars or PyArrow.
    y_score : array-like of shape (n,)
        Scores or probabilities of churn; higher is riskier.
    k : float or int, default=0.1
        A float in (0, 1] is the share of the customers who are contacted, rounded up to whole
        customers; an integer >= 1 is their number (everybody, where there are fewer).
    alpha : float, default=6
        First parameter (> 0) of the Beta distribution of the share of churners who accept the
        offer and stay; only the mean, ``alpha / (alpha + beta)``, matters here.
    beta : float, default=14
        Second parameter (> 0) of that distribution.
    clv : float, default=200
        Value of a customer who stays, in money; more than `d`.
    d : float, default=10
        Cost of the offer, in money, at least 0.
    f : float, default=1
        Cost of a contact, in money, at least 0.
    pos_label : object, default=None
        The label of a churner. None takes 1, for labels that are Boolean, 0/1 or -1/1.

    Returns
    -------
    profit : float
        Money for each customer of the base, contacted or not; negative if the campaign costs
        more than it saves.

    Raises
    ------
    ParameterError
        If a parameter is outside its legal set.
    DataError
        If there are no rows, missing values, or more than two labels.

    Notes
    -----
    :math:`\{c\,[\bar\gamma(\text{clv} - d) - f] - (k - c)(d + f)\}/n` with c churners among the k
    contacted and :math:`\bar\gamma = \alpha/(\alpha + \beta)`. Rows that tie at the cut count by
    expectation over their random order. Cost: one sort.

    References
    ----------
    Verbraken, Verbeke & Baesens (2013), doi 10.1109/TKDE.2012.50.

    Examples
    --------
    >>> from tracer_sklearn.tasks.metrics import expected_profit_at_k
    >>> round(expected_profit_at_k([0, 1, 0, 1], [0.1, 0.8, 0.3, 0.9], k=2), 6)
    28.0
    """
    who = "expected_profit_at_k"
    _check_campaign(who, alpha, beta, clv, d, f)
    _check_k(who, k)
    churned, scores = _check_pair(who, y_true, y_score, pos_label)
    n = len(churned)
    contacted = _n_contacted(k, n)
    saved = _expected_churners(churned, scores, contacted)
    kept = alpha / (alpha + beta) * (clv - d) - f
    return (saved * kept - (contacted - saved) * (d + f)) / n


def calibration_in_the_large(y_true: Any, y_prob: Any, *, pos_label: Any = None) -> float:
    """Compute the mean predicted probability minus the share of churners.

    Use it next to AUC, which cannot see a level that is wrong: a stale reference date leaves AUC
    as it is and moves this number. It does not see errors that cancel out; look at the Brier
    score or a calibration curve too.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The outcomes; NumPy, pandas, Polars or PyArrow.
    y_prob : array-like of shape (n,)
        Probabilities of churn, in [0, 1].
    pos_label : object, default=None
        The label of a churner. None takes 1, for labels that are Boolean, 0/1 or -1/1.

    Returns
    -------
    difference : float
        In [-1, 1]; 0 is perfect, above 0 predicts too much churn.

    Raises
    ------
    ParameterError
        If the labels are others than 0/1, -1/1 or Boolean and `pos_label` is not given.
    DataError
        If there are no rows, missing values, more than two labels, or a probability outside
        [0, 1].

    Notes
    -----
    The scorer returns the signed difference: read it, do not maximise it. Defined with one class
    too. Cost: linear.

    References
    ----------
    Van Calster et al. (2019), doi 10.1186/s12916-019-1466-7.

    Examples
    --------
    >>> from tracer_sklearn.tasks.metrics import calibration_in_the_large
    >>> round(calibration_in_the_large([0, 1, 0, 0], [0.2, 0.6, 0.3, 0.1]), 6)
    0.05
    """
    who = "calibration_in_the_large"
    churned, probabilities = _check_pair(who, y_true, y_prob, pos_label)
    n_outside = int(np.sum((probabilities < 0) | (probabilities > 1)))
    if n_outside:
        raise DataError(
            f"{who}: y_prob must hold probabilities in [0, 1], found others in {n_outside} rows; "
            "use predict_proba, not decision_function.",
            rule="probability",
            n_rows=n_outside,
        )
    return float(probabilities.mean() - churned.mean())


def _as_scorer(metric: Callable[..., float], *response_methods: str) -> Any:
    scorer = make_scorer(metric, response_method=response_methods)
    scorer.__doc__ = (
        f"Score a classifier by `{metric.__name__}` of its "
        f"{' or '.join(response_methods)}, with the default parameters."
    )
    return scorer


_RANKING = ("predict_proba", "decision_function")
top_decile_lift_scorer = _as_scorer(top_decile_lift, *_RANKING)
expected_maximum_profit_scorer = _as_scorer(expected_maximum_profit, *_RANKING)
expected_profit_at_k_scorer = _as_scorer(expected_profit_at_k, *_RANKING)
calibration_in_the_large_scorer = _as_scorer(calibration_in_the_large, "predict_proba")


# -- checks --------------------------------------------------------------------------------


def _check_campaign(who: str, alpha: float, beta: float, clv: float, d: float, f: float) -> None:
    check_real(who, "alpha", alpha, low=0, low_open=True)
    check_real(who, "beta", beta, low=0, low_open=True)
    check_real(who, "d", d, low=0)
    check_real(who, "f", f, low=0)
    check_real(who, "clv", clv, low=d, low_open=True)


def _check_k(who: str, k: Any) -> None:
    if isinstance(k, numbers.Integral):
        legal = is_number(k) and int(k) >= 1
    else:
        legal = is_number(k) and 0 < k <= 1
    if not legal:
        raise fail(who, "k", "a share in (0, 1] or an integer >= 1", k)


def _check_pair(
    who: str, y_true: Any, y_score: Any, pos_label: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows churned, and their scores."""
    truth = enter_target(y_true, len(y_true), stage=who)
    scores = enter_target(y_score, len(truth), stage=who)
    for name, values in (("y_true", truth), ("scores", scores)):
        if values.ndim != 1:
            raise DataError(
                f"{who}: {name} must have one value a row, found shape {values.shape}; take one "
                "column, for example `predict_proba(X)[:, 1]`.",
                rule="one_dimensional",
            )
    if not len(truth):
        raise DataError(f"{who}: at least one row is needed, found none.", rule="rows", n_rows=0)
    try:
        scores = scores.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{who}: scores must be numbers, found {scores.dtype}; pass predicted scores second.",
            rule="numeric",
        ) from None
    n_missing = int(np.isnan(scores).sum()) + int(pd.isna(truth).sum())
    if n_missing:
        raise DataError(
            f"{who}: y_true and scores must be known in every row, found {n_missing} missing "
            "values; drop those rows or find out why the model gives none.",
            rule="missing",
            n_rows=n_missing,
        )
    return _churned(who, truth, pos_label), scores


def _churned(who: str, truth: np.ndarray, pos_label: Any) -> np.ndarray:
    labels = pd.unique(truth).tolist()
    if len(labels) > 2:
        raise DataError(
            f"{who}: y_true must have two labels, found {len(labels)}; it is a binary metric.",
            rule="binary",
        )
    if pos_label is None:
        if not (set(labels) <= {0, 1} or set(labels) <= {-1, 1}):
            raise ParameterError(
                f"{who}: `pos_label` must name the label of a churner where labels are not 0 and "
                f"1, found {labels!r} and None; set it, for a scorer with "
                f"`make_scorer({who}, response_method='predict_proba', pos_label=...)`.",
                stage=who,
                parameter="pos_label",
                value=None,
            )
        pos_label = 1
    elif len(labels) == 2 and pos_label not in labels:
        raise fail(who, "pos_label", f"one of the labels {labels!r}", pos_label)
    churned: np.ndarray = truth == pos_label
    return churned


# -- algorithms ----------------------------------------------------------------------------


def _n_contacted(k: Any, n: int) -> int:
    if isinstance(k, numbers.Integral):
        return min(int(k), n)
    # 0.1 * 70 is 7.000000000000001: rounding first keeps whole numbers whole
    return max(math.ceil(round(float(k) * n, 6)), 1)


def _expected_churners(churned: np.ndarray, scores: np.ndarray, k: int) -> float:
    """Count the churners among the k highest scores, in expectation over the order of ties."""
    cut = np.partition(scores, len(scores) - k)[len(scores) - k]
    above, tied = scores > cut, scores == cut
    open_places = k - int(above.sum())
    return float(churned[above].sum() + open_places * churned[tied].mean())


def _hull(churned: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return share of the rows and churn rate of each segment of the ROC curve's convex hull."""
    _, groups = np.unique(scores, return_inverse=True)
    sizes = np.bincount(groups)
    churners = np.bincount(groups, weights=churned)
    blocks = isotonic_regression(churners / sizes, weights=sizes.astype(np.float64)).blocks
    segment_sizes = np.add.reduceat(sizes, blocks[:-1])
    rates = np.add.reduceat(churners, blocks[:-1]) / segment_sizes
    return segment_sizes / len(scores), rates
