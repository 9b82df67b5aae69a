"""Draws teacher, student and student from scratch beside each other."""

from collections.abc import Iterator
from pathlib import Path

from artifacts.distillation.distillation import Distillation, Learner
from core import pictures
from core.pictures import COLORS, Markup

_NAMES = {"teacher": "teacher", "student": "student with its teacher", "scratch": "the same model from scratch"}
_HEADINGS = ("", "spread", "parameters", "SavedModel, KB", "a row, µs", "1,000 rows, µs", "seconds")


def draw(found: Distillation, path: Path | str) -> None:
    """Write the pictures."""
    taught = "trained without the row" if found.out_of_fold else "trained on the row too"
    gain = f"{found.gain:+.4f} {found.skill} [{found.gain_at_least:+.4f}, {found.gain_at_most:+.4f}]"
    summary = (
        f"The student gains {gain} over the same model from scratch, so what goes on is: {found.passed}. Trained on "
        f"{found.trained_rows:,} rows of the spans before {found.held_out_span}, compared on its "
        f"{found.held_out_rows:,} rows; alpha {found.alpha:g}, temperature {found.temperature:g}, {len(found.seeds)} "
        f"seeds. Training rows were taught by {found.members} models {taught}: {found.teacher_on_training_rows:.4f} on "
        f"their own rows, {found.teacher_on_validation_rows:.4f} on validation rows."
    )
    rows = [list(_row(found, one)) for one in found.learners]
    table = pictures.table(("model", found.skill, *_HEADINGS[1:]), rows)
    pictures.write(path, pictures.fragment("Distillation", summary, table, _chart(found)))


def _row(found: Distillation, one: Learner) -> Iterator[str | float | None]:
    times = found.members if one.name == "teacher" else 1
    passed = one.name == found.passed
    yield pictures.bold(_NAMES[one.name]) if passed else _NAMES[one.name]
    yield one.skill
    yield one.spread if len(one.skills) > 1 else None
    yield one.footprint.parameters * times
    yield one.footprint.bytes * times / 1000
    yield one.footprint.row_us * times
    yield one.footprint.thousand_rows_us * times
    yield one.seconds


def _chart(found: Distillation) -> Markup:
    with pictures.figure(5.0, 2.2) as figure:
        axes = figure.subplots()
        for place, one in enumerate(found.learners):
            axes.plot(one.skills, [place] * len(one.skills), "o", color=COLORS[place], alpha=0.8)
            axes.plot([one.skill], [place], "|", color=COLORS[place], markersize=18)
        axes.set_yticks(range(len(found.learners)), [_NAMES[one.name] for one in found.learners])
        axes.invert_yaxis()
        axes.set_xlabel(found.skill)
        axes.set_title("One point per seed; line: mean")
        return pictures.svg(figure, f"{found.skill} of teacher, student and scratch")
