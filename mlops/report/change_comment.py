"""What a change does, as Markdown for the comment on its pull request."""

from collections.abc import Iterator, Sequence

from mlops.report.quality import Comparison, MetricChange, number
from pipelines.compared.changes import Change, PipelineChange, shown

_MOST_CHANGES = 40
"""Changes of one pipeline that are listed; a comment has room for 65,536 characters."""


def pipelines(found: Sequence[PipelineChange]) -> str:
    """Return what changed between compiled pipelines."""
    if all(one.state == "same" for one in found):
        return f"### Compiled pipelines\n\nNo change: all {len(found)} are the same bytes."
    lines = ["### Compiled pipelines", ""]
    for one in found:
        if one.state != "same":
            lines += [f"**{plain(one.sentence)}**", "", *_listed(one.changes)]
    same = sum(one.state == "same" for one in found)
    return "\n".join([*lines, *([f"{same} more are the same bytes."] if same else [])]).rstrip()


def quality(comparison: Comparison) -> str:
    """Return two runs side by side, main's first."""
    lines = ["### Model quality", "", plain(f"{comparison.after.pipeline}: {comparison.after.headline}"), ""]
    lines += [f"- :warning: {plain(one)}" for one in (*comparison.caveats, *comparison.verdicts)]
    if comparison.metrics:
        lines += ["", "| metric | main | this change | difference | gate |", "|---|---:|---:|---:|---|"]
        lines += map(_row, comparison.metrics)
    if comparison.slices:
        lines += ["", "Slices that lost most:", "", *(f"- {plain(one.sentence)}" for one in comparison.slices)]
    return "\n".join(lines)


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is: no mention, link, image or HTML comes out of it."""
    escaped = "".join(f"\\{one}" if one in "\\`*_{}[]<>()#|~!" else one for one in text)
    return " ".join(escaped.replace("@", "@\u200b").split())


def _listed(changes: Sequence[Change]) -> Iterator[str]:
    for change in changes[:_MOST_CHANGES]:
        where = f"{', '.join(map(_code, change.steps))}: " if change.steps else ""
        before, after = (None if one is None else _code(shown(one)) for one in (change.before, change.after))
        if before is None:
            yield f"- {where}{_code(change.aspect)} is new: {after}"
        elif after is None:
            yield f"- {where}{_code(change.aspect)} is gone; it was {before}"
        else:
            yield f"- {where}{_code(change.aspect)} changes from {before} to {after}"
    if len(changes) > _MOST_CHANGES:
        yield f"- and {len(changes) - _MOST_CHANGES} more: `mlops pipelines diff` shows them"
    yield ""


def _code(text: str) -> str:
    """Return a text as inline code, which Markdown does not read."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _row(one: MetricChange) -> str:
    change = "" if one.change is None else f"{one.change:+.4f}"
    direction = f" {one.direction}" if one.direction in ("better", "worse") else ""
    rule = _code(one.rule) if one.rule else ""
    return f"| {_code(one.name)} | {number(one.before)} | {number(one.after)} | {change}{direction} | {rule} |"
