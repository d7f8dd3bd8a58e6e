"""One self-contained HTML page about a churn model, to read and to pass on."""

from __future__ import annotations

import datetime as dt
import html
import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from tracer_sklearn._frame import enter
from tracer_sklearn.exceptions import DataError, MissingDependencyError, SchemaError
from tracer_sklearn.inspection.calibration import CalibrationOverTimeDisplay, ReliabilityDisplay
from tracer_sklearn.inspection.importance import GroupedImportanceDisplay
from tracer_sklearn.inspection.plots import CumulativeGainsDisplay, ScoreDistributionDisplay

__all__ = ["churn_report"]

_COLUMNS = ("model", "as_of", "churned", "probability")
_MOST_MODELS = 5


def churn_report(
    predictions: Any,
    *,
    table: Any = None,
    importance: GroupedImportanceDisplay | None = None,
    title: str = "Customer churn",
    notes: Sequence[str] = (),
) -> str:
    """Write one HTML page from out-of-fold predictions: figures, tables and plots.

    Use it at the end of a cross-validation over snapshots, for those who decide. The page needs
    nothing beside itself, follows the reader's dark or light mode, and is the same for the same
    input.

    Parameters
    ----------
    predictions : pandas.DataFrame, polars.DataFrame or pyarrow.Table of shape (n, >= 4)
        ``model`` (name), ``as_of`` (date of the snapshot), ``churned`` (0 or 1) and
        ``probability``: one row per model and row that the model had not seen. At most five
        models.
    table : pandas.DataFrame, polars.DataFrame, pyarrow.Table or None, default=None
        A comparison to show as it is, such as one row of metrics for each model.
    importance : GroupedImportanceDisplay or None, default=None
        What the chosen model lives on.
    title : str, default="Customer churn"
        Heading of the page.
    notes : sequence of str, default=()
        Sentences on the data and on how the figures were made.

    Returns
    -------
    page : str
        The HTML document, for ``Path("report.html").write_text(page, encoding="utf-8")``.

    Raises
    ------
    SchemaError
        If a column of `predictions` is missing.
    DataError
        If there are no rows or too many models, or if a model's predictions cannot be drawn.
    MissingDependencyError
        If matplotlib is not installed.

    Notes
    -----
    All names and values are escaped. Plots are inline SVG whose colours are CSS variables.
    Cost: a second for a hundred thousand predictions.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn.inspection import churn_report
    >>> predictions = pd.DataFrame({
    ...     "model": "baseline", "as_of": pd.Timestamp("2024-03-01"),
    ...     "churned": [0, 1, 0, 1], "probability": [0.1, 0.6, 0.3, 0.4],
    ... })
    >>> page = churn_report(predictions, title="Spring <2024>")
    >>> "<h1>Spring &lt;2024&gt;</h1>" in page
    True
    """
    frame = _checked(predictions)
    parts = [_tiles(_key_figures(frame))]
    if table is not None:
        entered = enter(table, stage="churn_report")
        parts.append(_section("Models compared", _table(entered.cross(entered.names))))
    figures = _Figures()
    parts += [
        _section(heading, f'<p class="lead">{_text(lead)}</p>', _row(drawn))
        for heading, lead, drawn in _chapters(frame, importance, figures)
    ]
    if notes:
        items = "".join(f"<li>{_text(note)}</li>" for note in notes)
        parts.append(_section("How this was made", f"<ul>{items}</ul>"))
    return _page(title, parts)


# -- what is shown -------------------------------------------------------------------------


def _checked(predictions: Any) -> pl.DataFrame:
    who = "churn_report"
    entered = enter(predictions, stage=who)
    missing = [name for name in _COLUMNS if name not in entered.names]
    if missing:
        raise SchemaError.from_missing(who, missing, entered.names)
    frame = entered.cross(_COLUMNS).with_columns(pl.col("model").cast(pl.String))
    n_models = frame["model"].n_unique()
    if not 1 <= n_models <= _MOST_MODELS:
        raise DataError(
            f"{who}: predictions must come from 1 to {_MOST_MODELS} models, found {n_models}; "
            "choose the models to compare.",
            column="model",
            rule="models",
            n_rows=frame.height,
        )
    return frame


def _key_figures(frame: pl.DataFrame) -> list[tuple[str, str]]:
    first = frame.filter(pl.col("model") == frame["model"][0])
    dates = first["as_of"]
    return [
        (f"{first.height:,}", "predictions, one a customer and snapshot"),
        (f"{dates.n_unique()}", f"snapshots, {_cell(dates.min())} to {_cell(dates.max())}"),
        (f"{100 * float(first['churned'].cast(pl.Float64).mean() or 0):.1f} %", "churned"),  # type: ignore[arg-type]
    ]


