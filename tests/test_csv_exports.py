"""Files as banks, shops and ledgers export them: what is known to have gone wrong once."""

from __future__ import annotations

import datetime as dt
import time
import warnings

import polars as pl
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


def test_text_that_excel_keeps_is_read_from_files_and_by_the_parser():
    text = '="Nr";="PLZ";Betrag\n="001";="01067";12,5\n="002";="80331";7,5\n;;\n'
    frame, report = frame_of(text)
    assert frame.to_dict(as_series=False) == {
        "Nr": ["001", "002"],
        "PLZ": ["01067", "80331"],
        "Betrag": [12.5, 7.5],
    }
    assert report.columns["PLZ"].why == '2 cells stand as ="…": text, as in Excel'
    raw = pl.DataFrame({"PLZ": ['="01067"', '="80331"']})
    parser = ts.ColumnParser().fit(raw)
    assert parser.transform(raw)["PLZ"].to_list() == ["01067", "80331"]
    again = frame_of('Nr;PLZ;Betrag\n="003";="04109";1,5\n="004";04229;2,5\n', schema=report)
    assert again.frame["PLZ"].to_list() == ["04109", "04229"]


HEADERS = {
    "years over quarters": ",2023,2023,2024,2024\nRegion,Q1,Q2,Q1,Q2\n",
    "the name in the upper row": "Region,2023,2023,2024,2024\n,Q1,Q2,Q1,Q2\n",
    "merged years": ",2023,,2024,\nRegion,Q1,Q2,Q1,Q2\n",
    "names of levels": "year,2023,2023,2024,2024\nquarter,Q1,Q2,Q1,Q2\nRegion,,,,\n",
    "levels without names": ",2023,2023,2024,2024\n,Q1,Q2,Q1,Q2\nRegion,,,,\n",
    "one level with a name": ",2023,2023,2024,2024\nquarter,Q1,Q2,Q1,Q2\nRegion,,,,\n",
}


@pytest.mark.parametrize("n_rows", [2, 40])
@pytest.mark.parametrize("kind", HEADERS)
def test_years_over_quarters_are_one_header(kind, n_rows):
    rows = "".join(f"R{n},{n},{2 * n},{3 * n},{4 * n}\n" for n in range(1, n_rows + 1))
    for title in ("", "Sales by quarter\n\n"):
        frame, report = frame_of(title + HEADERS[kind] + rows)
        assert frame.columns == ["Region", "2023 Q1", "2023 Q2", "2024 Q1", "2024 Q2"]
        assert frame.row(0) == ("R1", 1, 2, 3, 4)
        assert frame.height == report.lines.rows == n_rows
        assert report.lines.header == HEADERS[kind].count("\n")


def test_names_over_years_are_one_header():
    rows = "N,a,1,2,3,4\nS,b,5,6,7,8\n"
    names = ["region", "store", "sales 2023", "sales 2024", "cost 2023", "cost 2024"]
    for header in (
        ",,sales,sales,cost,cost\nregion,store,2023,2024,2023,2024\n",
        ",,sales,,cost,\nregion,store,2023,2024,2023,2024\n",
        ",,sales,sales,cost,cost\nyear,,2023,2024,2023,2024\nregion,store,,,,\n",
    ):
        frame, _ = frame_of(header + rows)
        assert frame.columns == names
        assert frame.height == 2


@pytest.mark.parametrize("n_rows", [1, 2, 30])
@pytest.mark.parametrize("names", ["name,start,end", "a,b,c"])
def test_rows_of_years_are_no_header(names, n_rows):
    rows = "".join(f"P{n},{1950 + n},{1960 + 2 * n}\n" for n in range(n_rows))
    frame, report = frame_of(f"{names}\n{rows}")
    assert frame.height == report.lines.rows == n_rows
    assert report.header_lines == [1]


@pytest.mark.parametrize("n_rows", [2, 30])
@pytest.mark.parametrize(
    ("first", "row"),
    [(",a,b\n2020Q1,,\n", "Q{},1,2.5\n"), (",,a,b\nNorth,Anna,,\n", "S,Bob{},1,2.5\n")],
)
def test_a_first_row_of_missing_values_is_a_row(first, row, n_rows):
    frame, report = frame_of(first + "".join(row.format(n) for n in range(n_rows)))
    assert frame.height == report.lines.rows == n_rows + 1


def test_lines_that_divide_the_rows_are_no_part_of_the_header():
    frame, report = frame_of(
        ",2023,2023,2024,2024\nItem,Q1,Q2,Q1,Q2\nRevenue,,,,\nA,1,2,3,4\nCosts,,,,\nB,5,6,7,8\n"
    )
    assert frame.columns[0] == "Item"
    assert frame["Item"].to_list() == ["Revenue", "A", "Costs", "B"]
    assert report.lines.header == 2
    frame, _ = frame_of("Item,Q1,Q2\nRevenue,,\nA,1,2\nB,3,4\n")
    assert frame["Item"].to_list() == ["Revenue", "A", "B"]


