"""DriftMonitor: measures against slow oracles and SciPy, chance, planted shifts, every engine."""

from __future__ import annotations

import json
import math
import pickle
import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import tracer_sklearn as ts
from tracer_sklearn import (
    DataError,
    DataQualityWarning,
    DriftMonitor,
    ParameterError,
    SchemaError,
)
from tracer_sklearn.testing import to_engine

NAN, INF = math.nan, math.inf


def report(train, later, **options):
    return DriftMonitor(on_drift="none", **options).fit(train).report(later)


def found(train, later, **options):
    return {k: v for k, v in report(train, later, **options)["drift"].items() if v}


# -- oracles ---------------------------------------------------------------------------------


def plain_psi(expected, found):
    """Shares with half a cell added, cell by cell."""
    n = sum(expected) + 0.5 * len(expected)
    m = sum(found) + 0.5 * len(found)
    total = 0.0
    for a, b in zip(expected, found, strict=True):
        p, q = (a + 0.5) / n, (b + 0.5) / m
        total += (q - p) * math.log(q / p)
    return total


def plain_gap(a, b):
    points = sorted({*a, *b})
    return max(
        abs(sum(v <= x for v in a) / len(a) - sum(v <= x for v in b) / len(b)) for x in points
    )


few = st.lists(st.integers(-3, 4), min_size=1, max_size=60)
many = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=60, max_size=200)


@given(few, few)
def test_the_gap_of_few_values_is_exact(a, b):
    ks = report(pl.DataFrame({"x": a}), pl.DataFrame({"x": b}))["ks"].item()
    assert ks == pytest.approx(plain_gap(a, b), abs=1e-12)


@given(many, many)
def test_the_gap_of_many_values_is_below_the_exact_one_by_a_twentieth_at_most(a, b):
    ks = report(pl.DataFrame({"x": a}), pl.DataFrame({"x": b}))["ks"].item()
    exact = plain_gap(a, b)
    assert exact - 1 / 20 - 2 / len(a) <= ks <= exact + 1e-12


def test_the_gap_of_samples_is_that_of_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=20_000), rng.normal(0.2, 1.1, size=5_000)
    ks = report(pl.DataFrame({"x": a}), pl.DataFrame({"x": b}))["ks"].item()
    assert ks == pytest.approx(ks_2samp(a, b).statistic, abs=0.01)


def test_the_index_of_a_number_uses_tenths_of_the_training_rows():
    rng = np.random.default_rng(1)
    a, b = rng.gamma(2, 5, 10_000), rng.gamma(2.5, 5, 3_000)
    edges = [-INF, *np.quantile(a, np.arange(1, 10) / 10), INF]
    counts = [[sum(low < v <= high for v in x) for low, high in pairwise(edges)] for x in (a, b)]
    psi = report(pl.DataFrame({"x": a}), pl.DataFrame({"x": b}))["psi"].item()
    assert psi == pytest.approx(plain_psi(*counts), rel=1e-9)


@given(
    st.lists(st.integers(10, 200), min_size=2, max_size=6, unique=True),
    st.lists(st.integers(0, 200), min_size=6, max_size=6),
)
def test_the_index_of_levels_is_the_plain_one(then, now):
    then = sorted(then, reverse=True)
    now = [50 + n for n in now[: len(then)]]
    train = pl.DataFrame({"x": [f"l{i}" for i, n in enumerate(then) for _ in range(n)]})
    later = pl.DataFrame({"x": [f"l{i}" for i, n in enumerate(now) for _ in range(n)]})
    fewest = max(0.01 * sum(then), 10, 10 * sum(then) / sum(now))
    large = [i for i, n in enumerate(then) if n >= fewest]
    if len(large) < len(then):  # the small levels are one bin; too small, it joins the last one
        tail = [sum(x) - sum(x[i] for i in large) for x in (then, now)]
        expected, counts = [then[i] for i in large], [now[i] for i in large]
        if tail[0] >= fewest:
            expected, counts = [*expected, tail[0]], [*counts, tail[1]]
        else:
            expected[-1] += tail[0]
            counts[-1] += tail[1]
    else:
        expected, counts = then, now
    psi = report(train, later)["psi"].item()
    assert psi == pytest.approx(plain_psi(expected, counts), abs=1e-12)


