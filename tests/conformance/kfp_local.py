"""Runs cases on kfp.local under the SDK that runs this file: `python kfp_local.py FOLDER` prints verdicts as JSON."""

import json
import multiprocessing
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance_case import CASES, FAILED, SUCCEEDED, Case, placed
from conformance_result import Result, differences

SECONDS = 180
TOO_LONG = {"many-iterations"}
"""Cases that would take an hour where every task imports everything anew."""


class Refused(Exception):
    """kfp.local says that it cannot run this."""


def run(case: Case, parameters: Mapping[str, Any], folder: Path) -> Result:
    """Run a case to its end; raises Refused."""
    from kfp import local
    from kfp.local import pipeline_orchestrator

    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "kfp"))
    state, outputs = SUCCEEDED, None
    try:
        outputs = pipeline_orchestrator.run_local_pipeline(case.pipeline.pipeline_spec, _arguments(case, parameters))
    except Exception as error:
        if "finished with status" not in str(error):
            raise Refused(f"{type(error).__name__}: {' '.join(str(error).split())[:160]}") from error
        state = FAILED
    return Result(state, outputs, values=dict(_values(folder / "kfp")), is_flat=True)


def _values(root: Path) -> Iterator[tuple[str, Any]]:
    """Yield what the tasks left behind, by the names of their folders."""
    for file in root.glob("*/*/executor_output.json"):
        for name, value in json.loads(file.read_text()).get("parameterValues", {}).items():
            yield f"{file.parent.name}:{name}", value
    for file in root.glob("*/*/*"):
        if file.name != "executor_output.json" and file.is_file():
            yield f"{file.parent.name}:{file.name}", file.read_text()


def _arguments(case: Case, parameters: Mapping[str, Any]) -> dict[str, Any]:
    from google.protobuf import json_format

    declared = case.pipeline.pipeline_spec.root.input_definitions.parameters
    defaults = {
        name: json_format.MessageToDict(d.default_value) for name, d in declared.items() if d.HasField("default_value")
    }
    return {**defaults, **parameters}


def verdict(case: Case, folder: Path) -> tuple[str, str]:
    """Return `right`, `wrong` or `refused`, and what is wrong or refused."""
    if case.name in TOO_LONG:
        return "not tried", "a task takes seconds"
    folder.mkdir(parents=True)
    (folder / "given").write_text("from outside")
    ours, theirs = multiprocessing.Pipe()
    # A process of its own: kfp.local keeps its settings in one place, and may wait forever.
    process = multiprocessing.get_context("fork").Process(target=_answer, args=(theirs, case, folder))
    process.start()
    theirs.close()
    answer = ("wrong", f"does not come to an end in {SECONDS} s")
    if ours.poll(SECONDS):
        answer = ours.recv()
    process.kill()
    process.join()
    return answer


def _answer(channel: Any, case: Case, folder: Path) -> None:
    try:
        found = list(differences(case, run(case, placed(case.parameters, folder), folder)))
        channel.send(("wrong", found[0]) if found else ("right", ""))
    except Refused as refused:
        channel.send(("refused", str(refused)))


def _probe(folder: Path, asked: str) -> dict[str, Any]:
    """Run the pipeline of the probes with a cache where there is one, and return its outputs."""
    import inspect

    from kfp import local
    from kfp.local import pipeline_orchestrator
    from probes import pipeline

    settings = {"enable_caching": True, "cache_root": str(folder / "store" / "cache")}
    caches = settings if "cache_root" in inspect.signature(local.init).parameters else {}
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "store"), **caches)
    outputs: dict[str, Any] = pipeline_orchestrator.run_local_pipeline(
        pipeline.pipeline_spec, {"folder": str(folder), "asked": asked}
    )
    return outputs


def main(folder: Path) -> None:
    """Print a JSON object with the verdict of every case."""
    import cases_branches
    import cases_exits
    import cases_loops
    import cases_values
    import probes

    assert all((cases_branches, cases_exits, cases_loops, cases_values))
    verdicts = {}
    for case in CASES:
        verdicts[case.name] = verdict(case, folder / case.name)
        print(case.name, *verdicts[case.name], file=sys.stderr)
    seen = probes.probed(_probe, folder / "probes")
    print(json.dumps({"cases": verdicts, "probes": seen}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
