"""Clean tables polluted as exports are: they load clean, and the counts are exact."""

from __future__ import annotations

import itertools
import warnings

import pytest
from pollution import POLLUTIONS, Clash, File, clean, expected_names

import tracer_sklearn as ts
from tracer_sklearn.exceptions import DataQualityWarning

FATES = ("above", "blank", "footer", "other_tables", "set_aside", "padded", "cut")


def polluted(*names: str) -> File | None:
    """A clean table with these pollutions; None where they cannot be in one file."""
    file = File(clean())
    try:
        for name in names:
            POLLUTIONS[name](file)
    except Clash:
        return None
    return file


def check(*names: str) -> bool:
    """Read a polluted table; False where there is none."""
    file = polluted(*names)
    if file is None:
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
    pairs = list(itertools.combinations(POLLUTIONS, 2))
    assert sum(polluted(*pair) is not None for pair in pairs) >= 700


@pytest.mark.parametrize("name", POLLUTIONS)
def test_each_pollution_alone(name):
    assert check(name)


@pytest.mark.medium
@pytest.mark.parametrize("name", POLLUTIONS)
def test_pollutions_in_pairs(name):
    for other in POLLUTIONS:
        if other > name:
            check(name, other)


@pytest.mark.parametrize(
    "pair", list(itertools.islice(itertools.combinations(POLLUTIONS, 2), 0, None, 29))
)
def test_some_pairs(pair):
    check(*pair)
