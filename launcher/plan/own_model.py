"""Plans a run of the user's own model instead of the profile's networks."""

from dataclasses import dataclass, replace
from pathlib import Path

from launcher.errors import UsageError
from launcher.options import Options
from runners.harness.case import Case, ModelRef
from runners.harness.own_model import PRECISIONS, ModelError, OwnModel, located

WORKLOAD = "infer"


@dataclass(frozen=True)
class Own:
    """The model, its identity and the shape of one input. If `fixed_batch` is set, it is the only batch size."""

    model: OwnModel
    reference: ModelRef
    input_shape: str
    fixed_batch: int | None

    def instead(self, case: Case) -> Case:
        """The case with this model instead of its network."""
        return replace(
            case,
            network=self.model.network,
            input_size=None,
            input_shape=self.input_shape,
            batch_size=self.fixed_batch or case.batch_size,
            model=self.reference,
        )


def own_model(options: Options) -> Own | None:
    """The model that the options name, if any. Raises UsageError where it cannot be measured, or not so."""
    if not options.model:
        if options.input_shape:
            raise UsageError("--input-shape: only with --model, your own model; --sizes is for the networks")
        return None
    others = sorted({*options.workloads} - {WORKLOAD})
    if others:
        raise UsageError(f"--model: your own model is measured in {WORKLOAD} only, not in {', '.join(others)}")
    for name in ("networks", "sizes"):
        if name in options.overrides:
            raise UsageError(f"--{name}: not with --model, which replaces the networks; --input-shape gives the shape")
    for precision in options.overrides.get("precision", ()):
        if precision not in PRECISIONS:
            raise UsageError(f"PRECISION={precision}: your own model is measured in {' or '.join(PRECISIONS)}")
    try:
        model = located(options.model)
        model = replace(model, path=model.path.absolute())
        own = Own(model, model.reference(), model.input_shape(options.input_shape), model.fixed_batch)
    except ModelError as error:
        raise UsageError(f"--model {error}" if not str(error).startswith("--") else str(error)) from error
    batches = {*options.overrides.get("batches", ())} - {own.fixed_batch}
    if own.fixed_batch and batches:
        raise UsageError(f"--batches: {model.path.name} is made for a batch of {own.fixed_batch}; leave --batches out")
    return own


def is_still(model: OwnModel, case: Case) -> bool:
    """Whether the model on disk is still the same as when the case was planned."""
    try:
        return model.reference() == case.model
    except ModelError:
        return False


def named(text: str) -> OwnModel:
    """The model that `str` of it, as run.json keeps it, stands for; nobody says that it still exists."""
    path, colon, function = text.rpartition(":")
    return OwnModel(Path(path), function) if colon and path.endswith(".py") else OwnModel(Path(text))
