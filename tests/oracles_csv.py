"""Slow and plain: how text is cut into records and cells, one character at a time."""

from __future__ import annotations

import csv
import io


def cut(text: str, delimiter: str = ",", quote: str = '"') -> list[list[str]]:
    """Records of text with line feeds whose quotes are well placed; blank lines are [""]."""
    records: list[list[str]] = []
    cells: list[str] = []
    cell: list[str] = []
    quoted = False
    at = 0
    while at < len(text):
        char = text[at]
        if quoted:
            if char == quote and text[at + 1 : at + 2] == quote:
                cell.append(quote)
                at += 1
            elif char == quote:
                quoted = False
            else:
                cell.append(char)
        elif char == quote and not cell:
            quoted = True
        elif char == delimiter:
            cells.append("".join(cell))
            cell = []
        elif char == "\n":
            records.append([*cells, "".join(cell)])
            cells, cell = [], []
        else:
            cell.append(char)
        at += 1
    if cells or cell:
        records.append([*cells, "".join(cell)])
    return records


def rows_of_csv_module(data: bytes, encoding: str, delimiter: str) -> list[list[str]]:
    """Records as Python's csv module cuts them, blank lines left out."""
    text = io.StringIO(data.decode(encoding), newline="")
    return [row for row in csv.reader(text, delimiter=delimiter) if row]
