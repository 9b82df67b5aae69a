"""What a decision submits, kept in the object store before it is submitted.

Whoever goes on with the decision, on whatever machine, submits exactly this, whatever data has come meanwhile.
"""

import json
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from core import objects
from core.errors import NoSuchObject
from mlops.runs.submission import Submission

_FOLDER = "triggers/submissions"


@dataclass(frozen=True)
class Intent:
    """A submission that is about to be made."""

    job_id: str
    """Id of the job's first attempt."""
    job: dict[str, Any]
    """The job in the JSON of the interface."""
    submission: Submission
    pipeline: str
    """The compiled file."""


_INTENT = TypeAdapter(Intent)


def find(root: str, trigger: str) -> Intent | None:
    """Return what a decision submits; None when nothing was kept of it. Raises StoreError."""
    try:
        content = json.loads(objects.read(_address(root, trigger)))
    except NoSuchObject:
        return None
    return _INTENT.validate_python(content["intent"])


def agreed(root: str, trigger: str, intent: Intent) -> Intent:
    """Keep what a decision submits, and return it; of several that are kept at once, the first counts."""
    content = json.dumps({"intent": asdict(intent), "nonce": uuid.uuid4().hex}).encode()
    if objects.create(_address(root, trigger), content):
        return intent
    found = find(root, trigger)
    assert found is not None, "one that cannot be created is there"
    return found


def _address(root: str, trigger: str) -> str:
    return objects.join(root, _FOLDER, f"{trigger}.json")
