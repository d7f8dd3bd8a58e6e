"""One attempt at a run, from the file to the data set; what a worker does."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from tracer_sklearn.exceptions import IngestionError, ParameterError, QualityError, SchemaError
from tracer_sklearn.io.persistence import load, save
from tracer_sklearn.io.report import IngestionReport
from tracer_sklearn.io.tables import read_table
from tracer_sklearn.service.jobs import Emit, Job, Outcome
from tracer_sklearn.service.outputs import write_output
from tracer_sklearn.service.plans import (
    apply_scoring,
    blueprint_of,
    features_and_target,
    pipeline_for,
    schema_for,
)
from tracer_sklearn.service.recording import Recorder, StageError, forget_peak_memory
from tracer_sklearn.service.sources import stamp_of
from tracer_sklearn.service.training import (
    folds_for,
    model_for,
    scores_of,
    target_of,
)
from tracer_sklearn.stages.validation import QualityReport, check_compatibility

__all__ = ["DATA_FILE", "perform"]

DATA_FILE = "data.arrow"
_PREPROCESSING = ("impute", "cap", "encode", "scale")
_OPTIONS = {
    "missing_value_strategy": ("impute", "strategy"),
    "outlier_method": ("cap", "method"),
    "encoding_strategy": ("encode", "strategy"),
    "scaling_method": ("scale", "method"),
}
_PREDICTIONS = ("prediction", "probability")
# a batch as small says nothing about its quality; the same as in DataValidator
_FEWEST_TO_STOP = 20


class _Read(NamedTuple):
    """What the file gave: the pipeline's columns, those kept beside, and the outcome."""

    X: pl.DataFrame
    kept: pl.DataFrame
    target: pl.Series | None
    report: IngestionReport


def perform(job: Job, emit: Emit) -> Outcome:
    """Do everything that a job asks for, and say what became of it.

    Parameters
    ----------
    job : Job
        What to do.
    emit : callable
        Gets the name and the state of a stage whenever it begins or ends. What it raises is
        passed on: it is how an attempt is given up.

    Returns
    -------
    Outcome
        Also where something failed; errors of the work are never raised.
    """
    forget_peak_memory()
    recorder = Recorder(emit, job.attempt, job.source, job.source_name)
    known: dict[str, Any] = {}
    with contextlib.suppress(StageError):
        if job.fitted is None:
            _fit(job, recorder, known)
        else:
            _score(job, job.fitted, recorder, known)
    return recorder.outcome(**known)


def _fit(job: Job, recorder: Recorder, known: dict[str, Any]) -> None:
    config = job.config
    with recorder.stage("ingestion") as found:
        read = _read(job, found, known)
    rows = read.X.height
    estimator = None if config.target_column is None else model_for(job.blueprint, config)
    pipeline = pipeline_for(job.blueprint, config, estimator)
    if read.report.dialect is not None:  # text: how it was read is frozen in the pipeline
        # an empty column says nothing of how a later file writes it
        held = [s.name for s in read.X if s.null_count() < rows]
        formats = {n: f for n, f in read.report.formats_.items() if n in held}
        pipeline.set_params(parse__formats=formats)
    steps = dict(pipeline.steps)
    X: Any = read.X
    y: np.ndarray | None = None
    positive: str | None = None
    with recorder.stage("validation") as found:
        found["rows_in"] = rows
        _check_columns(job, read)
        if read.target is not None:
            y, positive = target_of(read.target, job.blueprint, config.positive_label)
            read, y = _with_outcome(read, y, found)
            X = read.X
        X = steps["parse"].fit_transform(X, y)
        parsed = X
        if steps["validate"] != "passthrough":
            X = steps["validate"].fit_transform(X, y)
            _judge(steps["validate"].report_, found, stops=True)
        if "drift" in steps:
            X = steps["drift"].fit_transform(X, y)
        found["rows_out"] = X.height
    with recorder.stage("feature_engineering") as found:
        X = _features(steps, X, parsed, y, found)
    with recorder.stage("preprocessing") as found:
        X, places = _preprocess(steps, X, y, found)
        names = {} if config.target_column is None else {"the target": [config.target_column]}
        _check_names(read, X, names, predicts=estimator is not None)
    made = X
    kept = _rows(read.kept, places)
    outcome = None if y is None else (y[places] if places is not None else y)
    if estimator is not None and y is not None:
        with recorder.stage("training") as found:
            assert outcome is not None
            folds = folds_for(_rows(parsed, places), job.blueprint, config)
            found |= {"model": type(estimator).__name__, "folds": folds.name}
            found |= {"rows_in": len(outcome), "warnings": folds.warnings}
            found["positive_label"] = positive
            # two pools of threads on few cores wait for one another, ten times as long
            with threadpool_limits(limits=1, user_api="openmp"):
                rated = _rows(read.X, places)
                found["scores"] = scores_of(clone(pipeline), rated, outcome, folds, job.blueprint)
                estimator.fit(X, outcome)
        assert config.target_column is not None
        made = made.with_columns(pl.Series(config.target_column, outcome))
    _finish(job, recorder, known, _beside(made, kept), pipeline)


