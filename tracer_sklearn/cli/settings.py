"""From the options of a command, and a file of settings, to a `PipelineConfig`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tracer_sklearn.exceptions import ParameterError

__all__ = [
    "Blueprint",
    "Columns",
    "ConfigFile",
    "Encoding",
    "Fields",
    "File",
    "Missing",
    "Outliers",
    "Scaling",
    "StateDir",
    "StoreUrl",
    "config_of",
]

_RUNS = "Runs"
_OPTIONS = "The four options"

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        readable=True,
        show_default=False,
        help="A table as CSV or other text, Parquet, Arrow or JSON lines; compressed or not.",
    ),
]
Blueprint = Annotated[
    str,
    typer.Option(
        "--blueprint",
        "-b",
        metavar="NAME",
        show_default=False,
        help="customer_churn, revenue_projection or price_optimization.",
    ),
]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        "-f",
        metavar="FIELD=COLUMN",
        show_default=False,
        help="A column of another name than the blueprint's field; may be repeated. "
        "`tracer inspect` proposes them.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="COLUMN",
        show_default=False,
        help="A column to carry into the result as it was read, such as an identifier; may be "
        "repeated. None are kept by themselves: they are personal.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        exists=True,
        dir_okay=False,
        show_default=False,
        help="A .json or .toml file with the keys of PipelineConfig; options win over it.",
    ),
]
Missing = Annotated[
    str | None,
    typer.Option(
        "--missing",
        metavar="STRATEGY",
        show_default=False,
        rich_help_panel=_OPTIONS,
        help="Missing values: auto, drop, mean, median, mode or constant.",
    ),
]
Outliers = Annotated[
    str | None,
    typer.Option(
        "--outliers",
        metavar="METHOD",
        show_default=False,
        rich_help_panel=_OPTIONS,
        help="Outliers: iqr, zscore, quantile, mad or none.",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="STRATEGY",
        show_default=False,
        rich_help_panel=_OPTIONS,
        help="Categories: auto, onehot, label, frequency or target.",
    ),
]
Scaling = Annotated[
    str | None,
    typer.Option(
        "--scaling",
        metavar="METHOD",
        show_default=False,
        rich_help_panel=_OPTIONS,
        help="Scale: robust, standard, minmax or none.",
    ),
]
StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        envvar="TRACER_STATE_DIR",
        file_okay=False,
        show_default=False,
        rich_help_panel=_RUNS,
        help="Folder of the account of runs; the user's own by default.",
    ),
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store-url",
        envvar="TRACER_STORE_URL",
        metavar="URL",
        show_default=False,
        rich_help_panel=_RUNS,
        help="PostgreSQL instead of a file in that folder.",
    ),
]


def config_of(
    file: Path | None,
    *,
    fields: Sequence[str] | None = None,
    missing: str | None = None,
    outliers: str | None = None,
    encoding: str | None = None,
    scaling: str | None = None,
    **others: Any,
) -> Any:
    """Return the `PipelineConfig` of a file of settings, over which options win.

    Parameters
    ----------
    file : Path or None
        The file.
    fields : list of str or None, default=None
        Of the form FIELD=COLUMN.
    missing, outliers, encoding, scaling : str or None, default=None
        The four options of a blueprint.
    **others
        Further keys of `PipelineConfig`; those that are None or empty are left to the file.
    """
    from tracer_sklearn.service.config import PipelineConfig

    settings = {} if file is None else _read(file)
    if fields:
        settings["fields"] = _over(settings.get("fields"), dict(map(_pair, fields)))
    chosen = {
        "missing_value_strategy": missing,
        "outlier_method": outliers,
        "encoding_strategy": encoding,
        "scaling_method": scaling,
    }
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if chosen:
        settings["preprocessing_config"] = _over(settings.get("preprocessing_config"), chosen)
    settings |= {name: value for name, value in others.items() if value not in (None, [], ())}
    return PipelineConfig(**settings)


def _over(below: Any, above: dict[str, Any]) -> Any:
    """Lay options over those of the file; what is no mapping there is refused later, by name."""
    return {**below, **above} if isinstance(below, dict) else below or above


def _pair(text: str) -> tuple[str, str]:
    field, sign, column = text.partition("=")
    if not (sign and field.strip() and column.strip()):
        raise typer.BadParameter(
            f"must be FIELD=COLUMN, as in customer_id=CustID, got {text!r}.", param_hint="--field"
        )
    return field.strip(), column.strip()


def _read(file: Path) -> dict[str, Any]:
    read = {".json": json.loads, ".toml": tomllib.loads}.get(file.suffix.lower())
    if read is None:
        raise typer.BadParameter(
            f"must end in .json or .toml, got {file.name!r}.", param_hint="--config"
        )
    try:
        settings = read(file.read_text("utf-8"))
    except ValueError as error:
        raise ParameterError(
            f"tracer: {file} must be valid {file.suffix[1:].upper()}, found: {error}; mend it.",
            parameter="config",
        ) from error
    if not isinstance(settings, dict):
        raise ParameterError(
            f"tracer: {file} must hold keys and values, found a {type(settings).__name__}; "
            "put them into braces.",
            parameter="config",
        )
    return settings
