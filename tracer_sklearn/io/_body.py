"""What becomes of each record below the header: row, mended row, set aside, footer, new table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import dropwhile

from tracer_sklearn._text.missing import SPACES
from tracer_sklearn._text.numbers import is_currency
from tracer_sklearn.io._account import Account, Notes, OtherTable
from tracer_sklearn.io._cells import is_blank, is_rule, look
from tracer_sklearn.io._names import is_header_again
from tracer_sklearn.io._records import Record
from tracer_sklearn.io._shape import Shape
from tracer_sklearn.io._sums import adds_up, is_statistic

_TOTAL = re.compile(
    r"[\W_]*(?:(?:(?:grand|sub|over|net)[- ]?)?(?:total|totals|totaal|totale|totaux|totales|totalt|"
    r"sum|sums|summe|summen|gesamt|insgesamt|somme|somma|suma|sumy|soma)|"
    r"(?:gesamt|end|zwischen|teil)(?:summen?|ergebnis|betrag)|ergebnis|totalsumma?|totalbeløb|"
    r"(?:eind|sub)totaal|(?:delsumma?|slutsumma?)|sammanlagt|i alt|sum(?:ma)? totalt?|"
    r"razem|łącznie|ogółem|suma końcowa|celkem|spolu|celkový součet|celková suma|součet|súčet|"
    r"ukupno|sveukupno|skupaj|összesen|végösszeg|mindösszesen|summa|yhteensä|kokku|"
    r"kopā|iš viso|(?:genel |ara )?toplam|σύνολο|γενικό σύνολο|"
    r"(?:общий |промежуточный )?итого?|всего|сумма|разом|всього|общо|"
    r"(?:end|schluss)?saldo|kontostand|solde(?: final)?|"
    r"saldo (?:final|finale|końcowe|slutt)|(?:closing|ending|final|end) balance|"
    r"合計|合计|總計|总计|小計|小计|総計|합계|총계|(?:percentage|percent|share|%) of total)"
    r"(?: (?:general|général|générale?|generale|complessivo|geral|overall|final|finale))?"
    r"(?:[\s:(\[]+(?:(?-i:[A-Z]{3})|[$€£¥₹]|Kč|zł|kr)[)\]]*)?(?:\s*:\s*\w[\w ]{0,30})?[\W_]*",
    re.IGNORECASE,
)
# words such as "media", "nombre" and "Max" are as often a channel, a name or somebody's
_SUMMARY = re.compile(
    r"[\W_]*(?:(?:grand|overall|total)[- ]?)?(?:averages?|avg|means?|counts?|medians?|"
    r"minimum|maximum|durchschnitt(?:swert)?|mittelwert|anzahl|moyennes?|médianes?|promedios?|"
    r"recuento|medianas?|conteggio|contagem|gemiddelde?|aantal|mediaan|średnia|mediana|liczba|průměr|medián|počet|"
    r"priemer|átlag|darabszám|genomsnitt|medelvärde|antal|gjennomsnitt|gennemsnit|keskiarvo|"
    r"mediaani|lukumäärä|prosjek|broj|povprečje|število|keskmine|vidējais|vidurkis|ortalama|"
    r"medyan|среднее|медиана|количество|середнє|медіана|кількість|μέσος όρος|"
    r"平均值?|中位数|中位數|中央値|件数|计数|計數|평균|중앙값|개수)"
    r"(?: (?:total|general|overall|value|wert))?[\W_]*",
    re.IGNORECASE,
)
# what rows of a table of statistics are called besides
_STATISTIC = re.compile(
    r"[\W_]*(?:n|min|max|std|sd|stdev|var|variance|[0-9]+ ?%)[\W_]*", re.IGNORECASE
)
_PROSE = re.compile(
    r"\s*[*†‡(\[]?\s*(?:source|sources|note|notes|quelle|quellen|anmerkung|fuente|nota|notas|fonte|"
    r"bron|légende|legend|legende|remark|remarks|disclaimer|copyright|©|generated|exported|"
    r"erstellt|report|footnote|fußnote|end of|ende|fin de|data (?:as|from|provided)|"
    r"as of|stand:|rows?:|records?:|count:)\b.*",
    re.IGNORECASE | re.DOTALL,
)
# SAP marks its totals with stars
_STARS = re.compile(r"\*{1,9}")
_TOTALS = "a row of totals"
RULE = "a line drawn with characters"
# so many last rows may be totals and footers
_HELD = 10
# tables of so many rows, columns of numbers, and characters in a cell, are added up
_SUMMED = 1_000
_SUMMED_COLUMNS = 200
_SUMMED_CHARACTERS = 50

Fail = Callable[[Record, str], Exception]


class Body:
    """Sorts the records below the header; keeps the last ones back until what follows is known.

    Parameters
    ----------
    shape : Shape
        What the table looks like.
    account : Account
        Where everything is counted.
    fail : callable
        Makes the error of a bad record; None where bad records are mended or set aside.
    first : Record or None
        The first record below the header, which may be a total of the others.
    """

    def __init__(
        self, shape: Shape, account: Account, fail: Fail | None, first: Record | None = None
    ) -> None:
        self.shape = shape
        self.account = account
        self._fail = fail
        self._held: list[Record] = []
        self._suspects: list[tuple[Record, str]] = []
        # what was mended in lines that are held, by line: it counts where they are rows
        self._mends: dict[int, tuple[Notes, Record, str]] = {}
        self._gap = False
        self._drawn = False
        self._named = next((at for at, name in enumerate(shape.found) if name), None)
        self._other: OtherTable | None = None
        self._opening: list[Record] = []
        self._dense = any(
            expected == "number" and share > 0.9
            for expected, share in zip(shape.looks, shape.filled, strict=False)
        )
        self._numbers = [at for at, seen in enumerate(shape.looks) if seen == "number"]
        # the first cells and the numbers of all rows so far; None where they are too many
        few = 0 < len(self._numbers) <= _SUMMED_COLUMNS
        self._above: list[list[str]] | None = [] if few else None
        # a first row that may be the total of the others, and the rows that wait for its fate
        self._expected = first.line if first is not None and self._is_leading(first) else 0
        self._top: Record | None = None
        self._waiting: list[list[str]] = []

    @property
    def is_plain(self) -> bool:
        """Whether nothing is pending that the next record could decide."""
        return not (self._gap or self._suspects or self._other)

    @property
    def passes_blocks(self) -> bool:
        """Whether rows may go past this one."""
        return self.is_plain and not self._expected and self._top is None

    def pass_block(
        self, n_rows: int, n_lines: int, records: Callable[[], Iterable[Record]]
    ) -> None:
        """Count rows that go past."""
        self.account.add_rows(n_rows, n_lines)
        if self._above is not None and self.account.rows <= _SUMMED:
            self._remember(record.cells for record in records())
        else:
            self._above = None

    def feed(self, records: Iterable[Record]) -> list[list[str]]:
        """Take records, give back rows of the table's width."""
        rows: list[list[str]] = []
        for record in records:
            self._take(record, rows)
        if self._top is None:
            return rows
        self._waiting += rows
        return self._with_top() if len(self._waiting) > _SUMMED else []

    def release(self) -> list[list[str]]:
        """Give back the rows that were held, because rows follow."""
        rows, self._held = self._counted(self._held), []
        return rows

    def close(self) -> list[list[str]]:
        """Give back the last rows; what follows the table is named."""
        held = self._held
        if self._top is not None and not self._waiting and len(held) < 2:
            held.insert(0, self._top)
            self._top = None
        last: list[tuple[Record, str]] = []
        while held and (reason := self._ending(held[-1])):
            last.append((held.pop(), reason))
        if held and _TOTALS not in [reason for _, reason in last] and self._is_sum(held[-1]):
            last.append((held.pop(), f"{_TOTALS}: each number is the sum of its column"))
        rows = self._counted(held)
        if self._top is not None and self._adds_up(self._top.cells):
            last.append((self._top, f"{_TOTALS} above the others"))
            self._top = None
        elif self._top is not None:
            self._waiting = self._with_top()
        for record, reason in reversed(last):
            self._mends.pop(record.line, None)
            self.account.footer.add(record, reason)
        for record, _ in self._suspects:
            self.account.footer.add(record, "below the table")
        self._suspects = []
        self._held = []
        self._settle_table()
        return [*self._waiting, *rows]

    def _with_top(self) -> list[list[str]]:
        """Give back the rows that waited, the first one, which is none but a row, before them."""
        first = [self._top] if self._top is not None else []
        rows, self._top, self._waiting = [*self._counted(first), *self._waiting], None, []
        return rows

    def _remember(self, rows: Iterable[list[str]]) -> list[list[str]] | None:
        """Keep what sums need of rows; return all that is kept, None where rows are too many."""
        if self._above is not None:
            places = [0, *self._numbers]
            self._above += [[cells[at][:_SUMMED_CHARACTERS] for at in places] for cells in rows]
            if len(self._above) > _SUMMED:
                self._above = None
        return self._above

    def _adds_up(self, cells: list[str]) -> bool:
        """Tell a row whose numbers are the sums of all others."""
        total = [cells[at] for at in self._numbers]
        rows = [row[1:] for row in self._above or ()]
        return len(rows) > 1 and adds_up(total, rows, self.shape.decimal)

    def _is_sum(self, record: Record) -> bool:
        """Tell a last row without a name whose numbers are the sums of those above."""
        places = _places(record.cells)
        if self._above is None or 0 in places or not {*places} <= {*self._numbers}:
            return False
        known = len(self._above)
        self._remember(row.cells for row in self._held[:-1] if not self._is_drawn(row))
        above = self._above or []
        named = all(row[0].strip(SPACES) for row in above)
        # 3 may follow 1 and 2 by chance
        told = len(above) > 2 or any(len(record.cells[at].strip(SPACES)) > 2 for at in places)
        found = named and told and self._adds_up(record.cells)
        if self._above is not None:
            del self._above[known:]
        return found

    def _summarises(self, record: Record) -> bool:
        """Tell a row with a mean, median, end or count of a column; unknown where rows are many.

        A key figure called "Average" among others is none of the figures above it.
        """
        if self._above is None:
            return True
        known = len(self._above)
        above = self._remember(row.cells for row in self._held[:-1] if not self._is_drawn(row))
        if above is None:
            return True
        rows = [row for row in above if not _is_statistic(row[0].strip(SPACES))]
        columns = [(at, [row[1 + i] for row in rows]) for i, at in enumerate(self._numbers)]
        found = any(
            is_statistic(record.cells[at], cells, self.shape.decimal)
            for at, cells in columns
            if at < len(record.cells)
        ) or any(cell.strip(SPACES) == str(len(rows)) for cell in record.cells[1:])
        del above[known:]
        return found

    def _is_leading(self, record: Record) -> bool:
        """Tell a row of a word for totals and of numbers, as some exports begin with."""
        cells, width = record.cells, self.shape.width
        if len(cells) != width or not _TOTAL.fullmatch(cells[0].strip(SPACES)):
            return False
        places = [at for at in _places(cells)[1:] if look(cells[at]) != "empty"]
        return bool(places) and {*places} <= {*self._numbers}

    def _counted(self, records: list[Record]) -> list[list[str]]:
        if self._drawn:
            drawn = [record for record in records if self._is_drawn(record)]
            for record in drawn:
                self.account.set_aside.add(record, RULE)
            records = [record for record in records if not self._is_drawn(record)]
        if self._mends:
            for record in records:
                if (mend := self._mends.pop(record.line, None)) is not None:
                    self._put(*mend)
        self.account.add_rows(len(records), sum(record.n_lines for record in records))
        self._remember(record.cells for record in records)
        return [record.cells for record in records]

    def _take(self, record: Record, rows: list[list[str]]) -> None:
        cells = record.cells
        if (
            not (cells[0] and cells[0][0] not in SPACES)
            and is_blank(cells)
            and (self.shape.width > 1 or cells == [""])
        ):
            self.account.blank += record.n_lines
            self._gap = True
            return
        if self._other is not None:
            if self._gap and self._starts_table(cells):
                self._open_table(record)
            self._in_table(record)
            self._gap = False
            return
        if self._is_drawn(record):
            self._held.append(record)
            self._drawn = True
            return
        if not (len(cells) > 1 and self.is_plain and not self._is_header(cells)) and (
            self._suspicious(record)
        ):
            return
        mended = self._mended(record)
        if mended is None:
            self._gap = False
            return
        for suspect, reason in self._suspects:
            self._put(self.account.set_aside, suspect, reason)
        self._suspects = []
        self._gap = False
        if record.line == self._expected:
            self._expected, self._top = 0, record
            return
        self._held.append(mended)
        if len(self._held) > _HELD:
            rows += self._counted(self._held[:-_HELD])
            del self._held[:-_HELD]

    def _is_drawn(self, record: Record) -> bool:
        return self.shape.width > 1 and is_rule(record.cells, least=3)

    def _suspicious(self, record: Record) -> bool:
        """Tell a record that may not belong to the table any more, and remember it."""
        cells, shape = record.cells, self.shape
        if self._is_header(cells):
            self._put(self.account.set_aside, record, "the header again")
            self._gap = False
            return True
        if self._gap and self._starts_table(cells):
            self._open_table(record)
            for suspect, _ in self._suspects:
                self._in_table(suspect)
            self._suspects = []
            self._in_table(record)
            self._gap = False
            return True
        held = [at for at, cell in enumerate(cells) if cell.strip(SPACES)]
        good, _ = shape.agrees(cells)
        pending = self._gap or bool(self._suspects)
        few = shape.width > 1 and len(held) * 2 <= max(2, shape.width - 1) and not good
        if (len(cells) == 1 < shape.width and not good) or (pending and few and self._odd(cells)):
            self._suspects.append((record, "a line of text, not a row"))
            return True
        return False

    def _is_header(self, cells: list[str]) -> bool:
        at = self._named
        # nearly all records are told by one cell
        return (
            at is not None
            and at < len(cells)
            and self.shape.found[at] in cells[at]
            and is_header_again(cells, self.shape.found)
        )

    def _odd(self, cells: list[str]) -> bool:
        """Tell cells that rows of this table do not look like."""
        held = [at for at, cell in enumerate(cells) if cell.strip(SPACES)]
        if len(cells) != self.shape.width:
            return True
        prose = held[0] == 0 and all(look(cells[at]) == "text" for at in held)
        return prose and (self._dense or len(held) == 1)

    def _starts_table(self, cells: list[str]) -> bool:
        """Tell the header of another table: names where the columns hold something else."""
        held = [cell for cell in cells if cell.strip(SPACES)]
        if (
            len(held) < 2
            or _PROSE.fullmatch(held[0])
            or any(look(cell) not in ("text", "flag") for cell in held)
        ):
            return False
        good, bad = self.shape.agrees(cells)
        if any(self.shape.looks):
            wide = len(held) * 2 > self.shape.width or (len(cells) != self.shape.width)
            return bad > 0 and not good and wide and len(held) == len(cells.copy())
        return len(held) == len(cells) != self.shape.width

    def _open_table(self, record: Record) -> None:
        self._settle_table()
        names = [cell.strip(SPACES) for cell in record.cells]
        self._opening = []
        self._other = OtherTable(line=record.line, names=names)
        self.account.tables.append(self._other)

    def _in_table(self, record: Record) -> None:
        if self._other is not None:
            self._other.line = min(self._other.line, record.line)
            self._other.n_records += 1
            self._other.n_lines += record.n_lines
            self._opening = [*self._opening[:1], record]

    def _settle_table(self) -> None:
        """Take names without rows for the line of text that they are."""
        if self._other is not None and self._other.n_records == 1:
            self.account.tables.remove(self._other)
            self.account.footer.add(self._opening[0], "a line of text below the table")

    def _mended(self, record: Record) -> Record | None:
        """Return a record of the table's width, or None where it was set aside."""
        cells, width = record.cells, self.shape.width
        if len(cells) == width:
            return record
        found = f"{len(cells)} cells where the table has {width}"
        if len(cells) < width - 1 or 2 * len(cells) < width:
            good, bad = self.shape.agrees(cells)
            if 2 * len(cells) < width and not good:
                self._put(self.account.set_aside, record, found)
                return None
            if len(cells) < width - 1 and bad > good:
                self._put(self.account.set_aside, record, f"{found}, and they do not fit")
                return None
        if len(cells) < width:
            self._mends[record.line] = (self.account.padded, record, found)
            return Record(record.line, record.n_lines, [*cells, *[""] * (width - len(cells))])
        if not is_blank(cells[width:]):
            good, bad = self.shape.agrees(cells[:width])
            if bad:
                self._put(self.account.set_aside, record, f"{found}, and they do not fit")
                return None
            found += ", the last ones were dropped"
        self._mends[record.line] = (self.account.cut, record, found)
        return Record(record.line, record.n_lines, cells[:width])

    def _put(self, notes: Notes, record: Record, reason: str) -> None:
        if self._fail is not None:
            # the first bad line is the error, also where it is held
            first = min((mend[1:] for mend in self._mends.values()), default=(record, reason))
            raise self._fail(*min(first, (record, reason)))
        notes.add(record, reason)

    def _ending(self, record: Record) -> str:
        """Say why one of the last rows is none, or return an empty string."""
        cells, looks = record.cells, self.shape.looks
        held = [(at, cell.strip(SPACES)) for at, cell in enumerate(cells) if cell.strip(SPACES)]
        if not held or self.shape.width < 2:
            return ""
        if self._is_drawn(record):
            return RULE
        at, first = held[0]
        if self._is_total(held):
            return _TOTALS
        if self._is_summary(held) and self._summarises(record):
            return "a row of averages, counts or the like"
        is_prose = _PROSE.fullmatch(first) is not None
        if is_prose and look(first) == "text" and looks[at] is not None:
            return "a line of text below the table"  # its commas are no delimiters
        if at and not is_prose and self._continues(at):
            return ""
        if len(held) == 1 and look(first) == "text" and (looks[at] is not None or self._dense):
            prose = is_prose or len(first.split()) > 2 or looks[at] is not None
            return "a line of text below the table" if prose else ""
        return ""

    def _continues(self, at: int) -> bool:
        """Tell a last line that goes on with the row above it, as lines further up do.

        They hold nothing but a text in the same column, and rows stand between them.
        """
        alike = [_places(row.cells) == [at] for row in self._held]
        others = list(dropwhile(bool, reversed(alike)))
        return alike[-1] and any(others)

    def _is_total(self, held: list[tuple[int, str]]) -> bool:
        """Tell a row of a word for totals and of numbers; a currency may stand beside them."""
        looks = self.shape.looks
        words = [(at, cell) for at, cell in held if _TOTAL.fullmatch(cell)]
        at, word = words[0] if words else held[0]
        if words and len(held) == 1 and "number" in looks:
            return looks[at] is None
        if look(word) == looks[at] or not (words or self._has_marked(at, word)):
            return False
        others = [(place, cell) for place, cell in held if place != at and look(cell) != "empty"]
        numbers = [place for place, _ in others if looks[place] == "number"]
        texts = [
            cell
            for place, cell in others
            if looks[place] is None and not (is_currency(cell) or cell.endswith("%"))
        ]
        # where the word does not stand first, the cells that name a row are empty
        alone = at == held[0][0] or (held[0][0] > 0 and len(numbers) == len(others))
        return bool(numbers) and not texts and alone

    def _is_summary(self, held: list[tuple[int, str]]) -> bool:
        """Tell a row of a word such as "Average" and of numbers, in a table of other rows."""
        at, word = held[0]
        others = {look(cell) for _, cell in held[1:]}
        if not _SUMMARY.fullmatch(word) or others - {"empty"} != {"number"}:
            return False
        above = [row.cells[at].strip(SPACES) for row in self._held[:-1] if at < len(row.cells)]
        while above and _is_statistic(above[-1]):
            above.pop()
        return len(above) > 1 and not any(map(_is_statistic, above))

    def _has_marked(self, at: int, word: str) -> bool:
        """Tell stars that no other of the last rows has in this column, and some have none."""
        others = [row.cells[at].strip(SPACES) for row in self._held[:-1] if at < len(row.cells)]
        alone = word not in others and not all(map(_STARS.fullmatch, others))
        return alone and _STARS.fullmatch(word) is not None


def _places(cells: list[str]) -> list[int]:
    """Return where cells hold something."""
    return [at for at, cell in enumerate(cells) if cell.strip(SPACES)]


def _is_statistic(word: str) -> bool:
    return any(words.fullmatch(word) for words in (_SUMMARY, _TOTAL, _STATISTIC))
