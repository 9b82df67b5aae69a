"""Parts of pipelines that several of them share: plain functions, called while a pipeline is traced."""

from pipelines.segments.data import described_data, labeled, validated_data
from pipelines.segments.model import candidate, config_with, prepared_data, tuned_model
from pipelines.segments.monitor import monitored
from pipelines.segments.parts import (
    Answered,
    Candidate,
    Data,
    Delivery,
    Described,
    Destination,
    Evidence,
    InProduction,
    PinnedSource,
)
from pipelines.segments.release import pushed, released
from pipelines.segments.review import SLOTS, asked, collected, if_passed, if_passed_all, served
from pipelines.segments.traced import run, run_if_configured, run_with

__all__ = [
    "SLOTS",
    "Answered",
    "Candidate",
    "Data",
    "Delivery",
    "Described",
    "Destination",
    "Evidence",
    "InProduction",
    "PinnedSource",
    "asked",
    "candidate",
    "collected",
    "config_with",
    "described_data",
    "if_passed",
    "if_passed_all",
    "labeled",
    "monitored",
    "prepared_data",
    "pushed",
    "released",
    "run",
    "run_if_configured",
    "run_with",
    "served",
    "tuned_model",
    "validated_data",
]
