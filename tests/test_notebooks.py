"""Notebooks are stored as they are written: without output, with public names only."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def code_cells(notebook: Path) -> list[dict]:
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_output(notebook: Path) -> None:
    cells = code_cells(notebook)
    assert cells
    assert [source(c) for c in cells if c["outputs"] or c["execution_count"] is not None] == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_uses_public_names_only(notebook: Path) -> None:
    written = "\n".join(map(source, code_cells(notebook)))
    assert re.findall(r"tracer_sklearn(?:\.\w+)*\._\w+|\bts(?:\.\w+)*\._[a-z]\w*", written) == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_ends_with_asserted_numbers(notebook: Path) -> None:
    assert "assert " in source(code_cells(notebook)[-1])
