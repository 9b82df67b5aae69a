"""The Model Registry, endpoints and their metrics of the fake Vertex AI, validated as the service validates them."""

import hashlib
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fake_refusal import Refused, check

from tests.loopback import Request

PARENT = "projects/my-project/locations/europe-west1"
NUMBERED = "projects/123456/locations/europe-west1"
ENDPOINT = f"{PARENT}/endpoints/1001"
_LABEL = re.compile(r"[a-z0-9_-]{0,63}")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_DIGEST = re.compile(r"[a-z0-9.-]+/[^@\s]+@sha256:[0-9a-f]{64}")
_TYPE = "type.googleapis.com/google.cloud.aiplatform.v1"

Predict = Callable[[dict[str, Any], dict[str, Any]], tuple[int, Any]]
"""Answers a request of the deployed model that the traffic chose."""


@dataclass
class FakeServing:
    """The models and the one endpoint of a project."""

    models: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Versions by the model's id."""
    deployed: dict[str, dict[str, Any]] = field(default_factory=dict)
    traffic: dict[str, int] = field(default_factory=dict)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    slow: int = 0
    """How many looks at an operation find it running still."""
    fails: set[str] = field(default_factory=set)
    """Names (`shown`) of deployed models whose containers never get healthy."""
    predict: Predict = lambda _deployed, asked: (200, {"predictions": [[0.5] for _ in asked["instances"]]})
    answered: dict[str, dict[str, int]] = field(default_factory=dict)
    """What Cloud Monitoring counts: by deployed model, answers by status."""
    milliseconds: dict[str, float] = field(default_factory=dict)
    """How long each deployed model's answers take; 20 where it is not said."""
    splits: list[dict[str, int]] = field(default_factory=list)
    """Each traffic that was set."""
    writes: list[str] = field(default_factory=list)
    """Each call that changed something."""
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    _etags: int = 0

    def routed(self, request: Request, path: str) -> Any:
        """Answer a request about models, endpoints, their operations or their metrics."""
        if "/operations" in path:
            return self._operation(path)
        if path.startswith("/v3/"):
            return self._series(request.query)
        kind, _, rest = re.sub(r"^projects/[^/]+/locations/[^/]+/", "", path).partition("/")
        if kind == "endpoints":
            return self._endpoint(request, rest)
        return self._model(request, f"{kind}/{rest}" if rest else kind)

    # -- models

    def _model(self, request: Request, path: str) -> Any:
        if path == "models:upload":
            return self._upload(request.json)
        identity, _, verb = path.removeprefix("models/").partition(":")
        identity, _, version = identity.partition("@")
        if identity not in self.models:
            raise Refused(404, f"The Model {identity} does not exist.")
        versions = self.models[identity]
        if verb == "listVersions":
            start = int(request.query.get("pageToken") or 0)
            more = {"nextPageToken": str(start + 2)} if start + 2 < len(versions) else {}
            return {"models": versions[start : start + 2], **more}
        if verb == "mergeVersionAliases":
            return self._merge(versions, version, request.json["versionAliases"])
        raise Refused(404, f"{request.method} {path}")

    def _upload(self, asked: dict[str, Any]) -> Any:
        model, parent = asked["model"], asked.get("parentModel", "")
        identity = parent.rpartition("/")[2] or asked.get("modelId", "")
        check(re.fullmatch(r"[a-z_][a-z0-9_-]{0,62}", identity), f"Invalid model id {identity!r}")
        if not parent and identity in self.models:
            raise Refused(409, f"The Model {identity} already exists.")
        check(not parent or identity in self.models, "parent model does not exist")
        for key, value in model.get("labels", {}).items():
            check(_LABEL.fullmatch(key) and _LABEL.fullmatch(value), f"Invalid label {key}={value}")
        check(model["artifactUri"].startswith("gs://"), "artifact_uri must be in Cloud Storage")
        spec = model["containerSpec"]
        check(_DIGEST.fullmatch(spec["imageUri"]), "the image is not in a registry, or not pinned")
        for probe in (spec["startupProbe"], spec["healthProbe"]):
            check(probe["periodSeconds"] < probe["timeoutSeconds"], "period_seconds must be less than timeout_seconds")
        versions = self.models.setdefault(identity, [])
        made = {
            **model,
            "name": f"{NUMBERED}/models/{identity}",
            "versionId": str(len(versions) + 1),
            "versionAliases": [] if versions else ["default"],
        }
        versions.append(made)
        self.writes.append(f"upload {model['labels']['mlops-version']}")
        answer = {"@type": f"{_TYPE}.UploadModelResponse", "model": made["name"], "modelVersionId": made["versionId"]}
        return self._begun(f"{NUMBERED}/models/{identity}", answer)

    def _merge(self, versions: list[dict[str, Any]], version: str, aliases: list[str]) -> Any:
        [chosen] = [one for one in versions if one["versionId"] == version]
        for text in aliases:
            name = text.removeprefix("-")
            check(_ALIAS.fullmatch(name), f"Invalid alias {name}")
            check(text != "-default", "there must be exactly one default version")
            for one in versions if text == name else [chosen]:
                one["versionAliases"] = [kept for kept in one["versionAliases"] if kept != name]
            if text == name:
                chosen["versionAliases"].append(name)
        self.writes.append(f"aliases {' '.join(aliases)}")
        return chosen

    def alias(self, model: str, name: str) -> str | None:
        """Return our number of the version that has an alias."""
        found = [one for one in self.models.get(model, []) if name in one["versionAliases"]]
        return found[0]["labels"]["mlops-version"] if found else None

    # -- endpoints

    def etag(self) -> str:
        """Return the endpoint's etag."""
        state = json.dumps([self._etags, self.traffic, sorted(self.deployed)], sort_keys=True)
        return hashlib.sha256(state.encode()).hexdigest()[:16]

    def touched(self) -> None:
        """Change the etag, as any change of the endpoint does."""
        self._etags += 1

    def _endpoint(self, request: Request, rest: str) -> Any:
        identity, _, verb = rest.partition(":")
        if identity != "1001":
            raise Refused(404, f"The Endpoint {identity} does not exist.")
        if verb == "deployModel":
            return self._deploy(request.json)
        if verb == "undeployModel":
            return self._undeploy(request.json)
        if verb == "predict":
            return self._predict(request.json)
        if request.method == "PATCH":
            return self._patch(request)
        return self._described()

    def _described(self) -> dict[str, Any]:
        models = list(self.deployed.values())
        return {
            "name": f"{NUMBERED}/endpoints/1001",
            "displayName": "flight_delay",
            "deployedModels": models,
            "trafficSplit": dict(self.traffic),
            "etag": self.etag(),
            "dedicatedEndpointEnabled": True,
            "dedicatedEndpointDns": "1001.europe-west1-123456.prediction.vertexai.goog",
        }

    def _patch(self, request: Request) -> Any:
        check(request.query.get("updateMask") == "trafficSplit", "only the traffic is ours to change")
        asked = request.json
        if asked.get("etag") != self.etag():
            raise Refused(409, "The etag does not match: the Endpoint was changed.", "ABORTED")
        self.set(asked.get("trafficSplit", {}))
        self.writes.append("split")
        return self._described()

    def set(self, traffic: dict[str, int]) -> None:
        """Set the traffic, as anybody may."""
        check(not traffic or sum(traffic.values()) == 100, "The traffic percentage values must add up to 100.")
        check(traffic.keys() <= self.deployed.keys(), "Unknown deployed model")
        self.traffic = {key: value for key, value in traffic.items() if value}
        self.splits.append(dict(self.traffic))
        self.touched()

    def _deploy(self, asked: dict[str, Any]) -> Any:
        model = asked["deployedModel"]
        check(re.fullmatch(r"[0-9]{1,10}", model["id"]), "Invalid deployed model id")
        check("trafficSplit" not in asked, "a split without an etag overwrites somebody else's")
        check(model.get("serviceAccount"), "this project allows no default account")
        resources = model["dedicatedResources"]
        check(1 <= resources["minReplicaCount"] <= resources["maxReplicaCount"], "Invalid replica count")
        name, _, version = model["model"].partition("@")
        known = [one["versionId"] for one in self.models.get(name.rpartition("/")[2], [])]
        check(version in known, f"The Model {model['model']} does not exist.")
        running = [name for name, one in self.operations.items() if "/endpoints/" in name and not one["done"]]
        if running or model["id"] in self.deployed:
            raise Refused(409, "There is another operation running, or the id is in use.", "ALREADY_EXISTS")
        self.writes.append(f"deploy {model['displayName'][:3]}")
        if model["displayName"][:2] in self.fails:
            message = "Model server never became ready. Please validate that your model file or container is valid."
            return self._begun(f"{NUMBERED}/endpoints/1001", None, message)
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = {"availableReplicaCount": resources["minReplicaCount"], "lastUpdateTime": at}
        made = {**model, "createTime": at, "modelVersionId": version, "status": status}
        answer = {"@type": f"{_TYPE}.DeployModelResponse", "deployedModel": made}
        return self._begun(f"{NUMBERED}/endpoints/1001", answer, then=lambda: self._place(made))

    def _place(self, made: dict[str, Any]) -> None:
        self.deployed[made["id"]] = made
        self.touched()

    def _undeploy(self, asked: dict[str, Any]) -> Any:
        identity = asked["deployedModelId"]
        if identity not in self.deployed:
            raise Refused(404, f"The DeployedModel {identity} does not exist.")
        if self.traffic.get(identity):
            raise Refused(400, "The DeployedModel has traffic.", "FAILED_PRECONDITION")
        self.writes.append(f"undeploy {self.deployed.pop(identity)['displayName'][:3]}")
        self.touched()
        return self._begun(f"{NUMBERED}/endpoints/1001", {"@type": f"{_TYPE}.UndeployModelResponse"})

    def _predict(self, asked: dict[str, Any]) -> Any:
        if not self.traffic:
            raise Refused(400, "The Endpoint has no deployed model with traffic.", "FAILED_PRECONDITION")
        identity = self.chance.choices(list(self.traffic), list(self.traffic.values()))[0]
        status, answer = self.predict(self.deployed[identity], asked)
        if status != 200:
            raise Refused(status, str(answer))
        return {**answer, "deployedModelId": identity}

    def version_of(self, identity: str) -> str:
        """Return our number of a deployed model."""
        return str(self.deployed[identity]["displayName"].partition("@")[0][1:])

    @property
    def shares(self) -> dict[str, int]:
        """The traffic by our number of the version."""
        return {self.version_of(identity): percent for identity, percent in self.traffic.items()}

    # -- operations

    def _begun(
        self, resource: str, answer: Any, error: str = "", then: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        name = f"{resource}/operations/{len(self.operations) + 1}"
        ended: dict[str, Any] = {"error": {"code": 9, "message": error}} if error else {"response": answer}
        self.operations[name] = {"done": False, "left": self.slow, "ended": ended, "then": then}
        if not self.slow:
            self._end(self.operations[name])
        return self._shown(name)

    def _operation(self, path: str) -> Any:
        if path.endswith("/operations"):
            place = re.sub(r"^projects/[^/]+/", "projects/123456/", path)
            return {"operations": [self._shown(name) for name in self.operations if name.startswith(f"{place}/")]}
        if path not in self.operations:
            raise Refused(404, f"The operation {path} does not exist.")
        one = self.operations[path]
        if not one["done"]:
            one["left"] -= 1
            if one["left"] <= 0:
                self._end(one)
        return self._shown(path)

    def _end(self, one: dict[str, Any]) -> None:
        one["done"] = True
        one["then"]()

    def _shown(self, name: str) -> dict[str, Any]:
        one = self.operations[name]
        return {"name": name, "done": True, **one["ended"]} if one["done"] else {"name": name}

    # -- metrics

    def _series(self, query: dict[str, str]) -> Any:
        wanted = query["filter"]
        check('resource.labels.endpoint_id="1001"' in wanted, "no such endpoint")
        seconds = int(query["aggregation.alignmentPeriod"].removesuffix("s"))
        check(seconds >= 60, "The alignment period must be at least 60 seconds.")
        if "response_count" in wanted:
            return {"timeSeries": [
                {"metric": {"labels": {"deployed_model_id": identity, "response_code": code}},
                 "points": [{"value": {"int64Value": str(count)}}]}
                for identity, codes in self.answered.items() for code, count in codes.items()
            ]}  # fmt: skip
        check('latency_type="total"' in wanted, "one latency type at a time")
        return {"timeSeries": [
            {"metric": {"labels": {"deployed_model_id": identity}},
             "points": [{"value": {"distributionValue": _distribution(sum(codes.values()), self._ms(identity))}}]}
            for identity, codes in self.answered.items()
        ]}  # fmt: skip

    def _ms(self, identity: str) -> float:
        return self.milliseconds.get(identity, 20.0)


def _distribution(count: int, milliseconds: float) -> dict[str, Any]:
    """Put all answers into one bin of the service's."""
    options = {"numFiniteBuckets": 66, "growthFactor": 1.4, "scale": 1.0}
    bin_of = next(at for at in range(67) if milliseconds < 1.4**at)
    return {
        "count": str(count),
        "bucketOptions": {"exponentialBuckets": options},
        "bucketCounts": [*["0"] * bin_of, str(count)],
    }
