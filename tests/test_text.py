"""Parsers of dirty text, against datetime.strptime and Decimal."""

from __future__ import annotations

import datetime as dt
import json
import pickle
from decimal import Decimal

import narwhals.stable.v2 as nw
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tracer_sklearn as ts
from tracer_sklearn._text import (
    ColumnFormat,
    account_for,
    apply_format,
    failed,
    format_from,
    is_missing,
    learn_format,
    mask,
    parsed,
)
from tracer_sklearn._text.dates import date_pattern
from tracer_sklearn._text.months import ENGLISH, MONTHS, in_english

duckdb = pytest.importorskip("duckdb")


def column(*cells: str | None, name: str = "c") -> pl.Series:
    return pl.Series(name, list(cells), dtype=pl.String)


def learnt_values(*cells: str | None, name: str = "c", **hints) -> list:
    series = column(*cells, name=name)
    return apply_format(series, learn_format(series, **hints).format).to_list()


def on_duckdb(series: pl.Series, format: ColumnFormat) -> list:
    table = series.alias("text").to_frame().with_row_index("at")
    connection = duckdb.connect()
    connection.register("cells", table.to_arrow())
    relation = nw.from_native(connection.sql("SELECT * FROM cells")).lazy()
    value = parsed(nw.col("text"), format, sql=True)
    found = relation.select("at", value=value).collect("polars").to_native()
    return found.sort("at")["value"].to_list()


# -- numbers -------------------------------------------------------------------------------

MONEY = [
    (["$1,234.50", "$5.00", "-$3", "$-4.25", "($7.10)", "8-"], [1234.5, 5.0, -3, -4.25, -7.1, -8]),
    (["1.234,50 €", "7 €", "-0,5 €"], [1234.5, 7.0, -0.5]),
    (["€ 1.234,50", "EUR 7,00"], [1234.5, 7.0]),
    (["(1,234)", "12", "1,234,567"], [-1234, 12, 1234567]),
    (["CHF 1'234", "Fr. 12.50", "-"], [1234.0, 12.5, None]),
    (["1’234.5", "7"], [1234.5, 7.0]),
    (["141.93K", "-0.72M", "5", "1.5bn"], [141930.0, -720000.0, 5.0, 1.5e9]),
    (["$1.2m", "$300k"], [1.2e6, 3e5]),
    (["$500", "$3k"], [500.0, 3000.0]),
    (["5K", "0", "(12 k)", "-3m"], [5000.0, 0.0, -12000.0, -3e6]),
    (["5", "7 Mio", "9K"], [5.0, 7e6, 9000.0]),
    (["$1.2m", "$3 m"], [1.2e6, 3e6]),
    (["-0.72%", "1%", "12.5 %"], [-0.0072, 0.01, 0.125]),
    (["1 234,5", "12 345,67", "1\u00a0000,0", "2\u202f000,25"], [1234.5, 12345.67, 1000, 2000.25]),
    (["₹1,23,456.50", "₹7"], [123456.5, 7.0]),
    (["−5.5", "+3", "1e3", "2.5E-3"], [None, 3.0, 1000.0, 0.0025]),
    (["12,5", "7"], [12.5, 7.0]),
    (["1.0", "2.0", "nan"], [1.0, 2.0, None]),
    ([".5", "5.", "  7 "], [0.5, 5.0, 7.0]),
    (["kr 1 200,50", "99,00 kr."], [1200.5, 99.0]),
    (["R$ 1.234,56", "R$ 10,00"], [1234.56, 10.0]),
    (["12.-", "1'250.-", "12-"], [12.0, 1250.0, -12.0]),
    (["12.-", "7.—", "8.50"], [12.0, 7.0, 8.5]),
    (
        ["CHF 12.-", "-12.-", "Fr.-5", "Fr. 7.50-", "1'250.— CHF", "12.--"],
        [12.0, -12.0, -5.0, -7.5, 1250.0, 12.0],
    ),
    (["12,-", "1.250,-", "7,50"], [12.0, 1250.0, 7.5]),
    (["€ 12,-", "12,– €", "(12,-)", "12,−", "-1.250,--"], [12.0, 12.0, -12.0, 12.0, -1250.0]),
    (["€ 12,-", "1,5k", "2,-k"], [12.0, 1500.0, 2000.0]),
    (["CHF 100", "CHF 7", "CHF9"], [100, 7, 9]),
    (["USD101.50", "USD7", "-USD3", "USD-4"], [101.5, 7.0, -3.0, -4.0]),
    (["1,234EUR", "500EUR"], [1234, 500]),
    (["R$100", "R$7"], [100, 7]),
    (["Rs100", "Rs.7", "RS 5", "RS5"], [100, 7, 5, None]),
    (["100kr", "Kr.7", "5 KR", "5KR"], [100, 7, 5, None]),
    (["Fr10", "SFr.7", "FR 5", "FR5"], [10, 7, 5, None]),
    (["100 USD", "$7"], [100, 7]),
    (["1,00+", "5,00-", "7,5", "1.234,50 +"], [1.0, -5.0, 7.5, 1234.5]),
    (["€ 1.50+", "€ 5.25-", "(7)", "8+"], [1.5, -5.25, -7.0, 8.0]),
    (["1,234.00 Cr", "1,234.50 Dr", "0.00", "7CR", "-5.00 Dr"], [1234.0, -1234.5, 0.0, 7.0, None]),
    (["1.234,00 H", "1,50 S", "1,50 €"], [None, None, 1.5]),
    (["1.234,00 H", "1,50 S", "0,00"], [1234.0, -1.5, 0.0]),
    (["CHF 1'234.00 H", "CHF 1.50 S"], [1234.0, -1.5]),
    (["5zł", "7 ZŁ"], [5, 7]),
    (["101EUR", "250EUR"], [101, 250]),
    (["25TL", "100TL"], [25, 100]),
    (["USD25", "USD19", "USD100"], [25, 19, 100]),
    (["850", "12K", "420", "3M"], [850.0, 12000.0, 420.0, 3e6]),
]


