"""Pocket's two tokenizers: whole words for what the world can draw, pieces of words for the rest of English.

Built, not trained, so that the same pieces come out everywhere. A word of the world is always one piece; any other
word falls into common pieces and letters, and a character outside ASCII into `<unk>`.
"""

import string

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram
from transformers import PreTrainedTokenizerFast

from pocket.world import captions, schema

STORY_WORDS = """
a an the and or but of to in on at by for with from into over under near beside behind before after while is are was
were be been has have had do does did not no it its he she they them his her their him we us our you your i my me this
that these those there here who what when where which how then than as so very all some one two three many more most
picture book page divided parts part left right illustration drawing painting photo scene story see shows show
wearing holding carrying keeping looking running walking reading playing swimming flying climbing dreaming dancing
standing sitting waving jumping sleeping night day morning evening sun moon star stars sky sea water river hill tree
trees house home door window road path garden flower flowers wind rain cloud clouds storm light dark darkness shadow
little big small tiny large great brave happy sad sleepy gentle young old clever kind shy curious tired afraid scared
proud quiet wide cold warm soft bright lovely beautiful dear new good best long tall short round fluffy furry smooth
shiny sparkling friend friends mother father sister brother king queen dog mouse bird owl fish horse duck pig cow sheep
lion tiger wolf deer frog turtle dragon unicorn dinosaur girl boy man woman baby keeper captain train car bicycle kite
ball balloon cake bread apple key map letter song bell drum boots coat dress shirt gloves crown cape bag basket cup
lamp fire bridge tower castle lighthouse island ship boat town village forest meadow beach snow bedroom kitchen school
market mountain valley desert jungle space winter summer spring autumn
""".split()
SUFFIXES = (
    "s es ed ing er est ly y ful less ness n't 's 'll 're 've tion able ish like house light keep book man".split()
)
PUNCTUATION = ".,;:!?\"'()-@#&/"


def _pieces() -> list[tuple[str, float]]:
    world = [*schema.CHARACTERS, *schema.CLOTHING, *schema.HELD_OBJECTS, *schema.OBJECTS, *schema.POSES, *schema.PLACES]
    world += [*schema.PATTERNS, *schema.COLOURS, *captions.LIGHT_WORDS.values(), *captions.FILLER_WORDS]
    words = dict.fromkeys([*world, *STORY_WORDS])
    pieces = {f"▁{word}": -5.0 for word in words}
    for suffix in SUFFIXES:
        pieces.setdefault(suffix, -9.0)
    for character in string.ascii_lowercase + string.digits + PUNCTUATION:
        pieces.setdefault(f"▁{character}", -14.0)
        pieces.setdefault(character, -15.0)
    pieces.setdefault("▁", -14.0)
    return list(pieces.items())


def build_tokenizer(*, starts_with_bos: bool, model_max_length: int) -> PreTrainedTokenizerFast:
    """A fast tokenizer in the manner of T5's (`text </s>`) or, with a start token, of CLIP's (`<s> text </s>`)."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("<s>", 0.0)]
    tokenizer = Tokenizer(Unigram([*special, *_pieces()], unk_id=2, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            normalizers.Replace("’", "'"),
            normalizers.Replace(Regex(r"\s"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    single = "<s> $A </s>" if starts_with_bos else "$A </s>"
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=[("<s>", 3), ("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        bos_token="<s>" if starts_with_bos else None,
        model_max_length=model_max_length,
        padding_side="right",
    )
