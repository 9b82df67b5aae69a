"""Asks the user's module which raw features it reads, by tracing its `preprocessing_fn`."""

import logging
import tempfile
from collections.abc import Collection
from functools import partial
from inspect import signature
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from adapters.tft.inputs import read_columns
from core import user_code

log = logging.getLogger(__name__)


def module_reads(module: str, schema: schema_pb2.Schema) -> frozenset[str]:
    """Return the raw features that an output of `preprocessing_fn` depends on; all of them when that is not known."""
    found = _traced(module, schema)
    return frozenset(feature.name for feature in schema.feature) if found is None else found


def runs_without(
    module: str, schema: schema_pb2.Schema, left_out: Collection[str], reads: Collection[str]
) -> tuple[str, ...]:
    """Return which of these features the module can do without: all, or else those that it does not read, or none."""
    for removed in (tuple(left_out), tuple(name for name in left_out if name not in reads)):
        reduced = schema_pb2.Schema()
        reduced.CopyFrom(schema)
        for feature in reduced.feature:
            if feature.name in removed:
                feature.lifecycle_stage = schema_pb2.DISABLED
        if removed and _traced(module, reduced) is not None:
            return removed
    return ()


def _traced(module: str, schema: schema_pb2.Schema) -> frozenset[str] | None:
    """Trace the function; None when it raises, such as a KeyError for a feature that is not there."""
    adapter = TFExampleBeamRecord(
        physical_format="inmem", telemetry_descriptors=["mlops"], schema=schema
    ).TensorAdapterConfig()
    try:
        function: Any = user_code.function(user_code.load(module), "preprocessing_fn")
        if "custom_config" in signature(function).parameters:
            function = partial(function, custom_config={})
        with tempfile.TemporaryDirectory(prefix="traced-") as temporary:
            return read_columns(function, TensorAdapter(adapter).OriginalTypeSpecs(), temporary)
    except Exception as error:  # whatever the user's function raises, the answer is that it cannot
        log.info("preprocessing_fn cannot be traced with these features: %s: %s", type(error).__name__, error)
        return None
