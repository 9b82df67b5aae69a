"""The stages of this project: every folder of `components/` with a component.py.

A folder's name is the name of the stage's function, section of the configuration, and task.
"""

import importlib
from functools import cache
from typing import TYPE_CHECKING

from core.errors import UsageError, did_you_mean
from core.settings import Settings
from core.user_code import ROOT

if TYPE_CHECKING:
    from kfp.dsl.python_component import PythonComponent


@cache
def names() -> tuple[str, ...]:
    """Return the names of all stages, sorted."""
    return tuple(sorted(path.parent.name for path in (ROOT / "components").glob("*/component.py")))


@cache
def config_model(stage: str) -> type[Settings]:
    """Return the model of a stage's section: the `Config` in its config.py."""
    found = getattr(importlib.import_module(f"components.{stage}.config"), "Config", None)
    if not (isinstance(found, type) and issubclass(found, Settings)):
        raise TypeError(f"components/{stage}/config.py: wanted a class Config(Settings), got {found!r}")
    return found


@cache
def component(stage: str) -> "PythonComponent":
    """Return the component of a stage, with the path of its function; UsageError when there is no such stage."""
    if stage not in names():
        raise UsageError(f"no stage {stage!r} in components/{did_you_mean(stage, names())}")
    found: PythonComponent = getattr(importlib.import_module(f"components.{stage}.component"), stage)
    # Without it kfp looks the function up in a kfp_config.ini, a list of all stages that somebody has to maintain.
    where = ["--component_module_path", f"components/{stage}/component.py"]
    container = found.component_spec.implementation.container
    container.args = [*container.args, *where]
    return found
