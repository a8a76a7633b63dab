"""The families of models that directions can be attached to; one file says what is particular about each."""

from torch import nn

from generator.errors import UnsupportedModel
from generator.families.family import Family
from generator.families.flux1 import FLUX1
from generator.families.flux2 import FLUX2
from generator.families.qwen_image import QWEN_IMAGE
from generator.families.sd3 import SD3

FAMILIES = (FLUX1, FLUX2, SD3, QWEN_IMAGE)


def family_of(transformer: nn.Module) -> Family:
    """The family that a transformer belongs to.

    Raises:
        UnsupportedModel: To none; the message lists the families.
    """
    for family in FAMILIES:
        if isinstance(transformer, family.transformer_class):
            return family
    supported = ", ".join(f"{family.title} ({family.transformer_class.__name__})" for family in FAMILIES)
    raise UnsupportedModel(
        f"A {type(transformer).__name__} has no place where directions can be attached. Supported are {supported}. "
        "Pass `pipeline.transformer` of one of these itself; compile it by its own `compile_repeated_blocks`."
    )
