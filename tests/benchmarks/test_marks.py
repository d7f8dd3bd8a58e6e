"""The speed marks, as ratios of one run; `pytest -m scale`, on a quiet machine."""

from __future__ import annotations

import os
from pathlib import Path

import auditing
import forecast_peers
import preprocessing
import pricing
import pytest
import reading
import scoring
import service
import validation
import windows

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("ignore")]


def test_preprocessing_against_peers() -> None:
    measured = preprocessing.speed(1_000_000)
    fit, transform = measured["fit"], measured["transform"]
    peer, plain = "feature-engine + scikit-learn", "scikit-learn, no capping"
    for mine in ("Tracer, pandas", "Tracer, Polars"):
        assert fit[peer] >= 4 * fit[mine]
        assert fit[plain] >= 4 * fit[mine]
        assert transform[peer] >= 4 * transform[mine]
        assert transform[mine] <= 6 * transform["copying the data"]
    assert transform["Tracer, Polars LazyFrame"] <= 4 * transform["copying the data"]


def test_memory_of_a_transform() -> None:
    assert preprocessing.extra_memory(1_000_000) <= 1.5


def test_cost_is_linear() -> None:
    cost = preprocessing.growth()
    for what in ("fit", "transform"):
        assert cost[10**7][what] <= 2 * cost[10**6][what]


def test_one_row() -> None:
    assert max(scoring.one_row().values()) <= 0.010


def test_reading_against_peers(tmp_path: Path) -> None:
    path = tmp_path / "clean.csv"
    reading.write(path, 500)
    rates = reading.speed(path)
    assert rates["Tracer"] >= 0.5 * rates["pyarrow"]
    assert rates["Tracer"] >= 2 * rates["pandas"]
    assert reading.detection(path) <= 50
    assert reading.batch_memory(path) <= 300


def test_five_gigabytes_in_batches() -> None:
    assert reading.compressed_batch_memory(5_000) <= 300


def test_memory_of_what_was_read() -> None:
    for peer, mine in reading.memory().values():
        assert mine <= 0.5 * peer


def test_import_time() -> None:
    times = scoring.import_times()
    assert times["tracer_sklearn"] <= 1.3 * times["sklearn.base, pandas, polars"]


def test_the_audit_of_a_million_rows_takes_less_than_a_second() -> None:
    measured = auditing.audits(1_000_000)
    peer = measured.pop("trees of scikit-learn, 22 numbers, 10,000 rows")
    assert max(measured.values()) <= 1.0
    assert measured["leak_audit, two classes, Polars"] <= peer


def test_a_batch_is_compared_faster_than_by_sorting_it() -> None:
    measured = auditing.drifts(1_000_000)
    peer = measured["ks_2samp of SciPy, 22 numbers"]
    assert peer >= 5 * measured["DriftMonitor, transform"]


def test_validation_against_pandera() -> None:
    rates = validation.speed(1_000_000)
    assert rates["Tracer, everything, pandas"] >= 100
    if "pandera, pandas" not in rates:
        pytest.skip("pandera is not installed: see tests/benchmarks/validation.py")
    assert rates["Tracer, the same rules, pandas"] >= 2 * rates["pandera, pandas"]


def test_price_co_moments_of_five_million_rows() -> None:
    assert pricing.comoments() <= 3


def test_whole_price_fit_of_five_million_rows() -> None:
    assert sum(pricing.whole().values()) <= 60


def test_one_future_row_of_a_price_pipeline() -> None:
    assert max(pricing.one_row().values()) <= 0.010


def test_calendar_windows_against_peers() -> None:
    windows.agree(windows.panel(100_000), windows.panel(100_000, gaps=True))
    in_order, shuffled = windows.speed(1_000_000, repeats=3).values()
    mine = "Tracer, kernel"
    for measured in (in_order, shuffled):
        assert measured["pandas groupby().rolling()"] >= 1.8 * measured[mine]
    assert in_order[mine] <= 1.25 * in_order["Polars rolling_*_by().over()"]
    assert shuffled[mine] < shuffled["Polars rolling_*_by().over()"]


def test_calendar_windows_are_those_of_mlforecast() -> None:
    folder = os.environ.get("TRACER_PEERS")
    if folder is None:
        pytest.skip("TRACER_PEERS: no folder for the environment of mlforecast, pandas below 3")
    forecast_peers.windows_agree(Path(folder))


def test_cost_of_calendar_windows_is_linear() -> None:
    cost = windows.growth()
    assert cost[10**7] <= 2 * cost[10**6]


def test_one_future_row_of_a_revenue_pipeline() -> None:
    measured = windows.serving()
    assert measured["pipeline with model, one row"] <= 0.010
    assert measured["kernel, one row"] <= 0.001
    assert measured["kernel, 1,000 rows"] <= 0.005


def test_a_file_through_the_service() -> None:
    measured = service.speed(99)
    assert measured["service, MB/s"] >= 20
    assert measured["overhead"] <= 0.15
    assert measured["a repeated file, seconds"] <= 2
