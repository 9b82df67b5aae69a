"""Time and memory of the stages that read all data, in one process and on Beam, as the data grows.

    .venv/bin/python -m benchmarks.scale --factors 1 10 --workers 0 1 2 --far 15 --out .mlops/scale

Factor 1 are the flights of the year, or `--rows` of them; more are the same flights again, each with a number of its
own, which is its key. Every measurement is a process of its own: the driver; what it starts are workers. Both are
sampled by their proportional set size (PSS), twice a second. Workers are forks, so that the driver's falls while they
live; its largest resident set is given beside it. `--far` measures one more factor with the most workers
alone, for the memory of the driver. A stage that fails ends the benchmark with what it said last; what was measured
before it is in `scale.json`.
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from benchmarks import scale_stages
from benchmarks.measure import Failed, environment, own_pss_mebibytes, tree
from benchmarks.scale_stages import NEED_A_MODEL, STAGES

YEAR_ROWS = 327_346
"""All flights: the rows of factor 1 unless `--rows` says otherwise."""
IN_PROCESS = 0
"""Number of workers that stands for one process without Beam."""
_FILES = 8
"""Files of factor 1, each of which is a part: two workers have as many each."""
_PREPARE = "prepare"
_SAID = 4000
"""Characters of what a failed stage said last that are shown."""


def main() -> None:
    """Measure every stage at every size, and write results and plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=YEAR_ROWS, help="Rows of factor 1.")
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--workers", type=int, nargs="+", default=[IN_PROCESS, 1, 2], help="0: no Beam.")
    parser.add_argument("--far", type=int, help="One more factor, with the most workers alone.")
    parser.add_argument("--far-stages", nargs="+", choices=STAGES, help="Its stages, all of --stages unless given.")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--out", type=Path, default=Path(".mlops/scale"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    try:
        if asked.one:
            _run_one(json.loads(asked.one))
        else:
            _measure(asked)
    except Failed as error:
        sys.exit(str(error))


def _measure(asked: argparse.Namespace) -> None:
    out = asked.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    prepared = out / "prepared"
    if NEED_A_MODEL & set(asked.stages) and not scale_stages.is_prepared(prepared):
        source = _generate(out, asked.rows, 1)
        _measured({"stage": _PREPARE, "workers": 0, "source": str(source), "out": str(prepared)}, prepared)
    found: list[dict[str, Any]] = []
    rounds = [(factor, workers, asked.stages) for factor in asked.factors for workers in asked.workers]
    if asked.far:
        rounds.append((asked.far, max(asked.workers), asked.far_stages or asked.stages))
    for factor, workers, stages in rounds:
        source = _generate(out, asked.rows, factor)
        # In the order in which one reads what another one writes, whatever was asked.
        for stage in sorted(stages, key=STAGES.index):
            job = {"stage": stage, "workers": workers, "source": str(source), "out": f"{source}-{workers}"}
            found.append({"factor": factor, "rows": factor * asked.rows, **_measured(job, prepared)})
            print(json.dumps(found[-1]), flush=True)
            (out / "scale.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    draw(found, out / "scale.svg")


def _generate(out: Path, base: int, factor: int) -> Path:
    """Write so many flights, so many times, as one span of several Parquet files."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = out / f"x{factor}"
    if (folder / "done").exists():
        return folder
    (folder / "span-1").mkdir(parents=True, exist_ok=True)
    from usecases.flight_delay.flights import Flights

    year = Flights()
    flights = pa.concat_tables([pq.read_table(io.BytesIO(year.parquet(month))) for month in range(1, 13)])
    for number, rows in enumerate(np.array_split(np.arange(factor * base), factor * _FILES)):
        table = flights.take(pa.array(rows % flights.num_rows)).append_column("row", pa.array(rows))
        pq.write_table(table, folder / "span-1" / f"flights-{number:05d}.parquet")
    (folder / "done").touch()
    return folder


def _measured(job: dict[str, Any], prepared: Path) -> dict[str, Any]:
    """Run one stage in a process, and sample the memory of it and of what it starts; Failed where it fails."""
    command = [sys.executable, "-m", "benchmarks.scale", "--one", json.dumps(job | {"prepared": str(prepared)})]
    folder = Path(job["out"])
    folder.mkdir(parents=True, exist_ok=True)
    peaks = {"driver": 0.0, "workers": 0.0}
    said = folder / f"{job['stage']}.log"
    # Files: a pipe ends only when all have ended that inherited it.
    with said.open("wb") as log, (folder / f"{job['stage']}.out").open("w+", encoding="utf-8") as output:
        with subprocess.Popen(command, stdout=output, stderr=log, env=environment({})) as process:
            ended = threading.Event()
            sampler = threading.Thread(target=_sample, args=(process.pid, peaks, ended))
            sampler.start()
            process.wait()
            ended.set()
            sampler.join()
        output.seek(0)
        lines = output.read().splitlines()
    if process.returncode:
        last = said.read_text(encoding="utf-8", errors="replace").strip()[-_SAID:]
        raise Failed(
            f"{job['stage']} failed on {job['source']} with {job['workers']} workers (0: no Beam), with exit code "
            f"{process.returncode}; it said last ({said}):\n{last}"
        )
    shown = {name: round(value) for name, value in peaks.items()}
    result = json.loads(lines[-1])
    return {"stage": job["stage"], "workers": job["workers"], **result, "peak_pss_mib": shown}


def _sample(root: int, peaks: dict[str, float], ended: threading.Event) -> None:
    while not ended.wait(0.5):
        below = sum(own_pss_mebibytes(process) for process in tree(root) - {root})
        peaks["workers"] = max(peaks["workers"], below)
        peaks["driver"] = max(peaks["driver"], own_pss_mebibytes(root))


def _run_one(job: dict[str, Any]) -> None:
    """Run a stage; print the seconds that it took without its imports, and this process's largest resident set."""
    source, out, prepared = (Path(job[name]) for name in ("source", "out", "prepared"))
    if job["stage"] == _PREPARE:
        scale_stages.prepare(source, out)
        seconds = 0.0
    else:
        seconds = scale_stages.run(job["stage"], job["workers"], source, out, prepared)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": round(seconds, 2), "driver_rss_mib": resident}))


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds and the driver's memory against the rows, a panel per stage."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    stages = list(dict.fromkeys(one["stage"] for one in found))
    figure, axes = plt.subplots(2, len(stages), figsize=(4 * len(stages), 6), squeeze=False, sharex=True)
    for column, stage in enumerate(stages):
        for workers in dict.fromkeys(one["workers"] for one in found):
            rows = [one for one in found if one["stage"] == stage and one["workers"] == workers]
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
