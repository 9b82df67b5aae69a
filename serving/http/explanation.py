"""Answers a request for explanations with one version, in the form of KServe's V1 protocol."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from serving.bodies import requests
from serving.bodies.decoder import decode
from serving.bodies.explanations import explanations_body
from serving.bodies.strict_json import parse
from serving.errors import ModelError, RequestError, bad_request
from serving.limits import Limits
from serving.memory_budget import Charge
from serving.signature import DEFAULT_SIGNATURE
from serving.versions.loaded import Lease

if TYPE_CHECKING:
    from serving.models.explainer import Explainer

INCOMPLETE = "INCOMPLETE_EXPLANATION"
_KEPT = "explainer"


class Explanations:
    """Explains with the caps of one server; called from the threads of its pool."""

    def __init__(self, limits: Limits) -> None:
        self._limits = replace(limits, rows=min(limits.rows, limits.explain_rows))

    def body(self, lease: Lease, body: bytes, charge: Charge | None) -> bytes:
        """Return the body of the answer.

        Raises RequestError: 400 and 413 as for a prediction, 501 for a version that cannot be explained, 504 when it
        takes too long, 500 for a model whose answers cannot be explained, as they differ from one call to the next.
        """
        began = time.monotonic()
        model = lease.model
        asked = decode(body, model.signatures, self._limits)
        if asked is not None:
            signature, feeds = asked.signature, asked.feeds
        else:
            question = requests.predict_question(parse(body, self._limits))
            signature = model.signature(question.signature)
            feeds = requests.feeds(question, signature, self._limits.rows)
        if signature.name != DEFAULT_SIGNATURE:
            raise bad_request(f"signature_name: only the answers of {DEFAULT_SIGNATURE!r} are explained")
        explainer = self._explainer(lease)
        if charge is not None:
            charge.answer(explainer.working_bytes)
        try:
            explained = explainer.explain(explainer.fed(feeds.columns), lambda: self._check(began))
        except ModelError as error:
            raise RequestError(500, "MODEL_FAILED", str(error)) from None
        written = explanations_body(explained)
        for row, one in enumerate(explained):
            if not one.adds_up:
                raise RequestError(
                    500,
                    INCOMPLETE,
                    f"row {row}: base and attributions differ from the prediction by {one.residual:.2g}, relatively; "
                    "the model's answers depend on more than the row, or its own signature 'explain' is wrong",
                )
        return written

    def _check(self, began: float) -> None:
        """Stop a computation whose request was answered with 504 already."""
        if time.monotonic() - began > self._limits.answer_seconds:
            raise RequestError(
                504,
                "DEADLINE_EXCEEDED",
                f"the explanation took longer than {self._limits.answer_seconds:g} s; send fewer rows",
            )

    def _explainer(self, lease: Lease) -> "Explainer":
        from serving.models.explainer import Explainer  # noqa: PLC0415 - TensorFlow, which a worker imports after its fork

        kept = lease.model.beside
        if _KEPT not in kept:
            try:
                kept[_KEPT] = Explainer(lease.model)
            except ModelError as error:
                kept[_KEPT] = error
        found = kept[_KEPT]
        if isinstance(found, Explainer):
            return found
        reason = str(found).replace(f"{lease.model.path}/", "")
        raise RequestError(501, "UNIMPLEMENTED", f"version {lease.version} cannot be explained: {reason}")
