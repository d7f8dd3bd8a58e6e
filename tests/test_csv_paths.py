"""Which way a file is read never decides what is read: fast and slow give the same table."""

from __future__ import annotations

import contextlib
import functools
import random
import warnings
from unittest import mock

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pollution import POLLUTIONS, File, clean

import tracer_sklearn as ts
from tracer_sklearn._text import apply_format, learn_format
from tracer_sklearn.exceptions import DataQualityWarning
from tracer_sklearn.io import _assembly
from tracer_sklearn.io._blocks import Cutter

TELLING = ("kind", "format", "missing", "failures", "minimum", "maximum", "distinct")


def quietly(data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataQualityWarning)
        return ts.read_csv(data, as_="polars", **options)


@contextlib.contextmanager
def small_blocks(size: int = 300):
    """Blocks of a few rows, so that small files have many; only two last lines go by hand."""
    with (
        mock.patch("tracer_sklearn.io._opening.BLOCK_BYTES", size),
        mock.patch("tracer_sklearn.io._blocks._TAIL_LINES", 2),
    ):
        yield


@contextlib.contextmanager
def nothing_proven():
    with mock.patch.object(_assembly, "_made", return_value=_assembly.Made()):
        yield


@contextlib.contextmanager
def nothing_clean():
    with (
        mock.patch.object(Cutter, "_has_short_lines", return_value=False),
        mock.patch.object(Cutter, "_record_ends", return_value=None),
    ):
        yield


def long_file(end: str = "\n") -> str:
    """More than the sample from which the shape is found."""
    row = "{n},2024-01-{day:02},word {n},{price}"
    rows = [row.format(n=n, day=n % 28 + 1, price=n / 4) for n in range(9_000)]
    return end.join(["n,day,word,price", *rows, "Total,,,4500", "Source: the till", ""])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.encode(),
        lambda text: text.replace("word 7777", "Wort für 7777").encode(),
        lambda text: text.replace("word 7777", "Wort für 7777").encode("cp1252"),
        lambda text: text.replace("word 8888", '"two\nlines, one ""word"""').encode(),
        lambda text: text.replace(",word ", ',"word",').replace("n,day,", "n,day,x,").encode(),
        lambda text: text.replace("word 3", 'wo"rd').encode(),
        lambda text: text.replace(",word 88", "").encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("7000,", "007,", 1).encode(),
        lambda text: text.rstrip().encode(),
    ],
)
@pytest.mark.parametrize("size", [20_000, 3_000])
def test_a_file_in_blocks_is_the_file(tmp_path, change, size):
    data = change(long_file())
    path = tmp_path / "long.csv"
    path.write_bytes(data)
    with mock.patch("tracer_sklearn.io._opening.BLOCK_BYTES", size):
        frame, report = quietly(path)
    other, account = quietly(data)
    assert frame.equals(other)
    assert frame.schema == other.schema
    told = ("source", "timings")
    assert report.model_dump(exclude=set(told)) == account.model_dump(exclude=set(told))


@pytest.mark.parametrize("size", range(300, 1200, 13))
def test_the_last_lines_are_found_wherever_blocks_begin(size):
    rows = "".join(f"{n},2024-01-{n % 28 + 1:02},{n / 4}\n" for n in range(300))
    with mock.patch("tracer_sklearn.io._opening.BLOCK_BYTES", size):
        report = quietly(f"n,day,price\n{rows}Total,,4500\nSource: the till\n".encode()).report
    assert (report.lines.footer, report.lines.rows) == (2, 300)


def same_all_ways(data: bytes, **options) -> pl.DataFrame:
    frame, report = quietly(data, **options)
    for way in (small_blocks, nothing_proven, nothing_clean):
        with way():
            other, account = quietly(data, **options)
        assert other.schema == frame.schema, way
        assert other.equals(frame), way
        assert account.lines == report.lines, way
        for name, column in report.columns.items():
            for what in TELLING:
                assert getattr(account.columns[name], what) == getattr(column, what), (name, what)
    with small_blocks(), nothing_proven():
        assert quietly(data, **options).frame.equals(frame)
    return frame