def _score(job: Job, fitted: str, recorder: Recorder, known: dict[str, Any]) -> None:
    with recorder.stage("ingestion") as found:
        pipeline = load(fitted)
        made_by = blueprint_of(pipeline)
        if made_by != job.blueprint:  # who may score with one may not with every other
            raise SchemaError(
                f"DataPipeline: `fitted` must be a pipeline of {job.blueprint!r}, it is one of "
                f"{made_by!r}; name that blueprint, or another pipeline."
            )
        try:
            apply_scoring(pipeline, job.config)
        except ParameterError as error:  # it is not the file that is at fault
            raise SchemaError(str(error)) from error
        read = _read(job, found, known, pipeline)
    steps = dict(pipeline.steps)
    X: Any = read.X
    with recorder.stage("validation") as found:
        found["rows_in"] = X.height
        X = parsed = steps["parse"].transform(X)
        validator = steps.get("validate", "passthrough")
        if validator != "passthrough":
            _judge(validator.report(X), found, stops=X.height >= _FEWEST_TO_STOP)
        if steps.get("drift", "passthrough") != "passthrough":
            drift = steps["drift"].report(X)
            found["drifted"] = tuple(str(name) for name in drift.index[drift["drift"] != ""])
            X = steps["drift"].transform(X)
        found["rows_out"] = X.height
    with recorder.stage("feature_engineering") as found:
        found["rows_in"] = X.height
        X = steps["features"].transform(X)
        found |= {"rows_out": X.height, "features_created": _created(X, parsed)}
    with recorder.stage("preprocessing") as found:
        found |= {"rows_in": X.height, "options": _options(steps)}
        for name in _PREPROCESSING:
            X = steps[name].transform(X)
        said = {"a prediction": list(_PREDICTIONS)} if "model" in steps else {}
        _check_names(read, X, said, predicts="model" in steps)
        made = _predicted(steps["model"], X) if "model" in steps else X
        found["rows_out"] = made.height
    _finish(job, recorder, known, _beside(made, read.kept), None)


def _read(job: Job, found: dict[str, Any], known: dict[str, Any], fitted: Any = None) -> _Read:
    """Read what may be read of the file, and nothing else."""
    config = job.config
    features: list[str] = []
    present: list[str] = []

    def choose(names: list[str]) -> list[str]:
        present[:] = names
        if fitted is None:
            chosen, read = features_and_target(names, job.blueprint, config)
        else:
            chosen = [name for name in names if name in fitted.feature_names_in_]
            if not chosen:
                raise SchemaError.from_missing("DataPipeline", fitted.feature_names_in_, names)
            read = [name for name in names if name in {*chosen, *config.keep_columns}]
        features[:] = chosen
        return read

    schema = None if fitted is None else fitted.named_steps["parse"]
    frame, report = read_table(
        job.source, schema=schema, columns=choose, limits=config.limits, as_="polars"
    )
    report = report.model_copy(update={"source": job.source_name})
    known |= {"source_checksum": report.checksum, "source_bytes": report.size}
    if job.source_stamp not in (None, stamp_of(job.source)):
        raise IngestionError.from_reason(
            job.source_name,
            "the file must stay as it is from the beginning of a run, it has changed",
            "wait until it is written, then run it again",
        )
    wanted = (
        config.keep_columns if fitted is not None else config.keep_columns + config.extra_columns
    )
    lost = [name for name in dict.fromkeys(wanted) if name not in frame.columns]
    target = config.target_column if fitted is None else None
    if target is not None and target not in frame.columns:
        lost.append(target)
    if lost:
        raise SchemaError.from_missing("DataPipeline", lost, present)
    found |= {"report": report, "rows_in": report.lines.rows, "rows_out": frame.height}
    found["warnings"] = _unread(report, frame.columns)
    outcome = None if target is None else frame[target]
    return _Read(frame.select(features), frame.select(config.keep_columns), outcome, report)


