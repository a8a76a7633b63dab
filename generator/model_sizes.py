"""How large a model is, from the names and shapes in its weight files; nothing of it is loaded, and no torch needed."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from generator.plan import ModelSizes

_NORM = re.compile(r"(^|\.)(norm|norm1|norm1_context|norm_out)\.linear\.")
_TEXT_NORM = re.compile(
    r"^(transformer_blocks\.\d+\.norm1_context|single_transformer_blocks\.\d+\.norm)\.linear\.weight$"
)
_BLOCK = re.compile(r"^((?:single_)?transformer_blocks\.\d+)\.")
_LAST_OF_AUTOENCODER = "decoder.conv_out.weight"
_MAX_HEADER_BYTES = 100_000_000

Shapes = dict[str, tuple[int, ...]]


def sizes_of_folder(folder: Path) -> ModelSizes | None:
    """Those of a diffusers folder of FLUX.1; None where weight files are missing or are none."""
    transformer, *others = (
        _shapes_in(folder / part) for part in ("transformer", "text_encoder", "text_encoder_2", "vae")
    )
    return sizes_of(transformer, others)


def sizes_of(transformer: Shapes, others: Sequence[Shapes]) -> ModelSizes | None:
    """Those of a transformer and of its two text encoders and autoencoder; None where one is not what it should be."""
    text_widths = [shape[0] for name, shape in transformer.items() if _TEXT_NORM.search(name)]
    if not text_widths or not all(others):
        return None
    of_norms = {name: shape for name, shape in transformer.items() if _NORM.search(name)}
    widths = [shape[0] for name, shape in of_norms.items() if name.endswith(".weight")]
    blocks: dict[str, int] = {}
    pinned = 0
    for name, shape in transformer.items():
        if name in of_norms:
            continue
        if found := _BLOCK.match(name):
            blocks[found[1]] = blocks.get(found[1], 0) + math.prod(shape)
        pinned += _power_of_two(math.prod(shape)) if found else math.prod(shape)
    clip, t5, autoencoder = map(_count, others)
    last = others[-1].get(_LAST_OF_AUTOENCODER)
    return ModelSizes(
        transformer=_count(transformer),
        pinned=pinned,
        adaptive_norms=_count(of_norms),
        largest_block=max(blocks.values()),
        num_blocks=len(blocks),
        text_encoders=clip + t5,
        autoencoder=autoencoder,
        dim=next(shape[1] for name, shape in of_norms.items() if name.endswith(".weight")),
        modulation_width=sum(widths),
        text_modulation_width=sum(text_widths),
        # One that works on patches, as Pocket's, has nothing of the full size but the picture.
        pixel_channels=last[1] if last else 3,
    )


def _power_of_two(number: int) -> int:
    """The smallest that is no less."""
    return 1 << (number - 1).bit_length()


def _count(shapes: Shapes) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def _shapes_in(component: Path) -> Shapes:
    """Of all tensors in a folder's safetensors files; none where one of them is no such file."""
    try:
        return {name: shape for path in sorted(component.glob("*.safetensors")) for name, shape in read_shapes(path)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def read_shapes(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of each tensor in a safetensors file, from its header.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: It is no safetensors file.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _MAX_HEADER_BYTES:
            raise ValueError(f"{str(path)!r} is no safetensors file")
        header = json.loads(file.read(length))
    for name, entry in header.items():
        if name != "__metadata__":
            yield name, tuple(entry["shape"])
