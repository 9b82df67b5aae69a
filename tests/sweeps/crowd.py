"""Runs of eight tasks at once on one store; one in five of their runners is killed at a random moment."""

from sweeps import crowd

from tests.sweeps.sweep import Sweep


def run(sweep: Sweep) -> None:
    """Start `count` runs of a fifth as many kinds."""
    fifth = max(1, sweep.count // 5)
    outcome = crowd.crowd(crowd.Crowd(sweep.count, fifth, fifth, sweep.seed), sweep.folder)
    for problem in outcome.problems:
        sweep.wrong(problem)
    sweep.count_of("runs", sweep.count)
    sweep.exactly("runners killed", outcome.killed, fifth)
    sweep.exactly("processes that met a locked journal", outcome.locked, 0)
    sweep.exactly("cache keys computed", outcome.keys, fifth * crowd.TASKS)
    sweep.at_most("tasks computed again, each for a kill", outcome.again, 2 * outcome.killed)
    sweep.exactly("problems in runs, artifacts or the journal", len(outcome.problems), 0)