@pytest.mark.parametrize(("cells", "expected"), MONEY, ids=[cells[0] for cells, _ in MONEY])
def test_money_and_numbers_in_every_style(cells, expected):
    format = learn_format(column(*cells), kind="number").format
    assert apply_format(column(*cells), format).to_list() == expected
    assert on_duckdb(column(*cells), format) == expected


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["00501", "10001"], "leading zeros"),
        (["12345678901234567", "1"], "more than 15 digits"),
        (["+4915112345678", "+15551234567"], "phone"),
        (["030 123 456", "301 234 567"], "leading zeros"),
        ([*(f"{n} 123 456" for n in range(300, 360)), "030 123 456"], "leading zeros"),
        (["012.345.678", "123.456.789"], "leading zeros"),
        (["012'345'678", "123'456'789"], "leading zeros"),
        (["00 123", "12 345", "10 000"], "leading zeros"),
        (["030\u00a0123", "301\u00a0234"], "leading zeros"),
        (["12345", "12E45", "34567"], "codes with an E"),
        (["1E5", "2E3", "17", "18"], "codes with an E"),
        (["7", "9", "1e3"], "codes with an E"),
        ([*map(str, range(40)), "1e3", "inf"], "codes with an E"),
        (["1E5", "12E45"], "codes with an E"),
        (["1E5", "9E999"], "codes with an E"),
        (["+49 301 234 567", "+49 302 345 678"], "phone"),
        (["+49.301.234.567", "+49.302.345.678"], "phone"),
        ([*["536365", "536366"] * 20, "C536379"], "codes"),
        (["$5", "€7"], "several currencies"),
        (["FR7630006000011234567890189", "FR7630004000031234567890143"], "more than 15"),
        (["USD12345678901234567", "USD7.50"], "more than 15"),
        (["FR10", "FR21"], "no numbers"),
        (["FR10.5", "FR21.5"], "no numbers"),
        (["FR01234567890", "FR2024001"], "leading zeros"),
        (["Rs01", "Rs12"], "leading zeros"),
        (["RS3", "RS12"], "no numbers"),
        (["rs429358", "rs7412"], "no numbers"),
        (["TRY101", "TRY102"], "letters directly at digits"),
        (["try-101", "try-102", "try 103"], "letters directly at digits"),
        (["TL101", "TL102"], "letters directly at digits"),
        (["TRY1", "TRY2", "RM 7"], "several currencies"),
        (["RM12", "RM14"], "letters directly at digits"),
        (["5", "7B", "9K", "12"], "no numbers"),
        (["5", "7k", "12 m", "13"], "no numbers"),
        (["5.5", "7K", "9"], "no numbers"),
        (["10,000+", "500+", "5,000+"], "no numbers"),
        (["17-", "18+"], "no numbers"),
        (["5.00 Cr", "7.50 Cr"], "no numbers"),
        (["8 H", "7 S"], "no numbers"),
        (["8.00 S", "7.00 S"], "no numbers"),
        (["8.00 S", "7.00 H", "9.00"], "no numbers"),
        (["RM012.50", "RM14.50"], "leading zeros"),
        (["5 m", "7.5 m"], "no numbers"),
    ],
)
def test_what_only_looks_like_numbers_stays_text(cells, why):
    learnt = learn_format(column(*cells))
    assert learnt.format.kind in ("text", "category")
    assert why in learnt.why
    assert apply_format(column(*cells), learnt.format).to_list() == cells


@pytest.mark.parametrize(
    "cells",
    [
        *(["Rs.100", "Rs.7"], ["Rs100", "Rs7"], ["100Euro", "7Euro"], ["Kr.100", "kr7"]),
        *(["CHF 100", "CHF 7"], ["RS. 100", "RS. 7"], ["100 USD", "7 USD"], ["$100", "$7"]),
        *(["R$100", "R$7"], ["100円", "7円"], ["EUR1,234", "EUR7"], ["100 TL", "7 TL", "9TL"]),
    ],
)
def test_whole_amounts_with_a_unit_a_symbol_or_a_blank_are_numbers(cells):
    learnt = learn_format(column(*cells))
    assert (learnt.format.kind, learnt.n_failures) == ("count", 0)
    digits = ["".join(filter(str.isdigit, cell)) for cell in cells]
    assert apply_format(column(*cells), learnt.format).to_list() == [*map(int, digits)]


def test_order_numbers_with_one_cancellation_in_a_thousand_stay_text():
    cells = [str(536_365 + i) for i in range(1000)] + ["C536379"]
    assert learn_format(column(*cells)).format.kind == "text"


def test_one_typing_error_does_not_make_a_price_text_and_is_counted():
    learnt = learn_format(column(*[f"{i}.25" for i in range(99)], "12O.5"))
    assert (learnt.format.kind, learnt.n_failures, learnt.examples) == ("number", 1, ("99a.9",))


def test_a_comma_before_three_digits_everywhere_groups_unless_the_file_says_otherwise():
    cells = ["1,234", "5,678"]
    assert learnt_values(*cells) == [1234, 5678]
    assert learnt_values(*cells, decimal=",") == [1.234, 5.678]
    assert learnt_values("1,234", "5678") == [1.234, 5678.0]  # grouping would be 5,678
    assert learnt_values("1.234", "5.678") == [1.234, 5.678]
    assert learnt_values("1.234", "5.678", decimal=",") == [1234, 5678]
    assert learnt_values("0,123", "5,678") == [0.123, 5.678]


def test_amounts_of_two_currencies_are_never_added_up():
    format = learn_format(column("$5", "$7")).format
    assert apply_format(column("€5", "$6"), format).to_list() == [None, 6.0]


def test_numbers_with_exponents_stay_numbers():
    assert learnt_values("1e5", "2e3") == [1e5, 2e3]
    assert learnt_values("1e5", "2.5", "7") == [1e5, 2.5, 7.0]
    assert learnt_values("1e+5", "7", "1e-20") == [1e5, 7.0, 1e-20]
    assert learnt_values("1e5", "7", kind="number") == [1e5, 7.0]


def test_grouped_numbers_begin_with_no_zero_but_fractions_may():
    assert learnt_values("0,5", "1 234,5") == [0.5, 1234.5]
    assert learnt_values("0.123", "0.456") == [0.123, 0.456]
    assert learnt_values("0,123", "0,456", decimal=",") == [0.123, 0.456]
    assert learnt_values("+1 234", "-2 345") == [1234, -2345]
    format = ColumnFormat("number", thousands=" ")
    assert apply_format(column("030 123 456", "30 123 456"), format).to_list() == [None, 30123456]


