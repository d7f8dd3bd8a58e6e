"""Who may learn from whom: the parts of a cross-fit, by folds, groups, times or a splitter."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from sklearn.utils import check_random_state

from tracer_sklearn._frame import enter_target, missing_cells
from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import DataError
from tracer_sklearn.stages.encoding._target import (
    Moments,
    Target,
    coded,
    merged,
    moments,
    shrunken,
)

__all__ = ["Scheme", "Training", "cross_fitted", "plan"]

# enough for four years of months; finer times share a block, which costs freshness only
_MAX_BLOCKS = 50


@dataclass(frozen=True)
class Scheme:
    """Parts of the training rows, and from which rows each part may learn.

    Attributes
    ----------
    parts : list of ndarray
        Row numbers; every row is in exactly one part.
    sources : "others", "earlier" or list of ndarray
        All other parts; the parts before it; or the row numbers a splitter gave for each part.
    """

    parts: list[np.ndarray]
    sources: Literal["others", "earlier"] | list[np.ndarray]

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (rows to learn from, rows to encode); the first of "earlier" learns nothing."""
        for position, rows in enumerate(self.parts):
            if isinstance(self.sources, list):
                yield self.sources[position], rows
                continue
            before = self.parts[:position]
            after = self.parts[position + 1 :] if self.sources == "others" else []
            learnt = [*before, *after]
            yield (np.sort(np.concatenate(learnt)) if learnt else rows[:0]), rows


@dataclass
class Training:
    """What ``fit_transform`` knows beside y, and the training columns made from it."""

    X: Any
    groups: Any
    times: Any
    made: dict[str, list[Any]] = field(default_factory=dict)
    _scheme: Scheme | None = None

    def scheme_for(self, target: Target, y: Any, stage: Any) -> Scheme:
        """Return who learns from whom, the same for every column."""
        if self._scheme is None:
            self._scheme = plan(
                type(stage).__name__,
                stage.cv,
                target,
                target.columns.shape[1],
                X=self.X,
                y=y,
                groups=self.groups,
                times=self.times,
                random_state=stage.random_state,
            )
        return self._scheme


def cross_fitted(
    codes: np.ndarray, values: np.ndarray, n_levels: int, scheme: Scheme, smooth: float | str
) -> np.ndarray:
    """Return the encoding of every training row, learnt from the rows that its part may use.

    Parameters
    ----------
    codes, values : ndarray of shape (n_rows,)
        Level and target of each row.
    n_levels : int
        Number of levels, missing included.
    scheme : Scheme
        Who learns from whom.
    smooth : float or "auto"
        Shrinkage.
    """

    def found(rows: np.ndarray) -> Moments:
        return moments(codes[rows], values[rows], n_levels)

    encoded = np.empty(len(codes))
    for rows, learnt in zip(scheme.parts, _sources(scheme, found), strict=True):
        by_level, _ = shrunken(learnt, smooth)
        encoded[rows] = by_level[codes[rows]]
    return encoded


def _sources(scheme: Scheme, found: Callable[[np.ndarray], Moments]) -> Iterator[Moments]:
    """Yield the moments that each part learns from, each row summed once."""
    if isinstance(scheme.sources, list):
        yield from map(found, scheme.sources)
        return
    parts = [found(rows) for rows in scheme.parts]
    if scheme.sources == "others":
        after = [parts[-1]]
        for part in parts[-2:0:-1]:
            after.append(merged(part, after[-1]))
        before = None
        for part in parts[:-1]:
            rest = after.pop()
            yield rest if before is None else merged(before, rest)
            before = part if before is None else merged(before, part)
        if before is not None:
            yield before
        return
    # the first block has no past: its rows all take one value, the mean of the block
    yield _without_levels(parts[0])
    past = parts[0]
    for part in parts[1:]:
        yield past
        past = merged(past, part)


def _without_levels(found: Moments) -> Moments:
    n = np.zeros_like(found.n)
    n[-1] = found.n[-1]
    return Moments(n, found.mean, found.m2)


# -- plans ---------------------------------------------------------------------------------


def plan(
    stage: str,
    cv: Any,
    target: Target,
    n_rows: int,
    *,
    X: Any,
    y: Any,
    groups: Any,
    times: Any,
    random_state: Any,
) -> Scheme:
    """Decide who learns from whom."""
    if n_rows < 2:
        raise DataError(
            f"{stage}: cross-fitting in fit_transform must have two rows to learn from each "
            f"other, found n_samples = {n_rows}; use fit and transform apart.",
            rule="cross-fitting",
            n_rows=n_rows,
        )
    if groups is not None and times is not None:
        raise DataError(
            f"{stage}: give either `groups` or `times` to fit_transform, found both; groups keep "
            "rows of one group apart, times keep the future apart.",
            rule="cross-fitting",
        )
    is_count = isinstance(cv, numbers.Integral)
    if times is not None:
        if not is_count:
            raise fail(
                stage, "cv", "an integer where `times` is given", cv, "give `times` or a splitter"
            )
        return Scheme(_blocks(stage, enter_target(times, n_rows, stage=stage)), "earlier")
    if groups is not None:
        groups = _without_missing(stage, "groups", enter_target(groups, n_rows, stage=stage))
    if not is_count:
        return _by_splitter(stage, cv, X, y, groups, n_rows)
    if groups is not None:
        return Scheme(_by_group(stage, groups, int(cv)), "others")
    draw = check_random_state(random_state)
    return Scheme(_folds(target.codes, n_rows, min(int(cv), n_rows), draw), "others")


