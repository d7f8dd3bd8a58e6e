"""read_csv: real files come out right, every line is accounted for, nothing is guessed twice."""

from __future__ import annotations

import datetime as dt
import gzip
import html.parser
import json
import warnings
from functools import cache
from pathlib import Path
from unittest import mock

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles_csv import cut, rows_of_csv_module

import tracer_sklearn as ts
from tracer_sklearn.exceptions import (
    DataQualityWarning,
    IngestionError,
    InputTypeError,
    ParameterError,
    SchemaError,
)
from tracer_sklearn.io._records import records_of
from tracer_sklearn.io.dialect import Dialect, detect_dialect

GOLDEN = json.loads((Path(__file__).parent / "golden_csv.json").read_text("utf-8"))
SMALL = sorted(name for name in GOLDEN if "online_retail" not in name)


def frame_of(text: str | bytes, **options):
    data = text.encode() if isinstance(text, str) else text
    return ts.read_csv(data, as_="polars", **options)


def all_lines(report) -> int:
    lines = report.lines
    return (
        lines.rows
        + lines.continued
        + lines.header
        + lines.above
        + lines.blank
        + lines.set_aside
        + lines.footer
        + lines.other_tables
    )


# -- real files ------------------------------------------------------------------------------


def _path(real_data: Path, name: str) -> Path:
    path = real_data.parent / name if name.startswith("messy") else real_data / Path(name).name
    if not path.exists():
        pytest.skip(f"TRACER_TEST_DATA: no file {name}")
    return path


def _check_golden(path: Path, expected: dict) -> None:
    with warnings.catch_warnings():
        # what is lost is asserted below
        warnings.simplefilter("ignore", DataQualityWarning)
        frame, report = ts.read_csv(path, as_="polars")
    assert list(frame.shape) == expected["shape"]
    assert {c.name: c.kind for c in report.columns.values()} == expected["kinds"]
    assert frame.columns == list(expected["kinds"])
    assert report.encoding.name == expected["encoding"]
    assert report.dialect.delimiter == expected["delimiter"]
    assert report.dialect.line_end == expected["line_end"]
    assert report.header_lines == expected["header_lines"]
    found = report.lines.model_dump()
    assert {name: found[name] for name in found if name in expected["lines"]} == expected["lines"]
    assert all_lines(report) == report.lines.total
    assert {c.name: c.missing for c in report.columns.values() if c.missing} == expected["missing"]
    assert {c.name: c.failures for c in report.columns.values() if c.failures} == expected[
        "failures"
    ]
    for at, row in expected["rows"].items():
        made = [_plain(value) for value in frame.row(int(at))]
        # long texts are kept by their beginning
        assert [v[:20] if isinstance(v, str) else v for v in made] == [
            v[:20] if isinstance(v, str) else v for v in row
        ]


def _plain(value):
    return value.isoformat() if isinstance(value, dt.datetime) else value


@pytest.mark.parametrize("name", SMALL)
def test_real_files_load_to_the_table_that_was_checked_by_hand(real_data, name):
    _check_golden(_path(real_data, name), GOLDEN[name])


def test_online_retail_as_published(real_data):
    name = "data/online_retail.csv.gz"
    _check_golden(_path(real_data, name), GOLDEN[name])


def test_blank_total_charges_are_missing_numbers(real_data):
    path = _path(real_data, "data/telco_customer_churn_ibm.csv")
    frame, report = ts.read_csv(path)
    assert frame["TotalCharges"].dtype == "float64"
    assert frame["TotalCharges"].isna().sum() == 11
    assert (frame.loc[frame["TotalCharges"].isna(), "tenure"] == 0).all()
    assert report.columns["TotalCharges"].missing == 11
    assert report.columns["TotalCharges"].failures == 0