@pytest.mark.parametrize(
    "first", [["10115", "80331"], ["1.5", "22.25"], ["$1,234.50", "$5"], ["1.234,5", "7"]]
)
def test_a_frozen_number_takes_no_leading_zeros(first):
    format = learn_format(column(*first)).format
    later = column("01067", "-007", "+08", "0", "00", "01067.5", "0123e4")
    expected = [None, None, None, 0.0, None, None, None]
    assert apply_format(later, format).to_list() == expected
    assert on_duckdb(later, format) == expected
    assert account_for(later, format, "").n_failures == 6


def test_leading_zeros_are_taken_where_they_were_learnt():
    padded = learn_format(column("05.50", "12.25"))
    assert padded.format.padded
    assert apply_format(column("05.50", "01.5"), padded.format).to_list() == [5.5, 1.5]
    asked = learn_format(column("001", "002"), kind="count")
    assert (asked.n_failures, asked.format.padded) == (0, True)
    assert apply_format(column("003"), asked.format).to_list() == [3]
    assert ColumnFormat.from_dict(asked.format.to_dict()) == asked.format


@pytest.mark.parametrize("cell", ["12. -", "12.€-", "12.---", "12.-5", ".-"])
def test_what_else_stands_behind_a_decimal_mark_is_no_number(cell):
    format = ColumnFormat("number", thousands="'", currency=("€",))
    assert apply_format(column(cell), format).to_list() == [None]


def test_whole_numbers_refuse_a_fraction_but_take_a_zero_one():
    format = learn_format(column("3", "4")).format
    assert format.kind == "count"
    assert apply_format(column("3.0", "3.5", "1e3"), format).to_list() == [3, None, None]


@given(
    st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=20),
    st.sampled_from([(".", ","), (",", "."), (".", ""), (",", ""), (",", " "), (".", "'")]),
    st.sampled_from(["{}", "${}", "{} €", "CHF {}", "{}%", "{}K"]),
    st.sampled_from(["minus", "brackets", "trailing"]),
)
@settings(max_examples=120)
def test_any_number_in_any_style_reads_back_equal(numbers, marks, affix, negative):
    decimal, thousands = marks
    if negative != "minus":
        assume(thousands or affix != "{}")

    def write(number: Decimal) -> str:
        text = f"{abs(number):,.2f}".replace(",", "_").replace(".", decimal)
        text = affix.format(text.replace("_", thousands))
        if number >= 0:
            return text
        return {"minus": f"-{text}", "brackets": f"({text})", "trailing": f"{text}-"}[negative]

    scale = {"{}%": Decimal("0.01"), "{}K": Decimal(1000)}.get(affix, Decimal(1))
    cells = [*map(write, numbers), write(Decimal("1234567.89"))]
    expected = [float(number * scale) for number in [*numbers, Decimal("1234567.89")]]
    learnt = learn_format(column(*cells))
    assert apply_format(column(*cells), learnt.format).to_list() == expected
    assert learnt.n_failures == 0


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@settings(max_examples=60)
def test_any_float_that_python_writes_reads_back_equal_or_is_counted(numbers):
    cells = [repr(number) for number in numbers]
    format = ColumnFormat("number")
    made = apply_format(column(*cells), format).to_list()
    for number, value in zip(numbers, made, strict=True):
        outside = abs(number) > 1e299 or 0 < abs(number) < 1e-299
        assert value == number or (value is None and outside)
    assert on_duckdb(column(*cells), format) == made


@given(st.lists(st.integers(-(10**15) + 1, 10**15 - 1), min_size=1, max_size=20))
def test_whole_numbers_are_exact(numbers):
    cells = [str(number) for number in numbers]
    assert learnt_values(*cells, kind="count") == numbers


# -- dates ---------------------------------------------------------------------------------

TEMPLATES = [
    *("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%d/%m/%y"),
    *("%d-%b-%y", "%d %B %Y", "%b %d, %Y", "%Y%m%d", "%Y %b %d", "%d%b%Y"),
    *("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p"),
    *("%Y-%m-%d %H:%M:%S%z", "%Y%m%d%H%M%S", "%d.%m.%Y, %H:%M:%S"),
    *("%Y%m%dT%H%M%S%z", "%Y%m%dT%H%M%S", "%a %b %d %Y", "%a, %d %b %Y %H:%M:%S %z"),
]
MOMENTS = st.datetimes(dt.datetime(1969, 1, 1), dt.datetime(2068, 12, 31, 23, 59, 59))
# decides every order: the day is no month, the year of two digits is no day
TELLING = dt.datetime(1999, 12, 31, 23, 58, 57, 123456)


def strptime(text: str, template: str) -> dt.datetime | None:
    try:
        found = dt.datetime.strptime(text, template)
    except ValueError:
        return None
    return found.astimezone(dt.UTC) if found.tzinfo else found


@pytest.mark.parametrize("template", TEMPLATES)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=10), offset=st.integers(-720, 840))
@settings(max_examples=15)
def test_any_dates_in_any_format_read_back_equal(template, moments, offset):
    zone = dt.timezone(dt.timedelta(minutes=offset))
    cells = [m.replace(tzinfo=zone).strftime(template) for m in [*moments, TELLING]]
    expected = [strptime(cell, template) for cell in cells]
    learnt = learn_format(column(*cells))
    assert not learnt.ambiguous
    assert apply_format(column(*cells), learnt.format).to_list() == expected
    assert on_duckdb(column(*cells), learnt.format) == expected


