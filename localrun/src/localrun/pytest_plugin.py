"""Fixtures for tests of pipelines; pytest finds them where this package is installed."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from localrun.environments.environment import Environment
    from localrun.execution.options import Options
    from localrun.hosts.hosts import Hosts
    from localrun.records import Run
    from localrun.spec.source import Source


@pytest.fixture(scope="session")
def localrun_hosts() -> "Iterator[Hosts]":
    """Warm processes that all tests of the session share: what a component imports is imported once."""
    from localrun.hosts.hosts import Hosts  # noqa: PLC0415 - only where a test asks for it

    with Hosts() as hosts:
        yield hosts


@pytest.fixture
def run_pipeline(localrun_hosts: "Hosts", tmp_path: Path) -> "Callable[..., Run]":
    """Return `localrun.run` with the session's warm processes and a store of this test: nothing is cached before it."""
    from dataclasses import replace  # noqa: PLC0415

    from localrun.execution.options import Options  # noqa: PLC0415
    from localrun.execution.runner import run  # noqa: PLC0415

    def run_it(
        pipeline: "Source",
        parameters: Mapping[str, Any] | None = None,
        *,
        environments: "Mapping[str, Environment] | None" = None,
        options: "Options | None" = None,
        **named: Any,
    ) -> "Run":
        chosen = replace(options or Options(), hosts=localrun_hosts)
        store = tmp_path / "localrun"
        return run(pipeline, parameters, store=store, environments=environments, options=chosen, **named)

    return run_it