def _unread(report: IngestionReport, read: Sequence[str]) -> tuple[str, ...]:
    """Tell which columns have the name of one that is read, but are not."""
    others: dict[str, list[str]] = {}
    for name, original in report.repeated_columns.items():
        if original in read and name not in read:
            others.setdefault(original, []).append(name)
    return tuple(
        f"DataPipeline: a column that is read must be the only one of its name, {name!r} stands "
        f"{1 + len(called)} times in the header: the first is used, and what is called "
        f"{', '.join(map(repr, called))} here is not; rename one of them."
        for name, called in others.items()
    )


def _check_columns(job: Job, read: _Read) -> None:
    """Refuse a table without the fields that the blueprint needs; say which columns may be them."""
    schema = schema_for(job.blueprint, job.config)
    missing = [name for name in schema.required if name not in read.X.columns]
    if not missing:
        return
    whole, _ = read_table(job.source, limits=job.config.limits, as_="polars")
    error = SchemaError.from_missing("DataPipeline", missing, whole.columns)
    fit = next(b for b in check_compatibility(whole).blueprints if b.blueprint == job.blueprint)
    advice = f" Perhaps fields={fit.mapping!r}." if fit.can_run and fit.mapping else ""
    raise SchemaError(f"{error}{advice}", missing=missing)


def _with_outcome(read: _Read, y: np.ndarray, found: dict[str, Any]) -> tuple[_Read, np.ndarray]:
    """Leave out rows whose outcome is not known: nothing can be learnt from them."""
    known = np.isfinite(y)
    n_lost = int(len(y) - known.sum())
    if not n_lost:
        return read, y
    found["warnings"] = (
        f"DataPipeline: every row must have an outcome to learn from, {n_lost} have none and are "
        "left out; mend the target where it should be known.",
    )
    rows = np.flatnonzero(known)
    return read._replace(X=read.X[rows], kept=_rows(read.kept, rows)), y[known]


def _rows(frame: pl.DataFrame, places: np.ndarray | None) -> pl.DataFrame:
    # a frame without columns has no rows to choose from
    return frame if places is None or not frame.width else frame[places]


def _judge(report: QualityReport, found: dict[str, Any], *, stops: bool) -> None:
    """Keep the findings; CRITICAL ones stop the run, others become warnings."""
    found["report"] = report
    critical = report.of("CRITICAL")
    if critical and stops:
        listed = "; ".join(issue.message for issue in critical[:5])
        raise QualityError(
            f"DataPipeline: a table must pass what is critical for a model, found: {listed}; mend "
            "the source, or lower `quality_thresholds` if you can live with it.",
            rule=critical[0].rule,
            report=report,
        )
    found["warnings"] = (
        *found.get("warnings", ()),
        *(f"{i.severity}: {i.message}" for i in (*critical, *report.of("HIGH"))),
    )


def _features(
    steps: dict[str, Any], X: Any, before: Any, y: np.ndarray | None, found: dict[str, Any]
) -> Any:
    found["rows_in"] = X.height
    X = steps["features"].fit_transform(X, y)
    if "leak" in steps:
        X = steps["leak"].fit_transform(X, y)
    found |= {"rows_out": X.height, "features_created": _created(X, before)}
    return X