@pytest.mark.parametrize(
    ("text", "column", "values"),
    [
        # who separates by commas has no decimal commas: rates are no thousands
        ("id,rate\n1,1.234\n2,2.345\n3,3.456\n", "rate", [1.234, 2.345, 3.456]),
        ("id,rate\n1,1.234\n2,2.345\n3,3.456\n4,7\n", "rate", [1.234, 2.345, 3.456, 7.0]),
        # who separates cells by tabs or bars may write decimals either way
        ("id\tkg\tn\n1\t1.234\t1\n2\t1.236\t2\n3\t1.300\t3\n", "kg", [1.234, 1.236, 1.3]),
        ("id|kg\n10001|1.234\n10002|1.236\n10003|1.300\n4|2.100\n", "kg", [1.234, 1.236, 1.3, 2.1]),
        ("id\tx\n1\t1.234\n2\t1.236\n3\t1.300\n4\t987\n", "x", [1234, 1236, 1300, 987]),
        # identifiers do not tell how amounts are written
        (
            "Nr;PLZ;Umsatz\n00123;01067;12.345\n00124;80331;1.234\n00125;10115;13.456\n00126;10117;987\n",
            "Umsatz",
            [12345, 1234, 13456, 987],
        ),
        ("id;x\n1;1.234\n2;2.345\n3;3.456\n4;1234\n", "x", [1.234, 2.345, 3.456, 1234.0]),
        # amounts in every currency say how other numbers of the file are written
        (
            "Nº;Valor\n31.201;-1.234,50\n31.202;R$ 20,00\n31.203;Rp 5,00\n",
            "Nº",
            [31201, 31202, 31203],
        ),
        # who separates by semicolons writes decimal commas, unless cells show otherwise
        ("Zeit;kWh\n13.01.2024 00:00;1,234\n13.01.2024 00:15;2,345\n", "kWh", [1.234, 2.345]),
        ("W;Kurs\nUSD;1,085\nAUD;1,657\n", "Kurs", [1.085, 1.657]),
        ("W;Kurs\nUSD;1,085\nAUD;1,657\nX;1,234.50\n", "Kurs", [1085.0, 1657.0, 1234.5]),
        ("a;b\n1,085;1,234,567\n1,657;2\n", "a", [1085, 1657]),
        ("a;b\n1,085;0.5\n1,657;2\n", "a", [1085, 1657]),
        ("a;b\n1,085;x\n657;y\n", "a", [1085, 657]),
        ("a;b\n1,085;2,345\n1,657;657\n", "b", [2345, 657]),
        ("a;b\n1,085;0\n1,657;2,345\n", "b", [0.0, 2.345]),
        ("a;b\n$1,085;x\n$1,657;y\n", "a", [1085, 1657]),
        ('W,Kurs\nUSD,"1,085"\nAUD,"1,657"\n', "Kurs", [1085, 1657]),
        ("W\tKurs\nUSD\t1,085\nAUD\t1,657\n", "Kurs", [1085, 1657]),
        # periods of a ledger are no decimals
        ("Periode;n\n001.2024;1\n012.2024;2\n", "Periode", ["001.2024", "012.2024"]),
    ],
)
def test_no_number_is_read_a_thousand_times_too_large_or_small(text, column, values):
    assert frame_of(text).frame[column].to_list() == values


@pytest.mark.parametrize(
    ("header", "row", "total"),
    [
        ("Datum;Dare;Avere;Testo", "{:02}.01.2024;1,5;;Bonifico", ";1,5;2;Totale"),
        ("Campaign,Currency,Cost,CTR", "Brand {},EUR,12.5,5.12%", "Total: Account,EUR,25.0,< 10%"),
        ("Campaign,Currency,Cost,CTR", "Brand {},EUR,12.5,< 5%", "Total: Account,EUR,25.0, --"),
        ("Contact,Current,Older", "Anna {},1.5,2.5", "Percentage of total,40.0%,60.0%"),
        ("BuKr|Belegnr|Betrag|Whr", "1000|01{:02}|12,50-|EUR", "**||25,00-|EUR"),
    ],
)
def test_totals_with_a_currency_or_a_word_elsewhere_are_no_rows(header, row, total):
    rows = "".join(f"{row.format(n)}\n" for n in range(1, 20))
    frame, report = frame_of(f"{header}\n{rows}{total}\n")
    assert frame.height == report.lines.rows == 19
    assert [note.reason for note in report.lines.notes["footer"]] == ["a row of totals"]


@pytest.mark.parametrize("last", ["Total;A7;5", "Anna;Total;5", "Total;Oil;5", ";Oil;5"])
def test_rows_that_only_hold_the_word_for_totals_are_rows(last):
    frame, _ = frame_of(f"name;what;n\nBob;B8;7\nCarl;Gas;8\n{last}\n")
    assert frame.height == 3


@pytest.mark.parametrize("cells", [["*", "**", "***"], ["Anna", "***", "***"], ["*"]])
def test_stars_that_mark_no_totals_are_rows(cells):
    rows = "".join(f"{cell},{n}\n" for n, cell in enumerate(cells))
    frame, report = frame_of(f"name,n\n{rows}")
    assert frame["n"].to_list() == [*range(len(cells))]
    assert report.lines.footer == 0


@pytest.mark.parametrize("n_names", [9, 40])
def test_a_line_that_describes_the_file_is_no_part_of_the_names(n_names):
    about = '"EXTF";700;21;"Buchungsstapel";13;20240131120000000;;"RE";"";1001;20240101;"EUR"'
    names = ["Umsatz", "Konto", "Belegdatum", *(f"Zusatz {n}" for n in range(n_names - 3))]
    rows = "".join(f"{n},50;1000{n};{n:02}01{';' * (n_names - 3)}\n" for n in range(1, 9))
    frame, report = frame_of(f"{about}\n{';'.join(names)}\n{rows}")
    assert frame.columns == names
    assert frame["Belegdatum"].to_list()[0] == "0101"
    assert (report.header_lines, report.lines.above, report.lines.padded) == ([2], 1, 0)


def test_a_title_over_stacked_tables_of_two_columns_does_not_hide_the_delimiter():
    part = "Store {}\nDate,Sales\n2024-01-01,{}\n2024-01-02,20\n"
    with pytest.warns(ts.DataQualityWarning, match="2 lines could not be used"):
        frame, report = frame_of(part.format("A", 10) + "\n" + part.format("B", 7))
    assert frame["Sales"].to_list() == [10, 20, 7, 20]
    assert report.lines.set_aside == 2


