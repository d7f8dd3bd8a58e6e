"""The ladder of encodings, and text as UTF-8."""

from __future__ import annotations

import codecs
import random
import time

import pytest
from encoded_texts import CENTRAL, WESTERN, certain, cut, other_scripts, uncertain
from hypothesis import given
from hypothesis import strategies as st

import tracer_sklearn as ts
from tracer_sklearn.io._source import open_source
from tracer_sklearn.io.encoding import detect_encoding, to_utf8, utf8_chunks

TEXT = "Straße;Köln;5\r\nÉté;Nîmes;7\r\n" * 50


@pytest.mark.parametrize(
    ("data", "name", "bom"),
    [
        (b"", "ascii", False),
        (b"a;b\n1;2\n", "ascii", False),
        (TEXT.encode(), "utf-8", False),
        (codecs.BOM_UTF8 + TEXT.encode(), "utf-8", True),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16-le", True),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16-be", True),
        (TEXT.encode("utf-16-le"), "utf-16-le", False),
        (TEXT.encode("utf-16-be"), "utf-16-be", False),
        (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), "utf-32-le", True),
        (TEXT.encode("cp1252"), "cp1252", False),
    ],
)
def test_ladder(data, name, bom):
    guess = detect_encoding(data)
    assert (guess.name, guess.bom) == (name, bom)
    assert detect_encoding(data[at : at + 7] for at in range(0, len(data), 7)) == guess
    text = TEXT if len(data) > 10 else data.decode()
    assert to_utf8(data, guess).decode() == text
    with open_source(data) as source:
        assert b"".join(utf8_chunks(source, guess, size=7)).decode() == text


def test_what_is_utf8_is_not_copied():
    for data in (b"a,b\n", TEXT.encode()):
        assert to_utf8(data, detect_encoding(data)) is data


def test_the_users_word_wins_and_is_checked():
    data = "a\nb\nż\n".encode("cp1250")
    assert to_utf8(data, detect_encoding(data, encoding="cp1250")).decode() == "a\nb\nż\n"
    with pytest.raises(ts.IngestionError, match=r"line 3: the byte 0xbf is not utf-8") as caught:
        to_utf8(data, detect_encoding(data, encoding="utf-8"))
    assert caught.value.line == 3
    with pytest.raises(ts.ParameterError, match="`encoding`"):
        detect_encoding(data, encoding="cp1253a")


# ------------------------------------------------------------------------------ the labelled set


def read(data):
    return to_utf8(data, detect_encoding(data)).decode()


def misread(inputs):
    return [
        (one.label, detect_encoding(one.data).name) for one in inputs if read(one.data) != one.text
    ]


CERTAIN = list(certain())


def test_the_labelled_set_is_as_large_as_it_should_be():
    inputs = [*CERTAIN, *cut(), *other_scripts(), *uncertain()]
    assert len({(one.encoding, one.data) for one in inputs}) >= 1000
    assert len({one.encoding for one in inputs}) >= 12
    assert len(WESTERN + CENTRAL) >= 10


@pytest.mark.parametrize("encoding", sorted({one.encoding for one in CERTAIN}))
def test_the_usual_encodings_are_always_read_right(encoding):
    assert misread(one for one in CERTAIN if one.encoding == encoding) == []


def test_a_character_cut_off_at_the_end_changes_nothing_before_it():
    for one in cut():
        guess = detect_encoding(one.data)
        assert (guess.name, guess.cut_bytes > 0) == (one.encoding, True), one.label
    assert misread(cut()) == []


def test_other_scripts_are_read_right():
    assert misread(other_scripts()) == []


@pytest.mark.parametrize(
    ("encoding", "least"),
    [
        ("iso8859-15", 1.0),
        ("cp1250", 0.75),
        ("iso8859-2", 0.75),
        ("cp852", 0.8),
        ("cp850", 0.75),
        ("mac-roman", 0.75),
    ],
)
def test_the_others_are_read_right_but_for_single_words(encoding, least):
    inputs = [one for one in uncertain() if one.encoding == encoding]
    wrong = misread(inputs)
    assert 1 - len(wrong) / len(inputs) >= least
    told = [label for label, _ in wrong if "single" not in label]
    assert len(told) <= 3, told


def test_a_doubtful_encoding_names_its_runner_up():
    guess = detect_encoding("id;name\n1;Dvořák\n".encode("iso8859-2"))
    assert guess.runner_up is not None
    assert guess.confidence < 1
    assert guess.runner_up_confidence == pytest.approx(1 - guess.confidence)


def test_the_guess_does_not_depend_on_how_the_data_arrive():
    for one in [*cut(), *other_scripts(), *list(uncertain())[::20], *CERTAIN[::60]]:
        pieces = (one.data[at : at + 999] for at in range(0, len(one.data), 999))
        assert detect_encoding(pieces) == detect_encoding(one.data), one.label


LARGE = {
    "utf-8": "id;name\n" + "1;Smith\n" * 400_000 + "2;Müller\n",
    "cp1252": "id;name\n" + "1;Smith\n" * 400_000 + "2;Müller\n",
    "utf-16-le": "id;name\n" + "1;Müller\n" * 200_000,
    "utf-16-be": "имя;город\n" + "Иван;Санкт-Петербург\n" * 60_000,
    "ascii": "id;name\n" + "1;Smith\n" * 400_000,
}


