"""Answers one request with one version: from the body's bytes to the answer's bytes, in one thread."""

from typing import NamedTuple

from serving.bodies import open_inference, requests, responses
from serving.bodies.decoder import Decoded, decode
from serving.bodies.strict_json import parse
from serving.errors import RequestError
from serving.http.paths import ParsedPath
from serving.limits import Limits
from serving.metrics import Metrics
from serving.signature import DEFAULT_SIGNATURE
from serving.versions.loaded import Lease
from serving.versions.manager import ModelManager


class Answer(NamedTuple):
    """A response body, and the version that answered."""

    version: int
    body: bytes


class Inference:
    """Answers requests; called from the threads of the pool."""

    def __init__(self, manager: ModelManager, limits: Limits, metrics: Metrics) -> None:
        self._manager = manager
        self._limits = limits
        self._metrics = metrics

    def answer(self, path: ParsedPath, body: bytes) -> Answer:
        """Answer a predict, classify or regress request; RequestError carries the status to answer with otherwise."""
        with self._manager.lease(path.model, path.version, path.label) as lease:
            try:
                if path.verb == "predict":
                    return Answer(lease.version, self._predict(path.model, lease, body))
                if path.verb == "infer":
                    return Answer(lease.version, self._infer(path.model, lease, body))
                return Answer(lease.version, self._classify_or_regress(path.verb, lease, body))
            except RequestError as error:
                if error.code == "NON_FINITE_OUTPUT":
                    self._metrics.non_finite.labels(path.model, str(lease.version)).inc()
                raise

    def _predict(self, name: str, lease: Lease, body: bytes) -> bytes:
        signature, form, feeds = decode(body, lease.model.signatures, self._limits) or self._read(lease, body)
        outputs = lease.model.run(signature, feeds.columns)
        self._metrics.count_inputs(name, feeds.missing, feeds.unknown)
        return responses.predict_body(outputs, feeds.rows, form)

    def _infer(self, name: str, lease: Lease, body: bytes) -> bytes:
        """Answer a request of the Open Inference Protocol."""
        signature = lease.model.signature(DEFAULT_SIGNATURE)
        asked = open_inference.infer_request(parse(body, self._limits), signature)
        feeds = requests.feeds(asked.question, signature, self._limits.rows)
        outputs = lease.model.run(signature, feeds.columns)
        self._metrics.count_inputs(name, feeds.missing, feeds.unknown)
        return open_inference.infer_body(asked, name, lease.version, outputs)

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