def rewritten(table: pl.DataFrame, kind: str) -> bytes:
    comma = kind == "semicolon"
    text = table.with_columns(
        pl.col("UnitPrice").cast(pl.String),
        pl.col("InvoiceDate").dt.to_string(
            "%d/%m/%Y %H:%M" if kind == "day first" else "%Y-%m-%d %H:%M:%S"
        ),
    )
    if comma:
        text = text.with_columns(pl.col("UnitPrice").str.replace(".", ",", literal=True))
    written = text.write_csv(separator=";" if comma else ",")
    if kind == "CR":
        written = written.replace("\n", "\r")
    return written.encode({"CP1252": "cp1252", "UTF-16": "utf-16"}.get(kind, "utf-8"))


KINDS = ("CP1252", "UTF-16", "semicolon", "day first", "CR")


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_online_retail_rewritten_is_the_identical_frame(real_data, kind):
    _compare_rewritten(real_data, kind, rows=20_000)


@pytest.mark.medium
@pytest.mark.parametrize("kind", KINDS)
def test_online_retail_rewritten_is_the_identical_frame(real_data, kind):
    _compare_rewritten(real_data, kind, rows=None)


@cache
def _online_retail(path: Path) -> pl.DataFrame:
    return ts.read_csv(path, as_="polars").frame


