"""CSV that people open: safe, whole, and the same table when it is read again."""

from __future__ import annotations

import csv
import datetime as dt
import errno
import io
import os
import stat
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracer_sklearn as ts
from tracer_sklearn.io._source import open_source

ROWS = {"name": ["Köln", None, "", "a;b", 'q"q', "two\nlines"], "n": [1, 2, None, 4, 5, 6]}


def written(frame, **options):
    file = io.BytesIO()
    ts.write_csv(frame, file, **options)
    with open_source(file.getvalue()) as source:
        return source.read()


def cells(data, delimiter=","):
    return list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter))


FRAMES = {
    "pandas": pd.DataFrame(ROWS),
    "pandas-arrow": pd.DataFrame(ROWS).convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.DataFrame(ROWS),
    "polars-lazy": pl.LazyFrame(ROWS),
    "pyarrow": pa.table(ROWS),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_frame(kind):
    found = cells(written(FRAMES[kind]))
    assert found[0] == ["name", "n"]
    assert [row[0] for row in found[1:]] == ["Köln", "", "", "a;b", 'q"q', "two\nlines"]
    assert [float(row[1]) if row[1] else None for row in found[1:]] == [1, 2, None, 4, 5, 6]


def test_a_duckdb_relation():
    relation = duckdb.sql("select '=x' as a, 1.5 as b union all select null, -2.5 order by b")
    assert written(relation) == b"a,b\n,-2.5\n'=x,1.5\n"


def test_an_array_gets_the_names_of_the_door():
    assert written(np.array([[1.0, np.nan], [2.5, -3.0]])) == b"x0,x1\n1.0,\n2.5,-3.0\n"


def test_missing_and_empty_stay_apart():
    assert written(pl.DataFrame({"a": ["x", None, ""], "b": [1, 2, 3]})) == b'a,b\nx,1\n,2\n"",3\n'


def test_one_empty_cell_is_not_a_blank_line():
    assert written(pl.DataFrame({"a": [1, None, 3]})) == b'a\n1\n""\n3\n'


def test_values_as_documented():
    frame = pl.DataFrame(
        {
            "day": [dt.date(2024, 1, 31)],
            "moment": [dt.datetime(2024, 1, 31, 12, 30)],
            "fine": [dt.datetime(2024, 1, 31, 12, 30, 0, 5000)],
            "zoned": pl.Series([dt.datetime(2024, 7, 1, 10)]).dt.replace_time_zone("Europe/Paris"),
            "flag": [True],
            "lasts": [dt.timedelta(hours=-1)],
            "exact": [Decimal("-1.20")],
            "nan": [float("nan")],
            "infinite": [float("-inf")],
            "level": pl.Series(["-x"], dtype=pl.Categorical),
        }
    )
    assert dict(zip(*cells(written(frame)), strict=True)) == {
        "day": "2024-01-31",
        "moment": "2024-01-31 12:30:00",
        "fine": "2024-01-31 12:30:00.005",
        "zoned": "2024-07-01 10:00:00+02:00",
        "flag": "true",
        "lasts": "'-PT1H",
        "exact": "-1.20",
        "nan": "",
        "infinite": "-inf",
        "level": "'-x",
    }


def test_options():
    frame = pl.DataFrame({"a": ["x;y"], "b": [1.5]})
    assert written(frame, delimiter=";", decimal=",") == b'a;b\n"x;y";1,5\n'
    assert written(frame, delimiter="\t") == b"a\tb\nx;y\t1.5\n"
    assert written(frame, encoding="utf-8-sig") == b"\xef\xbb\xbfa,b\nx;y,1.5\n"


@pytest.mark.parametrize("compression", ["gzip", "zstd", "bz2", "xz"])
def test_compression_is_asked_for_and_repeats_its_bytes(tmp_path, compression):
    frame = pl.DataFrame({"a": range(250_000)})
    path = tmp_path / "table.csv"
    ts.write_csv(frame, path, compression=compression)
    with open_source(path) as source:
        assert source.compression == compression
        assert source.read() == b"a\n" + b"".join(b"%d\n" % row for row in range(250_000))
    first = path.read_bytes()
    ts.write_csv(frame, tmp_path / "again.gz", compression=compression)
    assert (tmp_path / "again.gz").read_bytes() == first
    ts.write_csv(frame.head(1), tmp_path / "plain.gz")
    assert (tmp_path / "plain.gz").read_bytes() == b"a\n0\n"


# ------------------------------------------------------------------------------------- formulas

FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+cmd",
    "+",
    "-",
    "--1",
    "-2+3",
    "-x",
    "@SUM(A1:A9)",
    "\t=1",
    "\r=1",
    '=HYPERLINK("http://x","y")',
    "-1-1",
    "+1.e",
    "-5\n=1",
]
HARMLESS = ["-5", "+5", "-1,234.50", "-1.234,50", "+.5", "-3%", "-1e-7", "1=2", "a@b.c", "", "'"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_disarmed_in_cells_and_names(text):
    found = cells(written(pl.DataFrame({text: [text, "x"], "n": [-1.0, -2.5]})))
    assert found == [["'" + text, "n"], ["'" + text, "-1.0"], ["x", "-2.5"]]


@pytest.mark.parametrize("text", HARMLESS)
def test_numbers_and_other_text_stay(text):
    assert cells(written(pl.DataFrame({"a": [text], "n": [1]})))[1] == [text, "1"]


def test_a_disarmed_name_may_meet_its_twin():
    assert written(pl.DataFrame({"=a": [1], "'=a": [2]})) == b"'=a,'=a\n1,2\n"


TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8), st.sampled_from([",", ";", "\t", "|"]))
def test_any_text_reads_back_and_never_starts_a_formula(rows, delimiter):
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    found = cells(written(frame, delimiter=delimiter), delimiter)
    assert found[0] == ["a", "b"]
    for made, given_ in zip(found[1:], rows, strict=True):
        for cell, text in zip(made, given_, strict=True):
            assert cell in (text, "'" + text)
            if cell.startswith(tuple("=@\t\r")):
                raise AssertionError(cell)
            if cell.startswith(("+", "-")):
                float(cell.rstrip("%").replace(",", "").replace(".", ""))


