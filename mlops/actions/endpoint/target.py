"""One model, its endpoint, and the moves that all verbs share; each can be repeated after it was cut short."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from core.backends.pointer import Pointer
from core.backends.registry import Registry
from core.errors import MlopsError
from mlops.actions.endpoint.deployed import Deployed, deployed_models, of_version, wanted
from mlops.actions.model_mirror import Mirror
from mlops.worlds.vertex import api
from mlops.worlds.vertex.deployment import Deployment
from mlops.worlds.vertex.endpoints_api import Changed, EndpointsApi
from mlops.worlds.vertex.models_api import Unclear
from mlops.worlds.vertex.operations import Progress

Split = Mapping[str, int]
_TRIES = 10


@dataclass(frozen=True)
class Target:
    """A model of our registry and the endpoint that answers for it."""

    name: str
    deployment: Deployment
    registry: Registry
    mirror: Mirror
    progress: Progress

    @property
    def api(self) -> EndpointsApi:
        """The calls to the endpoint."""
        return EndpointsApi(self.deployment, self.deployment.endpoint_of(self.name)[0])

    def models(self) -> list[Deployed]:
        """Return what is deployed."""
        return deployed_models(self.api.read())

    def ensure(self, pointer: Pointer, *, any_image: bool = False) -> Deployed:
        """Return a version as it is deployed, after deploying it where it is not; it gets no traffic by that.

        With this code's serving image, or with `any_image` with the one that it was uploaded with.
        """
        serving = self.deployment.endpoint_of(self.name)[1]
        version = self.registry.resolve(self.name, str(pointer))
        model = wanted(pointer, self.mirror.ensure(version, any_image=any_image), serving)
        deadline = time.monotonic() + api.PATIENCE_SECONDS
        pause = api.FIRST_PAUSE
        while True:
            self.api.settle(self.progress)
            found = next((one for one in self.models() if one.id == model["id"]), None)
            if found is not None:
                return found
            self.progress(f"deploying {self.name} version {pointer.version} on {serving.machine}")
            try:
                self.api.deploy(model, self.progress)
            except Unclear as error:
                if time.monotonic() > deadline:
                    raise
                self.progress(f"{error}; looking whether it was done")
                time.sleep(pause)
                pause *= 2

    def move(self, traffic: Split, expected: Collection[Split] | None) -> None:
        """Set the traffic, unless somebody else changed it to what is not among `expected`; None expects anything."""
        for _ in range(_TRIES):
            endpoint = self.api.read()
            now = {key: int(value) for key, value in endpoint.traffic_split.items() if value}
            if now == dict(traffic):
                return
            if expected is not None and now not in [dict(one) for one in expected]:
                shown = {model.name: model.percent for model in deployed_models(endpoint) if model.percent}
                raise MlopsError(
                    f"{self.name}: somebody else changed the traffic to {shown or 'none'}; nothing was changed. "
                    f"`mlops endpoint status {self.name}` shows it, `mlops endpoint deploy {self.name}` gives the "
                    "traffic to what the registry says"
                )
            try:
                self.api.split(traffic, endpoint.etag)
            except Changed as error:
                self.progress(f"the endpoint changed meanwhile ({error}); looking again")
                continue
            self.progress(f"traffic: {self._shown(endpoint, traffic)}")
            return
        raise MlopsError(f"{self.name}: others changed the endpoint {_TRIES} times meanwhile; run it again")

    def remove(self, identities: Collection[str]) -> list[str]:
        """Undeploy models, which the service refuses for one with traffic; return the ids of those that were there."""
        return [identity for identity in identities if self._remove(identity)]

    def _remove(self, identity: str) -> bool:
        """Undeploy one model; False when it was not there."""
        deadline = time.monotonic() + api.PATIENCE_SECONDS
        pause = api.FIRST_PAUSE
        was_there = False
        while True:
            self.api.settle(self.progress)
            found = next((one for one in self.models() if one.id == identity), None)
            if found is None:
                return was_there
            was_there = True
            if found.percent:
                raise MlopsError(
                    f"{self.name}: {found.name} has {found.percent} % of the traffic again, so it was not removed; "
                    f"`mlops endpoint status {self.name}` shows who gets it"
                )
            self.progress(f"removing {found.name}")
            try:
                self.api.undeploy(identity, self.progress)
            except Unclear as error:
                if time.monotonic() > deadline:
                    raise
                self.progress(f"{error}; looking whether it was done")
                time.sleep(pause)
                pause *= 2

    def champion(self) -> Pointer:
        """Return the version in production; MlopsError without one."""
        found = self.registry.pointer(self.name)
        if found is None:
            raise MlopsError(
                f"{self.name}: no version is in production at {self.deployment.root}/models; "
                f"run `mlops submit {self.name} --at vertex --wait` first"
            )
        return found

    def serving(self, pointer: Pointer) -> Deployed | None:
        """Return a version as it is deployed; of several deployments, the one with the most traffic."""
        return next(iter(of_version(self.models(), pointer)), None)

    def align_aliases(self) -> None:
        """Let the mirror's aliases follow the registry; a failure is shown, and `mlops models sync` repairs it."""
        try:
            for moved in self.mirror.align(self.name):
                self.progress(f"alias: {moved}")
        except MlopsError as error:
            self.progress(f"the aliases in Vertex AI's registry were not moved ({error}); run: mlops models sync")

    def _shown(self, endpoint: Any, traffic: Split) -> str:
        names = {one.id: one.name.partition("@")[0] for one in deployed_models(endpoint)}
        return ", ".join(f"{names.get(key, key)} {percent} %" for key, percent in traffic.items())