def _compare_rewritten(real_data, kind, rows):
    path = _path(real_data, "data/online_retail.csv.gz")
    table = _online_retail(path)
    table = table if rows is None else table.gather_every(table.height // rows)
    plain = frame_of(table.with_columns(pl.col("InvoiceDate").dt.to_string()).write_csv()).frame
    made = frame_of(rewritten(table, kind)).frame
    assert made.schema == plain.schema
    assert made.equals(plain)
    assert made.equals(table)


# -- the account -----------------------------------------------------------------------------

MESSY = """Sales report 2024
made by: accounting

id,day,amount
A1,2024-01-31,10.50
A2,2024-02-01,"1,200.00"
A3,2024-02-02

A4,2024-02-03,7.25,,
A5,2024-02-04,8.00,x,y
not a row
A6,2024-02-05,9.75
id,day,amount
"A7
b",2024-02-06,11.5
oops,oops,oops,oops,oops
Total,,1246.50

Source: the till
"""


def test_every_line_has_its_place_in_the_report():
    with pytest.warns(DataQualityWarning, match="lines could not be used as rows"):
        frame, report = frame_of(MESSY)
    assert frame["id"].to_list() == ["A1", "A2", "A3", "A4", "A5", "A6", "A7\nb"]
    lines = report.lines
    assert lines.total == MESSY.count("\n") == all_lines(report)
    assert (lines.above, lines.header, lines.blank, lines.footer) == (2, 1, 3, 2)
    assert (lines.padded, lines.cut, lines.set_aside, lines.continued) == (1, 2, 3, 1)
    at = {fate: [note.line for note in notes] for fate, notes in lines.notes.items()}
    assert at["padded"] == [7]
    assert at["cut"] == [9, 10]
    assert sorted(at["set_aside"]) == [11, 13, 16]
    assert at["footer"] == [17, 19]


def test_excerpts_are_masked():
    with pytest.warns(DataQualityWarning):
        _, report = frame_of("id,n\n1,2\nAnna Meier,3,4,5,6\n2,3\n3,4\n")
    (note,) = report.lines.notes["set_aside"]
    assert note.line == 3
    assert "aaaa aaaaa" in note.excerpt
    assert "Anna" not in str(report) + report._repr_html_() + report.model_dump_json()


def test_the_first_of_several_tables_is_read_and_the_others_are_named():
    text = "day,sold\n2024-01-01,5\n2024-01-02,6\n2024-01-03,4\n\nshop,boss,town\nNorth,Anna,Bonn\n"
    with pytest.warns(DataQualityWarning, match="another table starts in line 6"):
        frame, report = frame_of(text)
    assert frame.shape == (3, 2)
    (other,) = report.lines.tables
    assert (other.line, other.n_lines, other.names) == (6, 2, ["shop", "boss", "town"])
    assert report.lines.total == all_lines(report) == 7


def test_bad_lines_may_be_errors():
    with pytest.raises(IngestionError, match="line 3: 1 cells where the table has 2") as caught:
        frame_of("a,b\n1,2\n3\n4,5\n", on_bad_lines="error")
    assert caught.value.line == 3
    assert frame_of("a,b\n1,2\n\n4,5\n", on_bad_lines="error").report.lines.blank == 1


def test_the_report_is_plain_data_and_html():
    _, report = frame_of("<b>id</b>,day\n1,2024-01-01\n2,\n")
    assert json.loads(json.dumps(report.to_dict()))["columns"]["day"]["missing"] == 1
    page = report._repr_html_()
    assert "&lt;b&gt;id" in page
    assert "<b>" not in page
    html.parser.HTMLParser().feed(page)
    said = str(report)
    assert "2 rows" in said
    assert "delimiter ','" in said
    column = report.columns["day"]
    assert (column.kind, column.nullable, column.minimum) == ("date", True, "2024-01-01T00:00:00")
    assert (column.distinct, column.missing_share, column.pattern) == (1, 0.5, "9999-99-99")


# -- libraries, columns, schemas -----------------------------------------------------------------


def test_frames_of_every_library():
    data = b"n,day,word\n1,2024-01-01,a\n,,\n3,2024-01-03,b\n"
    pandas = ts.read_csv(data + b"4,,\n").frame
    assert isinstance(pandas, pd.DataFrame)
    assert pandas.dtypes.astype(str).to_dict() == {
        "n": "int64",
        "day": "datetime64[us]",
        "word": "str",
    }
    assert isinstance(ts.read_csv(data, as_="polars").frame, pl.DataFrame)
    assert isinstance(ts.read_csv(data, as_="arrow").frame, pa.Table)
    with pytest.raises(ParameterError, match="as_"):
        ts.read_csv(data, as_="spark")


def test_chosen_columns_come_in_their_order():
    frame, report = frame_of("a,b,c\n1,2,3\n", columns=["c", "a"])
    assert frame.columns == ["c", "a"]
    assert list(report.columns) == ["a", "c"]
    with pytest.raises(SchemaError, match=r"'amont'.*nearest: 'amount'"):
        frame_of("amount,b\n1,2\n", columns=["amont"])


@pytest.mark.parametrize(
    "choose",
    [
        lambda names: ["c", "a"],
        lambda names: ("c", "a"),
        lambda names: (name for name in reversed(names) if name != "b"),
        lambda names: pd.Index(["c", "a"]),
        lambda names: pd.Index(["c", "a"]).to_numpy(),
    ],
)
def test_a_callable_chooses_columns(choose):
    data = b"a,b,c\n1,2,3\n"
    assert frame_of(data.decode(), columns=choose).frame.columns == ["c", "a"]
    assert ts.scan_csv(data, columns=choose).collect().columns == ["c", "a"]
    (batch,) = ts.iter_csv(data, columns=choose)
    assert list(batch.columns) == ["c", "a"]


@pytest.mark.parametrize("chosen", ["a", "ab", None, 3, [1], ["a", None], ["a", "a"], b"a"])
def test_what_a_callable_chooses_is_checked_as_a_list_is(chosen):
    data = b"a,b,ab\n1,2,3\n"
    for read in (
        ts.read_csv,
        ts.read_table,
        ts.scan_csv,
        lambda *a, **k: list(ts.iter_csv(*a, **k)),
    ):
        with pytest.raises(ParameterError, match="columns"):
            read(data, columns=lambda names: chosen)
    with pytest.raises(SchemaError, match="zz"):
        ts.read_csv(data, columns=lambda names: ["zz"])


def test_a_second_file_is_read_as_the_first_was():
    first = 'day,price\n03/01/2024,"1.234,50"\n17/01/2024,"2,00"\n'
    second = 'day,price\n03/04/2024,"3,50"\n05/04/2024,"1.000"\n'
    january = frame_of(first)
    parser = ts.ColumnParser().fit(
        pd.DataFrame({"day": ["03/01/2024", "17/01/2024"], "price": ["1.234,50", "2,00"]})
    )
    for frozen in (january.report, parser):
        april = frame_of(second, schema=frozen).frame
        assert april["day"].to_list() == [dt.datetime(2024, 4, 3), dt.datetime(2024, 4, 5)]
        assert april["price"].to_list() == [3.5, 1000.0]
    with pytest.raises(SchemaError, match="price"):
        frame_of("day,cost\n03/04/2024,1\n", schema=parser)


def test_a_schema_says_what_columns_hold():
    frame, _ = frame_of("id,n\n1,007\n2,8\n", schema={"id": "identifier", "n": "count"})
    assert frame["id"].to_list() == ["1", "2"]
    assert frame["n"].to_list() == [7, 8]
    with pytest.raises(ParameterError, match="schema"):
        frame_of("id\n1\n", schema={"id": "color"})
    with pytest.raises(ParameterError, match="schema"):
        frame_of("id\n1\n", schema=3)


def test_names_of_the_schema_find_the_header():
    text = "x,y\nfoo,bar\nname,town\nAnna,Bonn\nBob,Köln\n"
    assert frame_of(text, schema={"town": "text"}).frame["town"].to_list() == ["Bonn", "Köln"]


def test_the_users_word_wins():
    text = "a;b\tc;d\n1;2\t3;4\n5;6\t7;8\n"
    assert frame_of(text, delimiter="\t").frame.shape == (2, 2)
    assert frame_of(text, delimiter=";").frame.shape == (2, 3)
    assert frame_of("1,2\n3,4\n", header=1).frame.columns == ["1", "2"]
    assert frame_of("a,b\nc,d\n", header=None).frame.shape == (2, 2)
    assert frame_of("t\n\na,b\nc,d\n", header=3).frame.to_dict(as_series=False) == {
        "a": ["c"],
        "b": ["d"],
    }
    assert frame_of("n\n1.234\n2.345\n", decimal=",").frame["n"].to_list() == [1234, 2345]
    assert frame_of("n;x\nä;1\n".encode("cp850"), encoding="cp850").frame["n"].to_list() == ["ä"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"decimal": ";"},
        {"delimiter": ""},
        {"delimiter": "ab"},
        {"encoding": "klingon"},
        {"header": 0},
        {"header": "first"},
        {"header": True},
        {"on_bad_lines": "skip"},
        {"columns": "a"},
        {"columns": ["a", "a"]},
    ],
)
def test_illegal_arguments_are_refused(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        frame_of("a,b\n1,2\n", **wrong)


def test_text_files_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    with open(tmp_path / "a.csv") as file, pytest.raises(InputTypeError):
        ts.read_csv(file)


# -- shapes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\n\n", b" \n", b"\xef\xbb\xbf", b",,\n,,\n"])
def test_nothing_is_no_table(data):
    with pytest.raises(IngestionError, match="no table"):
        ts.read_csv(data)


def test_a_header_alone_is_a_table_without_rows():
    frame, report = frame_of("id,name,since\n")
    assert frame.columns == ["id", "name", "since"]
    assert frame.height == 0
    assert report.lines.header == report.lines.total == 1


def test_one_column():
    assert frame_of("n\n1\n2\n").frame["n"].to_list() == [1, 2]
    frame, report = frame_of('n\n1\n\n""\n2\n')
    assert frame["n"].to_list() == [1, None, 2]
    assert report.lines.blank == 1


def test_row_names_that_the_header_does_not_know():
    frame, _ = frame_of('"mpg" "cyl"\n"Mazda RX4" 21 6\n"Fiat" 22.8 4\n"Volvo" 21.4 4\n')
    assert frame.columns == ["column_1", "mpg", "cyl"]
    assert frame["cyl"].to_list() == [6, 4, 4]


def test_years_as_names_are_a_header():
    frame, _ = frame_of("region,2021,2022,2023\nNorth,10,12,13\nSouth,7,9,8\n")
    assert frame.columns == ["region", "2021", "2022", "2023"]


def test_without_header_columns_are_called_by_their_places():
    frame, report = frame_of("1,2024-01-01,x\n2,2024-01-02,y\n3,2024-01-03,x\n")
    assert frame.columns == ["column_1", "column_2", "column_3"]
    assert frame.height == 3
    assert report.header_lines == []


def test_dates_that_one_column_leaves_open_follow_the_others():
    text = "a,b\n01/02/2024,13/01/2024\n03/04/2024,02/03/2024\n"
    frame, report = frame_of(text)
    assert frame["a"].to_list() == [dt.datetime(2024, 2, 1), dt.datetime(2024, 4, 3)]
    assert report.columns["a"].kind == "date"
    with pytest.warns(DataQualityWarning, match="day and month in column 'a'"):
        assert frame_of("a\n01/02/2024\n03/04/2024\n").frame["a"].dtype == pl.String


def test_a_stray_quote_spoils_its_own_line_only():
    text = 'id,what,n\n1,5" nail,3\n2,"9 screws,4\n3,"a ""b"" c",5\n4,plain,6\n'
    frame, report = frame_of(text)
    assert frame["what"].to_list() == ['5" nail', '"9 screws', 'a "b" c', "plain"]
    assert report.lines.rows == 4


def test_backslashes_escape_where_quotes_say_so():
    text = 'id,what\n1,"the \\"old\\" one, red"\n2,"a \\"b\\" c"\n3,"d"\n'
    frame, report = frame_of(text)
    assert report.dialect.escape == "\\"
    assert frame["what"].to_list() == ['the "old" one, red', 'a "b" c', "d"]


# -- the lexer ---------------------------------------------------------------------------------

cells = st.text(st.sampled_from('ab,;"\n é|'), max_size=6)
tables = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=8)
)