# --------------------------------------------------------------------------------------- atomic


def test_a_path_is_replaced_whole(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    path.chmod(0o640)
    ts.write_csv(pl.DataFrame({"a": [1]}), path)
    assert path.read_bytes() == b"a\n1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["table.csv"]


def test_a_new_file_has_the_usual_permissions(tmp_path):
    ts.write_csv(pl.DataFrame({"a": [1]}), tmp_path / "table.csv")
    (tmp_path / "other").touch()
    assert (tmp_path / "table.csv").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "table.csv").write_text("old")
    link = tmp_path / "link.csv"
    link.symlink_to("table.csv")
    ts.write_csv(pl.DataFrame({"a": [1]}), link)
    assert link.is_symlink()
    assert (tmp_path / "table.csv").read_bytes() == b"a\n1\n"


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("fault", ["fsync", "replace", "write", "frame", "kill"])
def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch, existed, fault):
    path = tmp_path / "table.csv"
    if existed:
        path.write_text("old")
    full = OSError(errno.ENOSPC, "No space left on device")
    frame = pl.LazyFrame({"a": range(200_000)})

    def fails(*_, **__):
        raise KeyboardInterrupt if fault == "kill" else full

    match fault:
        case "fsync" | "replace" | "kill":
            monkeypatch.setattr(os, "fsync" if fault == "kill" else fault, fails)
        case "write":
            monkeypatch.setattr(pl.DataFrame, "write_csv", fails)
        case "frame":
            frame = frame.with_columns(b=[[1]])
    with pytest.raises((OSError, ts.InputTypeError, KeyboardInterrupt)):
        ts.write_csv(frame, path)
    assert os.listdir(tmp_path) == (["table.csv"] if existed else [])
    assert not existed or path.read_text() == "old"


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "bz2", "xz"])
def test_every_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, compression):
    frame = pl.DataFrame({"a": np.random.default_rng(0).random(250_000)})
    real = os.fdopen

    class Failing(io.RawIOBase):
        def __init__(self, file, left):
            self._file, self._left = file, left

        def writable(self):
            return True

        def fileno(self):
            return self._file.fileno()

        def write(self, data):
            self._left -= 1
            if self._left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self._file.write(data)

        def close(self):
            self._file.close()
            super().close()

    for nth in range(4):
        monkeypatch.setattr(os, "fdopen", lambda *a, n=nth: Failing(real(*a), n))
        with pytest.raises(OSError, match="No space"):
            ts.write_csv(frame, tmp_path / "table.csv", compression=compression)
        assert os.listdir(tmp_path) == []


def test_the_folder_must_exist_and_the_target_be_a_file(tmp_path):
    frame = pl.DataFrame({"a": [1]})
    with pytest.raises(FileNotFoundError):
        ts.write_csv(frame, tmp_path / "none" / "table.csv")
    for target in (tmp_path, "/dev/null"):
        with pytest.raises(ts.ParameterError, match="regular file"):
            ts.write_csv(frame, target)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"delimiter": ":"}, "`delimiter`"),
        ({"decimal": ","}, "`decimal`"),
        ({"encoding": "cp1252"}, "`encoding`"),
        ({"compression": "zip"}, "`compression`"),
    ],
)
def test_bad_options_are_parameter_errors(options, says):
    with pytest.raises(ts.ParameterError, match=says):
        ts.write_csv(pl.DataFrame({"a": [1]}), io.BytesIO(), **options)
    with pytest.raises(ts.ParameterError, match="`target`"):
        ts.write_csv(pl.DataFrame({"a": [1]}), 7)


@pytest.mark.parametrize(
    "column", [[[1, 2]], [{"a": 1}], [b"x"]], ids=["lists", "records", "bytes"]
)
def test_what_is_no_cell_is_refused(column):
    with pytest.raises(ts.InputTypeError, match="column 'a' holds"):
        written(pl.DataFrame({"a": column}))
