"""Time and memory of the stages that read all data, in one process and on Beam, as the data grows.

    .venv/bin/python -m benchmarks.scale --factors 1 10 100 --workers 0 1 2 --out .mlops/scale

Rows are the flights of January 2013, repeated, each with a number of its own, which is its key. Every measurement is a
process of its own: the driver; what it starts are workers. Both are sampled by their proportional set size (PSS), twice
a second.
"""

import argparse
import importlib
import io
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import own_pss_mebibytes, tree

BASE_ROWS = 20_000
"""Rows of factor 1."""
STAGES = ("ingest_examples", "compute_statistics", "transform_features")
PART_BYTES = 256 << 10
"""Small, so that factor 10 has several shards for two workers."""
_ON_WORKERS = {
    "ingest_examples": "components.ingest_examples.with_beam",
    "compute_statistics": "components.compute_statistics.groups_with_beam",
    "transform_features": "components.transform_features.on_workers",
}
"""What each stage imports to run on Beam."""
IN_PROCESS = 0
"""Number of workers that stands for one process without Beam."""
_FILE_ROWS = 10_000
_USECASE = "flight_delay"


def main() -> None:
    """Measure every stage at every size, and write results and plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--workers", type=int, nargs="+", default=[IN_PROCESS, 1, 2], help="0: no Beam.")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--out", type=Path, default=Path(".mlops/scale"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        _run_one(json.loads(asked.one))
        return
    out = asked.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    for factor in asked.factors:
        source = _generate(out, factor)
        for workers in asked.workers:
            for stage in asked.stages:
                job = {"stage": stage, "workers": workers, "source": str(source), "out": f"{source}-{workers}"}
                found.append({"factor": factor, "rows": factor * BASE_ROWS, **_measured(job)})
                print(json.dumps(found[-1]), flush=True)
                (out / "scale.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    draw(found, out / "scale.svg")


def _generate(out: Path, factor: int) -> Path:
    """Write the flights so many times, as one span of several Parquet files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = out / f"x{factor}"
    if (folder / "done").exists():
        return folder
    (folder / "span-1").mkdir(parents=True, exist_ok=True)
    from usecases.flight_delay.flights import Flights

    flights = pq.read_table(io.BytesIO(Flights().parquet(1)))
    for number in range(factor * BASE_ROWS // _FILE_ROWS):
        start = number * _FILE_ROWS
        rows = flights.take(pa.array([(start + row) % flights.num_rows for row in range(_FILE_ROWS)]))
        rows = rows.append_column("row", pa.array(range(start, start + _FILE_ROWS), pa.int64()))
        pq.write_table(rows, folder / "span-1" / f"flights-{number:05d}.parquet")
    (folder / "done").touch()
    return folder


def _measured(job: dict[str, Any]) -> dict[str, Any]:
    """Run one stage in a process, and sample the memory of it and of what it starts."""
    command = [sys.executable, "-m", "benchmarks.scale", "--one", json.dumps(job)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        peaks = {"driver": 0.0, "workers": 0.0}
        ended = threading.Event()
        sampler = threading.Thread(target=_sample, args=(process.pid, peaks, ended))
        sampler.start()
        output, _ = process.communicate()
        ended.set()
        sampler.join()
    seconds = json.loads(output.splitlines()[-1])["seconds"] if process.returncode == 0 else None
    shown = {name: round(value) for name, value in peaks.items()}
    return {"stage": job["stage"], "workers": job["workers"], "seconds": seconds, "peak_pss_mib": shown}


def _sample(root: int, peaks: dict[str, float], ended: threading.Event) -> None:
    while not ended.wait(0.5):
        below = sum(own_pss_mebibytes(process) for process in tree(root) - {root})
        peaks["workers"] = max(peaks["workers"], below)
        peaks["driver"] = max(peaks["driver"], own_pss_mebibytes(root))


def _run_one(job: dict[str, Any]) -> None:
    """Run a stage, and print the seconds that it took without its imports."""
    from core.user_code import reference
    from pipelines.config import USECASES

    folder, out = USECASES / _USECASE, Path(job["out"])
    beam = None
    if job["workers"]:
        runner = {"workers": job["workers"]}
        if job["workers"] == 1:
            runner = {"options": {"direct_running_mode": "multi_processing", "direct_num_workers": 1}}
        beam = {"engine": "beam", "laptop": runner}
        importlib.import_module(_ON_WORKERS[job["stage"]])
    schema = reference(folder / "schema.pbtxt")
    if job["stage"] == "ingest_examples":
        from components.ingest_examples.config import Config as Ingest
        from components.ingest_examples.logic import PinnedSource, ingest

        split = {"by": "hash", "eval": 20, "validation": 10}
        section = {"format": "parquet", "part_bytes": PART_BYTES, "key": "row", "split": split, "beam": beam}
        source = PinnedSource(f"{job['source']}/span-{{SPAN}}/*.parquet", 1, "")
        started = time.perf_counter()
        ingest(Ingest.model_validate(section), source, schema, out / "examples")
    elif job["stage"] == "compute_statistics":
        from components.compute_statistics.config import Config as Statistics
        from components.compute_statistics.logic import compute

        started = time.perf_counter()
        config = Statistics.model_validate({"beam": beam})
        compute(config, out / "examples", schema, out / "statistics", out / "pictures.html")
    else:
        from components.transform_features.config import Config as Transform
        from components.transform_features.logic import Inputs, transform

        started = time.perf_counter()
        inputs = Inputs(reference(folder / "module.py"), schema, out / "examples")
        transform(Transform.model_validate({"beam": beam}), inputs, out / "graph")
    print(json.dumps({"seconds": round(time.perf_counter() - started, 2)}))


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds and the driver's memory against the rows, a panel per stage."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    stages = list(dict.fromkeys(one["stage"] for one in found))
    figure, axes = plt.subplots(2, len(stages), figsize=(4 * len(stages), 6), squeeze=False, sharex=True)
    for column, stage in enumerate(stages):
        for workers in dict.fromkeys(one["workers"] for one in found):
            rows = [one for one in found if one["stage"] == stage and one["workers"] == workers and one["seconds"]]
            label = "one process" if workers == IN_PROCESS else f"Beam, {workers} worker{'s'[: workers > 1]}"
            counts = [one["rows"] for one in rows]
            axes[0][column].plot(counts, [one["seconds"] for one in rows], marker="o", label=label)
            axes[1][column].plot(counts, [one["peak_pss_mib"]["driver"] for one in rows], marker="o", label=label)
        axes[0][column].set(title=stage, xscale="log", yscale="log", ylabel="seconds")
        axes[1][column].set(xlabel="rows", ylabel="driver, MiB PSS")
        axes[1][column].set_ylim(0, 1.1 * axes[1][column].get_ylim()[1])
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
