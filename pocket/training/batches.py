"""Batches for the transformer: latents, captions and what each image token covers, in buckets of one shape each.

Where a GPU waits for them, worker processes of torch's `DataLoader` put them together.

Shape legend: B batch, C latent channels, H and W of the latent grid, h and w of the token grid (half of it).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from pocket.training.dataset import load_scenes
from pocket.training.text import TextEncoders, TokenIds
from pocket.world import captions, schema
from pocket.world.captions import Caption
from pocket.world.schema import Scene

SHORT, LONG = 32, 64
"""Lengths of padded text that the transformer sees."""


@dataclass(frozen=True)
class Bucket:
    """One shape of batch: which pictures, how many text tokens, how many rows, how often."""

    name: str
    shape: str
    text_len: int
    rows: float
    """Rows as a fraction of the full batch size."""
    share: float
    two_parts: bool = False


BUCKETS = (
    Bucket("square", "square", SHORT, 1.0, 0.58),
    Bucket("square, long text", "square", LONG, 0.75, 0.24),
    Bucket("two parts", "square", LONG, 0.5, 0.10, two_parts=True),
    Bucket("cover", "cover", LONG, 0.5, 0.04),
    Bucket("spread", "spread", LONG, 0.5, 0.04),
)

_ATTRIBUTES = (
    ("kind", schema.CHARACTERS),
    ("colour", schema.COLOURS),
    ("pattern", schema.PATTERNS),
    ("pose", schema.POSES),
    ("clothing", schema.CLOTHING),
    ("clothing_colour", schema.COLOURS),
    ("held", schema.HELD_OBJECTS),
)
NUM_ATTRIBUTES = 1 + sum(len(values) for _, values in _ATTRIBUTES)


def attribute_vector(character: schema.Character) -> np.ndarray:
    """What a character is, as zeros and ones `(NUM_ATTRIBUTES,)`; the first says that there is one."""
    golden = character.look.pattern == "golden"
    value = {
        "kind": character.kind,
        "colour": None if golden else character.look.colour,
        "pattern": character.look.pattern,
        "pose": character.pose,
        "clothing": character.clothing and character.clothing.name,
        "clothing_colour": character.clothing and character.clothing.colour,
        "held": character.held and character.held.name,
    }
    return np.concatenate([[1.0], *([float(v == value[name]) for v in values] for name, values in _ATTRIBUTES)])


@dataclass(frozen=True)
class Batch:
    """One batch, on the CPU until it is sent to its device."""

    latents: Tensor
    """Clean latents `(B, C, H, W)` in float16, as they are kept; float32 once they are sent."""
    prompts: list[str]
    attributes: Tensor
    """Soft attributes of each image token `(B, h·w, NUM_ATTRIBUTES)` in [0, 1]."""
    text_len: int

    def to(self, device: str) -> "Batch":
        """The same on the device, with latents in float32."""
        return replace(self, latents=self.latents.to(device).float(), attributes=self.attributes.to(device))


class LatentDataset:
    """The encoded pictures in memory, with fresh captions at every draw."""

    def __init__(self, folder: Path) -> None:
        self.shapes = {}
        for shape in ("square", "cover", "spread"):
            scenes = load_scenes(folder, shape)
            vectors = np.zeros((len(scenes), 2, NUM_ATTRIBUTES), np.float32)
            for i, scene in enumerate(scenes):
                for c, character in enumerate(scene.characters):
                    vectors[i, c] = attribute_vector(character)
            latents = np.load(folder / f"latents-{shape}.npy")
            coverage = np.load(folder / f"coverage-{shape}.npy")
            self.shapes[shape] = (latents, coverage, vectors, scenes)
        singles = [i for i, scene in enumerate(self.shapes["square"][3]) if len(scene.characters) == 1]
        self.singles = np.array(singles)

    def draw(self, rng: np.random.Generator, *, batch_size: int, drop_captions: float) -> Batch:
        """Draw a batch of a random bucket; a share of the captions is empty, for guidance."""
        bucket = BUCKETS[rng.choice(len(BUCKETS), p=[b.share for b in BUCKETS])]
        rows = max(1, round(bucket.rows * batch_size))
        if bucket.two_parts:
            left, right = rng.choice(self.singles, rows), rng.choice(self.singles, rows)
            parts = [self._pictures("square", index) for index in (left, right)]
            latents = np.concatenate([p[0] for p in parts], axis=-1)
            attributes = np.concatenate([p[1] for p in parts], axis=2)
            scenes = self.shapes["square"][3]
            texts = [_two_part_caption(scenes[a], scenes[b], rng) for a, b in zip(left, right, strict=True)]
        else:
            scenes = self.shapes[bucket.shape][3]
            index = rng.integers(len(scenes), size=rows)
            latents, attributes = self._pictures(bucket.shape, index)
            texts = [_fitting_caption(scenes[i], rng, bucket.text_len).text for i in index]
        prompts = ["" if rng.random() < drop_captions else text for text in texts]
        flat = attributes.reshape(rows, -1, NUM_ATTRIBUTES)
        return Batch(
            latents=torch.from_numpy(latents),
            prompts=prompts,
            attributes=torch.from_numpy(flat),
            text_len=bucket.text_len,
        )

    def _pictures(self, shape: str, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latents `(B, C, H, W)` and attributes `(B, h, w, NUM_ATTRIBUTES)`."""
        latents, coverage, vectors, _ = self.shapes[shape]
        cells = coverage[index].astype(np.float32) / 255
        return latents[index], np.einsum("bchw,bca->bhwa", cells, vectors[index])


@dataclass(frozen=True, kw_only=True)
class BatchStream(IterableDataset[tuple[Batch, TokenIds]]):
    """Batches without end, with the tokens of their prompts."""

    dataset: LatentDataset
    encoders: TextEncoders
    batch_size: int
    drop_captions: float
    """Share of captions that are empty."""
    seed: tuple[int, ...]
    """Each worker adds its own number to it."""

    def __iter__(self) -> Iterator[tuple[Batch, TokenIds]]:
        worker = get_worker_info()
        rng = np.random.default_rng((*self.seed, worker.id if worker else 0))
        while True:
            batch = self.dataset.draw(rng, batch_size=self.batch_size, drop_captions=self.drop_captions)
            yield batch, self.encoders.tokenize(batch.prompts, max_sequence_length=batch.text_len)

    def load(self, *, num_workers: int) -> Iterator[tuple[Batch, TokenIds]]:
        """Draw ahead in that many processes; in this one, when they are needed, where there are none."""
        context = "fork" if num_workers else None  # they share the pictures with this process
        loader = DataLoader(
            self, batch_size=None, num_workers=num_workers, multiprocessing_context=context, collate_fn=_as_it_is
        )
        return iter(loader)


def _as_it_is(drawn: tuple[Batch, TokenIds]) -> tuple[Batch, TokenIds]:
    """By default `DataLoader` makes a list of a tuple."""
    return drawn


def _fitting_caption(scene: Scene, rng: np.random.Generator, text_len: int) -> Caption:
    caption = captions.write_caption(scene, rng)
    if len(caption.text.split()) + 1 > text_len:
        caption = captions.write_caption(scene, rng, captions.Style(filler=0.0))
    return caption


def _two_part_caption(left: Scene, right: Scene, rng: np.random.Generator) -> str:
    style = captions.Style(colour=0.5, filler=0.03)
    return captions.join_two_parts(
        captions.write_caption(left, rng, style), captions.write_caption(right, rng, style)
    ).text