def _chapters(
    frame: pl.DataFrame, importance: GroupedImportanceDisplay | None, figures: _Figures
) -> list[tuple[str, str, list[str]]]:
    models = {
        str(name): (part["churned"].to_numpy(), part["probability"].to_numpy(), part["as_of"])
        for (name,), part in frame.group_by("model", maintain_order=True)
    }

    def every(draw: Callable[..., Any], *, timed: bool = False, **options: Any) -> Any:
        def onto(ax: Any) -> None:
            for name, (churned, probability, as_of) in models.items():
                times = (as_of,) if timed else ()
                draw(churned, probability, *times, name=name, ax=ax, **options)

        return onto

    def scores(name: str) -> Callable[[Any], Any]:
        churned, probability, _ = models[name]
        return lambda ax: ScoreDistributionDisplay.from_predictions(
            churned, probability, name=name, ax=ax
        )

    gains = CumulativeGainsDisplay.from_predictions
    chapters = [
        (
            "Whom to call first",
            "How many of the churners a campaign reaches, and how many times better than chance "
            "that is, by the share of customers it contacts.",
            [
                figures.draw("Cumulative gains", every(gains)),
                figures.draw("Lift", every(gains, kind="lift")),
            ],
        ),
        (
            "Whether to believe the probabilities",
            "Left: customers in groups by predicted probability. Right: the mean prediction of "
            "each snapshot. Bars are 95 % intervals of what was observed.",
            [
                figures.draw("Reliability", every(ReliabilityDisplay.from_predictions)),
                figures.draw(
                    "Calibration over time",
                    every(CalibrationOverTimeDisplay.from_predictions, timed=True),
                ),
            ],
        ),
        (
            "How the scores are spread",
            "Predicted scores of the customers who stayed and of those who churned.",
            [figures.draw(f"Scores: {name}", scores(name)) for name in models],
        ),
    ]
    if importance is not None:
        chapters.append(
            (
                "What the model lives on",
                "What the score loses when the columns of a group are shuffled together; lines "
                "span the repeats. This is use, not cause.",
                [_importance_figure(importance, figures)],
            )
        )
    return chapters


def _importance_figure(importance: GroupedImportanceDisplay, figures: _Figures) -> str:
    caption = "Importance" if importance.name is None else f"Importance: {importance.name}"
    n_bars = min(len(importance.losses), importance.most_shown)
    return figures.draw(caption, importance.plot, (11.4, 0.9 + 0.42 * n_bars))


# -- plots as inline SVG -------------------------------------------------------------------

# matplotlib writes fixed colours; these stand for variables of the page's style sheet.
_INK, _MUTED, _LINE = "#010101", "#020202", "#030303"
_CYCLE = [f"#0400{number:02x}" for number in range(_MOST_MODELS)]
_VARIABLES = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _LINE: "var(--line)",
    **{color: f"var(--c{number})" for number, color in enumerate(_CYCLE)},
}
_STYLE: dict[str, Any] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.titlecolor": _INK,
    "axes.titlesize": 11,
    "axes.titleweight": "normal",
    "axes.edgecolor": _LINE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _LINE,
    "grid.linewidth": 0.8,
    "xtick.major.size": 0,
    "xtick.major.pad": 6,
    "ytick.major.pad": 6,
    "ytick.major.size": 0,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "font.size": 10.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "tracer",
}


class _Figures:
    """Draws plots one after the other, each with ids of its own."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def draw(
        self, caption: str, plot: Callable[[Any], Any], size: tuple[float, float] = (5.6, 4.0)
    ) -> str:
        """Return one plot as a figure element; its caption takes the place of its title."""
        try:
            from cycler import cycler
            from matplotlib import style
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingDependencyError.from_extra("churn_report", "plots") from error
        # C7, the colour of references, is the eighth of the cycle
        cycle = [*_CYCLE, _MUTED, _MUTED, _MUTED]
        with style.context(["default", {**_STYLE, "axes.prop_cycle": cycler(color=cycle)}]):
            figure = Figure(figsize=size, layout="constrained")
            ax = figure.subplots()
            plot(ax)
            ax.set_title("")
            target = io.StringIO()
            figure.savefig(target, format="svg", metadata={"Date": None})
        self._drawn.append(caption)
        return _figure(_inline(target.getvalue(), f"f{len(self._drawn)}-", caption), caption)


def _inline(svg: str, prefix: str, label: str) -> str:
    """Make a file of matplotlib's part of a page: its colours, its font, ids of its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', svg)
    assert box is not None
    opening = f'<svg viewBox="{box[1]}" role="img" aria-label="{_text(label)}">'
    svg = opening + svg[svg.index(">") + 1 :]
    # text between the tags is the user's and stays as it is
    return re.sub(r"<[^>]*>", lambda tag: _page_tag(tag[0], prefix), svg).strip()


