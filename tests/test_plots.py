"""What the displays compute and draw, against counting by hand and SciPy."""

from __future__ import annotations

import datetime as dt
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot
from matplotlib.figure import Figure
from scipy.stats import binomtest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from tracer_sklearn.exceptions import (
    DataError,
    InputTypeError,
    MissingDependencyError,
    ParameterError,
    SchemaError,
)
from tracer_sklearn.inspection import (
    CalibrationOverTimeDisplay,
    CumulativeGainsDisplay,
    GroupedImportanceDisplay,
    ReliabilityDisplay,
    ScoreDistributionDisplay,
)

mpl.use("Agg")

OF_PREDICTIONS = [CumulativeGainsDisplay, ReliabilityDisplay, ScoreDistributionDisplay]

# few distinct scores, so that ties are common
rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0])),
    min_size=2,
    max_size=40,
).filter(lambda drawn: len({churned for churned, _ in drawn}) == 2)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    pyplot.close("all")


@pytest.fixture
def axes():
    return Figure().subplots()


def split(drawn):
    return [int(churned) for churned, _ in drawn], [score for _, score in drawn]


def fresh():
    return Figure().subplots()


# ------------------------------------------------------------------------------------- gains


@given(rows)
def test_gains_are_what_counting_at_each_threshold_gives(drawn):
    y, scores = split(drawn)
    display = CumulativeGainsDisplay.from_predictions(y, scores, ax=fresh())
    contacted, captured = [0.0], [0.0]
    for threshold in sorted(set(scores), reverse=True):
        above = [churned for churned, score in zip(y, scores, strict=True) if score >= threshold]
        contacted.append(len(above) / len(y))
        captured.append(sum(above) / sum(y))
    np.testing.assert_allclose(display.share_contacted, contacted)
    np.testing.assert_allclose(display.share_captured, captured)
    np.testing.assert_allclose(
        display.lift, np.array(captured[1:]) / np.array(contacted[1:]), rtol=1e-12
    )
    assert display.base_rate == pytest.approx(sum(y) / len(y))


@given(rows, st.randoms(use_true_random=False))
def test_gains_depend_neither_on_the_order_of_rows_nor_on_the_scale_of_scores(drawn, random):
    display = CumulativeGainsDisplay.from_predictions(*split(drawn), ax=fresh())
    random.shuffle(drawn)
    y, scores = split(drawn)
    other = CumulativeGainsDisplay.from_predictions(y, 7 * np.array(scores) - 3, ax=fresh())
    assert other.share_contacted.tolist() == display.share_contacted.tolist()
    assert other.share_captured.tolist() == display.share_captured.tolist()


def test_the_area_under_the_gains_curve_is_that_of_the_auc():
    rng = np.random.default_rng(0)
    y = (rng.random(500) < 0.2).astype(int)
    scores = np.round(y * 0.3 + rng.normal(size=500), 1)
    display = CumulativeGainsDisplay.from_predictions(y, scores, ax=fresh())
    area = np.trapezoid(display.share_captured, display.share_contacted)
    rate = y.mean()
    assert (area - rate / 2) / (1 - rate) == pytest.approx(roc_auc_score(y, scores))


def test_lift_is_drawn_from_one_per_cent_on(axes):
    y = [1] + [0] * 999
    display = CumulativeGainsDisplay.from_predictions(y, range(1000), kind="lift", ax=axes)
    drawn = display.ax_.lines[-1].get_xdata()
    assert drawn.min() == pytest.approx(0.01)
    assert drawn.max() == 1.0


def test_models_that_share_axes_share_one_reference(axes):
    for name in ("first", "second"):
        CumulativeGainsDisplay.from_predictions([0, 1], [0.2, 0.4], name=name, ax=axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "at random",
        "first",
        "second",
    ]


def test_an_unknown_kind_is_refused_by_name(axes):
    with pytest.raises(ParameterError, match="`kind` must be one of 'gains', 'lift', got 'lifts'"):
        CumulativeGainsDisplay.from_predictions([0, 1], [0, 1], kind="lifts", ax=axes)


# ------------------------------------------------------------------------------- calibration


