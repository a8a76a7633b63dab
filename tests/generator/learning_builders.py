"""What the tests of learning share: a small picture, a request, and a recipe that takes a second."""

from typing import Any

from PIL import Image, ImageDraw

from generator.learning import learn_concepts
from generator.learnt import LearntDirections
from generator.loading import FluxModel
from generator.recipe import ConceptRequest, LearningRecipe

CAPTION = "a fox under a hat in the snow"
FOX = ConceptRequest(id="rusty", word="fox", kind="character")
HAT = ConceptRequest(id="top-hat", word="hat", kind="clothing")
SNOW_POSE = ConceptRequest(id="stance", word="under", kind="pose")
ISOLATION_PROMPTS = ("a hat in the moonlight", "the snow")
RECIPE = LearningRecipe(
    stage1_steps=4, stage2_steps=4, batch_size=2, isolation_batch_size=1, max_sequence_length=100, checkpoint_every=3
)


def picture() -> Image.Image:
    """Not symmetric, 40 × 24 pixels."""
    image = Image.new("RGB", (40, 24), (20, 120, 130))
    ImageDraw.Draw(image).ellipse((2, 4, 18, 20), fill=(240, 200, 40))
    return image


def learn(model: FluxModel, **changes: Any) -> LearntDirections:
    """`learn_concepts` on the fox, with any argument replaced."""
    arguments: dict[str, Any] = {
        "picture": picture(),
        "caption": CAPTION,
        "concepts": [FOX],
        "isolation_prompts": ISOLATION_PROMPTS,
        "recipe": RECIPE,
        "paraphrases": (),
    }
    return learn_concepts(model, **{**arguments, **changes})
