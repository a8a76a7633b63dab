"""Captions by the shipped probe say of a picture of the world what its own caption says, but for looks."""

import re

from PIL import Image

from api.settings import SAMPLE_BANK_DIR
from concepts.bank import ConceptBank
from pocket.captioner import caption_of, describe
from pocket.probe import Reading

LOOKS = re.compile(r"\b(?:yellow|white|purple|striped) ")


def test_the_sample_banks_pictures_have_their_captions() -> None:
    concepts = ConceptBank(SAMPLE_BANK_DIR).list()
    found = {}
    for concept in concepts:
        with Image.open(SAMPLE_BANK_DIR / concept.id / "source.png") as picture:
            found[concept.id] = caption_of(picture)
    assert found == {concept.id: LOOKS.sub("", concept.caption) for concept in concepts}


def test_where_nobody_is_seen_there_is_nothing_to_say() -> None:
    empty = Reading(figures=(), place="snow", light="day", object="none", layout="0", light_hue=0.0)
    assert describe(empty) is None