@given(rows, st.integers(1, 12))
def test_groups_keep_every_row_once_and_ties_together(drawn, n_groups):
    y, scores = split(drawn)
    display = ReliabilityDisplay.from_predictions(y, scores, n_groups=n_groups, ax=fresh())
    assert display.n_rows.sum() == len(y)
    assert display.n_rows.min() >= 1
    assert len(display.n_rows) <= min(n_groups, len(set(scores)))
    assert (np.diff(display.mean_predicted) > 0).all()
    weights = display.n_rows / len(y)
    assert weights @ display.mean_predicted == pytest.approx(np.mean(scores))
    assert weights @ display.observed == pytest.approx(np.mean(y))


@given(rows)
def test_intervals_are_those_of_wilson(drawn):
    y, scores = split(drawn)
    display = ReliabilityDisplay.from_predictions(y, scores, n_groups=3, ax=fresh())
    for rate, size, lower, upper in zip(
        display.observed, display.n_rows, display.lower, display.upper, strict=True
    ):
        interval = binomtest(round(rate * size), int(size)).proportion_ci(method="wilson")
        assert (lower, upper) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_without_ties_the_groups_are_of_equal_size(axes):
    display = ReliabilityDisplay.from_predictions(
        [0, 1] * 50, np.linspace(0, 1, 100), n_groups=10, ax=axes
    )
    assert display.n_rows.tolist() == [10] * 10


def test_later_models_do_not_cut_off_the_axes(axes):
    ReliabilityDisplay.from_predictions([0, 1], [0.9, 0.9], n_groups=1, ax=axes)
    ReliabilityDisplay.from_predictions([0, 0, 0, 0] * 30, [0.1] * 120, n_groups=1, ax=axes)
    assert axes.get_xlim()[1] >= 0.9


@pytest.mark.parametrize("display", [ReliabilityDisplay, CalibrationOverTimeDisplay])
def test_scores_that_are_no_probabilities_are_refused(display):
    times = ([1, 2],) if display is CalibrationOverTimeDisplay else ()
    with pytest.raises(DataError, match=r"probabilities in \[0, 1\], found others in 1 rows"):
        display.from_predictions([0, 1], [0.3, 1.2], *times)


DAYS = [dt.date(2024, 3, 1), dt.date(2024, 2, 1), dt.date(2024, 3, 1), dt.date(2024, 2, 1)]


@pytest.mark.parametrize(
    "times",
    [
        DAYS,
        pd.Series(pd.to_datetime(DAYS)),
        pl.Series(DAYS),
        pa.chunked_array([DAYS]),
        np.array(DAYS, dtype="datetime64[s]"),
        [2, 1, 2, 1],
    ],
    ids=["list", "pandas", "polars", "pyarrow", "numpy", "numbers"],
)
def test_rates_over_time_come_by_rising_date_whatever_the_library(axes, times):
    display = CalibrationOverTimeDisplay.from_predictions(
        [1, 0, 0, 0], [0.5, 0.1, 0.3, 0.2], times, ax=axes
    )
    assert (display.times[:-1] < display.times[1:]).all()
    np.testing.assert_allclose(display.mean_predicted, [0.15, 0.4])
    np.testing.assert_allclose(display.observed, [0.0, 0.5])


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (["soon", "later"], "dates or numbers"),
        (np.array(["2024-02-01", "NaT"], dtype="datetime64[D]"), "found 1 missing"),
        ([1.0, np.nan], "found 1 missing"),
        ([object(), object()], "dates or numbers, found other objects"),
    ],
)
def test_times_that_are_no_dates_are_refused(times, says):
    with pytest.raises(DataError, match=says):
        CalibrationOverTimeDisplay.from_predictions([0, 1], [0.1, 0.2], times)


def test_observed_rates_are_drawn_once_for_several_models(axes):
    for name in ("first", "second"):
        CalibrationOverTimeDisplay.from_predictions(
            [0, 1], [0.1, 0.2], DAYS[:2], name=name, ax=axes
        )
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["observed", "first", "second"]


# ------------------------------------------------------------------------------ distribution


@given(rows, st.integers(1, 20))
def test_each_outcome_is_spread_over_the_bins_and_sums_to_one(drawn, n_bins):
    y, scores = split(drawn)
    display = ScoreDistributionDisplay.from_predictions(y, scores, n_bins=n_bins, ax=fresh())
    assert display.churned.sum() == pytest.approx(1)
    assert display.stayed.sum() == pytest.approx(1)
    assert len(display.bin_edges) == n_bins + 1
    lowest = sum(s < display.bin_edges[1] for c, s in drawn if not c)
    if n_bins > 1:
        assert display.stayed[0] == pytest.approx(lowest / (len(y) - sum(y)))