def written(rows: list[list[str]], delimiter: str, quote: str) -> str:
    def cell(text: str) -> str:
        return quote + text.replace(quote, quote * 2) + quote

    return "".join(delimiter.join(map(cell, row)) + "\n" for row in rows)


@given(tables, st.sampled_from(",;\t|"), st.sampled_from("\"'"))
def test_what_is_quoted_is_cut_as_the_oracle_cuts_it(rows, delimiter, quote):
    text = written(rows, delimiter, quote)
    dialect = Dialect(delimiter=delimiter, quote=quote)
    found = list(records_of(text, dialect))
    assert cut(text, delimiter, quote) == rows
    # a quoted nothing alone in its line is told from a blank line by a blank
    assert [record.cells for record in found] == [row if row != [""] else [" "] for row in rows]
    assert sum(record.n_lines for record in found) == text.count("\n")


def test_rows_are_those_of_the_csv_module(real_data):
    path = _path(real_data, "data/avocado.csv.gz")
    data = gzip.decompress(path.read_bytes())
    frame = frame_of(data, schema=dict.fromkeys(frame_of(data).frame.columns[1:], "text")).frame
    expected = rows_of_csv_module(data, "utf-8", ",")[1:]
    assert frame.select(pl.exclude("column_1")).rows() == [tuple(row[1:]) for row in expected]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n2,5;3,5\n", ";"),
        ("name\tnote\nAnna\tyes, no\nBob\tno, yes\n", "\t"),
        ("a|b|c\n1|x;y|2\n", "|"),
        ("1.5 2.5 3.5\n4.5 5.5 6.5\n", " "),
        ("only\none\ncolumn of words\n", ","),
    ],
)
def test_delimiters(text, delimiter):
    assert detect_dialect(text).delimiter == delimiter


