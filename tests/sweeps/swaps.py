"""Versions are pushed, rolled back and pushed damaged while clients ask, as in the benchmark of the same."""

from benchmarks.serving_swaps.__main__ import quantile
from benchmarks.serving_swaps.__main__ import sweep as change_versions
from tests.sweeps.sweep import Sweep

_FULL = 200
"""Pushes of a full run, which has 100,000 requests, 20 rollbacks and 20 damaged pushes."""


def run(sweep: Sweep) -> None:
    """Push `count` times, and roll back and push damaged a tenth as often each."""
    report = change_versions(sweep.folder, sweep.count / _FULL)
    for problem in report.problems:
        sweep.wrong(problem)
    sweep.at_least("requests", report.requests, round(100_000 * sweep.count / _FULL))
    sweep.at_least("pushes", report.pushes, sweep.count)
    sweep.at_least("rollbacks", report.rollbacks, sweep.count // 10)
    sweep.at_least("damaged pushes", report.damaged, sweep.count // 10)
    sweep.exactly("answers that are not 200, or no version's", len(report.problems), 0)
    steady, changing = (float(quantile(ms, 99)) for ms in (report.quiet, report.changing))
    sweep.count_of("p99 without changes, ms", steady)
    if sweep.count >= _FULL:  # with few requests these are chance
        sweep.at_most("p99 during changes / without", round(changing / steady, 2), 2.0)
        sweep.at_most("memory after / before", round(report.after / report.before, 3), 1.05)
    else:
        sweep.count_of("p99 during changes / without", round(changing / steady, 2))
        sweep.count_of("memory after / before", round(report.after / report.before, 3))
