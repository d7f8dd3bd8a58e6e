"""Clean tables polluted as exports are: they load clean, and the counts are exact."""

from __future__ import annotations

import itertools
import warnings

import polars as pl
import pytest
from pollution import POLLUTIONS, Clash, File, clean, expected_names

import tracer_sklearn as ts
from tracer_sklearn.exceptions import DataQualityWarning

FATES = ("above", "blank", "footer", "other_tables", "set_aside", "padded", "cut")


def check(*names: str) -> bool:
    """Read a clean table with these pollutions; False where they cannot be in one file."""
    file = File(clean())
    try:
        for name in names:
            POLLUTIONS[name](file)
    except Clash:
        return False
    data = file.to_bytes()
    with warnings.catch_warnings():
        # what is lost is asserted below
        warnings.simplefilter("ignore", DataQualityWarning)
        frame, report = ts.read_csv(data, as_="polars")
    wanted = file.table.rename(dict(zip(file.table.columns, expected_names(file), strict=True)))
    assert frame.schema == wanted.schema, names
    assert frame.equals(wanted), names
    lines = report.lines
    found = {fate: getattr(lines, fate) for fate in FATES}
    assert found == {fate: file.expected[fate] for fate in FATES}, names
    assert lines.continued == file.continued(), names
    parts = (lines.rows, lines.continued, lines.header, *(found[fate] for fate in FATES[:5]))
    assert lines.total == sum(parts), names
    if file.wrap is bytes:
        text = data.decode(file.encoding)
        assert lines.total == text.count(file.line_end) + (not file.final_end), names
    return True


def test_there_are_enough_ways():
    assert len(POLLUTIONS) >= 40


@pytest.mark.parametrize("name", POLLUTIONS)
def test_each_pollution_alone(name):
    assert check(name)


@pytest.mark.medium
@pytest.mark.parametrize("name", POLLUTIONS)
def test_pollutions_in_pairs(name):
    others = [other for other in POLLUTIONS if other > name]
    tried = sum(check(name, other) for other in others)
    assert tried >= len(others) / 2


@pytest.mark.parametrize(
    "pair", list(itertools.islice(itertools.combinations(POLLUTIONS, 2), 0, None, 29))
)
def test_some_pairs(pair):
    check(*pair)


def test_a_polluted_table_keeps_its_missing_cells():
    file = File(clean())
    POLLUTIONS["missing_marks"](file)
    assert file.table.null_count().sum_horizontal().item() > 30
    assert isinstance(file.table, pl.DataFrame)