def test_limits_follow_the_formula():
    from scipy.stats import chi2

    train = pl.DataFrame({"flag": [0] * 150 + [1] * 150, "x": [float(i) for i in range(300)]})
    later = train.sample(120, seed=0)
    level = 0.01 / 8
    r = report(train, later, max_psi=1e-6, max_ks=1e-6)
    chance = 1 / 300 + 1 / 120
    assert r.loc["flag", "psi_limit"] == pytest.approx(chance * chi2.isf(level, 1))
    assert r.loc["x", "psi_limit"] == pytest.approx(chance * chi2.isf(level, 9))
    gap = math.sqrt(math.log(2 / level) * chance / 2)
    assert r.loc["x", "ks_limit"] == pytest.approx(gap)
    assert r.loc["x", "share_limit"] == pytest.approx(gap)
    wide = report(train, later)  # the bounds hold where they are larger than chance
    assert wide.loc["flag", "psi_limit"] == 0.2


# -- chance ----------------------------------------------------------------------------------


def table(rng, n):
    """Shapes of business columns."""
    return pl.DataFrame(
        {
            "normal": rng.normal(size=n),
            "skewed": rng.lognormal(3, 1.5, n),
            "zeros": np.where(rng.random(n) < 0.4, 0, rng.exponential(10, n)),
            "count": rng.poisson(3, n),
            "rare": (rng.random(n) < 0.03).astype(int),
            "flag": rng.random(n) < 0.5,
            "plan": [("a", "b", "c", "d")[v] for v in rng.choice(4, n, p=[0.6, 0.3, 0.08, 0.02])],
            "city": [f"c{v}" for v in rng.zipf(1.5, n).clip(0, 400)],
            "gaps": [None if u < 0.3 else float(u) for u in rng.random(n)],
            "mostly": [None if u < 0.9 else float(u) for u in rng.random(n)],
            "constant": [1.0] * n,
            "heavy": rng.standard_t(1, n),
        }
    )


@pytest.mark.medium
def test_chance_raises_few_alarms():
    """1,000 draws of small and larger batches, from the same population and from the rows."""
    rng = np.random.default_rng(7)
    alarms = draws = 0
    for n_train in (300, 1000, 5000):
        for n in (100, 150, 300, 1000):
            for _ in range(4):
                train = table(rng, n_train)
                monitor = DriftMonitor(on_drift="none").fit(train)
                for i in range(21):
                    again = train.sample(n, with_replacement=True, seed=i)
                    later = table(rng, n) if i % 2 else again
                    alarms += bool((monitor.report(later)["drift"] != "").any())
                    draws += 1
    assert draws >= 1000
    assert alarms / draws <= 0.05


@pytest.mark.parametrize("columns", [1, pytest.param(40, marks=pytest.mark.medium)])
def test_a_wide_table_does_not_raise_more_alarms(columns):
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(25):
        train = pl.DataFrame({f"x{i}": rng.lognormal(size=400) for i in range(columns)})
        later = pl.DataFrame({f"x{i}": rng.lognormal(size=100) for i in range(columns)})
        alarms += bool(found(train, later, max_psi=0.01, max_ks=0.01))
    assert alarms <= 1


# -- planted shifts --------------------------------------------------------------------------

SHIFTS = {
    "mean": (lambda t, rng: t.with_columns(pl.col("normal") + 0.8), {"normal": {"psi", "ks"}}),
    "spread": (lambda t, rng: t.with_columns(pl.col("normal") * 2), {"normal": {"psi", "ks"}}),
    "unit": (lambda t, rng: t.with_columns(pl.col("skewed") / 100), {"skewed": {"psi", "ks"}}),
    "sign": (lambda t, rng: t.with_columns(-pl.col("zeros")), {"zeros": {"psi", "ks", "unseen"}}),
    "zeros": (
        lambda t, rng: t.with_columns(
            zeros=pl.when(pl.int_range(len(t)) % 2 == 0).then(0.0).otherwise("zeros")
        ),
        {"zeros": {"psi", "ks"}},
    ),
    "beyond": (lambda t, rng: t.with_columns(pl.col("count") + 100), {"count": {"psi", "unseen"}}),
    "between": (lambda t, rng: t.with_columns(pl.col("count") + 0.5), {"count": {"ks"}}),
    "flag": (lambda t, rng: t.with_columns(flag=pl.lit(True)), {"flag": {"psi"}}),
    "rare": (
        lambda t, rng: t.with_columns(rare=(pl.int_range(len(t)) % 4 == 0).cast(pl.Int64)),
        {"rare": {"ks"}},
    ),
    "levels": (
        lambda t, rng: t.with_columns(
            plan=pl.Series([("a", "b", "c")[i % 3] for i in range(len(t))])
        ),
        {"plan": {"psi"}},
    ),
    "spelling": (
        lambda t, rng: t.with_columns(pl.col("plan").str.to_uppercase()),
        {"plan": {"unseen"}},
    ),
    "missing": (
        lambda t, rng: t.with_columns(normal=pl.when(pl.int_range(len(t)) % 3 > 0).then("normal")),
        {"normal": {"missing"}},
    ),
    "filled": (
        lambda t, rng: t.with_columns(pl.col("mostly").fill_null(0.95)),
        {"mostly": {"missing"}},
    ),
    "infinite": (
        lambda t, rng: t.with_columns(
            skewed=pl.when(pl.int_range(len(t)) % 3 > 0).then("skewed").otherwise(INF)
        ),
        {"skewed": {"missing"}},
    ),
    "constant": (
        lambda t, rng: t.with_columns(constant=pl.lit(0.0)),
        {"constant": {"ks", "unseen"}},
    ),
}


