"""What a change does, as Markdown for the comment on its pull request."""

from collections.abc import Iterator, Sequence

from mlops.report.quality import Comparison, MetricChange, number
from pipelines.compared.changes import Change, shown
from pipelines.compared.changes import Comparison as Differences

_MOST_CHANGES = 40
"""Changes of one pipeline that are listed; a comment has room for 65,536 characters."""


def pipelines(found: Differences) -> str:
    """Return what changed between compiled pipelines."""
    if found.is_same:
        return f"### Compiled pipelines\n\nNo change: all {len(found.pipelines)} are the same bytes."
    lines = ["### Compiled pipelines", "", *_listed(found.images)]
    for one in found.pipelines:
        if one.changes:
            lines += [f"**{plain(one.sentence)}**", "", *_listed(one.changes)]
    for state in ("added", "removed"):
        names = [_code(one.name) for one in found.pipelines if one.state == state]
        lines += [f"{state.capitalize()}: {', '.join(names)}.", ""] if names else []
    rest = [one for one in found.pipelines if not one.changes and one.state in ("same", "changed")]
    lines += [f"Nothing else in {len(rest)} of {len(found.pipelines)} pipelines."] if rest else []
    return "\n".join(lines).rstrip()


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
    if changes:
        yield ""


def _code(text: str) -> str:
    """Return a text as inline code, which Markdown does not read."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _row(one: MetricChange) -> str:
    change = "" if one.change is None else f"{one.change:+.4f}"
    direction = f" {one.direction}" if one.direction in ("better", "worse") else ""
    rule = _code(one.rule) if one.rule else ""
    return f"| {_code(one.name)} | {number(one.before)} | {number(one.after)} | {change}{direction} | {rule} |"
