"""A trial that ended is found again, with its scores, wherever the registry is."""

from pathlib import Path

import numpy as np
import pytest

from core.object_stores import locations
from training.trials.journal import Journal
from training.trials.trial import Outcome, Trial

TRIAL = Trial({"units": [8], "rate": 0.1}, 3, 7)
COMPARED = Trial({"units": [8], "rate": 0.1}, 3, 101, keeps_scores=True)


@pytest.mark.parametrize("where", ["a folder", "an object store"])
def test_what_was_added_is_found_until_all_is_removed(where: str, tmp_path: Path, bucket: str) -> None:
    folder = tmp_path / "trials" if where == "a folder" else f"{bucket}/tunings/trials"
    journal, scores = Journal(folder, "sha256:a problem"), np.linspace(0, 1, 9)
    assert journal.find(TRIAL) is None
    journal.add(TRIAL, Outcome(0.75, 2, scores=None))
    journal.add(COMPARED, Outcome(0.5, 3, scores=scores))
    again = Journal(folder, "sha256:a problem")
    assert again.find(TRIAL) == Outcome(0.75, 2)
    found = again.find(COMPARED)
    assert found is not None
    np.testing.assert_array_equal(found.scores, scores)
    assert Journal(folder, "sha256:another problem").find(TRIAL) is None
    journal.remove()
    assert again.find(TRIAL) is None
    assert locations.files(folder) == []


def test_a_trial_without_its_scores_is_run_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "sha256:a problem")
    journal.add(COMPARED, Outcome(0.5, 3, scores=np.zeros(9)))
    next(tmp_path.glob("*.npy")).unlink()
    assert journal.find(COMPARED) is None
    journal.add(COMPARED, Outcome(None, failure="the loss was not finite"))
    assert journal.find(COMPARED) == Outcome(None, failure="the loss was not finite")