@pytest.mark.parametrize("n_rows", [2, 3, 20])
def test_units_under_names_are_joined_however_few_rows_follow(n_rows):
    rows = "".join(f"A{n};{n},5;{n}\n" for n in range(n_rows))
    frame, report = frame_of(f"Name;Umsatz;Menge\n;EUR;Stk\n{rows}")
    assert frame.columns == ["Name", "Umsatz EUR", "Menge Stk"]
    assert frame.height == report.lines.rows == n_rows


@pytest.mark.parametrize("n_rows", [1, 2, 20])
def test_names_that_come_again_are_names_however_few_rows_follow(n_rows):
    rows = "".join(f"{n};1,5\n" for n in range(1000, 1000 + n_rows))
    page = f"Konto;Betrag\n{rows}Seite 1 von 2\n\n"
    with pytest.warns(ts.DataQualityWarning, match="could not be used"):
        frame, report = frame_of(page + page)
    assert frame.columns == ["Konto", "Betrag"]
    assert frame.height == report.lines.rows == 2 * n_rows
    assert (report.lines.set_aside, report.lines.footer) == (2, 1)


@pytest.mark.parametrize("pad", ["{}", "{:02}"])
def test_months_may_name_columns_by_their_numbers(pad):
    names = [pad.format(month) for month in range(1, 13)]
    rows = "".join(f"K{n};{';'.join(str(n * m) for m in range(1, 13))}\n" for n in range(2, 6))
    frame, report = frame_of(f"Konto;{';'.join(names)}\n{rows}")
    assert frame.columns == ["Konto", *names]
    assert frame.height == report.lines.rows == 4
    frame, _ = frame_of("name;a;b;c;d\nx;1;2;3;4\ny;5;6;7;9\n")
    assert frame["name"].to_list() == ["x", "y"]


def test_points_that_group_only_because_of_the_file_are_said():
    _, report = frame_of("n;x\n1;12.345\n2;1.234\n3;13.456\n4;987\n")
    assert report.columns["x"].why.startswith("points taken as thousands marks")
    _, report = frame_of("n;x\n1;1.234,5\n2;1.234,5\n3;13.456\n")
    assert "points" not in report.columns["x"].why


