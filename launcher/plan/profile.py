"""Profiles: what is measured, as data. One TOML file under profiles/ is one profile."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    ValidationError,
    create_model,
    field_validator,
)

from launcher.errors import UsageError, require_name, unknown
from launcher.text import seconds
from runners.harness.axes import Axis
from runners.harness.case import AXES

Positive = Annotated[int, Field(ge=1, le=1_000_000)]
NotNegative = Annotated[int, Field(ge=0, le=1_000_000)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Stopping(_Strict):
    """When an adaptive run has seen enough of a case."""

    most_blocks: Annotated[int, Field(ge=2, le=1000)] = 30
    every: Annotated[int, Field(ge=1, le=100)] = 1
    half_width: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.02


class SamplingKeys(_Strict):
    """How long one replicate measures, where not as usual. A group of cases may change what its profile says."""

    warmup_steps: NotNegative | None = None
    min_steps: Positive | None = None
    max_steps: Positive | None = None
    min_seconds: Seconds | None = None


class CaseGroup(_Strict):
    """A matrix of cases: every combination of the values that it names for each axis."""

    workload: str
    variants: Literal["usual", "all"] | list[str] = "usual"
    """Names apply to every framework that has them; `pytorch/eager` is of one framework alone."""
    loaders: Literal["usual", "all"] | list[str] = "usual"
    devices: Annotated[list[Literal["cpu", "gpu"]], Field(min_length=1)] = ["cpu", "gpu"]
    """Where these cases are measured; elsewhere only if the workload is asked for."""
    sampling: SamplingKeys = SamplingKeys()
    timeout: Annotated[float, Field(gt=0, le=604_800)] | None = None
    blocks: Annotated[int, Field(ge=1, le=1000)] | None = None

    def asked(self, axis: str) -> list[Any] | None:
        """The values that the group names of an axis; None where it names none."""
        found: list[Any] | None = getattr(self, axis)
        return found


def _values(axis: Axis) -> Any:
    """The type of an axis's key: a value, or a list of values."""
    value: Any = Annotated[int, Field(ge=axis.least, le=1_000_000)] if axis.kind is int else axis.kind
    return Annotated[list[value], BeforeValidator(_listed), Field(min_length=1)] | None


_KEYED: dict[str, Any] = {axis.name: (_values(axis), None) for axis in AXES}
_Group = create_model("CaseGroup", __base__=CaseGroup, **_KEYED)


class Profile(_Strict):
    """One profile, whole."""

    description: str
    blocks: Annotated[int, Field(ge=1, le=1000)]
    timeout: Annotated[float, Field(gt=0, le=604_800)] = 600.0
    pilots: Annotated[int, Field(ge=0, le=100)] = 0
    data: str = ""
    """The data set where `--data` is not given; empty for synthetic data."""
    budget: str = ""
    """The time that measuring may take, like 15m; empty for no bound."""
    stopping: Stopping | None = None
    sampling: SamplingKeys = SamplingKeys()
    cases: Annotated[list[Annotated[CaseGroup, GetPydanticSchema(lambda _, read: read(_Group))]], Field(min_length=1)]

    @field_validator("budget")
    @classmethod
    def _is_a_time(cls, text: str) -> str:
        if text:
            seconds(text)
        return text


_KEYS: dict[tuple[str, ...], type[BaseModel]] = {
    (): Profile,
    ("sampling",): SamplingKeys,
    ("stopping",): Stopping,
    ("cases",): _Group,
    ("cases", "sampling"): SamplingKeys,
}


def load_profile(root: Path, name: str) -> Profile:
    """Read and validate `profiles/<name>.toml`; anything wrong in it is a UsageError that names the key."""
    folder = root / "profiles"
    require_name("profile", name, [path.stem for path in folder.glob("*.toml")])
    path = folder / f"{name}.toml"
    try:
        return Profile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"profiles/{name}.toml: {error}") from error
    except ValidationError as error:
        raise UsageError(f"profiles/{name}.toml: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    """The first fault, with its place; an unknown key before all, since what is missing is often misspelt."""
    faults = error.errors()
    fault = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] != "extra_forbidden":
        return f"{place}: {fault['msg']}"
    names = tuple(part for part in fault["loc"][:-1] if isinstance(part, str))
    return f"{place}: {unknown('key', str(fault['loc'][-1]), _KEYS[names].model_fields)}"
