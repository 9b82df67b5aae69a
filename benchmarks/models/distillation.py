"""Students beside the same models from scratch, over alpha and temperature.

    python -m benchmarks.models.distillation [--usecase flight_delay] [--write]

Every line is trained on all training spans with three seeds, and asked about the split that evaluates. The teacher, an
ensemble of three of the use case's own models, is trained once.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.models.prepared import Circumstances, Prepared, prepare, table, write_between
from core.user_code import ROOT

PAGE = ROOT / "docs" / "distillation.md"
STUDENTS: dict[str, dict[str, Any]] = {
    "flight_delay": {"family": "deep", "hyperparameters": {"hidden_units": [4], "embedding": 4, "dropout": 0.0}},
    "digits": {"hyperparameters": {"filters": 2, "dropout": 0.0}},
    "spam": {"hyperparameters": {"embedding": 1, "dropout": 0.0}},
}
"""Use case -> its small model."""
LINES = ((0.1, 1.0), (0.1, 3.0), (0.1, 10.0), (0.5, 1.0))
"""alpha and temperature."""


class Line(NamedTuple):
    """One way to train the student, over the seeds."""

    name: str
    skills: list[float]
    parameters: int


def main() -> None:
    """Measure the use cases and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models.distillation", description=__doc__)
    parser.add_argument("--usecase", action="append", choices=tuple(STUDENTS), help="repeatable; default: all of them")
    parser.add_argument("--write", action="store_true", help="write the tables to docs/distillation.md")
    asked = parser.parse_args()
    for name in asked.usecase or STUDENTS:
        circumstances = Circumstances()
        with tempfile.TemporaryDirectory(prefix="distillation-") as folder:
            lines, skill = _measure(prepare(name, Path(folder)), STUDENTS[name])
        found = table(("model", "parameters", f"{skill}, mean", "spread", "over scratch"), _rows(lines))
        text = f"{circumstances}\n\n{found}"
        print(f"{name}\n\n{text}\n", flush=True)
        if asked.write:
            write_between(PAGE, f"grid of {name}", text)


def _measure(prepared: Prepared, settings: dict[str, Any]) -> tuple[list[Line], str]:
    from components.distill_model.config import Config
    from components.distill_model.students import train_student
    from components.distill_model.teaching import teach
    from problems import kind
    from training.families.contender import contender
    from training.families.contest import Contest, mean_scores, skill
    from training.session import Sources, opened
    from training.settings import TrainingSettings

    usecase = prepared.usecase
    training = usecase.section("train_model")
    sources = Sources(usecase.module, usecase.schema_file, prepared.examples, prepared.graph)
    first = Config.model_validate({"student": settings})
    student = contender(first.student.family, first.student.hyperparameters)
    with opened(TrainingSettings.of(training), sources) as session:
        contest = Contest(session)

        def evaluated(model: Any) -> Any:
            return session.predictions(model, session.rows(model, "eval"))

        taught = teach(first, contest, contender(first.teacher.family, first.teacher.hyperparameters))
        teacher = mean_scores([evaluated(one.model) for one in taught.members])
        lines = [Line("teacher", [skill(teacher, training["task"], "teacher")], taught.parameters)]
        for line in (None, *LINES):
            config = first if line is None else first.model_copy(update={"alpha": line[0], "temperature": line[1]})
            name = "from scratch" if line is None else f"student, alpha {line[0]:g}, temperature {line[1]:g}"
            trained = [
                train_student(config, contest, student, seed, None if line is None else taught) for seed in first.seeds
            ]
            skills = [skill(evaluated(one.model), training["task"], name) for one in trained]
            lines.append(Line(name, skills, trained[0].parameters))
    return lines, kind(training["task"]).skill_name


def _rows(lines: list[Line]) -> list[list[str]]:
    scratch = next(line for line in lines if line.name == "from scratch")
    rows = []
    for line in lines:
        mean, several = float(np.mean(line.skills)), len(line.skills) > 1
        gain = mean - float(np.mean(scratch.skills))
        spread = f"{np.std(line.skills, ddof=1):.4f}" if several else ""
        rows.append(
            [line.name, f"{line.parameters:,}", f"{mean:.4f}", spread, "" if line is scratch else f"{gain:+.4f}"]
        )
    return rows


if __name__ == "__main__":
    main()
