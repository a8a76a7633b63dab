"""How a model is drawn with on a machine: in which numbers, what lies where, what is compiled, and what that takes.

Plain values without torch, so that a plan can be told before anything is loaded. `generator/planning.py` makes plans,
`generator/placement.py` carries them out.
"""

from dataclasses import dataclass
from typing import Literal

Profile = Literal["quality", "fast", "draft"]
PROFILES: tuple[Profile, ...] = ("quality", "fast", "draft")
Memory = Literal["auto", "8GB", "12GB", "24GB", "full"]
MEMORIES: tuple[Memory, ...] = ("auto", "8GB", "12GB", "24GB", "full")
Weights = Literal["plain", "fp8", "fp8-stored", "nf4"]
Dtype = Literal["float32", "bfloat16"]

ROWS_WHEN_COMPILED = 16
"""Rows of a table where blocks are compiled: more tokens of concepts than a picture has."""
WITHOUT_GRADIENTS = ("_flash_3",)
"""Backends of attention that have no backward pass in diffusers."""
OPTIONAL_PACKAGES = ("triton", "torchao", "bitsandbytes", "flash_attn_interface", "flash_attn")
"""What drawing uses where it is installed."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What there is to draw on."""

    gpu: str | None = None
    """Its name; None draws on the processor."""
    gpu_bytes: int = 0
    """All of its memory."""
    free_bytes: int = 0
    """What of it nobody uses now."""
    capability: tuple[int, int] = (0, 0)
    """CUDA's number for what it can: 8.0 is A100, 8.9 RTX 40, 9.0 H100."""
    ram_bytes: int
    """The computer's own memory that can be had now."""
    packages: frozenset[str] = frozenset()
    """Which of `OPTIONAL_PACKAGES` are installed and usable."""


@dataclass(frozen=True, kw_only=True)
class ModelSizes:
    """How large a model is; parts in numbers of parameters."""

    transformer: int
    """All of it."""
    pinned: int
    """The same without its adaptive norms, and with each tensor of a block as large as it is in pinned memory: PyTorch
    rounds it up to a power of two."""
    adaptive_norms: int
    """The adaptive norms' linear layers, of those above."""
    largest_block: int
    """Of the transformer, without its adaptive norms."""
    num_blocks: int
    text_encoders: int
    autoencoder: int
    dim: int
    modulation_width: int
    """Values that the norms make of one temb."""
    text_modulation_width: int
    """Those among them that a text token with an offset has of its own."""
    pixel_channels: int
    """Of the autoencoder's last layer, at a picture's full size."""


FLUX_1_SIZES = ModelSizes(
    transformer=11_901_408_320,
    pinned=14_711_196_736,
    adaptive_norms=3_247_448_064,
    largest_block=226_548_224,
    num_blocks=57,
    text_encoders=4_885_371_136,
    autoencoder=83_819_683,
    dim=3072,
    modulation_width=1_056_768,
    text_modulation_width=700_416,
    pixel_channels=128,
)
"""FLUX.1-dev's, of its parts made without weights; what is assumed of a model that is not on this machine yet."""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Bytes on the device that draws, at most, in each part of the work."""

    encoding: int
    denoising: int
    decoding: int
    loading: int = 0
    """Where what is away from the device is there first; else it is no more than the rest."""

    @property
    def most(self) -> int:
        """Of all parts."""
        return max(self.encoding, self.denoising, self.decoding, self.loading)


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What a model computes with: all of a plan that changes pictures."""

    dtype: Dtype
    """Of computation, and of weights that are plain."""
    weights: Weights = "plain"
    """The transformer's, its adaptive norms aside, which stay as they are: "fp8" computes in eight bits (torchao),
    "fp8-stored" only keeps them so, "nf4" keeps them in four (bitsandbytes)."""
    cache_threshold: float = 0.0
    """diffusers' FirstBlockCache: where the first block changes what it changed in the step before by a smaller share,
    the others are left out; 0 leaves nothing out."""

    def summary(self) -> str:
        """For people."""
        weights = {"plain": "", "fp8-stored": "weights kept in fp8"}.get(self.weights, self.weights)
        cache = f"blocks left out below {self.cache_threshold:g}" if self.cache_threshold else ""
        return ", ".join(filter(None, (self.dtype, weights, cache)))


@dataclass(frozen=True, kw_only=True)
class Room:
    """What there is to draw in, and with what: from these follows whether a plan has room for a picture."""

    budget: int
    """Bytes that may be used of the device that draws."""
    sizes: ModelSizes


@dataclass(frozen=True, kw_only=True)
class RenderPlan:
    """How a model is loaded and set up for drawing or learning; nothing of it changes pictures but its numbers."""

    device: Literal["cuda", "cpu"]
    numbers: Numbers
    attention: str = "native"
    """diffusers' name of a backend."""
    compiled: bool = False
    """Whether the transformer's blocks are, each kind once."""
    text_encoders: Literal["stay", "leave"] = "stay"
    """On the device, or each layer of them only while it encodes."""
    norms: Literal["stay", "away"] = "stay"
    """The adaptive norms' layers on the device, or off it once their table is computed."""
    blocks: Literal["stay", "stream"] = "stay"
    """The transformer's blocks on the device, or each only while it computes."""
    pinned: Literal["ahead", "in passing"] = "ahead"
    """When blocks that stream are put into pinned memory, from which the device fetches them: all of them on loading,
    or each on its way, which is slower and takes about half of the computer's memory."""
    is_for_learning: bool = False
    """Whether gradients go through weights that are smaller or away, too, which is slower."""
    peak: Peak
    """While a picture of the settings that the plan was made for is drawn."""
    reasons: tuple[str, ...]
    """What was chosen and why, a line each."""
    room: Room | None = None
    """None is not known: then pictures of all settings count as those that the plan was made for."""

    @property
    def num_rows(self) -> int:
        """Rows that a table has at least, which makes every picture have one."""
        return ROWS_WHEN_COMPILED if self.compiled else int(self.norms == "away")

    @property
    def can_learn(self) -> bool:
        """Whether the model can be learnt with as well: it is all there, in full, and gradients go through it."""
        if self.is_for_learning:
            return True
        is_all_there = self.numbers.weights == "plain" and (self.norms, self.blocks) == ("stay", "stay")
        return is_all_there and not self.compiled and self.attention not in WITHOUT_GRADIENTS

    def summary(self) -> str:
        """The plan in one line."""
        parts = [self.numbers.summary()]
        parts += [f"{self.attention} attention" if self.attention != "native" else ""]
        parts += ["compiled blocks" if self.compiled else ""]
        parts += ["text encoders leave" if self.text_encoders == "leave" else ""]
        parts += ["adaptive norms away" if self.norms == "away" else ""]
        streamed = "blocks streamed" if self.pinned == "ahead" else "blocks streamed and pinned in passing"
        parts += [streamed if self.blocks == "stream" else ""]
        return f"{', '.join(filter(None, parts))} on {self.device}; expected peak {gigabytes(self.peak.most)}"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person asks of drawing."""

    profile: Profile = "quality"
    memory: Memory = "auto"
    pictures: int = 1
    """How many are about to be drawn."""
    numbers: Numbers | None = None
    """What pictures that are to be drawn again were first drawn in; kept to wherever it fits."""


def gigabytes(num_bytes: float) -> str:
    """A number of bytes for people, in billions."""
    return f"{num_bytes / 1e9:.1f} GB"
