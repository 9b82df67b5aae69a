"""The table of docs/localrun.md: what each runner makes of the conformance suite.

`python comparison.py` writes the table from what is recorded; `python comparison.py 2.17.3=/folder/bin/python` first
runs kfp.local under that SDK's Python, which takes a quarter of an hour, and records what it does.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import cases_branches
import cases_exits
import cases_loops
import cases_values
import probes
from conformance_case import CASES

import localrun

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "localrun.md"
BEGIN, END = "<!-- tests/conformance/comparison.py writes this -->\n", "<!-- until here -->"
ROOMS = {
    "branches: `If`, `Elif`, `Else`, `OneOf`": cases_branches,
    "loops: `ParallelFor`, `Collected`": cases_loops,
    "exit handlers, ignored failures, retries": cases_exits,
    "values, artifacts, commands, nesting": cases_values,
}
SEEN_OF_LOCALRUN = {
    probes.DIES: "ends with it",
    probes.AGAIN: "is kept",
    probes.EQUAL: "uses the results",
    probes.SPOILT: "is made again",
}
"""Held by test_comparison.py."""


def localrun_probe(folder: Path, asked: str) -> dict[str, object]:
    """Run the pipeline of the probes on localrun, or go on with the run that was killed."""
    store = folder / "store"
    environments = {"python": localrun.Environment(cwd=folder, sources={"*": ()})}
    killed = [run.run_id for run in localrun.runs(store) if run.state is localrun.State.INTERRUPTED]
    if killed:
        run = localrun.resume(killed[0], store=store, environments=environments)
    else:
        run = localrun.run(probes.pipeline, folder=str(folder), asked=asked, store=store, environments=environments)
    return dict(run.check().outputs.parameters)


def recorded() -> dict[str, dict[str, dict[str, object]]]:
    """Return what each version of kfp.local was seen to do, the oldest first."""
    files = sorted((HERE / "recorded").glob("*.json"), key=lambda file: [int(part) for part in file.stem.split(".")])
    return {file.stem: json.loads(file.read_text()) for file in files}


def record(version: str, python: Path) -> None:
    """Run all cases and probes on kfp.local under an SDK."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{python.absolute().parent}{os.pathsep}{os.environ['PATH']}"
        words = [python.absolute(), HERE / "kfp_local.py", Path(folder) / "run"]
        done = subprocess.run(words, cwd=HERE, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, check=True)
    seen = json.loads(done.stdout.decode()[done.stdout.decode().index('{\n "cases"') :])
    (HERE / "recorded").mkdir(exist_ok=True)
    (HERE / "recorded" / f"{version}.json").write_text(json.dumps(seen, indent=1) + "\n")


def table() -> str:
    """Return the text between the marks of the page."""
    seen = recorded()
    heads = ["", "localrun", *(f"kfp.local {version}" for version in seen)]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for title, module in ROOMS.items():
        names = _names(module)
        counts = [Counter(str(one["cases"][name][0]) for name in names) for one in seen.values()]  # type: ignore[index]
        lines.append(_line([title, f"{len(names)} right", *map(_counted, counts)]))
    for probe, ours in SEEN_OF_LOCALRUN.items():
        lines.append(_line([probe, ours, *(str(one["probes"][probe]) for one in seen.values())]))
    return "\n".join([*lines, "", *_wrong(seen)])


def _names(module: object) -> list[str]:
    pipelines = [value for value in vars(module).values() if hasattr(value, "pipeline_spec")]
    return [case.name for case in CASES if any(case.pipeline is pipeline for pipeline in pipelines)]


def _counted(counts: "Counter[str]") -> str:
    return ", ".join(f"{counts[word]} {word}" for word in ("right", "refused", "wrong", "not tried") if counts[word])


def _wrong(seen: dict[str, dict[str, dict[str, object]]]) -> list[str]:
    lines = []
    for version, one in seen.items():
        wrong = [f"`{name}`" for name, (word, _) in one["cases"].items() if word == "wrong"]  # type: ignore[misc]
        lines.append(f"Wrong with kfp.local {version}: {', '.join(wrong)}.")
    return [*("\n\n".join(lines)).split("\n"), ""]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def page(text: str) -> str:
    """Return the page with the table of today."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    for word in sys.argv[1:]:
        sdk, _, interpreter = word.partition("=")
        record(sdk, Path(interpreter))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
