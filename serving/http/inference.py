"""Answers one request with one version: from the body's bytes to the answer's bytes, in one thread."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from serving.bodies import answer_size, open_inference, requests, responses
from serving.bodies.columns import Column
from serving.bodies.decoder import Decoded, decode, decode_infer
from serving.bodies.strict_json import parse
from serving.errors import RequestError, too_large
from serving.http.explanation import INCOMPLETE, Explanations
from serving.http.paths import ParsedPath
from serving.limits import Limits
from serving.memory_budget import Charge
from serving.metrics import Metrics
from serving.prediction_log.log import PredictionLog
from serving.rollout.counted import Outputs, counted
from serving.rollout.keys import Headers, key_of_body
from serving.rollout.shadow import CopiedRequest, ShadowSender
from serving.signature import DEFAULT_SIGNATURE, Signature
from serving.versions.answered import Asked, answered
from serving.versions.loaded import Lease
from serving.versions.manager import ModelManager

_Write = Callable[[dict[str, Column]], bytes]
"""Encodes the outputs as the body of an answer; RequestError for those that it cannot."""
SMALL_BYTES = 128 << 10
"""Bodies up to this may be parsed in the event loop: it takes a millisecond."""


class InferenceRequest(NamedTuple):
    """What was asked."""

    path: ParsedPath
    body: bytes
    request_id: str = ""
    headers: Headers = ()
    charge: Charge | None = None
    """None for a copy, whose answer nobody waits for."""
    spent: list[object] | None = None
    """Where what was made of the body is put, so that it is freed after the answer is written, and not before."""

    @property
    def asked(self) -> Asked:
        """What the prediction log needs of it."""
        return Asked(self.path.model, self.request_id, len(self.body))


class Answer(NamedTuple):
    """A response body, the version that answered, and its outputs."""

    version: int
    body: bytes
    outputs: Outputs


class Inference:
    """Answers requests; called from the threads of the pool."""

    def __init__(
        self, manager: ModelManager, limits: Limits, metrics: Metrics, log: PredictionLog | None = None
    ) -> None:
        self._manager = manager
        self._versions = VersionAnswers(limits, metrics, log)
        self.shadow: ShadowSender | None = None
        """Where copies of requests go in shadow mode."""

    def answer(self, request: InferenceRequest) -> Answer:
        """Answer a request of any verb; RequestError carries the status to answer with otherwise."""
        path = request.path
        split = self._manager.split(path.model) if path.version is None and path.label is None else None
        keyed = key_of_body(split, request.headers, request.body) if split is not None else None
        with self._manager.lease(path.model, path.version, path.label, keyed) as lease:
            if path.verb == "explain":  # takes longer than a prediction, and says nothing of a canary
                return self._versions.answer(lease, request)
            answer = counted(lease, keyed, partial(self._versions.answer, lease, request), _outputs)
        if split is not None and keyed is not None and split.percent == 0 and self.shadow is not None:
            asked = CopiedRequest(path.model, split.stage, path.verb, request.request_id, keyed.key, request.body)
            self.shadow.send(asked, answer.outputs)
        return answer

    def kind(self, path: ParsedPath, size: int) -> tuple[ParsedPath, int] | None:
        """Return what requests have in common that take about the same time; None for those that need a thread.

        A canary may be slow, so requests that it might get do not hold up the event loop; explanations always are.
        """
        is_known = size <= SMALL_BYTES and path.verb != "explain" and self._manager.split(path.model) is None
        return (path, size.bit_length()) if is_known else None


class VersionAnswers:
    """Answers with a version that the caller holds."""

    def __init__(self, limits: Limits, metrics: Metrics, log: PredictionLog | None = None) -> None:
        self._limits = limits
        self._metrics = metrics
        self._log = log
        self._explanations = Explanations(limits)

    def answer(self, lease: Lease, request: InferenceRequest) -> Answer:
        """Answer a request with a version; RequestError carries the status to answer with otherwise."""
        verb = request.path.verb
        try:
            if verb == "predict":
                return self._predict(request, lease)
            if verb == "infer":
                return self._infer(request, lease)
            if verb == "explain":
                return Answer(lease.version, self._explanations.body(lease, request.body, request.charge), {})
            return self._classify_or_regress(request, lease)
        except RequestError as error:
            if error.code == "NON_FINITE_OUTPUT":
                self._metrics.non_finite.labels(request.path.model, str(lease.version)).inc()
            elif error.code == INCOMPLETE:
                self._metrics.incomplete.labels(request.path.model, str(lease.version)).inc()
            raise

    def copied(self, lease: Lease, copied: CopiedRequest) -> Outputs:
        """Answer the copy of a request, for its outputs alone."""
        path = ParsedPath(copied.model, verb=copied.verb)
        return self.answer(lease, InferenceRequest(path, copied.body, copied.request_id)).outputs

    def _predict(self, request: InferenceRequest, lease: Lease) -> Answer:
        asked = decode(request.body, lease.model.signatures, self._limits) or self._read(lease, request.body)
        write = partial(responses.predict_body, rows=asked.feeds.rows, form=asked.form)
        return self._answered(request, lease, asked, write)

    def _infer(self, request: InferenceRequest, lease: Lease) -> Answer:
        """Answer a request of the Open Inference Protocol."""
        signature = lease.model.signature(DEFAULT_SIGNATURE)
        decoded = decode_infer(request.body, signature, self._limits)
        asked, feeds = decoded or self._read_infer(request.body, signature)
        write = partial(open_inference.infer_body, asked, request.path.model, lease.version)
        return self._answered(request, lease, Decoded(signature, "inputs", feeds), write)

    def _answered(self, request: InferenceRequest, lease: Lease, asked: Decoded, write: _Write) -> Answer:
        """Run the model, count what inputs lack, encode the answer and log it; a refused one is not logged."""
        signature, feeds = asked.signature, asked.feeds
        if request.spent is not None:
            request.spent.append(asked)
        outputs = _run(request, lease, signature, feeds)
        self._metrics.count_inputs(request.path.model, feeds.missing, feeds.unknown)
        body = write(outputs)
        if 0 < self._limits.answer_bytes < len(body):
            raise too_large(
                f"the answer has {len(body)} bytes, the most is {self._limits.answer_bytes}; send fewer rows at once"
            )
        if self._log is not None:
            self._log.offer(answered(request.asked, lease, signature, feeds, outputs))
        return Answer(lease.version, body, outputs)

    def _read(self, lease: Lease, body: bytes) -> Decoded:
        """Read a body that the decoder left alone, for the most part to say what is wrong with it."""
        question = requests.predict_question(parse(body, self._limits))
        signature = lease.model.signature(question.signature)
        return Decoded(signature, question.form, requests.feeds(question, signature, self._limits.rows))

    def _read_infer(self, body: bytes, signature: Signature) -> tuple[open_inference.InferRequest, requests.Feeds]:
        asked = open_inference.infer_request(parse(body, self._limits), signature)
        return asked, requests.feeds(asked.question, signature, self._limits.rows)

    def _classify_or_regress(self, request: InferenceRequest, lease: Lease) -> Answer:
        from serving.models.savedmodel import serialize  # noqa: PLC0415 - TensorFlow, imported by the loaded model

        question = requests.example_question(parse(request.body, self._limits))
        signature = lease.model.example_signature(question.signature, request.path.verb)
        rows = requests.example_rows(question, lease.model.rows, self._limits.rows)
        feeds = requests.Feeds({signature.inputs[0].name: serialize(rows)}, len(rows), {}, {})
        write = responses.classify_body if request.path.verb == "classify" else responses.regress_body
        return self._answered(request, lease, Decoded(signature, question.form, feeds), write)


def _outputs(answer: Answer) -> Outputs:
    return answer.outputs


def _run(request: InferenceRequest, lease: Lease, signature: Signature, feeds: requests.Feeds) -> dict[str, Column]:
    """Run the model, and charge the request with its answer: as far as it is known before, and in full after."""
    if request.charge is None:
        return lease.model.run(signature, feeds.columns)
    request.charge.answer(answer_size.expected(signature.outputs, feeds.rows or 1))
    outputs = lease.model.run(signature, feeds.columns)
    request.charge.answer(answer_size.most(outputs, may_be_fast=request.path.verb in {"predict", "infer"}))
    return outputs