@given(st.lists(st.sampled_from(TEMPLATES[:8]), min_size=1), st.data())
@settings(max_examples=120)
def test_a_pattern_knows_the_calendar_as_strptime_does(templates, data):
    template = templates[0]
    numbers = [data.draw(st.integers(0, 33)) for _ in range(2)]
    year = data.draw(st.sampled_from([1900, 1999, 2000, 2023, 2024, 2100]))
    months = [*ENGLISH, "xxx"]
    text = (
        template.replace("%Y", str(year)).replace("%y", f"{year % 100:02}")
        .replace("%d", f"{numbers[0]:02}").replace("%m", f"{numbers[1]:02}")
        .replace("%b", months[numbers[1] % 13])
    )  # fmt: skip
    fits = column(text).str.contains(date_pattern(template)).item()
    assert fits == (strptime(text, template) is not None)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1955/1/1", "1955/12/31"], [(1955, 1, 1), (1955, 12, 31)]),
        (["1-Oct-08", "12-Nov-70"], [(2008, 10, 1), (1970, 11, 12)]),
        (["1982 Apr", "2001 May"], [(1982, 4, 1), (2001, 5, 1)]),
        (["Oct 2008", "May 2009"], [(2008, 10, 1), (2009, 5, 1)]),
        (["2004-01", "2004-02"], [(2004, 1, 1), (2004, 2, 1)]),
        (["01.2024", "12.2024"], [(2024, 1, 1), (2024, 12, 1)]),
        (["20240105", "20231231"], [(2024, 1, 5), (2023, 12, 31)]),
        (["5. Oktober 2024", "12. März 2023"], [(2024, 10, 5), (2023, 3, 12)]),
        (["5 janv. 2024", "7 mai 2024"], [(2024, 1, 5), (2024, 5, 7)]),
        (["5 de enero de 2024", "7 de mayo de 2024"], [(2024, 1, 5), (2024, 5, 7)]),
        (["3 paź 2024", "1 lut 2023"], [(2024, 10, 3), (2023, 2, 1)]),
        (["Sept 5, 2024", "Jan 7, 2024"], [(2024, 9, 5), (2024, 1, 7)]),
        (["2024-02-29", "0000-00-00"], [(2024, 2, 29), None]),
        (["Fri Jan 05 2024", "Sun Feb 29 2004"], [(2024, 1, 5), (2004, 2, 29)]),
        (["Friday, January 5, 2024", "Sunday, May 7, 2023"], [(2024, 1, 5), (2023, 5, 7)]),
        (["Fr., 05.01.2024", "Sa., 06.01.2024"], [(2024, 1, 5), (2024, 1, 6)]),
        (["Freitag, 5. Januar 2024", "Mittwoch, 1. Mai 2024"], [(2024, 1, 5), (2024, 5, 1)]),
        (["2024年1月5日", "2023年12月31日"], [(2024, 1, 5), (2023, 12, 31)]),
        (["2024년 1월 5일", "2023년 12월 31일"], [(2024, 1, 5), (2023, 12, 31)]),
        (["2024年1月", "2023年12月"], [(2024, 1, 1), (2023, 12, 1)]),
        (["31/12/68", "01/01/69", "15/06/99"], [(2068, 12, 31), (1969, 1, 1), (1999, 6, 15)]),
    ],
)
def test_dates_as_people_write_them(cells, expected):
    learnt = learn_format(column(*cells))
    wanted = [day and dt.datetime(*day) for day in expected]
    assert learnt.format.kind == "date"
    assert learnt.n_failures == 0
    assert apply_format(column(*cells), learnt.format).to_list() == wanted
    assert on_duckdb(column(*cells), learnt.format) == wanted


@pytest.mark.parametrize(
    ("cells", "name", "expected"),
    [
        (["1700000000", "1700000100"], "created_at", dt.datetime(2023, 11, 14, 22, 13, 20)),
        (["1700000000123", "1700000100000"], "ts", dt.datetime(2023, 11, 14, 22, 13, 20, 123000)),
        (["45000", "45001"], "order_date", dt.datetime(2023, 3, 15)),
        (["45000.75", "45001"], "OrderDate", dt.datetime(2023, 3, 15, 18)),
    ],
)
def test_numbers_are_moments_only_where_the_name_says_so(cells, name, expected):
    learnt = learn_format(column(*cells, name=name))
    assert apply_format(column(*cells), learnt.format).to_list()[0] == expected
    assert on_duckdb(column(*cells), learnt.format)[0] == expected
    assert learn_format(column(*cells, name="amount")).format.kind in ("count", "number")
    asked = learn_format(column(*cells, name="amount"), kind="datetime")
    assert asked.format == learnt.format


@pytest.mark.parametrize(
    "name",
    [
        *("candidate_id", "mandate_no", "lifetime_value", "runtime", "consolidated"),
        *("update_count", "created_by", "dateID", "Datum Nr.", "time-amount", "order_date_number"),
        *("candidate", "mandate", "sentiment", "chart", "at_risk", "validated", "database"),
    ],
)
def test_a_name_speaks_of_time_in_whole_words_only(name):
    for cells in (["45000", "45001"], ["1700000000", "1700000100"]):
        assert learn_format(column(*cells, name=name)).format.kind == "count"
        lines = "\n".join(cells)
        assert ts.read_csv(f"{name}\n{lines}\n".encode()).report.columns[name].kind == "count"


@pytest.mark.parametrize(
    "name",
    [
        *("date", "OrderDate", "order date", "ORDER_DATE", "orderdate", "timestamp", "createdAt"),
        *(
            "updated_at",
            "Bestelldatum",
            "datum",
            "fecha_alta",
            "load-dt",
            "last_update",
        ),
        *("date_2", "birthdate", "last modified", "start_datetime", "date time"),
    ],
)
def test_a_name_that_speaks_of_time_is_heard(name):
    assert learn_format(column("45000", "45001", name=name)).format.kind == "date"
    assert learn_format(column("1700000000", name=name)).format.formats == ("epoch_s",)


@pytest.mark.parametrize(
    "name",
    [
        *("time", "Times", "ts", "eventTS", "event_ts_utc", "event time", "logintime"),
        *("days to date", "days since last update", "elapsed time", "Tage seit Datum"),
    ],
)
def test_days_are_counted_only_where_the_name_speaks_of_dates(name):
    for cells in (["45000", "45001"], ["45000.5", "45001"]):
        assert learn_format(column(*cells, name=name)).format.kind in ("count", "number")
        assert learn_format(column(*cells, name=name), kind="date").format.formats == ("excel",)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2024010100", "2024010123"], [(2024, 1, 1), (2024, 1, 1, 23)]),
        (["202401010059", "202401012359"], [(2024, 1, 1, 0, 59), (2024, 1, 1, 23, 59)]),
        (["19991231235959"], [(1999, 12, 31, 23, 59, 59)]),
    ],
)
def test_digits_are_hours_and_minutes_where_the_name_speaks_of_time(cells, expected):
    learnt = learn_format(column(*cells, name="MESS_DATUM"))
    wanted = [dt.datetime(*moment) for moment in expected]
    assert (learnt.format.kind, learnt.n_failures) == ("datetime", 0)
    assert apply_format(column(*cells), learnt.format).to_list() == wanted
    assert on_duckdb(column(*cells), learnt.format) == wanted
    assert format_from(learnt.format.formats[0]) == learnt.format
    if len(cells) > 1:  # invoices, counted by day
        assert learn_format(column(*cells, name="Beleg")).format.kind == "count"


