"""The report: self-contained, escaped, the same each time, readable in dark and light."""

from __future__ import annotations

import functools
import re
import sys
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tracer_sklearn.exceptions import DataError, MissingDependencyError, SchemaError
from tracer_sklearn.inspection import GroupedImportanceDisplay, churn_report

NASTY = '<script>alert("$x$ & id="y" url(#z) #010101")</script>'


def predictions(models=("one", "two"), n=60):
    rng = np.random.default_rng(0)
    churned = rng.integers(0, 2, n)
    return pd.DataFrame(
        {
            "model": np.repeat(models, n),
            "as_of": np.tile(
                pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"]), n // 3 * len(models)
            ),
            "churned": np.tile(churned, len(models)),
            "probability": rng.random(n * len(models)),
        }
    )


@functools.cache
def plain_report():
    return churn_report(predictions())


@functools.cache
def nasty_report():
    return write_nasty_report()


def write_nasty_report():
    return churn_report(
        predictions([NASTY]),
        table=pd.DataFrame({NASTY: [NASTY], "AUC": [0.5]}),
        importance=GroupedImportanceDisplay(
            {NASTY: np.array([0.1, 0.2]), "b": np.array([0.3])}, metric="roc_auc", name=NASTY
        ),
        title=NASTY,
        notes=[NASTY],
    )


class Page(HTMLParser):
    """Elements, attributes and text of a page, and whether every element is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    def of(self, name):
        return [value for key, value in self.attributes if key == name]


def test_names_and_values_are_shown_as_they_are_and_never_run():
    page = Page(nasty_report())
    assert "script" not in page.tags
    assert not [key for key, _ in page.attributes if key.startswith("on")]
    # title, heading, table head and cell, note, legends of four plots, two captions, one tick
    assert page.texts.count(NASTY) >= 10
    assert any(text == f"Importance: {NASTY}" for text in page.texts)
    assert page.open == []


def test_the_page_needs_nothing_beside_itself():
    html = nasty_report()
    assert "://" not in html
    assert "@import" not in html
    page = Page(html)
    assert not {"link", "iframe", "img", "object", "embed"} & set(page.tags)
    assert page.of("src") == []
    assert all(value.startswith("#") for value in page.of("href"))


def test_the_same_input_gives_the_same_page_whatever_the_style_of_the_session():
    with mpl.rc_context({"axes.facecolor": "red", "lines.linewidth": 9, "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        again = write_nasty_report()
        assert dict(mpl.rcParams) == before
    assert again == nasty_report()


def test_ids_are_unique_and_what_refers_to_them_finds_them():
    html = plain_report()
    page = Page(html)
    ids = page.of("id")
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for value in page.of("href")} | set(re.findall(r"url\(#([^)]+)\)", html))
    assert wanted
    assert wanted <= set(ids)


def test_plots_take_their_colours_from_the_page_in_both_modes():
    html = plain_report()
    style, body = html.split("</style>", 1)
    assert re.findall(r"#[0-9a-f]{6}\b", body) == []
    used = set(re.findall(r"var\((--\w+)\)", body))
    light, dark = style.split("prefers-color-scheme: dark")
    assert {"--ink", "--muted", "--line", "--c0", "--c1"} <= used
    for variable in used:
        assert f"{variable}:" in light
        assert f"{variable}:" in dark


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_and_lines_stand_out_from_the_ground(mode):
    style = plain_report().split("</style>", 1)[0]
    light, dark = style.split("prefers-color-scheme: dark")
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", light if mode == "light" else dark))

    def contrast(name, ground):
        low, high = sorted((luminance(colors[name]), luminance(colors[ground])))
        return (high + 0.05) / (low + 0.05)

    for ground in ("bg", "card"):  # WCAG 2.2 AA: 4.5 for text, 3 for graphics
        assert contrast("ink", ground) >= 4.5
        assert contrast("muted", ground) >= 4.5
        assert min(contrast(f"c{number}", ground) for number in range(5)) >= 3


def test_key_figures_are_those_of_the_predictions():
    frame = predictions()
    page = Page(plain_report())
    one = frame[frame["model"] == "one"]
    assert "60" in page.texts
    assert "snapshots, 2024-01-01 to 2024-03-01" in page.texts
    assert f"{100 * one['churned'].mean():.1f} %" in page.texts


def test_every_library_gives_the_same_page():
    frame = predictions()
    expected = churn_report(frame, table=frame.head(2))
    assert churn_report(pl.from_pandas(frame), table=pl.from_pandas(frame.head(2))) == expected
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    assert churn_report(arrow, table=arrow.slice(0, 2)) == expected


def test_cells_of_a_table_are_written_for_reading():
    table = pl.DataFrame(
        {"n": [12345, None], "share": [0.123456, float("nan")], "flag": [True, False]}
    )
    texts = Page(churn_report(predictions(), table=table)).texts
    assert {"12,345", "0.123", "–", "True"} <= set(texts)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda frame: frame.drop(columns="as_of"), SchemaError, "missing: 'as_of'"),
        (lambda frame: frame.head(0), DataError, "1 to 5 models, found 0"),
        (lambda frame: frame.assign(model=range(len(frame))), DataError, "found 120; choose"),
        (lambda frame: frame.assign(churned=0), DataError, "both outcomes"),
        (lambda frame: frame.assign(probability=2.0), DataError, r"probabilities in \[0, 1\]"),
    ],
)
def test_predictions_that_cannot_be_shown_are_refused(change, error, says):
    with pytest.raises(error, match=says):
        churn_report(change(predictions()))


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"tracer-sklearn\[plots\]"):
        churn_report(predictions())