@pytest.mark.parametrize("n_rows", [4, 40])
@pytest.mark.parametrize(
    ("names", "first", "row"),
    [
        ("name,city,age", "Anna,Bonn,unknown", "Bob,Ulm,{}"),
        ("id,what,balance", "A1,open,tbd", "A2,done,{}.5"),
        ("name,seen", "Anna,soon", "Bob,2024-01-{:02}"),
        ("currency,revenue", "EUR,unknown", "USD,{}"),
        (",value,customer", "K12,unknown,Emil", "A64,{},Kay"),
    ],
)
def test_a_first_row_with_a_cell_that_does_not_fit_is_a_row(names, first, row, n_rows):
    rows = "".join(f"{row.format(n % 28 + 1)}\n" for n in range(n_rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ts.DataQualityWarning)
        frame, report = frame_of(f"{names}\n{first}\n{rows}")
    assert frame.columns == [name or "column_1" for name in names.split(",")]
    assert frame.height == report.lines.rows == n_rows + 1
    assert frame.row(0)[0] == first.split(",")[0]


@pytest.mark.parametrize("units", ["Text;EUR", "Text;(CHF)", ";Stk"])
def test_units_below_names_are_names(units):
    frame, _ = frame_of(f"Name;Betrag\n{units}\nA;1,5\nB;2,5\nC;3,5\nD;4,5\n")
    assert frame.columns[1] == f"Betrag {units.partition(';')[2]}"
    assert frame.height == 4


@pytest.mark.parametrize("n_rows", [5, 30_000])
@pytest.mark.parametrize("text", ['"So it was.', '"', '"Yes," he said, and "no', 'and then "no"'])
def test_quotes_in_files_of_tabs_without_quoting_are_characters(text, n_rows):
    rows = [f"{n}\tplain {n}\t{text if n % 9 == 3 else 'words'}" for n in range(n_rows)]
    frame, report = frame_of("\n".join(["id\tname\tsaid", *rows, ""]))
    assert frame.rows() == [
        (n, f"plain {n}", text if n % 9 == 3 else "words") for n in range(n_rows)
    ]
    assert report.lines.continued == 0
    with ts.iter_csv("\n".join(["id\tname\tsaid", *rows, ""]).encode(), as_="polars") as batches:
        assert pl.concat(batches).equals(frame)


@pytest.mark.parametrize("said", ["one\ntwo\t{}", "one\ntwo\tand\t{}", "a\n\t\t\n\t\t\n\t\t\n{}"])
def test_cells_of_several_lines_in_files_of_tabs_stay_whole(said):
    cells = [said.format(n) for n in range(200)]
    rows = "".join(f'{n}\tx\t"{cell}"\tlast\n' for n, cell in enumerate(cells))
    frame, report = frame_of(f"id\tname\tsaid\tend\n{rows}", schema={"said": "text"})
    assert frame["said"].to_list() == cells
    assert report.lines.rows == 200
    assert report.lines.continued == 200 * said.count("\n")


def test_descriptions_of_a_file_by_key_and_value_are_no_header():
    above = 'Title:,"Area, 1996"\nAbout:,"Area\n\nand people"\nYear:,"1996"\nUnits:,"See table"\n'
    rows = "".join(f'"Place {n}","{n}.50","{n * n}","x{n}",\n' for n in range(20))
    frame, report = frame_of(f'{above}=====\nTable\n     ,"Area","People","Code",\n\n{rows}')
    assert frame.columns == ["column_1", "Area", "People", "Code"]
    assert frame.height == 20
    assert report.header_lines == [9]
    assert report.lines.set_aside == 0


@pytest.mark.parametrize(
    ("names", "row"),
    [
        (["0", "1", "2", "3"], "{0}.5,{1}.25,7,8"),
        (["0", "1", "2", "time"], "{0}.5,{1}.25,7,2024-01-{0:02}"),
        (["", "0"], "19{0:02},{1}"),
        (["", "0", "1"], "a{0},{1},5"),
        (["Museum", "2011", "2010"], "Place {0},not open,not open"),
        (["x", "y"], "red{0},blue{1}"),
    ],
)
def test_names_that_look_like_values(names, row):
    rows = "".join(f"{row.format(n, n * n)}\n" for n in range(1, 21))
    frame, report = frame_of(f"{','.join(names)}\n{rows}")
    assert report.header_lines == [1]
    assert frame.columns == [name or "column_1" for name in names]
    assert frame.height == 20


@pytest.mark.parametrize("first", ["0,1,2", "2,0,1", "0,1,5"])
def test_rows_of_small_numbers_are_no_names(first):
    frame, _ = frame_of(f"{first}\n1,2,0\n2,1,0\n0,2,1\n")
    assert frame.height == 4


def test_names_over_nothing_are_names():
    assert frame_of("a,b,c,d,e,f\n,,,,,\n").frame.shape == (0, 6)
    assert frame_of("y,n\n").frame.columns == ["y", "n"]
    assert frame_of("t,f\n,NA\n").frame.shape == (1, 2)


def test_a_code_that_is_called_like_its_column_does_not_hide_the_names():
    countries = ["Angola,Africa,AO", "Indonesia,Asia,ID", "Benin,Africa,BJ", "India,Asia,IN"]
    rows = "\n".join(f"{country}{n}" for n in range(9) for country in countries)
    frame, _ = frame_of(f"Country,Group,ID\n{rows}\nIndonesia,Asia,ID\n")
    assert frame.columns == ["Country", "Group", "ID"]


def test_truth_values_of_programs_are_flags_also_alone():
    frame, report = frame_of("id,paid,deleted,answer\n1,True,false,yes\n2,True,false,yes\n")
    assert frame["paid"].to_list() == [True, True]
    assert frame["deleted"].to_list() == [False, False]
    assert report.columns["answer"].kind == "category"
    later = ts.read_csv(b"id,paid,deleted,answer\n3,False,true,no\n", schema=report, as_="polars")
    assert later.frame.row(0) == (3, False, True, "no")


def test_zeros_that_are_a_slip_do_not_make_amounts_identifiers():
    amounts = [0, *(n * n for n in range(3, 99))]
    rows = "".join(f"{n},{amount}\n" for n, amount in enumerate(amounts))
    frame, report = frame_of(f"n,x\n{rows}99,00\n")
    assert frame["x"].to_list() == [*amounts, None]
    assert report.columns["x"].failures == 1
    assert frame_of("n,x\n1,00\n2,0\n3,5000\n4,120\n").frame["x"].to_list()[0] == "00"
    assert frame_of("n,x\n1,00\n2,10\n3,20\n4,30\n").frame["x"].to_list()[0] == "00"
    assert frame_of("n,x\n1,007\n2,0\n3,5000\n4,120\n").frame["x"].to_list()[0] == "007"


BANK = (
    'Description,,Summary Amt.\nBeginning balance,,"1,000.00"\nEnding balance,,"2,250.00"\n\n',
    "Date,Description,Amount,Running Bal.",
    '01/{0:02}/2024,PAYMENT,-{0}.00,"1,{0:03}.00"',
)
PADDED = (
    "Account name: ,MyAccount,,,\nAccount balance: ,63.86,,,\n",
    "Date,Transactions,Debits,Credits,Balance",
    "2009-11-{0:02},Debit,18.75,,9{0:02}.74",
)
GERMAN = (
    "Umsatzanzeige;Datei erstellt am: 30.01.2024\n\nIBAN;DE00 1234\nSaldo;1.234,56;EUR\n\n"
    "Alle bereits gebuchten Umsätze, auch die von heute.\n\n",
    "Buchung;Valuta;Auftraggeber;Text;Zweck;Saldo;Währung;Betrag",
    "{0:02}.01.2024;{0:02}.01.2024;REWE;Lastschrift;Einkauf;1.234,56;EUR;-{0},34",
)


@pytest.mark.parametrize("n_rows", [1, 2, 5, 28])
@pytest.mark.parametrize(("above", "names", "row"), [BANK, PADDED, GERMAN])
def test_keys_and_values_above_a_table_of_any_length_are_no_part_of_it(above, names, row, n_rows):
    rows = "".join(f"{row.format(n)}\n" for n in range(1, n_rows + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ts.DataQualityWarning)  # day or month first
        frame, report = frame_of(f"{above}{names}\n{rows}")
    assert frame.columns == names.replace(";", ",").split(",")
    assert frame.height == report.lines.rows == n_rows
    assert report.lines.above + report.lines.blank == above.count("\n")


@pytest.mark.parametrize("n_rows", [2, 28])
@pytest.mark.parametrize(
    "names",
    [
        ["turbine", "0.0", "0.5", "1.0", "1.5", "2.0"],
        ["hour", "0", "1", "2", "3", "4", "5"],
        ["Kunde", "1", "2", "3", "4", "Summe"],
    ],
)
def test_numbers_in_equal_steps_are_names(names, n_rows):
    rows = [[f"a{n}", *(n * at * at + 5 for at in range(1, len(names)))] for n in range(n_rows)]
    text = "\n".join(",".join(map(str, row)) for row in [names, *rows, ""])
    assert frame_of(text).frame.columns == names
    # rows may be in equal steps as well
    rows = [[f"a{n}", *(n + at + 6 for at in range(1, len(names)))] for n in range(n_rows)]
    text = "\n".join(",".join(map(str, row)) for row in [*rows, ""])
    assert frame_of(text).frame.height == n_rows


@pytest.mark.parametrize("n_rows", [1, 2, 40])
def test_titles_of_one_word_stand_above_wide_tables_of_any_length(n_rows):
    names = ["Számla", "Típus", "Összeg", "Devizanem", "Közlemény", "Értéknap"]
    rows = "".join(f"101-{n};Átvezetés;40000;HUF;x{n};2018.03.29.\n" for n in range(n_rows))
    above = "Számlatörténet\nIdőszak: 2018.02.28-2018.03.31\nIdőpont: 2018.03.31 09:57\n"
    frame, _ = frame_of(f"{above}{';'.join(names)}\n{rows}")
    assert frame.columns == names
    assert frame.height == n_rows


@pytest.mark.parametrize("kind", HEADERS)
def test_a_second_month_with_names_in_several_rows_is_read_as_the_first(kind):
    rows = "".join(f"R{n},{n},{2 * n},{3 * n},{4 * n}\n" for n in range(1, 9))
    frame, report = frame_of("Sales\n\n" + HEADERS[kind] + rows)
    again = frame_of("Sales\n\n" + HEADERS[kind] + "R9,9,18,27,36\n", schema=report)
    assert again.frame.columns == frame.columns
    assert again.frame.row(0) == ("R9", 9, 18, 27, 36)
    some = frame_of("Sales\n\n" + HEADERS[kind] + rows, schema={"2024 Q2": "text"})
    assert some.frame.columns == frame.columns
    assert some.frame["2024 Q2"].to_list()[0] == "4"


def test_a_nameless_column_of_missing_marks_is_left_out_in_batches_too():
    rows = "".join(f"{n},*,x{n}\n" for n in range(9))
    frame, report = frame_of(f"n,,word\n{rows}")
    assert report.dropped_columns == [2]
    with ts.iter_csv(f"n,,word\n{rows}".encode(), rows=2, as_="polars") as batches:
        assert pl.concat(batches).equals(frame)


def read_both_ways(text, **options):
    """Read a file whole and in batches: the tables and the accounts of lines are the same."""
    frame, report = frame_of(text, **options)
    with ts.iter_csv(text.encode(), as_="polars", rows=1_000_000, **options) as batches:
        assert pl.concat(batches).equals(frame)
        assert batches.report.lines == report.lines
        assert batches.report.dialect == report.dialect
    assert report.lines.total == len(text.splitlines())
    return frame, report


@pytest.mark.parametrize("n_rows", [2, 40_000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("header", "row"),
    [
        ('"id,name,price"', '"{0},""Ann, the {0}"",{0}.5"'),
        ("id,name,price", '"{0},""Ann, the {0}"",{0}.5"'),
        ('"id;name;price"', '"{0};Ann, the {0};{0},5"'),
        ("id;name;price", '"{0};Ann, the {0};{0},5"'),
        ('"id\tname\tprice"', '"{0}\t""Ann, the {0}""\t{0}.5"'),
    ],
)
def test_lines_that_are_one_quoted_cell_each_are_unwrapped(header, row, end, n_rows):
    rows = [row.format(n) for n in range(n_rows)]
    frame, report = read_both_ways(end.join([header, *rows, ""]))
    assert frame.columns == ["id", "name", "price"]
    assert frame.rows() == [(n, f"Ann, the {n}", n + 0.5) for n in range(n_rows)]
    assert report.dialect.wraps_lines
    assert "whole lines in quotes" in str(report)


def test_lines_below_those_in_quotes_are_taken_as_they_are_and_keep_their_numbers():
    rows = "".join(f'"{n},""Ann, the {n}"",{n}.5"\n' for n in range(20_000))
    text = f'"id,name,price"\n{rows}\n7,"Bob, the last",7.5\n"8,Cleo"\n9,Dora,9.5\n'
    frame, report = read_both_ways(text)
    assert frame.rows()[-3:] == [
        (7, "Bob, the last", 7.5),
        (8, "Cleo", None),
        (9, "Dora", 9.5),
    ]
    assert [note.line for note in report.lines.notes["padded"]] == [20_004]
    assert report.lines.blank == 1


@pytest.mark.parametrize(
    "text",
    [
        'place\n"Boston, MA"\n"Austin, TX"\n',
        '"place"\n"Boston, MA"\n"Austin, TX"\n',
        '"City, State, Country"\n"Boston, MA, USA"\n"Austin, TX, USA"\n',
        '"said"\n"Yes, he said, ""no"", and left"\n"No, she said, ""yes"", and stayed"\n',
        '"Smith,John"\n"Miller,Ann"\n',
        '"1,234,567"\n"2,345,678"\n',
        '"tags"\n"red,green,blue"\n"red,white,black"\n',
    ],
)
def test_columns_of_quoted_texts_stay_one_column(text):
    frame, report = read_both_ways(text)
    assert frame.width == 1
    assert not report.dialect.wraps_lines


def test_a_line_in_quotes_that_never_ends_is_refused_as_any_other():
    rows = "".join(f'"{n},Ann,{n}.5"\n' for n in range(20_000))
    text = f'"id,name,price"\n{rows}"{"x" * 3_000_000}"\n'
    with pytest.raises(ts.exceptions.IngestionError, match=r"line 20002.*bytes"):
        frame_of(text, limits={"max_row_bytes": 1_000_000})


@pytest.mark.parametrize("n_rows", [2, 30])
@pytest.mark.parametrize(
    ("names", "row"),
    [
        ("id,name,price", "{0},Ann,{0},50"),
        ("name,price,day", "Ann {0},{0},25 €,2024-01-05"),
        ("Date,What,Amount", "2024-01-{0:02},Rent,{0},250.00"),
        ("Date,What,Amount", "2024-01-{0:02},Rent,$-{0},250"),
        ("name,city,n", "Ann {0},Boston, MA,{0}"),
        ("name,n,city", "Ann {0},{0},Boston, MA"),
        ("what,day,n", "Rent,2024-01-{0:02},{0},7"),
    ],
)
def test_a_comma_without_quotes_moves_no_names_in_silence(names, row, n_rows):
    text = "".join(f"{line}\n" for line in [names, *(row.format(n) for n in range(1, n_rows + 1))])
    with pytest.warns(ts.DataQualityWarning, match="rows have a cell more than the header"):
        frame, report = read_both_ways(text)
    assert frame.columns == [*names.split(","), "column_4"]
    assert frame.height == n_rows
    assert (report.header_lines, report.beyond_header) == ([1], 1)
    assert "beyond the header: 1 cells" in str(report)


def test_where_only_some_rows_have_a_comma_too_many_names_stay():
    rows = "".join(f"A{n},{n},1{n},{50 if n % 4 else ''}\n".replace(",\n", "\n") for n in range(20))
    with pytest.warns(ts.DataQualityWarning, match="a cell more than the header"):
        frame, report = read_both_ways(f"name,n,price\n{rows}")
    assert frame.columns == ["name", "n", "price", "column_4"]
    assert report.lines.padded == 5


@pytest.mark.parametrize("n_rows", [2, 40])
@pytest.mark.parametrize(
    ("names", "row"),
    [
        ('"mpg" "cyl"', '"Mazda RX{0}" 2{0}.5 6'),
        ('"mpg","cyl"', '"Mazda RX{0}",2{0}.5,6'),
        ('"age","weight"', '"{0}",35,{0}'),
        ("age\tweight\tn", "{0}\t5\t35\t17"),
        ('"name","n"', '"{0}","Ann",{0}'),
    ],
)
def test_names_of_rows_that_r_writes_are_a_column(names, row, n_rows):
    rows = "".join(f"{row.format(n)}\n" for n in range(1, n_rows + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame, report = read_both_ways(f"{names}\n{rows}")
    found = names.replace('"', "").replace("\t", " ").replace(",", " ").split()
    assert frame.columns == ["column_1", *found]
    assert frame.height == n_rows
    assert report.beyond_header == 0


def test_empty_cells_behind_all_rows_but_one_move_no_names():
    text = "a,b,c\n1,2,3,\n2,2,3,\n3,2,3,a note\n"
    with pytest.warns(ts.DataQualityWarning, match="a cell more than the header"):
        frame, _ = read_both_ways(text)
    assert frame.columns == ["a", "b", "c", "column_4"]
    frame, _ = read_both_ways(text.replace("a note", ""))
    assert frame.columns == ["a", "b", "c"]


@pytest.mark.parametrize("n_pairs", [2, 3, 40])
def test_lines_that_go_on_with_the_row_above_have_one_fate(n_pairs):
    pair = "{0}/04/2018,DEBIT,5.6{0},\n,xx PAYEE {0}\n"
    rows = "".join(pair.format(13 + n % 15) for n in range(n_pairs))
    frame, report = read_both_ways(f"Transaction date,Description,Withdrawals,Deposits\n{rows}")
    assert (frame.height, report.lines.footer, report.lines.padded) == (2 * n_pairs, 0, n_pairs)


def test_a_short_line_is_either_mended_or_below_the_table():
    rows = "".join(f"Anna {n},{n},{n}.5,x\n" for n in range(30))
    text = f"name,n,price,what\n{rows}Bob,7,8.5\nTotal,99,400.5\nAll amounts in thousands,\n"
    frame, report = read_both_ways(text)
    assert frame.height == 31
    assert [note.line for note in report.lines.notes["padded"]] == [32]
    assert [note.line for note in report.lines.notes["footer"]] == [33, 34]
    with pytest.raises(ts.exceptions.IngestionError, match="line 32:"):
        frame_of(text, on_bad_lines="error")
    frame_of(text.replace("8.5\n", "8.5,y\n"), on_bad_lines="error")


@pytest.mark.parametrize("n_rows", [2, 9, 3_000])
@pytest.mark.parametrize(
    "last",
    [
        ["Average,{0},{1}"],
        ["Mean:,{0},"],
        ["Median,-,{1}"],
        ["Count,{2},{2}", "Overall average,{0},{1}", "Total,9,90"],
        ["Durchschnitt,{0},{1}", "Anzahl,{2},{2}"],
        ["Promedio,{0},{1}"],
        ["Średnia,{0},{1}"],
        ["平均,{0},{1}"],
        ["Total,,"],
        ["Gesamtsumme:,,"],
    ],
)
def test_last_rows_of_averages_and_counts_are_no_rows(last, n_rows):
    rows = [f"Anna {n},{n},{n}.5" for n in range(n_rows)]
    mean = (n_rows - 1) / 2
    last = [line.format(mean, mean + 0.5, n_rows) for line in last]
    frame, report = read_both_ways("\n".join(["name,n,score", *rows, *last, ""]))
    assert frame.height == n_rows
    reasons = {note.reason for note in report.lines.notes["footer"]}
    assert reasons <= {"a row of totals", "a row of averages, counts or the like"}
    assert report.lines.footer == len(last)


@pytest.mark.parametrize(
    "text",
    [
        "stat,v\nmean,5\nmedian,4\ncount,10\n",
        ",a,b\nmin,5,6\n25%,3,4\nmean,2,1\n",
        "name,n,what\nAnna,1,x\nBob,2,y\nAverage,7,z\n",
        "name,n\nAnna,1\nBob,2\nAverage Joe,7\n",
        "channel,n\nSearch,1\nSocial,2\nMedia,7\n",
        "name,n\nAnna,1\nBob,2\nMax,7\n",
        "Kennzahl,Wert\nUmsatz,1000\nKosten,500\nGewinn,500\nAnzahl,25\n",
        "metric,value\nvisits,1200\norders,34\nrevenue,5100\naverage,35.3\n",
        "word,meaning\nsum,Summe\nline,Zeile\ntotal,\n",
    ],
)
def test_rows_that_are_called_like_statistics_are_rows(text):
    frame, report = read_both_ways(text)
    assert frame.height == text.count("\n") - 1
    assert report.lines.footer == 0


@pytest.mark.parametrize("n_rows", [2, 60, 900])
@pytest.mark.parametrize("end", ["", "\nSource: the shop,,\n"])
@pytest.mark.parametrize("blank", ["", '""'])
def test_a_last_row_of_sums_needs_no_word(blank, end, n_rows):
    rows = "".join(f"Channel {n},{n + 1},{n + 1}.10\n" for n in range(n_rows))
    users = n_rows * (n_rows + 1) // 2
    total = f"{users},{(10 * users + n_rows) / 10:.2f}"
    frame, report = read_both_ways(f"Channel,Users,Sales\n{rows}{blank},{total}\n{end}")
    assert frame.height == n_rows
    assert report.lines.notes["footer"][0].reason.startswith("a row of totals: each number")
    frame, report = read_both_ways(f"Channel,Users,Sales\n{rows}{blank},{users},7.5\n{end}")
    assert frame.height == n_rows + 1


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("a,n", "x,5\n,5\n"),
        ("a,n", "x,0\ny,0\n,0\n"),
        ("a,n", "x,0\ny,5\n,5\n"),
        ("a,n", "x,5\n,3\n,8\n"),
        ("a,n,what", "x,5,u\ny,3,v\n,8,w\n"),
        ("a,n", "x,5\n,8\ny,3\n"),
        ("a;n", "x;1.234,5\ny;2,5\n;1237\n;1\n"),
    ],
)
def test_rows_without_a_name_that_prove_nothing_are_rows(header, rows):
    frame, report = read_both_ways(f"{header}\n{rows}")
    assert frame.height == rows.count("\n")
    assert report.lines.footer == 0


@pytest.mark.parametrize("n_rows", [2, 60, 900, 30_000])
def test_a_total_above_the_rows_is_no_row_where_it_can_be_added_up(n_rows):
    rows = "".join(f"v{n},How to {n},{n + 1},{n}\n" for n in range(n_rows))
    views, likes = n_rows * (n_rows + 1) // 2, n_rows * (n_rows - 1) // 2
    text = f"Content,Title,Views,Likes\nTotal,,{views},{likes}\n{rows}"
    frame, report = read_both_ways(text)
    known = n_rows < 1_000
    assert frame.height == n_rows + (not known)
    assert frame["Content"][0] == ("v0" if known else "Total")
    assert frame["Content"][-1] == f"v{n_rows - 1}"
    notes = report.lines.notes.get("footer", [])
    assert [note.line for note in notes] == [2] * known
    frame, report = read_both_ways(text.replace(f"Total,,{views}", f"Total,,{views + 1}"))
    assert frame["Content"][0] == "Total"
    assert frame.height == n_rows + 1


def test_totals_above_and_below_the_rows_are_no_rows():
    text = "Content,Title,Views\nTotal,,125\na1,How,80\nb2,P2,45\nTotal,,125\n"
    frame, report = read_both_ways(text)
    assert frame["Views"].to_list() == [80, 45]
    assert [note.line for note in report.lines.notes["footer"]] == [2, 5]


@pytest.mark.parametrize("n_rows", [4, 40, 9_000])
@pytest.mark.parametrize(
    "comments",
    [
        ["#", "# Note : permission, from Des Newman"],
        ["#", "#", "# a, b, c", "#"],
        ["# Datums, as of 2001"],
        ["#one note", "-----"],
    ],
)
def test_comments_below_the_names_are_no_names(comments, n_rows):
    rows = [f"Adindan {n},{4200 + n},{n}" for n in range(n_rows)]
    for above in ([], ["# a file of datums", "# made by hand"]):
        lines = [*above, "NAME,CODE,X", *comments, *rows, ""]
        frame, report = read_both_ways("\n".join(lines))
        assert frame.columns == ["NAME", "CODE", "X"]
        assert frame.height == n_rows
        assert report.header_lines == [len(above) + 1]
        assert report.lines.above == len(above) + len(comments)
        assert report.lines.notes["above"][len(above)].reason == "a comment below the header"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("#;Account;Date\n1;10;2024-01-31\n2;20;2024-02-29\n", ["#", "Account", "Date"]),
        ("#chrom\tstart\tend\nchr1\t10\t20\nchr2\t30\t40\n", ["#chrom", "start", "end"]),
        ("tag,n\n#love,5\nother,7\nelse,8\n", ["tag", "n"]),
        ("unit,n,m\n# 12,5,6\nB 7,7,8\nC 8,8,9\n", ["unit", "n", "m"]),
        ("tag,n\n#,5\n#a,7\n#b,8\n", ["tag", "n"]),
    ],
)
def test_names_and_rows_that_begin_with_the_mark_of_comments_stay(text, columns):
    frame, report = read_both_ways(text)
    assert frame.columns == columns
    assert frame.height == report.lines.total - 1
    assert report.lines.above == 0


@pytest.mark.parametrize(
    "text",
    [
        "skills\npython,sql\njava\npython,sql,excel,word,outlook\nsql\njava,sql,excel,word,teams\n",
        "addr\n1 Main,Apt 4,Boston,MA,021,US\nBox 5\n5 Elm,Apt 1,Salem,MA,019,US\nnone\n7 Oak\n",
        '"red,green,blue"\n"blue,white,black"\n"pink,grey,teal"\n',
    ],
)
def test_lists_in_a_column_of_their_own_stay_one_column(text):
    frame, report = frame_of(text)
    assert frame.width == 1
    assert frame.height == text.count("\n") - len(report.header_lines)


@pytest.mark.parametrize(
    "cells",
    [
        ["GBP 1,250", "GBP 2,125"],
        ["₹1,250", "₹2,125"],
        ["(1,250)", "2,125"],
        ["125,000", "98,500", "250,000"],
    ],
)
def test_thousands_between_semicolons_are_told_by_currency_brackets_or_zeros(cells):
    rows = "".join(f"a{n};{cell}\n" for n, cell in enumerate(cells))
    values = frame_of(f"n;v\n{rows}").frame["v"].to_list()
    assert [abs(value) for value in values] == [
        int("".join(filter(str.isdigit, cell))) for cell in cells
    ]


def test_reading_takes_time_linear_in_lines_above_and_in_quotes():
    above = "5,6\n" * 6000 + ",,,\n" * 6000 + "a,b,c,d\n" + "1,2,3,4\n" * 8000
    quotes = "id\tname\tx\n1\t" + "y" * 300_000 + '\t"abc\n' + "q\n" * 200_000 + '"\n'
    for text in (above, quotes):
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ts.DataQualityWarning)
            frame_of(text)
        assert time.perf_counter() - began < 8  # 25 s where every line looks at all others