@pytest.mark.parametrize("name", ["response_time", "time_ms", "lap time"])
def test_measured_times_with_decimals_are_no_days(name):
    assert learn_format(column("44197.51234", "44198.25678", name=name)).format.kind == "number"


def test_dates_with_points_are_told_by_german_names_and_by_clocks():
    cells = ["10.09.24", "11.09.24"]
    assert learn_format(column(*cells, name="Buchungstag")).format.formats == ("%d.%m.%y",)
    clocks = learn_format(column("10.09.24 10:00", "11.09.24 11:30"))
    assert clocks.format.formats == ("%d.%m.%y %H:%M",)


def test_padded_zeros_among_decimals_are_zeros():
    cells = column("00.00", "12.50", "45.10", "33.20", "00.00", "11.75")
    assert apply_format(cells, learn_format(cells).format).to_list()[0] == 0.0


def test_epochs_some_of_which_come_after_2033_are_epochs():
    cells = ["1735689600", "2051222400", "1767225600"]
    assert learn_format(column(*cells, name="expires_at")).format.formats == ("epoch_s",)


def test_times_of_excel_are_told_by_their_decimals():
    for name in ("Start Time", "updated_time"):
        learnt = learn_format(column("45292.604166", "45293.5", "45294.25", name=name))
        assert (learnt.format.kind, learnt.format.formats) == ("datetime", ("excel",))
    elapsed = learn_format(column("45292.604166", "45293.5", name="elapsed time"))
    assert elapsed.format.kind == "number"


@pytest.mark.parametrize(
    "cells",
    [
        ["2401051530", "2401051600"],
        ["1501051530", "1501051600"],
        ["2024010199", "2024010100"],
        ["2100000000", "2200000000"],
        ["2100000000000", "2200000000000"],
    ],
)
def test_numbers_after_2033_alone_are_no_epochs_unless_dates_were_asked_for(cells):
    assert learn_format(column(*cells, name="date")).format.kind == "count"
    asked = learn_format(column(*cells, name="date"), kind="datetime")
    assert asked.format.formats[0].startswith("epoch")


@pytest.mark.parametrize("cells", [["1999.10", "2001.05"], ["12.2024", "10.2019"]])
def test_decimals_are_months_only_where_the_name_says_so(cells):
    for name in ("score", "value"):
        learnt = learn_format(column(*cells, name=name))
        assert learnt.format.kind == "number"
        frame = ts.read_csv(f"{name}\n{cells[0]}\n{cells[1]}\n".encode()).frame
        assert frame[name].tolist() == [float(cell) for cell in cells]
    for name in ("month", "date", "Monat", "yearMonth"):
        assert learn_format(column(*cells, name=name)).format.kind == "date"


@given(st.lists(MOMENTS, min_size=1))
@settings(max_examples=30)
def test_epochs_are_exact_to_the_millisecond(moments):
    moments = [m.replace(microsecond=m.microsecond // 1000 * 1000) for m in moments]
    ticks = [(m - dt.datetime(1970, 1, 1)) // dt.timedelta(milliseconds=1) for m in moments]
    cells = column(*map(str, ticks))
    format = ColumnFormat("datetime", formats=("epoch_ms",))
    assert apply_format(cells, format).to_list() == moments
    assert on_duckdb(cells, format) == moments


def test_zones_come_out_in_utc():
    cells = ["2024-01-05T10:11:12Z", "2024-01-05T10:11:12.5+02:00", "2024-01-05T10:11:12-03"]
    expected = [
        dt.datetime(2024, 1, 5, 10, 11, 12, tzinfo=dt.UTC),
        dt.datetime(2024, 1, 5, 8, 11, 12, 500_000, tzinfo=dt.UTC),
        dt.datetime(2024, 1, 5, 13, 11, 12, tzinfo=dt.UTC),
    ]
    format = learn_format(column(*cells)).format
    assert format.zoned
    assert apply_format(column(*cells), format).to_list() == expected
    assert on_duckdb(column(*cells), format) == expected


def test_the_basic_format_of_iso_is_read():
    cells = ["20240105T101112Z", "20240105T101112+0200"]
    noon = dt.datetime(2024, 1, 5, 10, 11, 12, tzinfo=dt.UTC)
    format = learn_format(column(*cells)).format
    assert apply_format(column(*cells), format).to_list() == [noon, noon - dt.timedelta(hours=2)]
    assert on_duckdb(column(*cells), format) == [noon, noon - dt.timedelta(hours=2)]
    assert learnt_values("20240105T101112") == [noon.replace(tzinfo=None)]


def test_fractions_of_any_length_are_kept_to_the_microsecond():
    stamp = "2024-01-05T10:11:12."
    cells = [f"{stamp}{'123456789'[:n]}{zone}" for n in range(1, 10) for zone in ("+02:00", "Z")]
    for texts in (cells, [cell.removesuffix("Z") for cell in cells if cell.endswith("Z")]):
        format = learn_format(column(*texts)).format
        made = apply_format(column(*texts), format).to_list()
        microseconds = [m.microsecond for m in made]
        assert microseconds == [
            int("123456"[:n].ljust(6, "0")) for n in range(1, 10) for _ in range(len(texts) // 9)
        ]
        assert on_duckdb(column(*texts), format) == made


@pytest.mark.parametrize("kind", ["date", "datetime", "number", "count", "flag"])
def test_a_kind_that_was_asked_for_is_kept_however_little_fits(kind):
    learnt = learn_format(column("Anna", "Bob"), kind=kind)
    assert learnt.n_failures == 2
    assert apply_format(column("Anna"), learnt.format).to_list() == [None]
    assert apply_format(column("Anna"), ColumnFormat("date")).to_list() == [None]


@pytest.mark.parametrize(
    ("cell", "value"), [("-1.5000", -1.5), ("+1.5000", 1.5), ("\u22121.5000", -1.5)]
)
def test_no_date_begins_with_a_sign(cell, value):
    for cells in ([cell], [cell, "2.5000"], [cell, cell, "3.2010"]):
        learnt = learn_format(column(*cells))
        assert learnt.format.kind == "number"
        assert apply_format(column(*cells), learnt.format)[0] == value
    for cells in (["-20240131"], ["-2024-01-31"], ["+12/2024"], ["$-1.5000"]):
        for kind in (None, "date"):
            learnt = learn_format(column(*cells), kind=kind)
            assert learnt.format.kind != "date" or learnt.n_failures == 1
    assert learn_format(column("Jan-2024", "Feb-2024")).format.kind == "date"


@pytest.mark.parametrize(
    "cells",
    [
        ["08:05:00", "09:01:05", "10:03:02"],
        ["08:05:13", "09:01:25", "10:03:42"],
        ["1:05:09", "10:12:11"],
        ["24:01:13", "23:02:15"],
    ],
)
def test_times_of_day_are_no_dates(cells):
    for hints in ({}, {"day_first": True}, {"day_first": False}):
        learnt = learn_format(column(*cells, name="time"), **hints)
        assert (learnt.format.kind, learnt.ambiguous) == ("text", ())
        assert apply_format(column(*cells), learnt.format).to_list() == cells
    frame, _ = ts.read_csv(f"d,time\n31/01/2024,{cells[0]}\n01/02/2024,{cells[1]}\n".encode())
    assert frame["time"].tolist() == cells[:2]


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (["08.05.00", "14.30.59"], "t"),
        (["08.05.00", "13.05.00", "09.10.00"], "t"),
        (["08.05.12", "13.05.24", "09.10.48"], "Uhrzeit"),
        ([f"{h:02}.{m:02}.{h:02}" for h in range(1, 24) for m in range(1, 13)] + ["8.45.00"], "t"),
        (["08.05", "14.30"], "Uhrzeit"),
    ],
)
def test_times_of_day_with_points_are_no_dates_and_no_numbers(cells, name):
    for day_first in (None, True, False):
        learnt = learn_format(column(*cells, name=name), day_first=day_first)
        assert (learnt.format.kind, learnt.ambiguous) == ("text", ())
        assert learnt.n_failures == 0


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (["13.05.24", "14.05.24", "02.06.24"], "t"),
        (["13.05.00", "14.05.00"], "Datum"),
        (["13.05.99", "31.12.00"], "Uhrzeit"),
        ([f"{d:02}.{m:02}.24" for d in range(1, 29) for m in range(1, 13)] + ["31.10.24"], "t"),
    ],
)
def test_dates_with_points_are_no_times(cells, name):
    learnt = learn_format(column(*cells, name=name))
    assert (learnt.format.kind, learnt.format.formats) == ("date", ("%d.%m.%y",))