@pytest.mark.parametrize(
    ("text", "columns", "last"),
    [
        ("sep=;\na;b\n1,5;2\n", ["a", "b"], (1.5, 2)),
        ('"sep=,"\na,b\n1,2\n', ["a", "b"], (1, 2)),
        (
            "2023,2023,2024\nsales,cost,sales\n" + "1,2,3\n" * 9,
            ["2023 sales", "2023 cost", "2024 sales"],
            (1, 2, 3),
        ),
        ("a,b\n" + "1,2\n" * 20 + "Source: our CRM, 2024\n", ["a", "b"], (1, 2)),
        ("a,b\n" + "1,2\n" * 20 + "\nExported by Anna, Bob and Carl\n", ["a", "b"], (1, 2)),
    ],
    ids=["sep line", "quoted sep line", "years over names", "source", "exported by"],
)
def test_what_surrounds_the_table_stays_out_of_it(text, columns, last):
    read = frame_of(text.encode())
    assert read.frame.columns == columns
    assert read.frame.row(-1) == last
    assert read.frame.drop_nulls().height == read.frame.height


def test_the_first_of_stacked_tables_is_read_though_a_wider_one_follows():
    with pytest.warns(ts.DataQualityWarning, match="another table starts in line 5"):
        read = frame_of("x,y\n1,2\n2,3\n\na,b,c\n" + "1,2,3\n" * 20)
    assert read.frame.to_dict(as_series=False) == {"x": [1, 2], "y": [2, 3]}