@pytest.mark.parametrize("n", [300, 3000])
@pytest.mark.parametrize("shift", SHIFTS)
def test_a_planted_shift_is_found_in_its_column_only(shift, n):
    rng = np.random.default_rng(5)
    change, expected = SHIFTS[shift]
    train, later = table(rng, 2000), change(table(rng, n), rng)
    drifted = {name: set(what.split(", ")) for name, what in found(train, later).items()}
    assert drifted.keys() == expected.keys()
    for name, measures in expected.items():
        assert drifted[name] >= measures


@given(st.integers(0, 100), st.integers(0, 100))
@settings(max_examples=20)
def test_more_of_a_shift_never_measures_less(few, more):
    few, more = sorted((few, more))
    rng = np.random.default_rng(2)
    train = pl.DataFrame({"x": rng.normal(size=500), "plan": ["a", "b"] * 250})
    monitor = DriftMonitor(on_drift="none").fit(train)

    def shifted(k):
        later = train.head(100)
        moved = pl.int_range(100) < k
        return monitor.report(
            later.with_columns(
                x=pl.when(moved).then(99.0).otherwise("x"),
                plan=pl.when(moved).then(pl.lit("new")).otherwise("plan"),
            )
        )

    less, most = shifted(few), shifted(more)
    assert (most["unseen_share"] >= less["unseen_share"]).all()
    # what lies beyond the end first has to make up for chance differences below it
    if few >= 20:
        assert most.loc["x", "ks"] >= less.loc["x", "ks"] - 1e-12