@pytest.mark.parametrize("cells", [["007.50", "012.30"], ["07.50", "12.75"], ["8.05", "14.30"]])
def test_padded_amounts_are_no_times(cells):
    assert learn_format(column(*cells)).format.kind == "number"


def test_a_month_has_no_weekday():
    assert learn_format(column("FR 10 2024", "FR 11 2024")).format.kind == "text"


def test_years_of_emperors_stay_text():
    assert learn_format(column("24年1月5日", "23年12月31日")).format.kind == "text"


def test_spans_of_years_are_no_months():
    assert learn_format(column("2009-10", "2010-11")).format.kind == "text"
    assert learn_format(column("2009-10", "2009-11")).format.formats == ("%Y-%m",)


def test_the_order_of_day_and_month_is_decided_from_the_whole_column():
    open_cells = [f"0{day}/0{month}/2024" for day in range(1, 10) for month in range(1, 10)]
    assert learn_format(column(*open_cells, "13/01/2024")).format.formats == ("%d/%m/%Y",)
    assert learn_format(column(*open_cells, "01/13/2024")).format.formats == ("%m/%d/%Y",)


def test_an_undecidable_order_is_said_and_stays_text():
    cells = ["01/02/2024", "03/04/2024"]
    for column_ in (column(*cells), column(*cells, "13/01/2024", "01/13/2024")):
        learnt = learn_format(column_)
        assert learnt.format.kind == "text"
        assert {one.formats[0] for one in learnt.ambiguous} == {"%d/%m/%Y", "%m/%d/%Y"}
    day_first = learn_format(column(*cells), day_first=True).format
    assert apply_format(column(*cells), day_first).to_list()[0] == dt.datetime(2024, 2, 1)
    month_first = learn_format(column(*cells), day_first=False).format
    assert apply_format(column(*cells), month_first).to_list()[0] == dt.datetime(2024, 1, 2)


def test_dates_with_points_that_nothing_else_decides_begin_with_the_day():
    cells = column("01.02.2024", "03.04.2024 ", "10.10.2024")
    learnt = learn_format(cells)
    assert learnt.format.formats == ("%d.%m.%Y",)
    assert learnt.why == "points between its numbers: the day comes first"
    assert learn_format(column("01.13.2024", "03.04.2024")).format.formats == ("%m.%d.%Y",)
    assert len(learn_format(column("01.13.2024", "13.01.2024")).ambiguous) == 2
    assert learn_format(cells, day_first=False).format.formats == ("%m.%d.%Y",)


def test_years_of_two_digits_come_last_among_points():
    why = "points between its numbers: the day comes first"
    for cells in (["22.02.18"], ["01.02.18", "03.04.19"], ["24.01.15 10:30", "24.02.16 11:15"]):
        learnt = learn_format(column(*cells, name="booking date"))
        assert (learnt.format.formats[0][:8], learnt.why) == ("%d.%m.%y", why)
        versions = learn_format(column(*(cell[:8] for cell in cells), name="version"))
        assert versions.format.kind == "text"
    assert learn_format(column("98.01.31", "99.02.28")).format.formats == ("%y.%m.%d",)
    assert len(learn_format(column("22.02.18", "18.02.22", "98.01.31")).ambiguous) == 0
    assert len(learn_format(column("22.02.18", "98.01.31", "31.01.98")).ambiguous) == 2


def test_beginnings_of_months_decide_the_order():
    months = [(month, year) for year in (2019, 2020) for month in range(1, 13)]
    american = learn_format(column(*(f"{month}/1/{year}" for month, year in months)))
    assert american.format.formats == ("%m/%d/%Y",)
    assert "the second number is 1 in all of 2 years" in american.why
    european = learn_format(column(*(f"01.{month:02}.{year}" for month, year in months)))
    assert european.format.formats == ("%d.%m.%Y",)
    quarters = [f"{month}/1/{year}" for year in range(2015, 2021) for month in (1, 4, 7, 10)]
    assert learn_format(column(*quarters)).format.formats == ("%m/%d/%Y",)
    # the first days of January are as good
    one_year = learn_format(column(*(f"{month}/1/2020" for month in range(1, 13))))
    assert len(one_year.ambiguous) == 2
    # the user's word counts more
    asked = learn_format(column(*(f"{m}/1/{y}" for m, y in months)), day_first=True)
    assert asked.format.formats == ("%d/%m/%Y",)