def test_zips_of_a_later_file_never_lose_their_zeros():
    first = ts.read_csv(b"zip,n\n10115,1\n80331,2\n")
    with pytest.warns(DataQualityWarning, match="zip"):
        later = ts.read_csv(b"zip,n\n01067,1\n80331,2\n", schema=first.report, as_="polars")
    assert later.frame["zip"].to_list() == [None, 80331]
    assert later.report.columns["zip"].failures == 1
    parser = ts.ColumnParser().fit(pd.DataFrame({"zip": ["10115", "80331"]}))
    with pytest.warns(DataQualityWarning, match="zip"):
        assert parser.transform(pd.DataFrame({"zip": ["01067"]}))["zip"].isna().all()
    data = b"zip,n\n" + b"10115,1\n" * 50 + b"01067,2\n"
    with (
        mock.patch("tracer_sklearn.io._batching.LEARNING_ROWS", 10),
        ts.iter_csv(data, rows=10, as_="polars") as batches,
    ):
        cells = pl.concat(list(batches))["zip"].to_list()
        report = batches.report
    assert cells == [10115] * 50 + [None]
    assert report.columns["zip"].failures == 1


def test_names_lose_control_characters_and_the_report_keeps_them():
    read = frame_of(b"i\x00d,na\x1b[31mme,id,\x07\n1,Bob,2,3\n")
    assert read.frame.columns == ["id", "na[31mme", "id_2", "column_4"]
    assert read.report.columns["id"].original == "i\x00d"
    assert len(ts.read_csv(b"i\x00d,name\n1,Bob\n", as_="pandas").frame) == 1


