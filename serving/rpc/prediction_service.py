"""PredictionService and ModelService of TensorFlow Serving, as its own clients call them."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, NoReturn

import grpc
import numpy as np
from tensorflow.core.protobuf import error_codes_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.answer_pool import AnswerPool
from serving.bodies import answer_size, responses
from serving.bodies.columns import Column
from serving.bodies.requests import Feeds
from serving.errors import RequestError, bad_request, not_found
from serving.limits import Limits
from serving.memory_budget import Charge
from serving.metrics import Metrics
from serving.prediction_log.log import PredictionLog
from serving.request_ids import HEADER, request_id
from serving.rollout.counted import Outputs, counted
from serving.rollout.keys import key_of_tensors
from serving.rpc import tensors
from serving.signature import DEFAULT_SIGNATURE, Signature
from serving.versions.answered import Asked, answered
from serving.versions.loaded import Lease
from serving.versions.manager import ModelManager
from serving.versions.split import Keyed

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
CHARGE: ContextVar[Charge] = ContextVar("charge")
"""What the call that runs is charged with."""
_STATES = {"AVAILABLE": 30, "END": 50}
"""States of a version in TensorFlow Serving's enumeration."""


_How = Callable[[Any, Charge, Lease], Any]


class _Ran(NamedTuple):
    """What a signature was fed, and what it gave."""

    signature: Signature
    feeds: Feeds
    outputs: dict[str, Column]


class _Call:
    """Stands for the client of a gRPC call: when it goes away, grpc cancels the coroutine itself."""

    async def receive(self) -> Any:
        """Never return."""
        await asyncio.get_running_loop().create_future()