@pytest.mark.parametrize("name", LARGE)
def test_large_files_in_pieces_of_any_size(name):
    data = LARGE[name].encode(name)
    assert len(data) > 2 << 20
    for size in (len(data), 1 << 20, 70_001):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        guess = detect_encoding(pieces)
        assert guess == detect_encoding(data)
        assert guess.name == name
    with open_source(data) as source:
        assert b"".join(utf8_chunks(source, guess, size=70_001)).decode() == LARGE[name]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_of_a_wrong_byte_is_right_in_large_files_too(end):
    data = f"id;name{end}".encode() + f"1;Smith{end}".encode() * 300_000 + b"2;M\xfcller\n"
    guess = detect_encoding(data, encoding="utf-8")
    with pytest.raises(ts.IngestionError) as caught:
        to_utf8(data, guess)
    assert caught.value.line == 300_002


def test_bytes_of_cp1252_in_utf8_are_read_as_such_and_said():
    data = "Käse;1\nMüller;2\nCrème;3\n".encode() * 20 + "Köln;4\n".encode("cp1252")
    guess = detect_encoding(data)
    assert (guess.name, guess.mixed, guess.runner_up) == ("utf-8", True, "cp1252")
    assert read(data) == "Käse;1\nMüller;2\nCrème;3\n" * 20 + "Köln;4\n"


def test_a_nul_byte_here_and_there_is_not_utf16():
    assert detect_encoding(b"a,b\n1,\x002\n3,4\n").name == "ascii"
    assert detect_encoding(b"a,b\n1,2\n" + bytes(1000)).name == "ascii"
    assert detect_encoding("ä,b\n1,\x002\n".encode()).name == "utf-8"


def test_bytes_that_are_no_text_are_refused():
    noise = random.Random(0).randbytes(5000)
    for data in (noise, noise[:200], b"id,name\n" + noise):
        with pytest.raises(ts.IngestionError, match="not text") as caught:
            detect_encoding(data, name="a.csv")
        assert caught.value.path == "a.csv"
    assert detect_encoding(noise, encoding="cp437").name == "cp437"


def test_a_mark_wins_over_what_the_bytes_look_like():
    data = codecs.BOM_UTF8 + "a\nb\nKöln\n".encode("cp1252")
    guess = detect_encoding(data)
    assert (guess.name, guess.bom) == ("utf-8", True)
    with pytest.raises(ts.IngestionError, match="line 3"):
        to_utf8(data, guess)


@pytest.mark.parametrize(
    ("encoding", "mark", "name"),
    [
        ("utf-8-sig", codecs.BOM_UTF8, "utf-8"),
        ("utf-8", codecs.BOM_UTF8, "utf-8"),
        ("utf-16", codecs.BOM_UTF16_BE, "utf-16-be"),
        ("utf-16", b"", "utf-16-le"),
        ("UTF-32", codecs.BOM_UTF32_LE, "utf-32-le"),
        ("Latin_1", b"", "iso8859-1"),
    ],
)
def test_the_users_word_in_all_its_spellings(encoding, mark, name):
    data = mark + TEXT.encode(name)
    guess = detect_encoding(data, encoding=encoding)
    assert guess.name == name
    assert to_utf8(data, guess).decode() == TEXT


def test_a_codec_that_makes_no_text_is_refused():
    for encoding in ("hex", "rot13", "zip"):
        with pytest.raises(ts.ParameterError, match="text codec"):
            detect_encoding(b"a", encoding=encoding)


@given(st.text(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "cp850", "big5"]))
def test_conversion_is_that_of_python(text, encoding):
    data = text.encode(encoding, "ignore")
    expected = data.decode(encoding)
    guess = detect_encoding(data, encoding=encoding)
    assert to_utf8(data, guess).decode() == expected
    with open_source(data) as source:
        assert b"".join(utf8_chunks(source, guess, size=3)).decode() == expected


@given(st.binary(max_size=300))
def test_any_bytes_become_text_or_are_refused(data):
    try:
        guess = detect_encoding(data)
    except ts.IngestionError:
        return
    try:
        to_utf8(data, guess).decode()
    except ts.IngestionError:
        assert guess.bom or guess.name not in ("ascii", "utf-8", "cp1252")


@pytest.mark.scale
def test_detection_of_a_megabyte_takes_less_than_50_ms():
    detect_encoding("ä".encode("cp1252"))  # chardet is imported once
    data = ("Straße;Köln;12,5;" + "x" * 40 + "\n").encode("cp1252") * 17_000
    times = []
    for _ in range(5):
        start = time.perf_counter()
        detect_encoding(data)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05


def test_one_word_in_many_rows_is_much_utf8():
    data = b"id,name\n" + "1,Müller\n".encode() * 500 + "2,Größe\n".encode("cp1252")
    frame, report = ts.read_csv(data)
    assert (report.encoding.name, report.encoding.mixed) == ("utf-8", True)
    assert set(frame["name"]) == {"Müller", "Größe"}


@pytest.mark.parametrize("text", ["1,Łódź żółć\n2,Łódź żółć\n", "Łódź żółć gęś jaźń\nKraków\n"])
def test_polish_is_not_taken_for_cyrillic(text):
    assert detect_encoding(text.encode("cp1250")).name == "cp1250"
