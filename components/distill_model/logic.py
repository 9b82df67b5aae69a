"""Compares a student with the same model from scratch on the newest training span, and passes on what won."""

import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from artifacts.distillation.distillation import Distillation, Learner, Passed
from artifacts.model.names import SERVING
from components.distill_model.config import Config
from components.distill_model.gate import decide
from components.distill_model.pictures import draw
from components.distill_model.students import train_student
from components.distill_model.teaching import Taught, teach
from core.errors import ConfigError
from problems import kind
from problems.gains import over_seeds
from problems.kind import Gain
from training.families.contender import TREES, Contender, contender
from training.families.contest import Contest, Trained, mean_scores, skill, training_spans
from training.families.footprint import measure
from training.predictions import Predictions
from training.record import Record, as_trained
from training.session import Sources, opened
from training.settings import TrainingSettings

log = logging.getLogger(__name__)
STAGE = "distill_model"


class Inputs(NamedTuple):
    """References of module and schema, folders, and the model of `train_model`."""

    module: str
    schema: str
    examples: Path | str
    transform_graph: Path | str
    plain: Path | str


class Outputs(NamedTuple):
    """The paths of the outputs."""

    model: Path | str
    distillation: Path | str
    decision: Path | str
    pictures: Path | str


def distill(config: Config, training: Mapping[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Train teacher and students, decide, and write the model that goes on: trained on all spans, or the plain one.

    Raises ConfigError for an unknown family or hyperparameter, for a temperature of a regression, and for a student
    that is larger than its teacher; DataError for one span only or a skill that is undefined; TrainingError as
    `search_model` does.
    """
    settings = as_trained(TrainingSettings.of(training), inputs.plain)
    sources = Sources(inputs.module, inputs.schema, inputs.examples, inputs.transform_graph)
    *before, newest = training_spans(inputs.examples, STAGE)
    teacher = contender(config.teacher.family, config.teacher.hyperparameters)
    student = contender(config.student.family, config.student.hyperparameters)
    with opened(settings, sources, tuple(before)) as session:
        contest = Contest(session, newest)
        _check(config, contest, teacher, student)
        taught = teach(config, contest, teacher)
        check_sizes(taught.parameters, contest.build(student).count_params(), is_ensemble=len(taught.members) > 1)
        compared = _compare(config, contest, student, taught)
    passed: Passed = "student" if compared.gain_at_least > config.min_gain else config.otherwise
    found = compared.model_copy(update={"passed": passed})
    found.write(Path(outputs.distillation))
    if passed == "plain":
        shutil.copytree(inputs.plain, outputs.model, dirs_exist_ok=True)
    else:
        _train_passed(config, (settings, sources), (teacher, student), found, Path(outputs.model))
    decide(config, found).write(outputs.decision)
    draw(found, outputs.pictures)


def _check(config: Config, contest: Contest, teacher: Contender, student: Contender) -> None:
    """Find what is wrong before anything is trained."""
    for one, place in ((teacher, f"{STAGE}.teacher"), (student, f"{STAGE}.student")):
        one.check(contest.session.module, place)
        if why := one.unfit(contest.inputs):
            raise ConfigError(f"config.yaml: {place}: {one.family} cannot be built: {why}; choose another family")
    if student.family == TREES:
        raise ConfigError(
            f"config.yaml: {STAGE}.student: trees are not trained on predictions of a teacher; wanted a network"
        )
    if not kind(contest.settings.task).has_classes and config.temperature != 1:
        raise ConfigError(
            f"config.yaml: {STAGE}.temperature: wanted 1 for a regression, which has no logits, "
            f"got {config.temperature:g}"
        )
    if teacher.family != TREES:
        members = config.teacher.members
        size = members * contest.build(teacher).count_params()
        check_sizes(size, contest.build(student).count_params(), is_ensemble=members > 1)


def check_sizes(teacher: int, student: int, *, is_ensemble: bool) -> None:
    """Raise ConfigError for a student with more parameters than its teacher."""
    if student > teacher:
        whole = "all members of its teacher together" if is_ensemble else "its teacher"
        raise ConfigError(
            f"config.yaml: {STAGE}.student: wanted a student of at most {teacher:,} parameters, as {whole}, got "
            f"{student:,}; give the student smaller hyperparameters, or the teacher larger ones"
        )


class _Ran(NamedTuple):
    """One learner, trained for every seed."""

    trained: Trained
    """The first seed's."""
    predictions: list[Predictions]
    skills: tuple[float, ...]
    seconds: float


def _compare(config: Config, contest: Contest, student: Contender, taught: Taught) -> Distillation:
    """Train the student for every seed with and without the teacher, and score all on the held-out span."""
    task = contest.settings.task
    teacher = mean_scores([contest.held_out(one.model) for one in taught.members])
    teacher_skill = skill(teacher, task, f"{STAGE}: the teacher")
    ran = {"student": _run(config, contest, student, taught), "scratch": _run(config, contest, student, None)}
    gain = _gain(config, ran["student"], ran["scratch"], contest)
    seconds = sum(one.seconds for one in taught.members)
    members: dict[str, tuple[Trained, tuple[float, ...], float]] = {}
    members["teacher"] = (taught.members[0], (teacher_skill,), seconds)
    members |= {name: (one.trained, one.skills, one.seconds) for name, one in ran.items()}
    learners = tuple(_learner(contest, name, *one) for name, one in members.items())
    return Distillation(
        skill=kind(task).skill_name,
        held_out_span=contest.held_out_span or 0,
        trained_rows=contest.trained_rows,
        held_out_rows=len(teacher.labels),
        alpha=config.alpha,
        temperature=config.temperature,
        seeds=config.seeds,
        confidence=config.confidence,
        members=len(taught.members),
        out_of_fold=taught.is_out_of_fold,
        teacher_on_training_rows=taught.on_training,
        teacher_on_validation_rows=taught.on_validation,
        gain=gain.value,
        gain_at_least=gain.low,
        gain_at_most=gain.high,
        passed="scratch",
        learners=learners,
    )


def _run(config: Config, contest: Contest, student: Contender, taught: Taught | None) -> _Ran:
    trained = [train_student(config, contest, student, seed, taught) for seed in config.seeds]
    found = [contest.held_out(one.model) for one in trained]
    name = "from scratch" if taught is None else "with its teacher"
    skills = tuple(skill(one, contest.settings.task, f"{STAGE}: the student {name}") for one in found)
    log.info("student %s: %s", name, ", ".join(f"{one:.4f}" for one in skills))
    return _Ran(trained[0], found, skills, sum(one.seconds for one in trained))


def _gain(config: Config, student: _Ran, scratch: _Ran, contest: Contest) -> Gain:
    problem = kind(contest.settings.task)
    pairs = zip(student.predictions, scratch.predictions, strict=True)
    gains = [problem.gain(one.labels, one.scores, other.scores, config.confidence, one.weights) for one, other in pairs]
    return over_seeds(gains, config.confidence)


def _learner(contest: Contest, name: Any, trained: Trained, skills: tuple[float, ...], seconds: float) -> Learner:
    """Export one model to measure it; of an ensemble one member, whose costs add up."""
    with tempfile.TemporaryDirectory() as folder:
        contest.session.export(trained.model, Path(folder))
        measured = measure(contest.session, trained.model, Path(folder), trained.parameters)
    return Learner(name=name, skills=skills, footprint=measured.footprint, seconds=seconds)


def _train_passed(
    config: Config,
    problem: tuple[TrainingSettings, Sources],
    models: tuple[Contender, Contender],
    found: Distillation,
    folder: Path,
) -> None:
    """Train the student, with the teacher or from scratch, on all spans; a failure leaves no folder."""
    teacher, student = models
    with opened(*problem) as session, tempfile.TemporaryDirectory() as temporary:
        contest = Contest(session)
        taught = teach(config, contest, teacher, out_of_fold=found.out_of_fold) if found.passed == "student" else None
        trained = train_student(config, contest, student, config.seeds[0], taught)
        made = Path(temporary, "model")
        session.export(trained.model, made)
        rows = len(session.splits(trained.model).training)
        Record(trained.model, trained.fitted, {"rows": rows, **contest.facts(student)}).write(made)
        shutil.rmtree(folder / SERVING, ignore_errors=True)
        shutil.copytree(made, folder, dirs_exist_ok=True)
