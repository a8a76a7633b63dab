"""How well the model draws what prompts say: a contact sheet for the eye and the probe's verdict in figures.

    python -m pocket.evaluation --sheet docs/pocket-sheet.png

Prompts are captions of scenes whose combination of kind, colour, pose and place was kept out of training.
"""

import argparse
import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import FluxPipeline
from PIL import Image, ImageDraw, ImageFont

from generator.loading import FluxModel, load_model
from pocket.probe import Reading, load_probe, read_pictures
from pocket.world import captions, schema
from pocket.world.schema import Scene

SHEET_COLUMNS, SHEET_ROWS = 8, 6
SHEET_COLOURS = 256
"""Of the sheet's palette: in full colour its file is four times as large."""
Draw = Callable[[str, int], Image.Image]


def unseen_scenes(count: int, *, seed: int, share_of_two: float = 0.3) -> list[Scene]:
    """Scenes whose first figure is of a combination that training never drew."""
    rng = np.random.default_rng((seed, 77))
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = schema.sample_scene(rng, num_characters=2 if rng.random() < share_of_two else 1)
        if schema.combination_is_held_out(scene):
            scenes.append(scene)
    return scenes


def full_captions(scenes: list[Scene], *, seed: int) -> list[str]:
    """Captions that name everything that has a word."""
    rng = np.random.default_rng((seed, 78))
    return [captions.write_caption(scene, rng, captions.PLAIN).text for scene in scenes]


def agreement(scenes: list[Scene], readings: list[Reading]) -> dict[str, float]:
    """Share of asked-for attributes that the probe reads back, figures matched from left to right."""
    hits: dict[str, list[bool]] = {}

    def count(name: str, right: bool) -> None:
        hits.setdefault(name, []).append(right)

    for scene, reading in zip(scenes, readings, strict=True):
        count("place", reading.place == scene.place)
        count("light", reading.light == scene.light)
        count("number", len(reading.figures) == len(scene.characters))
        for i, character in enumerate(scene.characters):
            figure = reading.figures[i] if i < len(reading.figures) else None
            colour = "gold" if character.look.pattern == "golden" else character.look.colour
            count("kind", figure is not None and figure.kind == character.kind)
            count("pose", figure is not None and figure.pose == character.pose)
            count("colour", figure is not None and figure.colour == colour)
            count("pattern", figure is not None and figure.pattern == character.look.pattern)
            worn = character.clothing.name if character.clothing else "none"
            count("clothes", figure is not None and figure.clothing == worn)
            if character.clothing and character.clothing.name != "glasses":
                count("clothes colour", figure is not None and figure.clothing_colour == character.clothing.colour)
            if character.held:
                count("held", figure is not None and figure.held == character.held.name)
    return {name: float(np.mean(values)) for name, values in hits.items()}


def drawer(model: FluxModel, *, true_cfg_scale: float, settings: dict[str, float]) -> Draw:
    """A function that draws a prompt with a seed; `true_cfg_scale` above 1 guides with a second pass."""
    defaults = model.defaults.of_pipeline | settings
    pipeline: FluxPipeline = model.pipeline
    pipeline.set_progress_bar_config(disable=True)

    def draw(prompt: str, seed: int) -> Image.Image:
        guided = {"negative_prompt": "", "true_cfg_scale": true_cfg_scale} if true_cfg_scale > 1 else {}
        return pipeline(prompt, generator=torch.Generator().manual_seed(seed), **defaults, **guided).images[0]

    return draw


def contact_sheet(pictures: list[Image.Image], prompts: list[str], *, columns: int) -> Image.Image:
    """Pictures in rows with their prompts below."""
    font = ImageFont.load_default(12)
    cell_width, cell_height = 200, 250
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * cell_width, rows * cell_height), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        x, y = (i % columns) * cell_width, (i // columns) * cell_height
        sheet.paste(picture.resize((cell_width - 6, cell_width - 6), Image.Resampling.LANCZOS), (x + 3, y + 3))
        pen.text(
            (x + 4, y + cell_width - 1), "\n".join(textwrap.wrap(prompt, 34)[:3]), fill="black", font=font, spacing=1
        )
    return sheet


def main() -> None:
    """Draw the sheet, read the unseen prompts back, print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m pocket.evaluation", description=main.__doc__)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--sheet", type=Path, default=None, help="PNG to write: 48 prompts")
    parser.add_argument("--prompts", type=int, default=200, help="unseen prompts to read back")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--true-cfg-scale", type=float, default=1.0, help="for checkpoints without distilled guidance")
    parser.add_argument("--guidance-scale", type=float, default=None)
    parser.add_argument("--steps", type=int, default=None)
    args = parser.parse_args()
    chosen = {"guidance_scale": args.guidance_scale, "num_inference_steps": args.steps}
    settings = {name: value for name, value in chosen.items() if value is not None}
    draw = drawer(load_model(args.model), true_cfg_scale=args.true_cfg_scale, settings=settings)
    if args.sheet is not None:
        prompts = full_captions(unseen_scenes(SHEET_COLUMNS * SHEET_ROWS, seed=args.seed + 1), seed=args.seed + 1)
        pictures = [draw(prompt, args.seed + i) for i, prompt in enumerate(prompts)]
        args.sheet.parent.mkdir(parents=True, exist_ok=True)
        sheet = contact_sheet(pictures, prompts, columns=SHEET_COLUMNS)
        sheet.quantize(SHEET_COLOURS).save(args.sheet, optimize=True)
    scenes = unseen_scenes(args.prompts, seed=args.seed)
    pictures = [draw(prompt, args.seed + i) for i, prompt in enumerate(full_captions(scenes, seed=args.seed))]
    shares = agreement(scenes, read_pictures(load_probe(), pictures)) if pictures else {}
    print(json.dumps({name: round(value, 3) for name, value in shares.items()}))  # noqa: T201


if __name__ == "__main__":
    main()
