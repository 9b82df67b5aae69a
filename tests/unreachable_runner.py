"""A runner of Beam that is not there, as every stage that reads all data is to say it."""

from typing import Any

from adapters.beam_run import RunnerUnreachable
from tests.free_port import free_port

SAID = r"job_endpoint localhost:\d+ does not answer.*check that the service is up"
__all__ = ["SAID", "RunnerUnreachable", "unreachable"]


def unreachable() -> dict[str, Any]:
    """Return a section `beam` whose job server does not exist."""
    runner = {"runner": "PortableRunner", "options": {"job_endpoint": f"localhost:{free_port()}"}}
    return {"engine": "beam", "laptop": {**runner, "shared_disk": True, "connect_seconds": 1}}
