"""No bytes crash, hang or bloat the reader; see `fuzz_io` for the larger hunt."""

from __future__ import annotations

import fuzz_io
import pytest

import tracer_sklearn as ts


def check(seed: int, count: int) -> None:
    readers = (fuzz_io.typed, fuzz_io.in_batches, fuzz_io.as_text)
    found = [
        fuzz_io.attempt(data, readers[number % 3])
        for number, data in enumerate(fuzz_io.inputs(seed, count))
    ]
    broken = [result for result, _ in found if result not in ("read", "refused")]
    assert not broken, broken[0]
    results = [result for result, _ in found]
    assert results.count("read") > count / 2  # most are still tables
    assert "refused" in results
    assert max(seconds for _, seconds in found) < fuzz_io.SLOWEST_SECONDS


def test_a_hundred_inputs() -> None:
    check(seed=1, count=120)


@pytest.mark.medium
@pytest.mark.no_cover  # measuring what every line does doubles the time, and finds no new line
@pytest.mark.parametrize("seed", range(2, 12))
def test_ten_thousand_inputs(seed: int) -> None:
    before = fuzz_io.peak_memory()
    check(seed, count=1_000)
    assert fuzz_io.peak_memory() - before < 256 * fuzz_io.MIB


def test_the_inputs_of_a_seed_are_the_same() -> None:
    assert list(fuzz_io.inputs(3, 50)) == list(fuzz_io.inputs(3, 50))


@pytest.mark.parametrize("error", [ValueError("no table"), AssertionError(), RuntimeWarning()])
def test_what_must_not_happen_is_seen(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ts, "read_csv", broken)
    result, _ = fuzz_io.attempt(b"a,b\n1,2\n")
    assert type(error).__name__ in result
