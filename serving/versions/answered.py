"""Describes an answered request for the prediction log."""

from collections.abc import Mapping
from typing import NamedTuple

from artifacts.prediction_log import names
from serving.bodies.columns import Column
from serving.bodies.requests import Feeds
from serving.prediction_log.answered import Answered
from serving.signature import Signature
from serving.versions.loaded import Lease


class Asked(NamedTuple):
    """What the log needs of a request."""

    model: str
    request_id: str
    body_bytes: int


def answered(
    asked: Asked,
    lease: Lease,
    signature: Signature,
    feeds: Feeds,
    outputs: Mapping[str, Column],
) -> Answered:
    """Return what a version answered; one that the request named itself has the champion's role."""
    return Answered(
        asked.model,
        lease.version,
        asked.request_id,
        asked.body_bytes,
        lease.model.features,
        signature,
        feeds.columns,
        outputs,
        feeds.blocks,
        feeds.missing,
        lease.role if lease.role in names.ROLES else names.CHAMPION,
    )
