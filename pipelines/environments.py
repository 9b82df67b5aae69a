"""Reads the file of the environments that releases go through."""

import os
from pathlib import Path

from pydantic import ValidationError

from artifacts.release.environment import FACTS, Environments
from core.errors import ConfigError, did_you_mean
from pipelines import gates
from pipelines.config import USECASES, UseCase
from pipelines.yaml_lines import YamlFile

VARIABLE = "MLOPS_ENVIRONMENTS"
DEFAULT = USECASES / "environments.yaml"


def load_environments(path: Path | None = None) -> Environments:
    """Read a file, by default the one that MLOPS_ENVIRONMENTS names, else `usecases/environments.yaml`.

    Raises ConfigError, with file, line and key, for one that cannot be used.
    """
    file = YamlFile(path or Path(os.environ.get(VARIABLE) or DEFAULT))
    try:
        environments = Environments.model_validate(file.content)
    except ValidationError as error:
        found = (f"{file.where(detail['loc'])}: {detail['msg']}" for detail in error.errors())
        raise ConfigError("\n".join(found)) from None
    _check_names(environments, file)
    return environments


def _check_names(environments: Environments, file: YamlFile) -> None:
    """Raise ConfigError, with the nearest name, for evidence that is neither a fact nor a gate."""
    known = [*FACTS, *gates.known(UseCase)]
    for name, one in environments.environments.items():
        unknown = [("requires", evidence) for evidence in one.requires if evidence not in known]
        unknown += [("waives", evidence) for evidence in one.waives if evidence not in known]
        for key, evidence in unknown:
            where = file.where(("environments", name, key))
            raise ConfigError(f"{where}: {evidence!r} is no evidence{did_you_mean(evidence, known)}")