def test_years_of_two_digits_at_an_end_that_nothing_decides_are_undecidable():
    learnt = learn_format(column("24-01-15", "24-02-16", "24-03-17"))
    assert {one.formats[0] for one in learnt.ambiguous} == {"%d-%m-%y", "%y-%m-%d"}
    assert learnt.why.startswith("order of day and year undecidable: ")
    every = learn_format(column("02-03-04", "05-06-07"))
    assert every.why.startswith("order of day, month and year undecidable: ")
    with pytest.warns(ts.exceptions.DataQualityWarning, match="between day and year in column 'd'"):
        ts.read_csv(b"d,n\n22-02-18,1\n")
    assert learn_format(column("13/01/24", "02/03/24")).format.formats == ("%d/%m/%y",)
    assert learn_format(column("98-01-31", "99-02-28")).format.formats == ("%y-%m-%d",)


def test_a_frozen_format_never_takes_the_other_order():
    format = learn_format(column("31/01/2024", "01/02/2024")).format
    later = column("03/04/2024", "12/31/2024", "2024-01-01")
    assert apply_format(later, format).to_list() == [dt.datetime(2024, 4, 3), None, None]


@pytest.mark.parametrize("language", MONTHS)
def test_every_month_name_becomes_the_english_one(language):
    for month, words in enumerate(MONTHS[language]):
        for word in words:
            frame = nw.from_native(column(f"1 {word.title()} 2024").to_frame())
            text = frame.select(c=in_english(nw.col("c"), language))["c"].item()
            assert text == f"1 {ENGLISH[month].upper()} 2024"


# -- flags, missing marks, text --------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["yes", "No", "", "YES"], [True, False, None, True]),
        (["TRUE", "false"], [True, False]),
        (["Y", "N"], [True, False]),
        (["oui", "non"], [True, False]),
        (["ja", "nein"], [True, False]),
        (["ja", "nee"], [True, False]),
        (["sí", "no"], [True, False]),
        (["SÌ", "NO"], [True, False]),
        (["sim", "não"], [True, False]),
        (["tak", "nie"], [True, False]),
        (["1", "0", "yes", "no"], [True, False, True, False]),
    ],
)
def test_yes_and_no_in_many_languages(cells, expected):
    learnt = learn_format(column(*cells))
    assert learnt.format.kind == "flag"
    assert apply_format(column(*cells), learnt.format).to_list() == expected
    assert on_duckdb(column(*cells), learnt.format) == expected


@pytest.mark.parametrize(
    "cells", [["0", "1"], ["S", "N"], ["NO", "DE"], ["no", "no"], ["yes", "no", "No phone service"]]
)
def test_what_may_be_something_else_is_no_flag_unless_asked_for(cells):
    assert learn_format(column(*cells)).format.kind != "flag"


def test_zeros_and_ones_are_a_flag_where_asked_for():
    assert learnt_values("0", "1", "maybe", kind="flag") == [False, True, None]


MARKS = ["NULL", "NA", "n/a", "-", "Nil", "#N/A", " ", "", "****", "None", "nan", "--", "?", "####"]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("cells", [["1.5", "2"], ["2024-01-31"], ["yes", "no"], ["Anna", "Bob"]])
def test_marks_of_missing_cells_are_missing_and_no_failures(mark, cells):
    learnt = learn_format(column(*cells, mark, None))
    assert (learnt.n_missing, learnt.n_failures, learnt.n_values) == (2, 0, len(cells))
    assert apply_format(column(mark), learnt.format).to_list() == [None]


def test_numeric_sentinels_are_not_guessed():
    assert learnt_values("12", "-200", "13") == [12, -200, 13]


def test_na_among_codes_of_two_capitals_is_one_of_them():
    assert learnt_values("NA", "DE", "FR", "US", "-") == ["NA", "DE", "FR", "US", None]


@pytest.mark.parametrize(
    ("cells", "n_missing", "n_failures", "values"),
    [
        (["2024-01-31", "0000-00-00"], 1, 0, [dt.datetime(2024, 1, 31), None]),
        (["5", "00/00/0000", "6"], 0, 1, [5, None, 6]),
        (["abc", "00/00/0000"], 0, 0, ["abc", "00/00/0000"]),
    ],
)
def test_a_date_of_zeros_is_missing_among_dates_only(cells, n_missing, n_failures, values):
    learnt = learn_format(column(*cells))
    assert (learnt.n_missing, learnt.n_failures) == (n_missing, n_failures)
    assert apply_format(column(*cells), learnt.format).to_list() == values


@given(st.lists(st.none() | st.text(max_size=12), max_size=12))
@settings(max_examples=120)
def test_any_text_is_learnt_and_applied_and_every_cell_accounted_for(cells):
    series = column(*cells)
    learnt = learn_format(series)
    made = apply_format(series, learnt.format)
    frame = nw.from_native(series.alias("t").to_frame())
    told = frame.select(
        missing=is_missing(nw.col("t"), learnt.format), failed=failed(nw.col("t"), learnt.format)
    ).to_native()
    assert (made.is_null() == (told["missing"] | told["failed"])).all()
    assert told["missing"].sum() == learnt.n_missing
    assert told["failed"].sum() == learnt.n_failures
    assert learn_format(series) == learnt


@given(
    st.text(st.sampled_from("0123456789.,-+%$€()' eEkKTZ:/"), max_size=14),
    st.sampled_from(
        [
            ColumnFormat("number"),
            ColumnFormat("number", decimal=",", thousands=".", currency=("€", "Fr.")),
            ColumnFormat("number", percent=True, scales=(("k", 3),)),
            ColumnFormat("count", thousands=","),
            ColumnFormat("date", formats=("%d/%m/%y", "%Y-%m-%d")),
            ColumnFormat("datetime", formats=("%Y-%m-%dT%H:%M:%S.%f%z",), zoned=True),
            ColumnFormat("datetime", formats=("excel",)),
        ]
    ),
)
@settings(max_examples=200)
def test_no_cell_whatever_makes_a_parser_fail_or_give_an_infinite_number(text, format):
    value = apply_format(column(text, "1", None), format).to_list()[0]
    assert value is None or not isinstance(value, float) or abs(value) < float("inf")