@pytest.mark.parametrize(
    ("upper", "name"),
    [
        ("Store,2024-01-01,,,2024-01-08,,", "2024-01-01 Sales"),
        ("Quarter:,Q1,,,Q2,,", "Q1 Sales"),
    ],
)
def test_groups_over_names_are_no_keys_with_values(upper, name):
    rows = "N,1,2,3,4,5,6\nS,1,2,3,4,5,7\nE,3,2,3,4,5,7\n"
    frame, _ = frame_of(f"{upper}\nRegion,Sales,Cost,Qty,Sales,Cost,Qty\n{rows}")
    assert frame.columns[1] == name
    assert frame.height == 3


@pytest.mark.parametrize(
    ("rows", "first"),
    [
        ("North,100,200,300\nSouth,120,180,310\nEast,90,95,80\nWest,70,75,99\n", "X,2,4,6"),
        ("A,5,10,15,20\nB,0,4,2,2\nC,1,4,2,7\n", "X,2,4,6,8"),
        ("0,1,2,Ann\n3,1,0,Bob\n1,1,4,Cid\n", "0,1,2,Eve"),
        ("A,1,1,3,2,9\nB,0,4,2,2,7\nC,1,4,2,7,8\n", "X,10,20,30,40,50"),
    ],
)
def test_rows_without_a_header_are_read_alike_month_after_month(rows, first):
    frame, report = frame_of(rows)
    assert (frame.height, report.header_lines) == (rows.count("\n"), [])
    again = frame_of(f"{first}\n{rows}", schema=report)
    assert again.frame.height == frame.height + 1


