"""Answers one request with one version: from the body's bytes to the answer's bytes, in one thread."""

from typing import NamedTuple

from serving.bodies import open_inference, requests, responses
from serving.bodies.decoder import Decoded, decode
from serving.bodies.strict_json import parse
from serving.errors import RequestError
from serving.http.paths import ParsedPath
from serving.limits import Limits
from serving.metrics import Metrics
from serving.prediction_log.log import PredictionLog
from serving.signature import DEFAULT_SIGNATURE
from serving.versions.answered import Asked, answered
from serving.versions.loaded import Lease
from serving.versions.manager import ModelManager


class InferenceRequest(NamedTuple):
    """What was asked."""

    path: ParsedPath
    body: bytes
    request_id: str = ""

    @property
    def asked(self) -> Asked:
        """What the prediction log needs of it."""
        return Asked(self.path.model, self.request_id, len(self.body))


class Answer(NamedTuple):
    """A response body, and the version that answered."""

    version: int
    body: bytes


class Inference:
    """Answers requests; called from the threads of the pool."""

    def __init__(
        self, manager: ModelManager, limits: Limits, metrics: Metrics, log: PredictionLog | None = None
    ) -> None:
        self._manager = manager
        self._limits = limits
        self._metrics = metrics
        self._log = log

    def answer(self, request: InferenceRequest) -> Answer:
        """Answer a predict, classify or regress request; RequestError carries the status to answer with otherwise."""
        path = request.path
        with self._manager.lease(path.model, path.version, path.label) as lease:
            try:
                if path.verb == "predict":
                    return Answer(lease.version, self._predict(request, lease))
                if path.verb == "infer":
                    return Answer(lease.version, self._infer(request, lease))
                return Answer(lease.version, self._classify_or_regress(path.verb, lease, request.body))
            except RequestError as error:
                if error.code == "NON_FINITE_OUTPUT":
                    self._metrics.non_finite.labels(path.model, str(lease.version)).inc()
                raise

    def _predict(self, request: InferenceRequest, lease: Lease) -> bytes:
        signature, form, feeds = decode(request.body, lease.model.signatures, self._limits) or self._read(
            lease, request.body
        )
        outputs = lease.model.run(signature, feeds.columns)
        self._metrics.count_inputs(request.path.model, feeds.missing, feeds.unknown)
        answer = responses.predict_body(outputs, feeds.rows, form)
        if self._log is not None:
            self._log.offer(answered(request.asked, lease, signature, feeds.columns, outputs))
        return answer

    def _infer(self, request: InferenceRequest, lease: Lease) -> bytes:
        """Answer a request of the Open Inference Protocol."""
        signature = lease.model.signature(DEFAULT_SIGNATURE)
        asked = open_inference.infer_request(parse(request.body, self._limits), signature)
        feeds = requests.feeds(asked.question, signature, self._limits.rows)
        outputs = lease.model.run(signature, feeds.columns)
        self._metrics.count_inputs(request.path.model, feeds.missing, feeds.unknown)
        answer = open_inference.infer_body(asked, request.path.model, lease.version, outputs)
        if self._log is not None:
            self._log.offer(answered(request.asked, lease, signature, feeds.columns, outputs))
        return answer

    def _read(self, lease: Lease, body: bytes) -> Decoded:
        """Read a body that the decoder left alone, for the most part to say what is wrong with it."""
        question = requests.predict_question(parse(body, self._limits))
        signature = lease.model.signature(question.signature)
        return Decoded(signature, question.form, requests.feeds(question, signature, self._limits.rows))

    def _classify_or_regress(self, verb: str, lease: Lease, body: bytes) -> bytes:
        from serving.models.savedmodel import serialize  # noqa: PLC0415 - TensorFlow, imported by the loaded model

        question = requests.example_question(parse(body, self._limits))
        signature = lease.model.example_signature(question.signature, verb)
        rows = requests.example_rows(question, lease.model.rows, self._limits.rows)
        outputs = lease.model.run(signature, {signature.inputs[0].name: serialize(rows)})
        return responses.classify_body(outputs) if verb == "classify" else responses.regress_body(outputs)