# --------------------------------------------------------------------------- what all share


@pytest.mark.parametrize("display", OF_PREDICTIONS)
@pytest.mark.parametrize("library", [list, np.array, pd.Series, pl.Series, pa.array])
def test_every_library_gives_the_same_picture(display, library):
    y, scores = [0, 1, 0, 1, 1, 0], [0.1, 0.8, 0.3, 0.35, 0.6, 0.2]
    expected = vars(display.from_predictions(y, scores, ax=fresh()))
    found = vars(display.from_predictions(library(y), library(scores), ax=fresh()))
    for key in expected.keys() - {"ax_", "figure_", "name"}:
        np.testing.assert_array_equal(found[key], expected[key])


@pytest.mark.parametrize("display", OF_PREDICTIONS)
def test_plot_makes_axes_where_none_are_given(display):
    drawn = display.from_predictions([0, 1, 0, 1], [0.1, 0.8, 0.3, 0.2])
    assert drawn.figure_ is drawn.ax_.figure
    assert drawn.plot().ax_ is not drawn.from_predictions([0, 1], [0.1, 0.8]).ax_


@pytest.mark.parametrize("display", OF_PREDICTIONS)
def test_an_estimator_is_drawn_by_the_scores_of_the_label_that_is_asked_for(display):
    X = np.array([[0.0], [1.0], [2.0], [3.0]] * 5)
    y = np.array(["stay", "stay", "go", "stay"] * 5)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    drawn = display.from_estimator(model, X, y, pos_label="go", ax=fresh())
    go = list(model.classes_).index("go")
    expected = display.from_predictions(
        y == "go", model.predict_proba(X)[:, go], name="Pipeline", ax=fresh()
    )
    assert drawn.name == "Pipeline"
    for key in vars(expected).keys() - {"ax_", "figure_", "name"}:
        np.testing.assert_array_equal(vars(drawn)[key], vars(expected)[key])


def test_a_decision_function_is_enough_for_ranks_and_turned_for_the_other_label():
    X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    model = LinearSVC().fit(X, y)
    for label in (0, 1):
        drawn = CumulativeGainsDisplay.from_estimator(model, X, y, pos_label=label, ax=fresh())
        assert drawn.share_captured[2] == 1.0
    with pytest.raises(InputTypeError, match="must have predict_proba, LinearSVC has not"):
        ReliabilityDisplay.from_estimator(model, X, y)


def test_an_estimator_that_is_no_fitted_binary_classifier_is_refused():
    with pytest.raises(InputTypeError, match="LogisticRegression with 0 classes"):
        CumulativeGainsDisplay.from_estimator(LogisticRegression(), [[0]], [0])
    model = LogisticRegression().fit([[0], [1]], [0, 1])
    with pytest.raises(ParameterError, match=r"one of the classes \[.*\], got 7"):
        CumulativeGainsDisplay.from_estimator(model, [[0]], [0], pos_label=7)


@pytest.mark.parametrize(
    ("y", "scores", "error", "says"),
    [
        ([], [], DataError, "at least one row"),
        ([0, 1], [0.1, np.nan], DataError, "found 1 that are not"),
        ([0, 1], [0.1, np.inf], DataError, "found 1 that are not"),
        ([0, None], [0.1, 0.2], DataError, "found 1 that are not"),
        ([0, 1, 2], [0.1, 0.2, 0.3], DataError, "two labels, found 3"),
        (["no", "yes"], [0.1, 0.2], ParameterError, "`pos_label` must be the label"),
        ([0, 1], [[0.1, 0.9], [0.5, 0.5]], DataError, "one value a row"),
        ([0, 1], ["a", "b"], DataError, "scores must be numbers"),
        ([0, 1], [0.1], ValueError, "same number of rows"),
    ],
)
@pytest.mark.parametrize("display", OF_PREDICTIONS)
def test_what_cannot_be_drawn_is_said(display, y, scores, error, says):
    with pytest.raises(error, match=says):
        display.from_predictions(y, scores)