@given(st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_the_order_of_rows_does_not_matter(random):
    rng = np.random.default_rng(0)
    train, later = table(rng, 200), table(rng, 120)
    order, order_later = list(range(200)), list(range(120))
    random.shuffle(order)
    random.shuffle(order_later)
    pd.testing.assert_frame_equal(report(train, later), report(train[order], later[order_later]))


@given(
    st.lists(
        st.one_of(st.none(), st.floats(), st.sampled_from([0.0, 1e308, -1e308, INF])),
        min_size=1,
        max_size=40,
    ),
    st.lists(st.one_of(st.none(), st.floats()), max_size=40),
)
def test_any_cells_are_counted(train, later):
    frame = pl.DataFrame({"x": pl.Series(later, dtype=pl.Float64)})
    r = report(pl.DataFrame({"x": pl.Series(train, dtype=pl.Float64)}), frame, min_rows=1)
    usable = [v for v in later if v is not None and math.isfinite(v)]
    missing = [v for v in later if v is None or math.isnan(v)]
    seen = [v for v in train if v is not None and math.isfinite(v)]
    assert r["missing"].item() == len(missing)
    assert r["infinite"].item() == len(later) - len(missing) - len(usable)
    if seen:
        low, high = min(seen), max(seen)  # cells within single precision of the ends are seen
        low, high = low - 2e-7 * abs(low), high + 2e-7 * abs(high)
        assert r["unseen"].item() == sum(not low <= v <= high for v in usable)
    assert not (np.isinf(r.drop(columns="drift").to_numpy(float))).any()


def test_every_engine_gives_the_same_report(engine):
    rng = np.random.default_rng(9)
    train, later = (
        table(rng, 300),
        table(rng, 150).with_columns(
            pl.col("normal") + 1,
            skewed=pl.when(pl.int_range(150) % 5 > 0).then("skewed").otherwise(NAN),
            heavy=pl.when(pl.int_range(150) % 7 > 0).then("heavy").otherwise(-INF),
        ),
    )
    if engine == "numpy":
        named = {name: f"x{i}" for i, name in enumerate(train.columns)}
        train, later = train.rename(named), later.rename(named)
    monitor = DriftMonitor(on_drift="none").fit(train)
    expected = monitor.report(later)
    if engine == "numpy":
        monitor = clone(monitor).fit(to_engine(train, "numpy"))
    pd.testing.assert_frame_equal(monitor.report(to_engine(later, engine)), expected, rtol=1e-12)


# -- what it does ----------------------------------------------------------------------------


@pytest.fixture
def moved():
    rng = np.random.default_rng(0)
    train = pd.DataFrame({"spend": rng.lognormal(size=600), "plan": ["a", "b"] * 300})
    return train, train.assign(spend=train["spend"] * 5)


def test_transform_passes_the_rows_and_warns(moved):
    train, later = moved
    monitor = DriftMonitor().fit(train)
    with pytest.warns(DataQualityWarning, match=r"1 of 2 columns are not \('spend': PSI .*KS"):
        out = monitor.transform(later)
    pd.testing.assert_frame_equal(out, later)


def test_on_drift_raise_names_the_worst_column(moved):
    train, later = moved
    monitor = DriftMonitor(on_drift="raise").fit(train)
    with pytest.raises(DataError, match="must be distributed as in training") as caught:
        monitor.transform(later)
    assert (caught.value.column, caught.value.rule, caught.value.n_rows) == ("spend", "drift", 600)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_what_has_not_moved_is_silent(moved):
    train, later = moved
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor = DriftMonitor(on_drift="raise")
        monitor.fit_transform(train)
        monitor.transform(train.sample(200, random_state=0))
        monitor.transform(later.head(99))  # too few rows to say
        monitor.transform(later.head(0))
        monitor.transform(pl.from_pandas(later).lazy())  # nothing is run on lazy frames
        clone(monitor).set_params(on_drift="none").fit(train).transform(later)
        monitor.set_params(on_drift="none").transform(later)  # may be set without refit


def test_small_batches_are_measured_and_not_judged(moved):
    train, later = moved
    monitor = DriftMonitor().fit(train)
    small = monitor.report(later.head(99))
    assert small.loc["spend", "ks"] > small.loc["spend", "ks_limit"]
    assert (small["drift"] == "").all()
    assert monitor.set_params(min_rows=50).report(later.head(99)).loc["spend", "drift"]
    nothing = monitor.report(later.head(0))
    assert nothing[["psi", "ks", "missing_share", "unseen_share"]].isna().all(axis=None)


def test_many_drifting_columns_are_summed_up():
    train = pd.DataFrame({f"c{i}": np.arange(200.0) for i in range(14)})
    with pytest.warns(DataQualityWarning, match="14 of 14 columns .* and 4 more"):
        DriftMonitor().fit(train).transform(train + 1000)


def test_values_of_cells_are_not_in_messages():
    train = pd.DataFrame({"name": ["alice", "bob"] * 100})
    with pytest.warns(DataQualityWarning, match="100% unseen") as caught:
        DriftMonitor().fit(train).transform(pd.DataFrame({"name": ["mallory"] * 200}))
    assert "mallory" not in str(caught[0].message)


def test_what_is_watched():
    n = 200
    frame = pl.DataFrame(
        {
            "spend": [float(i) for i in range(n)],
            "id": [f"c{i}" for i in range(n)],
            "since": pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 7, 18), eager=True),
            "empty": pl.Series([None] * n, dtype=pl.String),
        }
    )
    monitor = DriftMonitor().fit(frame)
    assert monitor.columns_ == ["spend", "empty"]
    assert monitor.choices_["id"] == "not watched: text that hardly ever repeats"
    assert monitor.transform(frame).equals(frame)
    assert DriftMonitor(["id"]).fit(frame).columns_ == ["id"]  # named, it is watched
    with pytest.raises(SchemaError, match="'since' is date"):
        DriftMonitor(["since"]).fit(frame)
    with pytest.raises(SchemaError, match="nearest: 'spend'"):
        DriftMonitor(["spent"]).fit(frame)


def test_nothing_to_watch():
    frame = pl.DataFrame({"id": [f"c{i}" for i in range(100)]})
    monitor = DriftMonitor().fit(frame)
    assert monitor.columns_ == []
    assert len(monitor.report(frame)) == 0
    assert monitor.transform(frame).equals(frame)