def _page_tag(tag: str, prefix: str) -> str:
    tag = tag.replace("xlink:href", "href")
    tag = re.sub(r'\bid="', f'id="{prefix}', tag)
    tag = re.sub(r'(url\(|href=")#', rf"\1#{prefix}", tag)
    tag = re.sub(r"font-family: [^;\"]*; ?", "", tag)
    for color, variable in _VARIABLES.items():
        tag = tag.replace(color, variable)
    return tag


# -- the page ------------------------------------------------------------------------------


def _text(value: object) -> str:
    return html.escape(str(value))


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float | np.floating):
        return f"{value:,.3f}" if np.isfinite(value) else "–"
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return _text(value)


def _table(frame: pl.DataFrame) -> str:
    kinds = ["num" if dtype.is_numeric() else "txt" for dtype in frame.dtypes]
    head = "".join(
        f'<th class="{kind}">{_text(name)}</th>'
        for name, kind in zip(frame.columns, kinds, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td class="{kind}">{_cell(value)}</td>'
            for value, kind in zip(row, kinds, strict=True)
        )
        + "</tr>"
        for row in frame.rows()
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div>"
    )


def _figure(svg: str, caption: str) -> str:
    return f"<figure><figcaption>{_text(caption)}</figcaption>{svg}</figure>"


def _row(figures: Sequence[str]) -> str:
    return f'<div class="row">{"".join(figures)}</div>'


def _tiles(figures: Sequence[tuple[str, str]]) -> str:
    tiles = "".join(
        f"<div><strong>{_text(number)}</strong><span>{_text(what)}</span></div>"
        for number, what in figures
    )
    return f'<div class="tiles">{tiles}</div>'


def _section(heading: str, *parts: str) -> str:
    return f"<section><h2>{_text(heading)}</h2>{''.join(parts)}</section>"


def _page(title: str, parts: Sequence[str]) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_text(title)}</title><style>{_CSS}</style></head>\n"
        f"<body><main><header><h1>{_text(title)}</h1></header>\n"
        + "\n".join(parts)
        + "\n<footer>Made with Tracer.</footer></main></body></html>\n"
    )


_CSS = """
:root { --bg: #f7f7f5; --card: #ffffff; --ink: #1b2330; --muted: #5d6776; --line: #e2e5ea;
  --c0: #1f6f9f; --c1: #d1495b; --c2: #3a8f5c; --c3: #8a5fb3; --c4: #b7791f; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #11151b; --card: #191f28; --ink: #e7eaef; --muted: #9aa5b4; --line: #2d3541;
    --c0: #6bb5e6; --c1: #ff8b84; --c2: #7fcf9d; --c3: #c3a0ee; --c4: #e8b866; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 48px 24px 32px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 24px; letter-spacing: -0.02em; }
h2 { font-size: 1.2rem; margin: 48px 0 8px; letter-spacing: -0.01em; }
.lead { margin: 0 0 16px; color: var(--muted); max-width: 68ch; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 16px; }
.tiles div, figure, .scroll { background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; }
.tiles div { padding: 16px 20px; }
.tiles strong { display: block; font-size: 1.75rem; line-height: 1.2; font-weight: 650;
  font-variant-numeric: tabular-nums; letter-spacing: -0.02em; }
.tiles span { color: var(--muted); font-size: 0.9rem; }
.scroll { overflow-x: auto; margin-top: 16px; }
table { border-collapse: collapse; width: 100%; font-size: 0.93rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: 10px 16px; text-align: left; white-space: nowrap; }
th { color: var(--muted); font-weight: 500; border-bottom: 1px solid var(--line); }
tr + tr td { border-top: 1px solid var(--line); }
.num { text-align: right; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr));
  gap: 16px; }
figure { margin: 0; padding: 16px 16px 8px; min-width: 0; }
figcaption { font-weight: 600; font-size: 0.95rem; margin: 0 4px 8px; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; font-family: inherit; }
ul { margin: 8px 0 0; padding-left: 1.2em; max-width: 76ch; }
li { margin: 4px 0; overflow-wrap: anywhere; }
footer { margin-top: 56px; padding-top: 16px; border-top: 1px solid var(--line);
  color: var(--muted); font-size: 0.85rem; }
@media print { body { background: none; } figure, section { break-inside: avoid; } }
"""
