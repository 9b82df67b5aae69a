"""Facts that start runs, each delivered twenty times, doubled and shuffled, to handlers of which one in four dies."""

from tests.sweeps.sweep import Sweep
from tests.unit.triggers import crowd

_TIMES = 20
_TURN_SECONDS = 3.0
"""So that what a killed handler without a disk had is soon free again."""


def run(sweep: Sweep) -> None:
    """Deliver `count` facts."""
    asked = crowd.Crowd(
        facts=sweep.count,
        deliveries=sweep.count * _TIMES,
        seed=sweep.seed,
        journal=sweep.options.get("journal") or "",
    )
    usual = crowd.log.TURN_SECONDS
    crowd.log.TURN_SECONDS = _TURN_SECONDS
    try:
        outcome = crowd.run(asked, sweep.folder, lambda done, of: sweep.progress(done, of, "deliveries"))
    finally:
        crowd.log.TURN_SECONDS = usual
    for fault in outcome.faults:
        sweep.wrong(fault)
    sweep.count_of("deliveries", outcome.deliveries)
    sweep.count_of("handlers killed", outcome.kills)
    sweep.exactly("decisions", outcome.decisions, asked.facts)
    sweep.exactly("runs", outcome.runs, asked.facts)
    sweep.exactly("facts lost", outcome.lost, 0)
    sweep.exactly("decisions or runs made twice", outcome.repeated, 0)
