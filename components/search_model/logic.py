"""Trains every family on the spans before the newest one, compares them on it, and passes on the chosen one."""

import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from artifacts.league.league import MODULE
from artifacts.model.names import SERVING
from components.search_model.choice import Ran, rank
from components.search_model.config import Config
from components.search_model.gate import decide
from components.search_model.pictures import draw
from core.errors import ConfigError, TrainingError
from problems import kind
from training.families.contender import FAMILIES, Contender, contender
from training.families.contest import Contest, skill, training_spans
from training.families.footprint import Measured, measure
from training.predictions import Predictions
from training.record import Record, as_trained
from training.session import Sources, opened
from training.settings import TrainingSettings

log = logging.getLogger(__name__)
STAGE = "search_model"
PARITY = 1e-4
"""Largest difference between a SavedModel's scores and those of the model that it was exported from."""


class Inputs(NamedTuple):
    """References of module and schema, folders, and the module's own model; "" without one."""

    module: str
    schema: str
    examples: Path | str
    transform_graph: Path | str
    trained: Path | str = ""


class Outputs(NamedTuple):
    """The paths of the outputs."""

    model: Path | str
    league: Path | str
    decision: Path | str
    pictures: Path | str


def search(config: Config, training: Mapping[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Compare the families, and write the chosen model: trained on all spans, or the given one where that is chosen.

    Raises ConfigError for an unknown family or hyperparameter, DataError for one span only or a skill that is
    undefined, TrainingError for a family that leaves no SavedModel or when no family can be built: before any training.
    """
    settings = TrainingSettings.of(training)
    if inputs.trained:
        settings = as_trained(settings, inputs.trained)
    sources = Sources(inputs.module, inputs.schema, inputs.examples, inputs.transform_graph)
    *before, newest = training_spans(inputs.examples, STAGE)
    with opened(settings, sources, tuple(before)) as session, tempfile.TemporaryDirectory() as folder:
        contest = Contest(session, newest)
        contenders, left_out = _contenders(config, contest, has_own=bool(inputs.trained))
        runs = [_run(config, contest, one, Path(folder)) for one in contenders]
        wrong = {run.contender.name: _difference(run.measured) for run in runs if not _is_exact(run.measured)}
        league = rank(
            config, [run for run in runs if run.contender.name not in wrong], _facts(contest, left_out | wrong)
        )
    chosen = next(one for one in contenders if one.name == league.chosen)
    league.write(Path(outputs.league))
    if chosen.family == MODULE and not chosen.hyperparameters and inputs.trained:
        shutil.copytree(inputs.trained, outputs.model, dirs_exist_ok=True)
    else:
        _train_chosen(settings, sources, chosen, config.seeds[0], Path(outputs.model))
    decide(league, PARITY).write(outputs.decision)
    draw(league, outputs.pictures)


def _contenders(config: Config, contest: Contest, *, has_own: bool) -> tuple[list[Contender], dict[str, str]]:
    """Return what is compared, and why other families are not; everything that can be wrong is found here.

    What is configured by name must be buildable; of all families, those that do not fit are left out.
    """
    module, named = contest.session.module, config.families != "every"
    asked = dict.fromkeys(FAMILIES, ()) if config.families == "every" else config.families
    found = [contender(MODULE, {})] if config.module and has_own else []
    for family, variants in asked.items():
        known = 1 + sum(one.family == family for one in found)
        found += [contender(family, one, known + number) for number, one in enumerate(variants or ({},))]
    for one in found:
        one.check(module, f"{STAGE}.families")
    left_out: dict[str, str] = {}
    for one in found:
        why = one.unfit(contest.inputs)
        if why and named:
            raise ConfigError(f"config.yaml: {STAGE}.families: {one.family} cannot be built: {why}; leave it out")
        if why:
            left_out[one.name] = why
        else:
            contest.build(one)
    contenders = [one for one in found if one.name not in left_out]
    if not contenders:
        raise TrainingError(
            f"{STAGE}: wanted a family that can be built of preprocessing_fn's outputs, got none: "
            f"{'; '.join(f'{name}: {why}' for name, why in {**contest.inputs.left_out, **left_out}.items())}"
        )
    return contenders, {**contest.inputs.left_out, **left_out}


def _run(config: Config, contest: Contest, one: Contender, folder: Path) -> Ran:
    """Train one contender for every seed, score the held-out span, and export the first model."""
    found: list[Predictions] = []
    seconds, first = 0.0, None
    for seed in config.seeds:
        trained = contest.train(one, seed)
        found.append(contest.held_out(trained.model))
        seconds += trained.seconds
        first = first or trained
    assert first is not None
    target = folder / one.name
    contest.session.export(first.model, target)
    measured = measure(contest.session, first.model, target, first.parameters)
    shutil.rmtree(target)
    skills = [skill(predicted, contest.settings.task, f"{STAGE}: {one.name}") for predicted in found]
    log.info("%s: %s %.4f, %.1f seconds", one.name, kind(contest.settings.task).skill_name, skills[0], seconds)
    return Ran(one, found, skills, measured, seconds)


def _is_exact(measured: Measured) -> bool:
    return measured.max_difference <= PARITY


def _difference(measured: Measured) -> str:
    return f"its SavedModel differs from the trained model by {measured.max_difference:.2g}, more than {PARITY:g}"


def _facts(contest: Contest, left_out: Mapping[str, str]) -> dict[str, Any]:
    """Return what the table says of all contenders."""
    return {
        "skill": kind(contest.settings.task).skill_name,
        "task": contest.settings.task,
        "held_out_span": contest.held_out_span,
        "trained_rows": contest.trained_rows,
        "left_out": dict(left_out),
    }


def _train_chosen(settings: TrainingSettings, sources: Sources, chosen: Contender, seed: int, folder: Path) -> None:
    """Train the chosen contender on all spans and export it; the folder is made only when all of it succeeded."""
    with opened(settings, sources) as session, tempfile.TemporaryDirectory() as temporary:
        contest = Contest(session)
        trained = contest.train(chosen, seed)
        made = Path(temporary, "model")
        session.export(trained.model, made)
        measured = measure(session, trained.model, made, trained.parameters)
        if not _is_exact(measured):
            raise TrainingError(f"{STAGE}: {chosen.name}: {_difference(measured)}; leave it out of {STAGE}.families")
        facts = {"rows": len(session.splits(trained.model).training), **contest.facts(chosen)}
        Record(trained.model, trained.fitted, facts).write(made)
        shutil.rmtree(folder / SERVING, ignore_errors=True)
        shutil.copytree(made, folder, dirs_exist_ok=True)