@pytest.mark.parametrize(
    ("outer", "inner"),
    [(outer, inner) for outer in ",;\t|" for inner in ",;\t| " if inner != outer],
)
@pytest.mark.parametrize("items", ["ABC", "123", "AB"])
@pytest.mark.parametrize("names", [["id", "tags"], ["id", "tags", "n"]])
def test_a_list_within_cells_is_no_delimiter(outer, inner, items, names):
    row = outer.join(["7", inner.join(items), "5"][: len(names)])
    frame, report = frame_of(f"{outer.join(names)}\n" + f"{row}\n" * 50)
    assert report.dialect.delimiter == outer
    assert frame.columns == names
    assert frame.height == 50


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Name\nMiller, Bob\nYoung, Cy\n", ["Miller, Bob", "Young, Cy"]),
        ("comment\nHello, world\nfine\n", ["Hello, world", "fine"]),
        ("comment\nwell, yes, no\na; b\nfine\n", ["well, yes, no", "a; b", "fine"]),
        ("Preis\n1 EUR\n2 EUR\n", [1, 2]),
        ("Preis\n1,50 EUR\n2,75 EUR\n", [1.5, 2.75]),
        ("Zeit\n2024-01-01 10:00:00\n", [dt.datetime(2024, 1, 1, 10)]),
        ("betrag\n1,5\n2,5\n", [1.5, 2.5]),
        ("tags\nA|B\nB\nC|D|E\n", ["A|B", "B", "C|D|E"]),
    ],
)
def test_one_column_whose_cells_hold_what_might_be_a_delimiter(text, values):
    frame, report = frame_of(text)
    assert frame.to_dict(as_series=False) == {text.partition("\n")[0]: values}
    assert all_lines(report) == report.lines.total == report.lines.rows + 1


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("Report\nid,name\n1,Bob\n2,Cy\n", ["id", "name"]),
        ("Report\nid, name\n1, Bob\n2, Cy\n", ["id", "name"]),
        ("Report\n\nname;city\nBob;Paris\nCy;Rome\n", ["name", "city"]),
        ("Report\n1;Bob;3\n2;Cy;4\n", ["column_1", "column_2", "column_3"]),
        ("Report\nname,city,job\nBob,Paris,cook\nCy,Rome,smith\n", ["name", "city", "job"]),
    ],
)
def test_a_title_of_one_word_is_no_column(text, columns):
    assert frame_of(text).frame.columns == columns


@pytest.mark.parametrize("gap", ["", "\n"])
@pytest.mark.parametrize(
    "title", ["Sales report, Germany", "Sales, Germany\nAll regions, 2024", "Sales, Germany, 2024"]
)
def test_a_title_with_commas_is_no_part_of_the_names(title, gap):
    read = frame_of(f"{title}\n{gap}id,name,amt,day\n1,Bob,3,2024-01-31\n2,Cy,4,2024-02-01\n")
    assert read.frame.columns == ["id", "name", "amt", "day"]
    assert read.frame.height == 2
    assert read.report.lines.above == title.count("\n") + 1


def test_names_over_names_are_joined_though_their_row_ends_early():
    read = frame_of(",Q1,,Q2\nr,a,b,c,d\nX,1,2,3,4\nY,1,2,3,4\n")
    assert read.frame.columns == ["r", "Q1 a", "Q1 b", "Q2 c", "Q2 d"]


@pytest.mark.parametrize(
    ("text", "above", "below"),
    [
        ("id,name,amount\n--,----,------\n{}", 1, 0),
        ("|---|---|---|\n|id|name|amount|\n|---|---|---|\n{}|---|---|---|\n", 2, 1),
        ("| id | name | amount |\n|:--|:---:|---:|\n{}", 1, 0),
        (" id | name | amount\n----+------+-------\n{}(40 rows)\n", 1, 1),
        ("id;name;amount\n==;====;======\n{}==;====;======\nTotal;;1,5\n", 1, 2),
    ],
)
def test_lines_that_are_drawn_are_no_rows(text, above, below):
    mark = next(mark for mark in "|;," if mark in text)
    edge = mark if text.startswith("|") else ""
    rows = "".join(f"{edge}{mark.join((str(n), f'P{n}', '2.5'))}{edge}\n" for n in range(40))
    frame, report = frame_of(text.format(rows))
    assert frame.columns == ["id", "name", "amount"]
    assert frame["id"].to_list() == list(range(40))
    assert frame["amount"].sum() == 100
    lines = report.lines
    assert (lines.above, lines.footer) == (above, below)
    assert all_lines(report) == lines.total == text.format(rows).count("\n")


def test_lines_that_are_drawn_within_a_long_table_are_set_aside():
    rows = "".join(f"{n},P{n},{n}.5\n" for n in range(2000))
    text = f"id,name,amount\n{rows}--,----,------\n{rows}"
    with pytest.warns(DataQualityWarning, match="1 lines could not be used"):
        frame, report = frame_of(text)
    assert frame.height == 4000
    assert frame.null_count().row(0) == (0, 0, 0)
    assert all_lines(report) == report.lines.total == 4002