@pytest.mark.parametrize("name", list(POLLUTIONS)[::4])
def test_a_polluted_file_is_one_table_all_ways(name):
    _same_all_ways(name)


@pytest.mark.medium
@pytest.mark.parametrize("name", POLLUTIONS)
def test_every_polluted_file_is_one_table_all_ways(name):
    _same_all_ways(name)


def _same_all_ways(name):
    file = File(clean())
    POLLUTIONS[name](file)
    same_all_ways(file.to_bytes())


def long_table(last: str, cell: str = "{n}", rows: int = 400) -> bytes:
    lines = [f"{n % 7},{cell.format(n=n + 1)},x" for n in range(rows)]
    return ("\n".join(["a,value,c", *lines[:-60], f"1,{last},x", *lines[-60:]]) + "\n").encode()


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ("007", "text"),
        ("1.5", "number"),
        ("unknown", "count"),
        ("12345678901234567", "text"),
        ("n/a", "count"),
        ('"1,234"', "count"),
        ("-", "count"),
        ("", "count"),
        ("1e5", "text"),
        ("+49301234567", "text"),
        ("99999999999999", "count"),
    ],
)
def test_a_late_cell_decides_as_an_early_one_would(last, kind):
    frame = same_all_ways(long_table(last))
    column = quietly(long_table(last)).report.columns["value"]
    assert column.kind in (kind, "category")
    early = long_table(last).decode().split("\n")
    moved = [early[0], early[-62], *early[1:-62], *early[-61:]]
    other = quietly("\n".join(moved).encode()).frame
    assert other.schema == frame.schema
    assert other["value"].null_count() == frame["value"].null_count()


@pytest.mark.parametrize("last", ["2024-13-01", "2024-02-30", "2024-01-01 10:00:00", "soon", ""])
def test_a_late_date_decides_as_an_early_one_would(last):
    same_all_ways(long_table(last, cell="2{n:03}-01-15"))


def test_decimal_commas_are_proven_too():
    rows = "".join(f"{n};{n % 90},{n % 9}5;{n % 50},1234\n" for n in range(300))
    frame = same_all_ways(f"n;price;share\n{rows}".encode())
    assert frame.dtypes == [pl.Int64, pl.Float64, pl.Float64]
    assert frame["share"].max() == 49.1234


def test_numbers_that_may_be_dates_are_looked_at_whole():
    days = [f"2024{m:02}{d:02}" for m in range(1, 13) for d in range(1, 28)]
    assert same_all_ways(("n,day\n" + "".join(f"1,{d}\n" for d in days)).encode())[
        "day"
    ].dtype == pl.Datetime("us")
    seconds = "".join(f"x,{1_600_000_000 + n}\n" for n in range(300))
    assert same_all_ways(f"n,created_at\n{seconds}".encode())["created_at"].dtype.is_temporal()
    assert same_all_ways(f"n,amount\n{seconds}".encode())["amount"].dtype == pl.Int64
    assert same_all_ways(b"n,month\n" + b"x,10.2012\nx,11.2012\n" * 99)["month"].dtype.is_temporal()


@pytest.mark.parametrize("odd", ["9.5", "-9.5", "-3", "20240131.5", "x"])
@pytest.mark.parametrize("clock", ["", "101500"])
def test_one_odd_cell_among_dates_of_digits_is_a_failure_all_ways(odd, clock):
    cells = [f"202401{n % 28 + 1:02}{clock}" for n in range(200)]
    rows = [*cells[:150], odd, *cells[150:]]
    data = "n,v\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(rows))
    frame = same_all_ways(data.encode())
    assert frame["v"].dtype == pl.Datetime("us")
    assert frame["v"].null_count() == 1


def test_many_odd_cells_among_dates_of_digits_are_one_table_all_ways():
    for share in (3, 10, 50):
        cells = [f"202401{n % 28 + 1:02}" if n % share else f"{n}.5" for n in range(200)]
        same_all_ways(("n,v\n" + "".join(f"1,{cell}\n" for cell in cells)).encode())