def _folds(codes: np.ndarray | None, n_rows: int, n_folds: int, draw: Any) -> list[np.ndarray]:
    """Deal shuffled rows to folds, class by class, so that each holds its share of every class."""
    order = draw.permutation(n_rows)
    if codes is not None:
        order = order[np.argsort(codes[order], kind="stable")]
    return [np.sort(order[start::n_folds]) for start in range(n_folds)]


def _by_group(stage: str, groups: np.ndarray, n_folds: int) -> list[np.ndarray]:
    """Deal whole groups to folds, the largest first, each to the fold with the fewest rows."""
    distinct, codes = _coded(stage, "groups", groups)
    if len(distinct) < 2:
        raise DataError(
            f"{stage}: `groups` must hold at least two groups, found {len(distinct)}; "
            "leave `groups` out.",
            rule="cross-fitting",
        )
    sizes = np.bincount(codes)
    n_folds = min(n_folds, len(distinct))
    fold_of = np.empty(len(distinct), dtype=np.int64)
    filled = np.zeros(n_folds, dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        smallest = int(filled.argmin())
        fold_of[group] = smallest
        filled[smallest] += sizes[group]
    return [np.flatnonzero(fold_of[codes] == fold) for fold in range(n_folds)]


def _blocks(stage: str, times: np.ndarray) -> list[np.ndarray]:
    """Cut the rows into blocks of whole times, in their order."""
    times = _without_missing(stage, "times", times)
    if times.dtype.kind not in "iufM" and not all(hasattr(value, "year") for value in times):
        raise DataError(
            f"{stage}: `times` must be dates or numbers, found {type(times.flat[0]).__name__}; "
            "parse them first, for example with `pd.to_datetime`.",
            rule="cross-fitting",
        )
    distinct, codes = _coded(stage, "times", times)
    if len(distinct) < 2:
        raise DataError(
            f"{stage}: `times` must hold at least two distinct times, found {len(distinct)}; "
            "leave `times` out.",
            rule="cross-fitting",
        )
    n_blocks = min(_MAX_BLOCKS, len(distinct))
    # by rows, not by times: a quiet first year must not make one block of all the others
    before = np.concatenate([[0], np.cumsum(np.bincount(codes))[:-1]])
    block = before * n_blocks // len(times) if len(distinct) > _MAX_BLOCKS else np.arange(n_blocks)
    block_of_row = np.unique(block, return_inverse=True)[1][codes]
    order = np.argsort(block_of_row, kind="stable")
    starts = np.cumsum(np.bincount(block_of_row))[:-1]
    return np.split(order, starts)


def _coded(stage: str, what: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    try:
        return coded(values)
    except TypeError as error:
        raise DataError(
            f"{stage}: `{what}` must be of one kind, found values that cannot be ordered "
            f"({error}); convert them to one.",
            rule="cross-fitting",
        ) from error


def _without_missing(stage: str, what: str, values: np.ndarray) -> np.ndarray:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    missing = int(np.count_nonzero(missing_cells(values)))
    if missing or values.ndim != 1:
        found = f"{missing} missing values" if missing else f"shape {values.shape}"
        raise DataError(
            f"{stage}: `{what}` must be one known value a row, found {found}; "
            "fill them or leave those rows out.",
            rule="cross-fitting",
            n_rows=missing,
        )
    return values


def _by_splitter(stage: str, cv: Any, X: Any, y: Any, groups: Any, n_rows: int) -> Scheme:
    from sklearn.model_selection import check_cv  # costs a third of a second to import

    sources: list[np.ndarray] = []
    parts: list[np.ndarray] = []
    seen = np.zeros(n_rows, dtype=np.int64)
    complete = True
    for train, test in check_cv(cv).split(X, y, groups):
        learn, encode = _rows(train, n_rows), _rows(test, n_rows)
        is_test = np.zeros(n_rows, dtype=bool)
        is_test[encode] = True
        complete &= len(learn) + len(encode) == n_rows
        if not len(learn) or is_test[learn].any():
            raise fail(
                stage,
                "cv",
                "a splitter whose training rows are not empty and apart from its test rows",
                cv,
            )
        sources.append(learn)
        parts.append(encode)
        seen[encode] += 1
    if not np.all(seen == 1):
        raise fail(
            stage,
            "cv",
            "a splitter whose test rows cover every row exactly once",
            cv,
            "use KFold, StratifiedKFold or GroupKFold; for rows in time give `times` to "
            "fit_transform",
        )
    return Scheme(parts, "others" if complete else sources)


def _rows(chosen: Sequence[Any] | np.ndarray, n_rows: int) -> np.ndarray:
    rows = np.asarray(chosen)
    return np.flatnonzero(rows) if rows.dtype == bool else np.arange(n_rows)[rows]