def test_a_header_that_a_later_file_begins_to_send_is_no_row():
    _, report = frame_of("1,2.5,x\n2,3.5,y\n3,4.5,z\n")
    with pytest.raises(ts.SchemaError, match="column_1"):
        frame_of("id,v,w\n4,5.5,w\n", schema=report)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "0,1,2,3,label\n5.1,3.5,1.4,0.2,a\n4.9,3.0,1.4,0.2,a\n6.3,3.3,6.0,2.5,b\n",
            "0,1,2,3,label",
        ),
        ("Name,0,1,2,3,4,note\nA,12,13,11,9,8,ok\nB,3,4,5,1,2,bad\n", "Name,0,1,2,3,4,note"),
    ],
)
def test_numbers_that_count_columns_may_stand_before_names_of_texts(text, names):
    assert frame_of(text).frame.columns == names.split(",")


def test_counts_of_texts_and_averages_of_just_over_a_thousand_rows_are_no_rows():
    frame, report = read_both_ways("id,name,amount\n1,Ann,10\n2,Bob,20\n3,Cy,45\nCount,3,\n")
    assert (frame.height, report.lines.footer) == (3, 1)
    rows = "".join(f"s{n},{10 + n % 7}\n" for n in range(1001))
    frame, report = read_both_ways(f"shop,sales\n{rows}Average,13\n")
    assert (frame.height, report.lines.footer) == (1001, 1)


