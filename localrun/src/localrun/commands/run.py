"""`localrun pipeline.yaml`: runs, validates or resumes."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import localrun
from localrun.display.progress import shown
from localrun.environments.default import default_environments
from localrun.environments.environment import Environment, image_name
from localrun.errors import ParameterError, nearest
from localrun.events import Event, TaskChanged
from localrun.execution.given import ACCEPTED, inputs
from localrun.execution.history import stored_pipeline
from localrun.execution.options import Options
from localrun.execution.runner import resume, run, validate
from localrun.graph.foreseen import with_images
from localrun.graph.nodes import leaves
from localrun.records import Run, State
from localrun.spec.load import load
from localrun.spec.parameters import from_text
from localrun.spec.pipeline import Pipeline
from localrun.store.codec import Codec
from localrun.store.layout import STORE

_ABOUT = "Run a compiled Kubeflow Pipelines v2 pipeline on this machine."
_MORE = """\
other commands:
  localrun list                      the runs of the store
  localrun show RUN                  one run, with its tasks and outputs; --log TASK prints a task's log
  localrun clean --older-than 30d    remove old runs

example:
  kfp dsl compile --py pipeline.py --output pipeline.yaml
  localrun pipeline.yaml -p rows=1000 -p 'columns=["a", "b"]'

exit codes:
  0    the run succeeded
  1    it failed, or the store cannot be used
  2    wrong arguments, or a pipeline that is invalid or not supported; nothing has run
  130  it was cancelled
"""
_CODES = {State.SUCCEEDED: 0, State.CANCELLED: 130}
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def run_pipeline(argv: list[str]) -> int:
    """Return 0 when the run succeeded, 1 when it failed, 130 when it was cancelled; LocalrunError for the rest."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if not arguments.pipeline and not arguments.resume:
        parser.error("wanted a compiled pipeline, or --resume RUN")
    if arguments.resume and (arguments.parameter or arguments.artifact or arguments.validate):
        parser.error("--resume goes on with the parameters of the run: it takes neither -p nor -a nor --validate")
    if arguments.validate:
        return _validated(arguments)
    with shown(quiet=arguments.json, as_json=arguments.json_events) as on_event:
        options = Options(
            cache=not arguments.no_cache,
            max_workers=arguments.workers,
            on_event=_with_logs(on_event) if arguments.logs else on_event,
            run_timeout=arguments.timeout,
            accept=arguments.accept,
        )
        result = _run(arguments, options)
    if arguments.json:
        print(json.dumps(Codec(Path("/")).run(result), indent=2))
    return _CODES.get(result.state, 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="localrun", description=_ABOUT, epilog=_MORE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pipeline", type=Path, nargs="?", help="what kfp's compiler wrote")
    parser.add_argument("--version", action="version", version=f"localrun {localrun.__version__}")
    _add_what_runs(parser)
    parser.add_argument("--workers", type=int, default=0, help="tasks at the same time (default: one per processor)")
    parser.add_argument("--timeout", type=_seconds, metavar="TIME", help="cancel the run after 90s, 15m, 2h")
    parser.add_argument("--no-cache", action="store_true", help="ignore cached results")
    parser.add_argument("--logs", action="store_true", help="print the log of each task when it has ended")
    task = parser.add_mutually_exclusive_group()
    task.add_argument("--resume", metavar="RUN", help="go on with a run of the store; it knows its pipeline")
    task.add_argument("--validate", action="store_true", help="check everything that a run checks, and run nothing")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the run as one JSON object, and nothing else")
    form.add_argument(
        "--json-events",
        action="store_true",
        help="print everything that happens as one JSON object per line, and nothing else",
    )
    return parser


def _add_what_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="strings unchanged, everything else as JSON",
    )
    parser.add_argument(
        "-a",
        "--artifact",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="a file or folder as an input artifact of the pipeline",
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="IMAGE=FOLDER",
        help="the folder that an image holds: its tasks run in it and import from it (default: . for programs)",
    )
    parser.add_argument(
        "--store", type=Path, default=STORE, help="where runs, artifacts and the cache are (default: %(default)s)"
    )
    parser.add_argument("--python", type=Path, help="the interpreter for tasks (default: this one)")
    parser.add_argument(
        "--code",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="a file or folder that counts as the code of every task (default: what it can import or names)",
    )
    parser.add_argument("--docker", action="store_true", help="run images that --image does not map in containers")
    parser.add_argument(
        "--accept",
        type=lambda text: text.split(","),
        default=(),
        metavar="WHAT",
        help=f"run with a warning what is refused otherwise: some of {','.join(ACCEPTED)}",
    )


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text}: wanted a time such as 90s, 15m or 2h")
    return float(match[1]) * _UNITS[match[2]]