numbers = st.one_of(
    st.integers(-(10**16), 10**16).map(str),
    st.integers(-99, 99).map(str),
    st.floats(-1e6, 1e6).map(lambda v: f"{v:.3f}"),
    st.sampled_from(["", "0", "-0", "00", "-7.", ".5", "-", "1-2", "1..2", "2010-11", "12.2012"]),
)
dates = st.one_of(
    st.dates().map(str),
    st.datetimes().map(lambda v: v.strftime("%Y-%m-%d %H:%M:%S")),
    st.sampled_from(["", "2024-02-30", "0001-01-01", "2024-1-5", "2024-01-05T10:00:00", "24:00"]),
)
words = st.sampled_from(
    ["yes", "no", "Yes ", " no", "a", "n/a", "NA", "DE", "FR", "1,5", "$5", "7%"]
)
columns = st.one_of(*(st.lists(one, min_size=1, max_size=30) for one in (numbers, dates, words)))
plain = st.lists(st.one_of(st.integers(-999, 10**9).map(str), st.just("")), min_size=1, max_size=30)
floats = st.lists(st.floats(-20, 3000).map(lambda v: f"{v:.4f}"), min_size=1, max_size=30)


@settings(max_examples=100)
@given(st.one_of(columns, plain, floats), st.sampled_from(["value", "date", "spend"]))
@example(["-1.5000"], "value")
@example(["-20240131"], "value")
def test_a_column_is_typed_as_all_of_its_cells_say(cells, name):
    text = pl.Series(name, cells)
    header = {"header": 1, "delimiter": ",", "decimal": "."}
    data = "\n".join([f"key,{name}", *(f'k,"{cell}"' for cell in cells)]).encode()
    with small_blocks(20):
        frame, report = quietly(data, **header)
    learnt = learn_format(text, decimal=".")
    if learnt.ambiguous:
        return
    expected = apply_format(text, learnt.format)
    assert frame[name].dtype == expected.dtype
    assert frame[name].to_list() == expected.to_list()
    assert report.columns[name].format == learnt.format.to_dict()
    assert report.columns[name].failures == learnt.n_failures


cell_text = st.text(st.sampled_from("abcXYZ 09.-ü\n\"',;|\té"), max_size=8).map(str.strip)
texts = st.lists(st.tuples(*[cell_text] * 3), min_size=12, max_size=25)


@given(
    texts,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r", "\r\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
def test_any_table_written_with_any_dialect_reads_back(rows, delimiter, end, encoding, all_quoted):
    """Cells of text; a schema keeps them text. A line of text alone is no row of a table."""
    table = [("left", "middle", "right"), *(row for row in rows if sum(map(bool, row)) > 1)]

    def written(cell: str) -> str:
        if all_quoted or any(char in cell for char in "\"\n\r'") or delimiter in cell:
            return '"' + cell.replace('"', '""') + '"'
        return cell

    lines = [delimiter.join(map(written, row)) for row in table]
    data = "".join(line.replace("\n", end) + end for line in lines).encode(encoding)
    schema = dict.fromkeys(table[0], "text")
    frame, report = quietly(data, schema=schema, delimiter=delimiter, header=1)
    read = [tuple(cell or "" for cell in row) for row in frame.iter_rows()]
    # marks such as "-" stand for nothing
    assert read == [tuple(_as_text(cell) for cell in row) for row in table[1:]]
    assert report.lines.total == sum(len(line.split("\n")) for line in lines)


@functools.cache
def _as_text(cell: str) -> str:
    made = apply_format(pl.Series([cell]), learn_format(pl.Series([cell]), kind="text").format)
    return made[0] or ""


def test_bytes_at_random_never_crash():
    draw = random.Random(7)
    seed = File(clean(rows=30)).to_bytes()
    for _ in range(60):  # `fuzz_io` draws more, from more files
        data = bytearray(seed)
        for _ in range(draw.randrange(1, 12)):
            at = draw.randrange(len(data))
            data[at : at + draw.randrange(3)] = draw.choice(
                [b"", b'"', b"\n", b",", b"\r", b"\0", b";", b"\xff", draw.randbytes(2)]
            )
        try:
            _, report = quietly(bytes(data))
        except ts.IngestionError:
            continue
        lines = report.lines.model_dump()
        fates = ("rows", "continued", "header", "above", "blank", "set_aside", "footer")
        assert lines["total"] == sum(lines[fate] for fate in fates) + lines["other_tables"]