def test_decimals_between_semicolons_hold_for_all_columns():
    frame, _ = frame_of("w;h\n1,234;2,500\n3,457;4,500\n")
    assert frame.row(0) == (1.234, 2.5)


def test_row_names_in_quotes_are_those_of_r_whatever_stands_beside_them():
    rows = '"Alabama",13.2,236,58,21.2\n"Alaska",10,263,48,44.5\n"Arizona",8.1,294,80,31\n'
    frame, _ = frame_of(f'"Murder","Assault","UrbanPop","Rape"\n{rows}')
    assert frame.columns == ["column_1", "Murder", "Assault", "UrbanPop", "Rape"]
    assert frame["Assault"].to_list() == [236, 263, 294]


@pytest.mark.parametrize(
    "body",
    [
        "Dear Ann,\n\nItem\tQty\tPrice\nPen\t2\t3\nInk\t1\t5\nPad\t4\t4\n\nBest",
        "pasted:\na\tb\tc\n1\t2\t3\n4\t5\t6\nend",
    ],
)
def test_a_table_within_a_quoted_cell_of_a_file_of_tabs_stays_there(body):
    frame, _ = frame_of(f'id\tsubject\tbody\n1\thi\t"{body}"\n2\tre\tok\n3\tx\ty\n')
    assert frame.height == 3
    assert frame["body"][0] == body
