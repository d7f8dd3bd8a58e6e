"""Files as banks, shops and ledgers export them: what is known to have gone wrong once."""

from __future__ import annotations

import datetime as dt
import warnings

import pytest

import tracer_sklearn as ts


def frame_of(text, **options):
    return ts.read_csv(text.encode(), as_="polars", **options)


@pytest.mark.parametrize(
    ("open_cells", "decided", "settled"),
    [
        (("08-05-01", "09-05-01"), ("31/01/2024", "01/02/2024"), False),
        (("08/05/01", "09/05/01"), ("31/01/2024", "01/02/2024"), False),
        (("08-05-2001", "09-05-2001"), ("31/01/2024", "01/02/2024"), False),
        (("08-05-01", "09-05-01"), ("31-01-24", "01-02-24"), True),
        (("08/05/2001 10:00", "09/05/2001 11:00"), ("31/01/2024", "01/02/2024"), True),
    ],
)
def test_only_dates_that_are_written_alike_settle_one_another(open_cells, decided, settled):
    rows = "".join(f"{a},{b}\n" for a, b in zip(open_cells, decided, strict=True))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame, report = frame_of(f"a,b\n{rows}")
        with ts.iter_csv(f"a,b\n{rows}".encode(), as_="polars") as batches:
            assert next(batches).equals(frame)
            assert list(batches) == []
    assert report.columns["b"].kind == "date"
    if settled:
        assert frame["a"][0].date() == dt.date(2001, 5, 8)
        assert not caught
    else:
        assert frame["a"].to_list() == list(open_cells)
        assert "day and month in column 'a'" in str(caught[0].message)