def test_a_row_of_single_dashes_is_a_row_of_missing_cells():
    frame, report = frame_of("id,name,amount\n-,-,-\n" + "1,Bob,2\n" * 20 + "-,-,-\n2,Cy,3\n")
    assert frame.height == 23
    assert frame.null_count().row(0) == (2, 2, 2)
    assert report.lines.set_aside == report.lines.above == report.lines.footer == 0


@pytest.mark.parametrize(
    "word",
    [
        *("Gesamtergebnis", "Endsumme", "Summen", "Totalt", "Totalsumma", "I alt", "Ukupno"),
        *("Összesen", "Spolu", "Suma końcowa", "Ogółem", "Totale complessivo", "Somma"),
        *("Eindtotaal", "Celkový součet", "Genel Toplam", "Общий итог", "Saldo", "Endsaldo"),
        *("Solde", "Saldo final", "Closing Balance", "Ending Balance", "Total EUR"),
        *("Total: Account", "*** Total ***", "Итого:", "Grand Total (USD)", "Zwischensumme"),
    ],
)
@pytest.mark.parametrize("key", ["2024-01-{:02d}", "A{}"])
def test_totals_and_balances_at_the_end_are_no_rows(word, key):
    rows = "".join(f"{key.format(n)};P{n};{n},50\n" for n in range(1, 25))
    frame, report = frame_of(f"key;name;amount\n{rows}{word};;312,00\n")
    assert frame.height == 24
    assert report.lines.footer == 1
    assert all_lines(report) == report.lines.total


@pytest.mark.parametrize("name", ["Total Wine", "Saldo Anna", "Totals Oil", "Summer"])
def test_names_that_start_like_totals_are_rows(name):
    rows = "".join(f"A{n};P{n};{n},50\n" for n in range(1, 25))
    assert frame_of(f"key;name;amount\n{rows}{name};;312,00\n").frame.height == 25


def test_a_header_below_the_last_line_is_an_error():
    assert frame_of("a,b\n1,2\n3,4\n", header=3).frame.columns == ["3", "4"]
    with pytest.raises(IngestionError, match="`header` is 4, but there are 3 lines in it"):
        frame_of("a,b\n1,2\n3,4\n", header=4)
    with pytest.raises(IngestionError, match=r"lines in the first [0-9,]+ bytes of it"):
        frame_of("a,b\n" + "1,2\n" * 100_000, header=90_000)


def stacked_tables(order):
    tables = {
        2: "id,name\n" + "".join(f"{n},N{n}\n" for n in range(10)),
        3: "sku,price,qty\n" + "".join(f"S{n},{n}.5,{n}\n" for n in range(10)),
        4: "day,a,b,c\n" + "".join(f"2024-01-{n + 10},{n},2,3\n" for n in range(30)),
    }
    return "\n".join(tables[width] for width in order)


@pytest.mark.parametrize("order", [(2, 3), (3, 2), (2, 4), (4, 2), (3, 4), (4, 3), (2, 3, 4)])
def test_the_first_of_stacked_tables_is_read_whatever_their_widths(order):
    with pytest.warns(DataQualityWarning, match="another table starts in line"):
        frame, report = frame_of(stacked_tables(order))
    assert frame.width == order[0]
    assert frame.height == {2: 10, 3: 10, 4: 30}[order[0]]
    assert [len(table.names) for table in report.lines.tables] == list(order[1:])
    assert all_lines(report) == report.lines.total


def test_parameters_above_a_table_are_no_table():
    text = "key,value\nReport,Sales\nDate,2024-01-01\nUser,Bob\nRegion,North\nUnit,kg\n\n"
    frame, report = frame_of(text + "sku,price,qty\n" + "S1,1.5,2\n" * 20)
    assert frame.columns == ["sku", "price", "qty"]
    assert report.lines.above == 6