def test_the_reference_is_small_and_plain():
    rng = np.random.default_rng(0)
    n = 100_000
    frame = pl.DataFrame(
        {
            **{f"x{i}": rng.normal(size=n) for i in range(10)},
            "city": [f"city {v}" for v in rng.integers(0, 5000, n)],
        }
    )
    monitor = DriftMonitor().fit(frame)
    assert len(json.dumps(monitor.reference_)) < 30_000
    assert len(pickle.dumps(monitor)) < 40_000
    assert len(monitor.reference_["city"]["known"]) == 1000  # of 5,000
    assert monitor.report(frame).loc["city", "unseen_share"] == pytest.approx(0, abs=1e-12)


def test_unseen_ones_of_many_levels_are_estimated():
    rng = np.random.default_rng(0)

    def cities(share=0.0, n=20_000):
        fresh = rng.random(n) < share
        numbers = rng.integers(0, 3000, n)
        return pl.DataFrame(
            {"x": [f"{'new ' * int(f)}{v}" for f, v in zip(fresh, numbers, strict=True)]}
        )

    for _ in range(5):
        assert found(cities(), cities(n=4000)) == {}
    assert found(cities(), cities(1.0)) == {"x": "unseen"}
    r = report(cities(), cities(0.3))
    assert r.loc["x", "unseen_share"] == pytest.approx(0.3, abs=0.05)
    assert r.loc["x", "drift"] == "unseen"


def test_single_and_double_precision_are_the_same_values():
    rng = np.random.default_rng(0)
    values = pl.DataFrame(
        {"few": rng.integers(0, 5, 1000) / 10, "capped": rng.normal(size=1000).clip(-0.7, 0.7)}
    )
    single = values.cast(pl.Float32)
    for train, later in ((values, single), (single, values)):
        assert found(train, later) == {}
        r = report(train, later)
        assert r["unseen"].tolist() == [0, 0]
        assert r["ks"].max() < 0.01


def test_awkward_names_and_kinds():
    frame = pl.DataFrame({"a:b": [1, 2] * 60, "'; drop": ["x'y", ""] * 60, "": [True, None] * 60})
    r = report(frame, frame.lazy())
    assert r.index.tolist() == ["a:b", "'; drop", ""]
    assert (r["drift"] == "").all()
    assert r["missing"].tolist() == [0, 0, 60]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"max_psi": 0}, "max_psi"),
        ({"max_psi": NAN}, "max_psi"),
        ({"max_ks": 1.1}, "max_ks"),
        ({"min_rows": 0}, "min_rows"),
        ({"on_drift": "shout"}, "on_drift"),
    ],
)
def test_illegal_parameters(options, name):
    with pytest.raises(ParameterError, match=name):
        DriftMonitor(**options).fit(pl.DataFrame({"a": [1, 2]}))


def test_unfitted():
    with pytest.raises(NotFittedError):
        DriftMonitor().report(pl.DataFrame({"a": [1]}))


# -- in a pipeline ---------------------------------------------------------------------------


def test_the_churn_pipeline_watches_its_raw_columns():
    X, y = ts.datasets.make_customer_churn(600, random_state=0)
    assert "drift" not in ts.customer_churn_pipeline().named_steps
    pipe = ts.customer_churn_pipeline(drift_monitor="raise").fit(X, y)
    assert list(pipe.named_steps)[:4] == ["parse", "validate", "drift", "features"]
    assert not {"customer_id", "as_of", "label_end"} & set(pipe["drift"].columns_)
    pipe.transform(X.drop(columns="label_end"))
    with pytest.raises(DataError, match="'total_value'"):
        pipe.transform(X.assign(total_value=X["total_value"] * 100))  # cents for euros


def test_a_renamed_customer_number_is_not_watched():
    X, y = ts.datasets.make_customer_churn(600, random_state=0)
    X = X.rename(columns={"customer_id": "number"}).assign(number=range(len(X)))
    pipe = ts.customer_churn_pipeline(drift_monitor="raise", fields={"customer_id": "number"})
    pipe.fit(X, y).transform(X.assign(number=range(10**6, 10**6 + len(X))))


def test_an_illegal_option_is_named():
    X, y = ts.datasets.make_customer_churn(100, random_state=0)
    with pytest.raises(ParameterError, match=r"`on_drift` must be one of .* got 'shout'"):
        ts.customer_churn_pipeline(drift_monitor="shout").fit(X, y)