@pytest.mark.parametrize("display", [CumulativeGainsDisplay, ScoreDistributionDisplay])
@pytest.mark.parametrize(("y", "found"), [([0, 0], "no churner"), ([1, 1], "only churners")])
def test_one_outcome_alone_cannot_be_ranked(display, y, found):
    with pytest.raises(DataError, match=f"both outcomes, found {found} in 2 rows"):
        display.from_predictions(y, [0.1, 0.2])


def test_a_wrong_label_of_churners_is_refused():
    with pytest.raises(ParameterError, match="one of the labels"):
        CumulativeGainsDisplay.from_predictions(["a", "b"], [0.1, 0.2], pos_label="c")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "tracer-sklearn\[plots\]"'):
        CumulativeGainsDisplay.from_predictions([0, 1], [0.1, 0.2])


def test_a_name_with_dollars_is_no_formula(axes):
    CumulativeGainsDisplay.from_predictions([0, 1], [0.1, 0.2], name="$cost$ of $x$", ax=axes)
    axes.figure.canvas.draw()
    text = axes.get_legend().get_texts()[-1]
    assert text._preprocess_math(text.get_text()) == ("$cost$ of $x$", False)


# ------------------------------------------------------------------- importance of columns


def twins(library=pd.DataFrame):
    """Two copies of what decides, and noise."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=400)
    X = {"first": signal, "second": signal, "noise": rng.normal(size=400)}
    y = (signal + 0.3 * rng.normal(size=400) > 0).astype(int)
    return library(X), y


def importance_of(X, y, **options):
    model = LogisticRegression().fit(X, y)
    options = {"random_state": 0, "ax": fresh(), **options}
    return GroupedImportanceDisplay.from_estimator(model, X, y, **options)


def test_columns_that_say_the_same_count_together():
    X, y = twins()
    alone = importance_of(X, y)
    together = importance_of(X, y, groups={"signal": ["first", "second"], "noise": ["noise"]})
    assert together.ranking == ["signal", "noise"]
    assert together.losses["signal"].mean() == pytest.approx(0.48, abs=0.05)  # AUC .98 to .5
    assert alone.losses["first"].mean() < 0.6 * together.losses["signal"].mean()
    assert abs(together.losses["noise"].mean()) < 0.01


class Sum(ClassifierMixin, BaseEstimator):
    """Reads its columns by name from a frame of any library."""

    classes_ = np.array([0, 1])

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        total = sum(np.asarray(X[name]) for name in ("first", "second"))
        return np.column_stack([-total, total])


@pytest.mark.parametrize("library", [pl.DataFrame, pa.table])
def test_importance_is_the_same_for_every_library_and_leaves_x_as_it_is(library):
    def losses(X, y):
        return GroupedImportanceDisplay.from_estimator(
            Sum(), X, y, random_state=0, ax=fresh()
        ).losses

    expected = losses(*twins())
    X, y = twins(library)
    found = losses(X, y)
    assert X.equals(twins(library)[0])
    for group in expected:
        np.testing.assert_array_equal(found[group], expected[group])
    assert expected["noise"].tolist() == [0.0] * 5


def test_only_the_most_important_groups_are_drawn(axes):
    losses = {f"group {number}": np.array([number / 100]) for number in range(30)}
    display = GroupedImportanceDisplay(losses, metric="roc_auc", name="model").plot(axes)
    labels = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert len(labels) == GroupedImportanceDisplay.most_shown
    assert labels[:2] == ["group 29", "group 28"]
    assert axes.get_title() == "model"


@pytest.mark.parametrize("groups", [{}, {"empty": []}])
def test_groups_of_nothing_are_refused(groups):
    with pytest.raises(ParameterError, match="`groups` must be None or a mapping"):
        importance_of(*twins(), groups=groups)


def test_a_group_of_unknown_columns_is_refused_with_the_nearest_name():
    with pytest.raises(SchemaError, match="missing: 'frist' \\(nearest: 'first'"):
        importance_of(*twins(), groups={"signal": ["frist"]})


def test_lazy_rows_cannot_be_shuffled():
    X, y = twins()
    model = LogisticRegression().fit(X, y)
    with pytest.raises(InputTypeError, match="must be in memory"):
        GroupedImportanceDisplay.from_estimator(model, pl.LazyFrame(X), y)
