"""The ladder of encodings, and text as UTF-8."""

from __future__ import annotations

import codecs

import pytest

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
