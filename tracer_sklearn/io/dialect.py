"""How a file is written: delimiter, quotes, escapes and line ends, found from a sample."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice

from pydantic import BaseModel, ConfigDict

from tracer_sklearn.io._cells import is_blank, look
from tracer_sklearn.io._records import records_of

__all__ = [
    "DELIMITERS",
    "Dialect",
    "announced_delimiter",
    "detect_dialect",
    "line_end_of",
    "one_line_end",
]

DELIMITERS = (",", ";", "\t", "|", " ")
# rows that decide; more would not change the answer
_MOST_ROWS = 200
# two lines of more cells than this agree in their number because they are rows
_WIDE = 4
# what separates the cells of a file of one column: nothing that is there
_UNUSED = ("\t", ";", "|", "\x1f")
_OTHERS = re.compile(r"[;\t|]")


class Dialect(BaseModel):
    r"""How the cells of a file are separated.

    Parameters
    ----------
    delimiter : str
        What stands between cells: ``,``, ``;``, a tab, ``|`` or blanks.
    quote : str
        What stands around cells that hold a delimiter; a quote inside is doubled.
    escape : str
        ``\`` where quotes inside cells are escaped instead of doubled, else empty.
    line_end : str
        What most lines end with: LF, CR LF, CR, or CR CR LF.
    skips_blanks : bool
        Whether blanks after a delimiter belong to it, as in ``a, "b"``.
    wraps_lines : bool
        Whether each line stands in quotes as a whole, as in ``"1,""Ann"",2.5"``.

    Examples
    --------
    >>> from tracer_sklearn.io.dialect import detect_dialect
    >>> detect_dialect("name;price\nAnna;1,50\nBob;2,75\n").delimiter
    ';'
    """

    model_config = ConfigDict(frozen=True)

    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    line_end: str = "\n"
    skips_blanks: bool = False
    wraps_lines: bool = False


def line_end_of(sample: bytes) -> str:
    """Return what most lines of a sample end with.

    Parameters
    ----------
    sample : bytes
        UTF-8.
    """
    crcrlf = sample.count(b"\r\r\n")
    crlf = sample.count(b"\r\n") - crcrlf
    lf = sample.count(b"\n") - crlf - crcrlf
    cr = sample.count(b"\r") - crlf - 2 * crcrlf
    counts = {"\n": lf, "\r\n": crlf, "\r": cr, "\r\r\n": crcrlf}
    if not any(counts.values()):
        return "\n"
    return max(counts, key=lambda end: counts[end])


def one_line_end(data: bytes, line_end: str) -> bytes:
    """Replace every kind of line end by a line feed, inside cells too.

    Parameters
    ----------
    data : bytes
        UTF-8 that does not end between a carriage return and its line feed.
    line_end : str
        As `line_end_of` found it: CR CR LF is one line end only where it is the usual one.
    """
    if b"\r" not in data:
        return data
    if line_end == "\r\r\n":
        data = data.replace(b"\r\r\n", b"\n")
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def announced_delimiter(sample: str) -> str | None:
    r"""Return the delimiter of a first line such as ``sep=;``, which Excel writes and obeys.

    Parameters
    ----------
    sample : str
        Whole lines from the beginning of a file.

    Examples
    --------
    >>> from tracer_sklearn.io.dialect import announced_delimiter
    >>> announced_delimiter("sep=;\nname;price\n")
    ';'
    """
    first = sample.partition("\n")[0].strip('\ufeff" ').casefold()
    mark = first.removeprefix("sep=")
    return mark if mark != first and mark in DELIMITERS else None


def detect_dialect(sample: str, *, delimiter: str | None = None, line_end: str = "\n") -> Dialect:
    r"""Find the dialect of a file from its first lines.

    Parameters
    ----------
    sample : str
        Whole lines that end with a line feed.
    delimiter : str or None, default=None
        The delimiter, where it is known.
    line_end : str, default="\n"
        What the lines of the file ended with; goes into the answer.

    Returns
    -------
    Dialect
        A comma where nothing else explains the lines better: a file of one column.

    Notes
    -----
    Each delimiter splits the sample with quotes in force. The one wins whose rows agree best in
    width and whose cells hold no other delimiter; titles and footers are outvoted.
    """
    quote = _quote(sample)
    if delimiter is None:
        splits = {mark: _split(sample, mark, quote) for mark in DELIMITERS}
        scores = {mark: _score(splits[mark], mark) for mark in DELIMITERS}
        if any(scores[mark] > 0 and _is_even(splits[mark]) for mark in DELIMITERS):
            # what stands in no name stands in lists within cells
            for mark in DELIMITERS:
                scores[mark] *= len(_first(splits[mark])) > 1
        best = max(DELIMITERS, key=lambda mark: scores[mark])
        delimiter = best if scores[best] > 0 else ","
        if scores[best] > 0 and _is_one_column(sample, splits[best], best):
            delimiter = next((mark for mark in _UNUSED if mark not in sample), _UNUSED[-1])
    bare = delimiter.strip(" ") or " "
    skips = delimiter != bare or _blanks_follow(sample, bare, quote)
    escape = _escape(sample, bare, quote)
    return Dialect(
        delimiter=bare, quote=quote, escape=escape, line_end=line_end, skips_blanks=skips
    )


def _quote(sample: str) -> str:
    """Return the apostrophe where cells stand between apostrophes, else the double quote."""
    wrapped = r"(?:^|[,;\t|])\s?{0}[^{0}\n]*{0}\s?(?=$|[,;\t|])"
    single = len(re.findall(wrapped.format("'"), sample, re.MULTILINE))
    double = len(re.findall(wrapped.format('"'), sample, re.MULTILINE))
    lines = sample.count("\n") or 1
    return "'" if single > 2 * double and single >= 0.5 * lines else '"'


def _escape(sample: str, delimiter: str, quote: str) -> str:
    """Return the backslash where it stands before quotes that do not end their cells."""
    inside = re.escape(delimiter)
    before = len(re.findall(rf"\\{quote}(?!\s*(?:{inside}|$))", sample, re.MULTILINE))
    ends = len(re.findall(rf"\\{quote}(?=\s*(?:{inside}|$))", sample, re.MULTILINE))
    wrapped = re.search(rf"(?:^|{inside})\s*{quote}", sample, re.MULTILINE)
    return "\\" if wrapped and before and before >= ends else ""


def _blanks_follow(sample: str, delimiter: str, quote: str) -> bool:
    """Tell whether a blank follows nearly every delimiter outside quotes."""
    if delimiter == " ":
        return True
    bare = re.sub(f"{quote}[^{quote}\n]*{quote}", "", sample)
    blanks = bare.count(f"{delimiter} ")
    return blanks > 0 and blanks >= 0.9 * bare.count(delimiter)


def _split(sample: str, mark: str, quote: str) -> list[list[str]]:
    """Return the first rows that a delimiter makes of the sample."""
    if mark not in sample:
        return []
    skips = _blanks_follow(sample, mark, quote)
    dialect = Dialect(delimiter=mark, quote=quote, skips_blanks=skips)
    records = (record.cells for record in records_of(sample, dialect))
    return list(islice((cells for cells in records if not is_blank(cells)), _MOST_ROWS))


def _first(rows: list[list[str]]) -> list[str]:
    return rows[0] if rows else []


def _is_one_column(sample: str, rows: list[list[str]], mark: str) -> bool:
    """Tell a name of one word over prose, numbers or times that hold what would be a delimiter.

    A title over a table stands apart from it, or over names of its own, or over at least three
    columns, or over two of which one is typed and the rows are neither numbers nor times.
    """
    lines = sample.lstrip("\n").split("\n")
    if len(_first(rows)) != 1 or mark in lines[0] or not "".join(lines[1:2]).strip():
        return False
    body = rows[1:]
    whole = [mark.join(row) for row in body]
    if '"' in "".join(whole[:1]) + lines[1]:
        return False  # who quotes cells, separates them
    share = len(body) * 0.5
    if sum(look(cell) == "date" for cell in whole) > share:
        return True
    number = re.compile(r"\S+|\S+[ ,]\D*|[^ ,]+(?:[ ,][0-9]{3})+(?:[.,][0-9]+)?(?:\s\D*)?")
    if sum(look(c) == "number" and bool(number.fullmatch(c)) for c in whole) > share:
        return True
    wide = [row for row in body if len(row) > 1]
    width, most = Counter(map(len, wide)).most_common(1)[0]
    same = [row for row in wide if len(row) == width]
    loose = mark == "," and _blanks_follow("\n".join(lines[1:]), mark, '"')
    places = [at for at, row in enumerate(body) if len(row) == width]
    # rows follow one another; lines of prose with as many commas hardly do
    together = len(places) > 1 and places[-1] - places[0] == len(places) - 1
    telling = most > share or (width > _WIDE and together)
    if width > 2 and (most == len(body) or (telling and not loose)):
        return False
    # the first of them may hold names
    typed = [
        at
        for at in range(width)
        if sum(look(row[at]) in ("number", "date") for row in same) >= 0.75 * (most - 1)
    ]
    if width > 2:
        return not (typed and most > 2)
    named = any(look(same[0][at]) == "text" for at in typed)
    if named and most > 3 and mark != " ":
        return False  # a title over tables that are stacked, each with names over numbers
    return not typed or mark == " " or (loose and not named) or most <= 0.95 * len(body)


def _is_even(rows: list[list[str]]) -> bool:
    """Tell rows of which nearly all, the first two among them, are as wide as the first one."""
    width = len(_first(rows))
    same = [len(row) == width for row in rows]
    return width > 1 and len(rows) > 1 and same[1] and sum(same) >= 0.9 * len(rows)


def _score(rows: list[list[str]], mark: str) -> float:
    """Say how well a delimiter explains the sample: from 0 (not at all) to 1."""
    if not rows:
        return 0.0
    widths = Counter(len(row) for row in rows)
    width = max(widths, key=lambda w: widths[w] * (1 - 1 / w))
    if width < 2:
        return 0.0
    agree = sum(n * (1.0 if w == width else 0.5 * (abs(w - width) == 1 and w > 1))
                for w, n in widths.items()) / len(rows)  # fmt: skip
    cells = [cell for row in rows if len(row) == width for cell in row]
    clean = sum(_is_clean(cell, mark) for cell in cells) / len(cells)
    score = agree * clean * (1 - 1 / width)
    if mark == " ":
        # blanks separate words too: only columns that speak for themselves count
        typed = sum(look(cell) in ("number", "date") for cell in cells) / len(cells)
        return 0.5 * score if agree > 0.8 and typed > 0.4 else 0.0
    return score


def _is_clean(cell: str, mark: str) -> bool:
    """Tell a cell that no other delimiter would split."""
    if mark == " ":
        return not re.search(r"[,;\t|]", cell) or look(cell) in ("number", "date")
    found = [char for char in _OTHERS.findall(cell) if char != mark]
    if mark != ",":
        tight = re.findall(r",(?=\S)", cell)
        if len(tight) > 1 or (tight and look(cell) == "text"):
            found += tight
    return not found
