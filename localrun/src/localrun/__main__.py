"""`localrun pipeline.yaml -p name=value`: run a compiled pipeline, nothing else needed."""

import argparse
import json
import sys
from pathlib import Path

from localrun.clean_command import clean_up
from localrun.display.progress import shown
from localrun.environments.environment import Environment, image_name
from localrun.errors import InvalidPipeline, LocalrunError, ParameterError, UnsupportedPipeline, nearest
from localrun.execution.options import Options
from localrun.execution.runner import resume, run
from localrun.records import Run, State
from localrun.spec.load import load
from localrun.spec.parameters import from_text
from localrun.spec.pipeline import Pipeline
from localrun.store.codec import Codec

_ABOUT = (
    "Run a compiled Kubeflow Pipelines v2 pipeline on this machine. "
    "`localrun clean --help` says how to remove old runs."
)
_CODES = {State.SUCCEEDED: 0, State.CANCELLED: 130}


def main(argv: list[str] | None = None) -> int:
    """Return 0 when the run succeeded, 1 when it failed, 2 for wrong arguments or files, 130 when it was cancelled."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["clean"]:
        return clean_up(words[1:])
    arguments = _parser().parse_args(words)
    try:
        with shown(quiet=arguments.json, as_json=arguments.json_events) as on_event:
            options = Options(cache=not arguments.no_cache, max_workers=arguments.workers, on_event=on_event)
            result = _run(arguments, options)
    except (InvalidPipeline, UnsupportedPipeline, ParameterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except LocalrunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(Codec(Path("/")).run(result), indent=2))
    return _CODES.get(result.state, 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="localrun", description=_ABOUT)
    parser.add_argument("pipeline", type=Path, help="what kfp's compiler wrote")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="strings unchanged, everything else as JSON",
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="IMAGE=FOLDER",
        help="the folder that stands for an image (default: . for all)",
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=Path(".localrun"),
        help="where runs, artifacts and the cache are (default: %(default)s)",
    )
    parser.add_argument(
        "--python", type=Path, default=Path(sys.executable), help="the interpreter for tasks (default: this one)"
    )
    parser.add_argument("--workers", type=int, default=0, help="tasks at the same time (default: one per processor)")
    parser.add_argument("--resume", metavar="RUN", help="go on with a run of this store instead of starting one")
    parser.add_argument("--no-cache", action="store_true", help="run every task, whatever is known from earlier runs")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the run as one JSON object, and nothing else")
    form.add_argument(
        "--json-events",
        action="store_true",
        help="print everything that happens as one JSON object per line, and nothing else",
    )
    return parser


def _run(arguments: argparse.Namespace, options: Options) -> Run:
    pipeline = load(arguments.pipeline)
    environments = _environments(pipeline, arguments)
    if arguments.resume:
        return resume(arguments.resume, store=arguments.store, environments=environments, options=options)
    parameters = dict(_parameter(text, pipeline) for text in arguments.parameter)
    return run(arguments.pipeline, parameters, store=arguments.store, environments=environments, options=options)


def _parameter(text: str, pipeline: Pipeline) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    declared = pipeline.root.input_parameters
    if not sign:
        raise ParameterError(f"-p {text}: wanted NAME=VALUE")
    if name not in declared:
        raise ParameterError(f"-p {text}: the pipeline has no parameter {name!r}{nearest(name, declared)}")
    return name, from_text(value, declared[name], f"-p {name}")


def _environments(pipeline: Pipeline, arguments: argparse.Namespace) -> dict[str, Environment]:
    """Every image is the current folder unless --image maps it; all of a folder counts as the code of its tasks."""
    folders = {image_name(image): Path.cwd() for image in pipeline.images.values()}
    for text in arguments.image:
        image, sign, folder = text.rpartition("=")
        if not sign or image_name(image) not in folders:
            raise ParameterError(
                f"--image {text}: wanted IMAGE=FOLDER with an image of the pipeline{nearest(image, folders)}"
            )
        folders[image_name(image)] = Path(folder).absolute()
    return {
        image: Environment(cwd=folder, python=arguments.python, sources={"*": (folder,)})
        for image, folder in folders.items()
    }


if __name__ == "__main__":
    sys.exit(main())