def _preprocess(
    steps: dict[str, Any], X: Any, y: np.ndarray | None, found: dict[str, Any]
) -> tuple[Any, np.ndarray | None]:
    """Fit and apply the four stages; say which rows were kept, where any were dropped."""
    found |= {"rows_in": X.height, "options": _options(steps)}
    impute = steps["impute"]
    places: np.ndarray | None = None
    if impute.strategy == "drop":
        n_rows = X.height
        X, places = impute.fit(X, y).transform_x_y(X, np.arange(n_rows))
        found["rows_dropped"] = n_rows - X.height
        y = y if y is None else y[places]
    else:
        X = impute.fit_transform(X, y)
    for name in _PREPROCESSING[1:]:
        X = steps[name].fit_transform(X, y)
    found["rows_out"] = X.height
    return X, places


def _options(steps: dict[str, Any]) -> dict[str, str]:
    return {option: str(getattr(steps[step], name)) for option, (step, name) in _OPTIONS.items()}


def _created(made: pl.DataFrame, before: pl.DataFrame) -> tuple[str, ...]:
    return tuple(name for name in made.columns if name not in before.columns)


def _check_names(
    read: _Read, made: pl.DataFrame, others: dict[str, list[str]], *, predicts: bool
) -> None:
    """Refuse two columns of one name in the data set: one of them would be lost."""
    generated = [name for name in made.columns if name not in read.X.columns]
    pairs = [("`keep_columns`", read.kept.columns, "a generated feature", generated)]
    for other, names in others.items():
        pairs.append((other, names, "a feature", made.columns))
        if other == "a prediction":
            pairs.append(("`keep_columns`", read.kept.columns, other, names))
    if predicts:
        pairs.append(("a feature", made.columns, "a prediction", list(_PREDICTIONS)))
    for one, names, another, taken in pairs:
        if both := [name for name in names if name in taken]:
            raise SchemaError(
                f"DataPipeline: every column must have a name of its own, {both[0]!r} is one of "
                f"{one} and {another}; rename the column of the file.",
                changed=both,
            )


def _predicted(model: Any, X: pl.DataFrame) -> pl.DataFrame:
    """Put what the model says behind the features."""
    if not X.height:  # which few models take
        said = {"prediction": getattr(model, "classes_", np.empty(0))[:0]}
        said |= {"probability": np.empty(0)} if hasattr(model, "predict_proba") else {}
    else:
        said = {"prediction": model.predict(X)}
        if hasattr(model, "predict_proba"):
            said["probability"] = model.predict_proba(X)[:, 1]
    return X.with_columns(pl.Series(name, values) for name, values in said.items())


def _beside(made: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """Put the columns that were to be kept before the others; theirs is the name."""
    taken = [name for name in kept.columns if name in made.columns]
    return pl.concat([kept, made.drop(taken)], how="horizontal") if kept.width else made


def _finish(
    job: Job, recorder: Recorder, known: dict[str, Any], data: pl.DataFrame, pipeline: Any
) -> None:
    """Leave the data set in the run's folder, save the pipeline, write what was asked for."""
    path = os.path.join(job.folder, DATA_FILE)
    # a core of its own: the other one compresses what was asked for
    with recorder.stage("output") as found, ThreadPoolExecutor(1) as beside:
        found |= {"rows_in": data.height, "rows_out": data.height}
        left = beside.submit(_leave, data, path)
        if pipeline is not None and job.pipeline_path is not None:
            save(pipeline, job.pipeline_path)
            known["pipeline_path"] = job.pipeline_path
        if job.output is not None:
            size, checksum = write_output(data, job.output, first=left.result)
            found |= {"path": job.output, "size": size, "checksum": checksum}
        known |= {"data_checksum": left.result(), "data_path": path}


def _leave(data: pl.DataFrame, path: str) -> str:
    """Write the data set as a file to be mapped; return its SHA-256.

    It is not written in place: an executor may do a job twice, and whoever has mapped or linked
    the file of the first time would see it shrink.
    """
    folder, name = os.path.split(path)
    part = os.path.join(folder, f".{name}.{secrets.token_hex(8)}.part")
    try:
        data.write_ipc(part, compression="uncompressed")
        with open(part, "rb") as written:
            checksum = hashlib.file_digest(written, "sha256").hexdigest()
        os.replace(part, path)
    except BaseException:  # the next attempt may need its room
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    return checksum
