"""From the arguments of a call to the task that is run."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Mapping
from typing import Any, Literal

import tracer_sklearn
from tracer_sklearn._params import check_choice, check_date, check_integer, fail
from tracer_sklearn.exceptions import ParameterError, nearest
from tracer_sklearn.service.config import PipelineConfig, PreprocessingConfig
from tracer_sklearn.service.outputs import check_output
from tracer_sklearn.service.plans import check_blueprint
from tracer_sklearn.service.states import OutputState, RunState, now
from tracer_sklearn.service.tasks import OnEvent, Task
from tracer_sklearn.service.transitions import new_run_id

__all__ = ["batch_item", "check_library", "configured", "each_its_own", "requested", "same_work"]

AnyPath = str | os.PathLike[str]
AnyConfig = PipelineConfig | Mapping[str, Any] | None
AnyPreprocessing = PreprocessingConfig | Mapping[str, Any] | None
Library = Literal["pandas", "polars", "arrow"] | None

_ITEM = (
    "file_path",
    "blueprint_name",
    "config",
    "preprocessing_config",
    "fitted",
    "target_column",
    "output",
)


def configured(
    default: PipelineConfig,
    config: AnyConfig = None,
    preprocessing_config: AnyPreprocessing = None,
    target_column: str | None = None,
) -> PipelineConfig:
    """Return the configuration of one run; what a call does not say is as in the default."""
    chosen = default
    if isinstance(config, PipelineConfig):
        chosen = config
    elif config is not None:
        chosen = PipelineConfig(**{**_given(default), **_named("config", config)})
    changes: dict[str, Any] = {}
    if preprocessing_config is not None:
        given = preprocessing_config
        if not isinstance(given, PreprocessingConfig):
            given = PreprocessingConfig(**_named("preprocessing_config", given))
        changes["preprocessing_config"] = given
    if target_column is not None:
        changes["target_column"] = target_column
    return PipelineConfig(**{**_given(chosen), **changes}) if changes else chosen


def _named(parameter: str, options: Any) -> Mapping[str, Any]:
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        must = "a mapping of options by name"
        raise fail("DataPipeline", parameter, must, options, 'write {"scaling_method": "robust"}')
    return options


def _given(config: PipelineConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.model_fields_set}


def requested(
    file_path: AnyPath,
    blueprint_name: str,
    *,
    config: PipelineConfig,
    fitted: AnyPath | None = None,
    output: AnyPath | None = None,
    principal: str,
    correlation_id: str | None = None,
    on_event: OnEvent | None = None,
    is_upload: bool = False,
    content_length: int | None = None,
) -> Task:
    """Return the task of a call; refuse what cannot be meant before anything is begun."""
    given: Any = file_path
    if not isinstance(given, str | os.PathLike):
        must = "the path of a file (`process_stream` takes streams)"
        raise fail("DataPipeline", "file_path", must, type(given).__name__)
    for name, path in (("file_path", file_path), ("fitted", fitted), ("output", output)):
        if path is not None:
            _check_path(name, path)
    if content_length is not None:
        check_integer("DataPipeline", "content_length", content_length, low=0)
    check_date("DataPipeline", "reference_date", config.reference_date)
    _check_plan(blueprint_name, config.model_dump_json())
    target = None if output is None else check_output(output)
    if target is not None:
        # the name of an upload is not that of a file here
        read = {"fitted": fitted} if is_upload else {"file_path": file_path, "fitted": fitted}
        _check_target(target, read)
    run_id = new_run_id()
    state = RunState(
        run_id=run_id,
        correlation_id=run_id if correlation_id is None else correlation_id,
        blueprint=blueprint_name,
        source=os.fspath(file_path),
        principal=principal,
        created_at=now(),
        fitted=None if fitted is None else os.path.abspath(os.fspath(fitted)),
        output=OutputState(path=target),
        config=config.to_dict(),
        package_version=tracer_sklearn.__version__,
    )
    # absolute, because the worker was started where this process was then
    return Task(state, os.path.abspath(os.fspath(file_path)), config, on_event)


def _check_path(parameter: str, path: Any) -> None:
    """Refuse what no file is named."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    must = "the path of a file"
    if not isinstance(text, str):
        raise fail("DataPipeline", parameter, must, type(text).__name__, "give it as text")
    if not text.strip():
        raise fail("DataPipeline", parameter, must, text, "give its name")
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        must = "a path without NUL and without halves of surrogate pairs"
        raise fail("DataPipeline", parameter, must, text, "rename the file")


def _check_target(target: str, read: Mapping[str, AnyPath | None]) -> None:
    """Refuse an output that cannot be written, or that would replace what the run reads."""
    if os.path.isdir(target):
        must = "the path of a file"
        raise fail("DataPipeline", "output", must, f"the folder {target}", "add a file name")
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        must = "in a folder that exists"
        raise fail("DataPipeline", "output", must, target, f"make the folder {folder} first")
    for name, path in read.items():
        if path is not None and _is_same_file(target, os.fspath(path)):
            must = f"another file than `{name}`"
            advice = "the run would replace what it reads: give another path"
            raise fail("DataPipeline", "output", must, target, advice)


def _is_same_file(one: str, other: str) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return os.path.samefile(one, other)  # hard links, and names that differ in case only
    except OSError:
        return False


@functools.lru_cache(maxsize=128)
def _check_plan(blueprint: str, config: str) -> None:
    check_blueprint(blueprint, PipelineConfig.model_validate_json(config))


def batch_item(item: Any) -> dict[str, Any]:
    """Return the arguments of one item of a batch."""
    if isinstance(item, Mapping):
        for name in item:
            if name not in _ITEM:
                near = nearest(str(name), _ITEM)
                raise ParameterError(
                    f"DataPipeline: the keys of an item must be of {', '.join(_ITEM)}, got "
                    f"{name!r}; " + (f"did you mean {near}?" if near else "leave it out."),
                    parameter="items",
                    value=name,
                )
        given = dict(item)
    elif isinstance(item, tuple | list) and len(item) == 2:
        given = {"file_path": item[0], "blueprint_name": item[1]}
    else:
        must = "(file_path, blueprint_name) or a mapping with these keys, each"
        raise fail("DataPipeline", "items", must, item)
    for name in _ITEM[:2]:
        if name not in given:
            raise fail("DataPipeline", "items", f"mappings with {name!r}", sorted(given))
    return given


def same_work(task: Task) -> tuple[str, ...]:
    """Return what two tasks share when one run serves both."""
    return (
        os.path.realpath(task.path),
        task.state.blueprint,
        task.config.model_dump_json(),
        task.state.fitted or "",
        task.state.output.path or "",
    )


def each_its_own(
    results: list[tuple[Any, RunState]], library: Library
) -> list[tuple[Any, RunState]]:
    """Return results whose data sets are apart: who changes one does not change another."""
    seen: set[str] = set()
    own = []
    for data, state in results:
        is_shared = state.run_id in seen and library == "pandas"  # the others never change
        own.append((copy.copy(data) if is_shared else data, state))
        seen.add(state.run_id)
    return own


def check_library(as_: Library) -> None:
    """Refuse a library that is not known."""
    if as_ is not None:
        check_choice("DataPipeline", "as_", as_, ("pandas", "polars", "arrow"))
