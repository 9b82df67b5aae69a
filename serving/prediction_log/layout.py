"""What is logged of the requests of one version's signature, as its feature file allows."""

from collections.abc import Sequence
from dataclasses import dataclass

from artifacts.model.features import Feature
from artifacts.model.scored_output import scored_output
from artifacts.prediction_log import names
from serving.prediction_log.answered import Answered
from serving.prediction_log.settings import LogSettings


@dataclass(frozen=True)
class Layout:
    """The features and outputs of a row that is logged."""

    features: tuple[Feature, ...]
    """Those that are written, as they are or hashed."""
    outputs: tuple[tuple[str, str], ...]
    """Outputs of the model, each with the name of its feature in the log."""
    key: tuple[Feature, ...]
    """The features whose values are the key; empty: `<request id>/<row>` is."""
    examples: str
    """The input of serialized tf.Examples; empty when every feature has tensors of its own."""
    remarks: tuple[str, ...]
    """What is left out, and why."""


def layout_of(answered: Answered, settings: LogSettings) -> Layout:
    """Decide what is logged; what cannot be told to be free of personal data is left out."""
    remarks: list[str] = []
    known = _readable(answered, remarks)
    kept = tuple(feature for feature in known if _is_kept(feature, settings, remarks))
    examples = answered.signature.inputs[0].name if answered.signature.takes_examples else ""
    key = _key(kept, settings.key_columns, remarks)
    return Layout(kept, _outputs(answered), key, examples, tuple(remarks))


def _readable(answered: Answered, remarks: list[str]) -> Sequence[Feature]:
    """Return the features that the inputs of a request can be read as."""
    if answered.features is None:
        remarks.append("no raw features: the model has no feature file, so nothing says which of them are personal")
        return ()
    signature = answered.signature
    if not signature.takes_examples and not all(field.feature for field in signature.inputs):
        remarks.append(f"no raw features: the signature {signature.name} takes other inputs than the feature file has")
        return ()
    return answered.features.features


def _is_kept(feature: Feature, settings: LogSettings, remarks: list[str]) -> bool:
    if feature.name.startswith(names.PREFIX):
        remarks.append(f"not {feature.name}: the log's own names start with {names.PREFIX}")
        return False
    match feature.personal:
        case "no":
            return True
        case "hash" if settings.secret:
            return True
        case "hash":
            remarks.append(f"not {feature.name}: it is personal, and there is no secret to hash it with")
        case "drop":
            remarks.append(f"not {feature.name}: it is personal")
        case _:
            remarks.append(
                f"not {feature.name}: the feature file does not say whether it is personal; train the model again"
            )
    return False


def _key(kept: Sequence[Feature], columns: Sequence[str], remarks: list[str]) -> tuple[Feature, ...]:
    by_name = {feature.name: feature for feature in kept if not feature.shape}
    missing = [name for name in columns if name not in by_name]
    if missing:
        remarks.append(
            f"the key is <request id>/<row>: {', '.join(missing)} is no feature of one value that may be logged"
        )
        return ()
    return tuple(by_name[name] for name in columns)


def _outputs(answered: Answered) -> tuple[tuple[str, str], ...]:
    """Name the outputs; the one that the model is scored by is the log's prediction."""
    numeric = [name for name, values in answered.outputs.items() if values.dtype.kind == "f"]
    scored = scored_output(answered.outputs, numeric)
    taken = names.RESERVED | {names.PREDICTION}
    return tuple(
        (name, names.PREDICTION if name == scored else names.output_feature(name))
        for name in answered.outputs
        if name == scored or names.output_feature(name) not in taken
    )