class PredictionService:
    """Answers calls with the leased version of a model; names are those of the protocol."""

    def __init__(
        self, manager: ModelManager, pool: AnswerPool, limits: Limits, metrics: Metrics, log: PredictionLog | None
    ) -> None:
        self._manager = manager
        self._pool = pool
        self._limits = limits
        self._metrics = metrics
        self._log = log

    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        """Run a signature on tensors."""
        return await self._answer(request, context, "predict", partial(self._predict, await _given_id(context)))

    async def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        """Run a signature that classifies on tf.Examples."""
        return await self._answer(request, context, "classify", partial(self._classify, await _given_id(context)))

    async def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        """Run a signature that regresses on tf.Examples."""
        return await self._answer(request, context, "regress", partial(self._regress, await _given_id(context)))

    async def MultiInference(self, _: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        """Not here: it classifies and regresses one input in one call."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "MultiInference is not served: call Classify and Regress")

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        """Describe the signatures of a model."""
        return await self._answer(request, context, "metadata", self._metadata)

    async def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        """List the versions of a model."""
        spec = request.model_spec
        try:
            known = self._manager.status(spec.name, _version(spec), spec.version_label or None)
        except RequestError as error:
            await _abort(context, error)
        answer = get_model_status_pb2.GetModelStatusResponse()
        for one in known:
            added = answer.model_version_status.add(version=one.version, state=_STATES[one.state])
            added.status.error_code = error_codes_pb2.Code.Value(one.code)
            added.status.error_message = one.message
        return answer

    async def _answer(self, request: Any, context: Any, verb: str, how: _How) -> Any:
        """Answer in a thread of the pool that HTTP has too, and count."""
        spec, status, version = request.model_spec, "200", ""
        try:
            if not self._manager.has(spec.name):
                raise not_found(f"Servable not found for request: Latest({spec.name[:100]})")
            charge = CHARGE.get()
            charge.parse(request.ByteSize())
            keyed = None if verb == "metadata" else self._keyed(request, context)
            work = partial(self._leased, spec, keyed, partial(how, request, charge))
            answer = await self._pool.run(_Call(), work)
            version = str(answer.model_spec.version.value)
        except RequestError as error:
            status = str(error.status)
            await _abort(context, error)
        finally:
            name = spec.name if self._manager.has(spec.name) else ""
            self._metrics.requests.labels(name, version, verb, status).inc()
        return answer

    def _keyed(self, request: Any, context: Any) -> Keyed | None:
        """Return the key of a request that is split between champion and canary; None where none is."""
        spec = request.model_spec
        split = None if _version(spec) or spec.version_label else self._manager.split(spec.name)
        if split is None:
            return None
        given = request.inputs if isinstance(request, predict_pb2.PredictRequest) else {}
        return key_of_tensors(split, context.invocation_metadata() or (), given, tensors.array)

    def _leased(self, spec: Any, keyed: Keyed | None, how: Callable[[Lease], Any]) -> Any:
        with self._manager.lease(spec.name, _version(spec), spec.version_label or None, keyed) as lease:
            answer = counted(lease, keyed, lambda: how(lease), _outputs)
            answer.model_spec.name = spec.name
            answer.model_spec.version.value = lease.version
            return answer

    def _predict(self, request_id: str, request: Any, charge: Charge, lease: Lease) -> Any:
        signature = lease.model.signature(request.model_spec.signature_name or DEFAULT_SIGNATURE)
        fed = tensors.feeds(request.inputs, signature, self._limits.rows)
        outputs = _run(charge, lease, signature, fed)
        self._metrics.count_inputs(request.model_spec.name, fed.missing, fed.unknown)
        responses.require_finite(outputs)
        answer = predict_pb2.PredictResponse()
        answer.model_spec.signature_name = signature.name
        for name in request.output_filter or outputs:
            if name not in outputs:
                raise bad_request(f"output_filter: got {name[:80]!r}, wanted some of {', '.join(outputs)}")
            answer.outputs[name].CopyFrom(tensors.proto(outputs[name]))
        self._offer(request_id, request, lease, _Ran(signature, fed, outputs))
        return answer

    def _offer(self, request_id: str, request: Any, lease: Lease, ran: _Ran) -> None:
        """Hand an answer to the prediction log; call it last, as a refused answer is not logged."""
        if self._log is not None:
            asked = Asked(request.model_spec.name, request_id, request.ByteSize())
            self._log.offer(answered(asked, lease, *ran))

    def _classify(self, request_id: str, request: Any, charge: Charge, lease: Lease) -> Any:
        ran = self._examples("classify", request, charge, lease)
        outputs = ran.outputs
        scores, classes = outputs.get("scores"), outputs.get("classes")
        if scores is None or scores.ndim != 2:
            raise bad_request(f"the signature gives {', '.join(outputs)}: Classify needs 'scores' of [rows, classes]")
        answer = classification_pb2.ClassificationResponse()
        for row, values in enumerate(scores.tolist()):
            labels = classes[row].tolist() if classes is not None else [b""] * len(values)
            found = answer.result.classifications.add()
            for label, score in zip(labels, values, strict=True):
                found.classes.add(label=label, score=score)
        self._offer(request_id, request, lease, ran)
        return answer

    def _regress(self, request_id: str, request: Any, charge: Charge, lease: Lease) -> Any:
        ran = self._examples("regress", request, charge, lease)
        outputs = ran.outputs
        values = outputs.get("outputs")
        if values is None or values.size != len(values):
            raise bad_request(f"the signature gives {', '.join(outputs)}: Regress needs 'outputs', one number per row")
        answer = regression_pb2.RegressionResponse()
        for value in values.reshape(-1).tolist():
            answer.result.regressions.add(value=value)
        self._offer(request_id, request, lease, ran)
        return answer

    def _examples(self, verb: str, request: Any, charge: Charge, lease: Lease) -> _Ran:
        """Run a signature on the serialized tf.Examples of a request."""
        signature = lease.model.example_signature(request.model_spec.signature_name, verb)
        kind = request.input.WhichOneof("kind")
        if kind is None:
            raise bad_request("input: wanted example_list or example_list_with_context, got nothing")
        sent = getattr(request.input, kind)
        rows = list(sent.examples)
        if not 0 < len(rows) <= self._limits.rows:
            raise bad_request(f"input: wanted 1 to {self._limits.rows} examples, got {len(rows)}")
        if kind == "example_list_with_context":
            for example in rows:
                own = dict(example.features.feature)
                example.features.MergeFrom(sent.context.features)
                for name, feature in own.items():
                    example.features.feature[name].CopyFrom(feature)
        records = np.empty(len(rows), object)
        records[:] = [example.SerializeToString() for example in rows]
        fed = Feeds({signature.inputs[0].name: records}, len(rows), {}, {})
        outputs = _run(charge, lease, signature, fed)
        responses.require_finite(outputs)
        return _Ran(signature, fed, outputs)

    def _metadata(self, request: Any, _: Charge, lease: Lease) -> Any:
        if list(request.metadata_field) != ["signature_def"]:
            raise bad_request(f"metadata_field: wanted signature_def alone, got {list(request.metadata_field)[:3]}")
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in lease.model.definitions.items():
            signatures.signature_def[name].CopyFrom(definition)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.metadata["signature_def"].Pack(signatures)
        return answer


def _outputs(answer: Any) -> Outputs:
    """Return the first row's outputs, for the comparison of a canary; classes without their labels."""
    if isinstance(answer, predict_pb2.PredictResponse):
        return {name: tensors.array(name, tensor) for name, tensor in answer.outputs.items()}
    if isinstance(answer, classification_pb2.ClassificationResponse):
        return {"scores": np.array([[found.score for found in answer.result.classifications[0].classes]])}
    return {"outputs": np.array([answer.result.regressions[0].value])}


def _run(charge: Charge, lease: Lease, signature: Signature, feeds: Feeds) -> dict[str, Column]:
    """Run the model, and charge the call with its answer."""
    charge.answer(answer_size.expected(signature.outputs, feeds.rows or 1))
    outputs = lease.model.run(signature, feeds.columns)
    charge.answer(answer_size.most(outputs, may_be_fast=False))
    return outputs


async def _given_id(context: Any) -> str:
    """Return the call's `x-request-id`, or one of ours, and send it as metadata before the answer."""
    given = request_id(dict(context.invocation_metadata() or ()).get(HEADER, ""))
    await context.send_initial_metadata(((HEADER, given),))
    return given


def _version(spec: Any) -> int | None:
    return spec.version.value if spec.HasField("version") else None


async def _abort(context: Any, error: RequestError) -> NoReturn:
    await context.abort(_CODES.get(error.status, grpc.StatusCode.INTERNAL), str(error))
    raise AssertionError("abort always raises")