def _run(arguments: argparse.Namespace, options: Options) -> Run:
    if arguments.resume:
        environments = _of_earlier(arguments)
        return resume(arguments.resume, store=arguments.store, environments=environments, options=options)
    values, environments = _given(load(arguments.pipeline), arguments)
    return run(arguments.pipeline, values, store=arguments.store, environments=environments, options=options)


def _of_earlier(arguments: argparse.Namespace) -> Mapping[str, Environment] | None:
    """What is typed counts; where nothing is, what the run was started with."""
    if not (arguments.image or arguments.code or arguments.docker) and arguments.python is None:
        return None
    return _environments(stored_pipeline(arguments.resume, store=arguments.store), arguments)


def _validated(arguments: argparse.Namespace) -> int:
    pipeline = load(arguments.pipeline)
    values, environments = _given(pipeline, arguments)
    validate(arguments.pipeline, values, environments=environments, options=Options(accept=arguments.accept))
    print(f"{pipeline.name}: {sum(1 for _ in leaves(pipeline))} tasks; it can run here")
    return 0


def _given(pipeline: Pipeline, arguments: argparse.Namespace) -> tuple[dict[str, object], dict[str, Environment]]:
    values = dict(_parameter(text, pipeline) for text in arguments.parameter)
    paths: dict[str, list[str]] = {}
    for text in arguments.artifact:
        name, path = _artifact(text, pipeline)
        paths.setdefault(name, []).append(path)
    known = inputs(pipeline, {**values, **paths}).parameters
    return {**values, **paths}, _environments(with_images(pipeline, known), arguments)


def _artifact(text: str, pipeline: Pipeline) -> tuple[str, str]:
    name, sign, path = text.partition("=")
    declared = pipeline.root.input_artifacts
    if not sign:
        raise ParameterError(f"-a {text}: wanted NAME=PATH")
    if name not in declared:
        raise ParameterError(f"-a {text}: the pipeline has no input artifact {name!r}{nearest(name, declared)}")
    return name, path


def _parameter(text: str, pipeline: Pipeline) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    declared = pipeline.root.input_parameters
    if not sign:
        raise ParameterError(f"-p {text}: wanted NAME=VALUE")
    if name not in declared:
        raise ParameterError(f"-p {text}: the pipeline has no parameter {name!r}{nearest(name, declared)}")
    return name, from_text(value, declared[name], f"-p {name}")


def _environments(pipeline: Pipeline, arguments: argparse.Namespace) -> dict[str, Environment]:
    """Every image is the current folder unless --image maps it."""
    known = {image_name(image) for _, image in pipeline.images}
    folders: dict[str, Path] = {}
    for text in arguments.image:
        image, sign, folder = text.rpartition("=")
        if not sign or image_name(image) not in known:
            raise ParameterError(
                f"--image {text}: wanted IMAGE=FOLDER with an image of the pipeline{nearest(image, known)}"
            )
        folders[image_name(image)] = Path(folder).absolute()
    python = arguments.python or Path(sys.executable)
    chosen = default_environments(pipeline, folders=folders, python=python, code=arguments.code)
    return {image: found for image, found in chosen.items() if image in folders} if arguments.docker else chosen


def _with_logs(on_event: Callable[[Event], None]) -> Callable[[Event], None]:
    """Print each task's log, its lines marked with the task's path, when the task has ended."""

    def show_event(event: Event) -> None:
        on_event(event)
        if isinstance(event, TaskChanged) and event.task.finished and not event.task.cached:
            for line in event.task.log_text.splitlines():
                print(f"{event.task.path} | {line}")

    return show_event
