"""What differs between two compiled pipelines, in words: which step, which parameter, which image."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from core.errors import UsageError
from pipelines.compared.steps import CONDITION, IMAGE, Compiled, Step, read

State = Literal["same", "changed", "added", "removed"]
_LONGEST = 120
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Change:
    """One difference."""

    steps: tuple[str, ...]
    """The steps that it is about; none for the pipeline as a whole."""
    aspect: str
    """What is different, such as `parameter config.epochs`; empty for a step that came or went."""
    before: Any
    """None where there was nothing."""
    after: Any
    """None where there is nothing any more."""

    @property
    def sentence(self) -> str:
        """The change in one sentence."""
        where = f"{', '.join(self.steps)}: " if self.steps else ""
        if self.before is None:
            return f"{where}{self.aspect} is new: {shown(self.after)}"
        if self.after is None:
            return f"{where}{self.aspect} is gone; it was {shown(self.before)}"
        return f"{where}{self.aspect} changes from {shown(self.before)} to {shown(self.after)}"


@dataclass(frozen=True)
class PipelineChange:
    """What became of one pipeline."""

    name: str
    state: State
    changes: tuple[Change, ...] = ()
    has_new_images: bool = False
    """Whether it changed in images too, which are listed once for all pipelines."""

    @property
    def sentence(self) -> str:
        """The pipeline in one sentence."""
        if self.state == "changed":
            count = len(self.changes)
            if not count:
                what = "the images" if self.has_new_images else "descriptions or the order of the file"
                return f"{self.name}: nothing but {what}"
            return f"{self.name}: {count} change{'s' if count > 1 else ''}"
        return f"{self.name}: {'the same bytes' if self.state == 'same' else self.state}"


@dataclass(frozen=True)
class Comparison:
    """What became of all pipelines."""

    pipelines: tuple[PipelineChange, ...]
    images: tuple[Change, ...] = ()
    """The images that are another version in every step that runs in them."""

    @property
    def is_same(self) -> bool:
        """Whether all are the same bytes."""
        return all(one.state == "same" for one in self.pipelines)


def compare(before: Path, after: Path) -> Comparison:
    """Compare two files, or the files of the same name in two folders, in the order of their names.

    Every change of the sources gives all images another tag, so that is said once. Raises UsageError when one is a file
    and the other a folder, or when a file is no compiled pipeline.
    """
    if before.is_dir() != after.is_dir():
        raise UsageError(f"{before}, {after}: wanted two files or two folders, got one of each or nothing")
    if not before.is_dir():
        return _once([between(read(before), read(after))])
    old, new = ({path.name: path for path in folder.glob("*.yaml")} for folder in (before, after))
    if not old and not new:
        raise UsageError(f"{before}, {after}: wanted compiled pipelines, *.yaml; found none; mlops pipelines compile")
    found = []
    for name in sorted(old | new):
        if name not in old:
            found.append(PipelineChange(read(new[name]).name, "added"))
        elif name not in new:
            found.append(PipelineChange(read(old[name]).name, "removed"))
        else:
            found.append(between(read(old[name]), read(new[name])))
    return _once(found)


def _once(found: list[PipelineChange]) -> Comparison:
    """Take out of the pipelines what is the same change of an image's version everywhere."""
    versions: dict[str, set[tuple[str, str]]] = {}
    for change in (change for one in found for change in one.changes if change.aspect == IMAGE):
        for name in {_bare(change.before), _bare(change.after)}:
            versions.setdefault(name, set()).add((change.before, change.after))
    pairs = {next(iter(pairs)) for pairs in versions.values() if len(pairs) == 1}
    common = {pair for pair in pairs if _bare(pair[0]) == _bare(pair[1])}
    kept = []
    for one in found:
        rest = tuple(it for it in one.changes if it.aspect != IMAGE or (it.before, it.after) not in common)
        kept.append(replace(one, changes=rest, has_new_images=len(rest) < len(one.changes)))
    return Comparison(tuple(kept), tuple(Change((), f"image {_bare(old)}", old, new) for old, new in sorted(common)))


def _bare(reference: str) -> str:
    """Return an image's name without registry, tag and digest."""
    return re.sub(r"(@sha256:[0-9a-f]{64}|:[^:/]+)+$", "", reference).rpartition("/")[2]


def shown(value: Any) -> str:
    """Return a value as a person reads it: digests and long values are shortened, 64.0 is 64 as it was written."""
    text = value or "nothing" if isinstance(value, str) else json.dumps(_as_written(value), sort_keys=True)
    text = re.sub(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}", r"\1", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def as_json(found: Comparison) -> dict[str, Any]:
    """Return what `compare` found as plain values."""
    pipelines = [
        {"name": one.name, "state": one.state, "changes": [_change_json(change) for change in one.changes]}
        for one in found.pipelines
    ]
    return {"same": found.is_same, "images": [_change_json(one) for one in found.images], "pipelines": pipelines}


def _change_json(change: Change) -> dict[str, Any]:
    values = {"steps": list(change.steps), "aspect": change.aspect, "before": change.before, "after": change.after}
    return values | {"sentence": change.sentence}


def between(before: Compiled, after: Compiled) -> PipelineChange:
    """Return what changed from one compiled pipeline to another."""
    if before.digest == after.digest:
        return PipelineChange(after.name, "same")
    changes = list(_differences((), before.aspects, after.aspects))
    if before.name != after.name:
        changes.insert(0, Change((), "name", before.name, after.name))
    old, new = _by_label(before.steps), _by_label(after.steps)
    for label in {**old, **new}:
        if label not in new:
            changes.append(Change((), f"step {label}", _summary(old[label]), None))
        elif label not in old:
            changes.append(Change((), f"step {label}", None, _summary(new[label])))
        else:
            changes.extend(_differences((label,), old[label].aspects, new[label].aspects))
    if not changes and before.meaning != after.meaning:
        changes.append(Change((), "something that has no name here", before.digest, after.digest))
    return PipelineChange(after.name, "changed", tuple(_grouped(changes)))


def _by_label(steps: tuple[Step, ...]) -> dict[str, Step]:
    """Return steps by name, so that a step which moves behind another gate stays itself; by path where names repeat."""
    names = Counter(step.name for step in steps)
    return {step.name if names[step.name] == 1 else step.path: step for step in steps}


def _summary(step: Step) -> str:
    condition = step.aspects.get(CONDITION)
    return f"{step.aspects[IMAGE] or 'no image'}{f', only if {condition}' if condition else ''}"


def _differences(steps: tuple[str, ...], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for aspect in {**old, **new}:
        before, after = old.get(aspect), new.get(aspect)
        if before != after:
            yield Change(steps, aspect, before, after)


def _grouped(changes: list[Change]) -> Iterator[Change]:
    """Merge what changes alike in several steps, such as the image that they share."""
    merged: dict[str, list[Change]] = {}
    for change in changes:
        key = json.dumps([bool(change.steps), change.aspect, change.before, change.after], sort_keys=True)
        merged.setdefault(key, []).append(change)
    for alike in merged.values():
        steps = tuple(step for change in alike for step in change.steps)
        yield Change(steps, alike[0].aspect, alike[0].before, alike[0].after)


def _as_written(value: Any) -> Any:
    """Return a value with the whole numbers that KFP's file holds as floats."""
    if isinstance(value, list):
        return [_as_written(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_written(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