def test_a_format_survives_json_and_pickling():
    amounts = (["$1,234.5", "12K"], ["1.00 Cr", "2.00 Dr"])
    for cells in (*amounts, ["5. Okt. 2024", "6. Mai 2024"], ["ja", "nein"]):
        format = learn_format(column(*cells)).format
        assert ColumnFormat.from_dict(json.loads(json.dumps(format.to_dict()))) == format
        assert pickle.loads(pickle.dumps(format)) == format
        assert hash(format) == hash(pickle.loads(pickle.dumps(format)))


def test_formats_written_down_by_a_user_are_checked():
    assert format_from("%d/%m/%Y") == ColumnFormat("date", formats=("%d/%m/%Y",))
    assert format_from("excel").kind == "datetime"
    assert "not one of" in format_from("%d/%m/%Q")
    assert "one year" in format_from("%d/%m")
    assert "%p" in format_from("%d/%m/%Y %I:%M")
    assert "twice" in format_from("%d/%d/%m/%Y")
    assert "together" in format_from("%d/%m/%Y %H")
    assert "first" in format_from("%d %b %Y %a")
    assert format_from("%a %d %b %Y").kind == "date"
    assert "lone" in format_from("%d/%m/%Y %")
    assert "neither" in format_from(3)
    assert "kind" in format_from(ColumnFormat("money"))
    assert "written with" in format_from({"kind": "number", "decimal": ",", "thousands": ","})
    assert "not known" in format_from({"kind": "date", "months": "xx"})
    assert "together" in format_from({"kind": "date", "formats": ["excel", "%Y-%m-%d"]})
    assert "unexpected" in format_from({"kind": "number", "colour": 1})


def test_masks_hide_values_and_keep_the_shape():
    assert mask("Anna Müller, 12.5\n") == "aaaa aaaaaa, 99.9?"
    assert len(mask("x" * 1000)) == 40


def test_namibia_is_no_missing_cell_although_it_comes_later():
    learnt = learn_format(column("DE", "FR", "ZA", "DE", None))
    later = column("NA", "n/a", "-", "DE")
    assert apply_format(later, learnt.format).to_list() == ["NA", None, None, "DE"]
    account = account_for(later, learnt.format, "")
    assert (account.n_missing, account.n_values, account.n_failures) == (2, 2, 0)
    names = learn_format(column("Anna", "Bob", "Eve"))
    assert apply_format(column("NA"), names.format).to_list() == [None]
    first = ts.read_csv(b"land,n\nDE,1\nFR,2\nZA,3\n").report
    frame, report = ts.read_csv(b"land,n\nNA,1\nFR,2\n,3\n", schema=first, as_="polars")
    assert frame["land"].to_list() == ["NA", "FR", None]
    assert report.columns["land"].missing == 1


@pytest.mark.parametrize("cell", ["$ -", "$-", "$ -   ", "- $", "$ —", "-", "USD --"])
def test_a_currency_with_a_dash_is_a_missing_amount(cell):
    cells = ["$ 1,234.50", "$ 5.00", cell, cell, cell]
    learnt = learn_format(column(*cells))
    assert (learnt.format.kind, learnt.n_failures, learnt.n_missing) == ("number", 0, 3)
    assert apply_format(column(*cells), learnt.format).to_list() == [1234.5, 5.0, None, None, None]
    assert on_duckdb(column(*cells), learnt.format) == [1234.5, 5.0, None, None, None]
    for format in (learnt.format, ColumnFormat("count")):
        account = account_for(column(cell), format, "")
        assert (account.n_missing, account.n_failures) == (1, 0)
    lines = "".join(f'a,"{cell}"\n' for cell in cells)
    frame, report = ts.read_csv(f"name,price\n{lines}".encode(), as_="polars")
    assert frame["price"].to_list() == [1234.5, 5.0, None, None, None]
    assert (report.columns["price"].missing, report.columns["price"].failures) == (3, 0)


def test_a_currency_with_a_dash_is_a_word_among_words():
    cells = ["$ -", "free", "$ -", "on demand"]
    learnt = learn_format(column(*cells))
    assert (learnt.format.kind, learnt.n_values) == ("text", 4)
    assert apply_format(column(*cells), learnt.format).to_list() == cells
    only = learn_format(column("$ -", "$ -"))
    assert apply_format(column("$ -"), only.format).to_list() == ["$ -"]
    plain = learn_format(column("12.50", "3.25", "€ -"))
    assert (plain.format.kind, plain.n_failures, plain.n_missing) == ("number", 0, 1)


@pytest.mark.parametrize(
    ("cells", "values", "kind"),
    [
        (['="001"', '="002"'], ["001", "002"], "text"),
        (['="12.5"', '="13.5"'], ["12.5", "13.5"], "text"),
        (['="2024-01-31"', ""], ["2024-01-31", None], "text"),
        (['="001"', "2", "3"], ["001", "2", "3"], "text"),
        (["1"] * 99 + ['="007"'], ["1"] * 99 + ["007"], "category"),
        ([' ="a ""b"" " ', "=A1+B1", '="a"&"b"'], ['a "b"', "=A1+B1", '="a"&"b"'], "text"),
        (['="n/a"', '=""', '="x"'], [None, None, "x"], "text"),
        (['=""', "2", "3"], [None, 2, 3], "count"),
        (['=""', '=""'], [None, None], "text"),
    ],
)
def test_what_excel_keeps_as_text_is_text_without_its_formula(cells, values, kind):
    learnt = learn_format(column(*cells))
    assert (learnt.format.kind, learnt.format.wrapped) == (kind, True)
    assert apply_format(column(*cells), learnt.format).to_list() == values
    assert (learnt.n_failures, learnt.n_missing) == (0, values.count(None))
    if kind != "count" and any(values):
        assert 'cells stand as ="' in learnt.why
    assert ColumnFormat.from_dict(learnt.format.to_dict()) == learnt.format


def test_a_number_that_is_asked_for_is_taken_out_of_its_formula():
    cells = column('="12.5"', "13.5", '="x"')
    learnt = learn_format(cells, kind="number")
    assert apply_format(cells, learnt.format).to_list() == [12.5, 13.5, None]
    assert learnt.n_failures == 1
