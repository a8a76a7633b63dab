"""Which words of a reworded caption carry which direction, paraphrases, mirroring and isolation captions."""

import itertools
from collections.abc import Sequence

import pytest

from concepts.errors import ConceptNotMentioned
from concepts.lexicon import Lexicon
from concepts.schema import BoundPrompt, ConceptKind, ConceptMention
from generator.augmentation import may_mirror, paraphrase
from generator.caption_tokens import CaptionTokens
from generator.errors import DirectionMismatch
from generator.isolation_prompts import GENERAL_PROMPTS, NUM_PICTURES, prompts_from_lexicon
from generator.learning_task import LearningTask, plan_learning, with_readable_paraphrases
from generator.recipe import ConceptRequest, LearningError, LearningRecipe, SourcePicture
from generator.tokens import find_token_spans
from tests.conftest import ROOT
from tests.generator.learning_builders import CAPTION, FOX, HAT, ISOLATION_PROMPTS, RECIPE, picture
from tests.generator.tiny import tiny_model

LEXICON_SORTS = ("characters", "poses", "places", "lights")
LEXICON = Lexicon(
    characters=("fox", "owl"),
    colours=("red", "orange"),
    clothing=("scarf",),
    held_objects=("lantern",),
    objects=("boat",),
    poses={"standing": "standing", "waving": "waving"},
    places={"snow": "in the snow"},
    lights={"day": "in daylight", "moonlight": "in the moonlight"},
    patterns=("striped",),
)


def _letters(text: str, start: int, stop: int) -> range:
    """A tokenizer whose tokens are characters, spaces included."""
    del text
    return range(start, stop)


def _carried(caption: str, text: str) -> dict[str, str]:
    """For each word of `text` that carries rows, the characters of the caption that own them."""
    tokens = CaptionTokens.read(caption, _letters)
    placement = tokens.locate(text, _letters, start=0, stop=len(text), required_rows=frozenset())
    owners = [i for unit in tokens.units for i in range(unit.start, unit.stop)]
    row_at = dict(zip(placement.positions, placement.rows, strict=True))
    carried: dict[str, str] = {}
    offset = 0
    for index, word in enumerate(text.split(" ")):
        if offset in row_at:
            start = owners[row_at[offset]]
            carried[f"{index}:{word}"] = f"{caption[: start + 1].count(' ')}:{caption[start : start + len(word)]}"
        offset += len(word) + 1
    return carried


def _task(
    caption: str = CAPTION,
    *,
    concepts: Sequence[ConceptRequest] = (FOX,),
    recipe: LearningRecipe = RECIPE,
    isolation_prompts: Sequence[str] = ISOLATION_PROMPTS,
    paraphrases: tuple[str, ...] | None = None,
    more: Sequence[str] = (),
) -> LearningTask:
    """What is planned for a caption, and `more` captions of other pictures."""
    sources = [SourcePicture(picture=picture(), caption=caption, paraphrases=paraphrases)]
    sources += [SourcePicture(picture=picture(), caption=other) for other in more]
    return plan_learning(tiny_model(), sources, concepts, recipe=recipe, isolation_prompts=isolation_prompts)


def test_a_word_keeps_its_row_when_phrases_change_places():
    carried = _carried("a fox under a hat in the snow", "in the snow a fox under a hat")
    assert carried == {
        "0:in": "5:in",
        "1:the": "6:the",
        "2:snow": "7:snow",
        "3:a": "0:a",
        "4:fox": "1:fox",
        "5:under": "2:under",
        "6:a": "3:a",
        "7:hat": "4:hat",
    }


def test_words_that_the_caption_lacks_carry_nothing():
    assert _carried("a fox", "we see the fox") == {"3:fox": "1:fox"}


def test_capitals_do_not_part_a_word_from_its_row():
    assert _carried("A fox, asleep", "here is a fox") == {"2:a": "0:A", "3:fox": "1:fox"}


def test_a_concept_word_that_finds_no_tokens_is_an_error():
    tokens = CaptionTokens.read("a fox", _letters)
    with pytest.raises(DirectionMismatch, match="fox"):
        tokens.locate("a cat", _letters, start=0, stop=5, required_rows=frozenset(tokens.rows_of(2, 5)))


def test_every_token_of_the_caption_but_the_end_has_a_row():
    task, tokenizer = _task(caption="a fox, under the hat!"), tiny_model().pipeline.tokenizer_2
    num_tokens = len(tokenizer("a fox, under the hat!", add_special_tokens=False)["input_ids"])
    assert task.num_rows == num_tokens
    assert task.sources[0].captions[0].placement.rows == tuple(range(num_tokens))


def test_a_concepts_rows_are_the_tokens_that_drawing_will_give_its_direction():
    task = _task(
        caption="a straw hat under a fox", concepts=[ConceptRequest(id="hat", word="straw hat", kind="clothing")]
    )
    tokens = [position for position, row in zip(*_pairs(task), strict=True) if row in task.rows["hat"]]
    from_drawing = find_token_spans(
        _bound("a straw hat under a fox", 2, 11), tiny_model().pipeline.tokenizer_2, max_sequence_length=100
    )
    assert tokens == list(range(from_drawing[0].start, from_drawing[0].stop))


def _pairs(task: LearningTask) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return task.sources[0].captions[0].placement.positions, task.sources[0].captions[0].placement.rows


def _bound(prompt: str, start: int, stop: int) -> BoundPrompt:
    return BoundPrompt(prompt=prompt, mentions=(ConceptMention(concept_id="hat", start=start, stop=stop),))


def test_in_a_two_part_prompt_only_the_left_part_carries_directions():
    task = _task(isolation_prompts=["a fox in the snow"], paraphrases=())
    (two_part,) = task.sources[0].two_parts
    placed = two_part.prompt
    tokenizer = tiny_model().pipeline.tokenizer_2
    left = tokenizer("A picture divided into two parts. The left part is", add_special_tokens=False)["input_ids"]
    assert placed.text == (
        f"A picture divided into two parts. The left part is {CAPTION}. The right part is a fox in the snow."
    )
    assert (two_part.picture, two_part.caption) == (0, 0)
    assert placed.placement.rows == tuple(range(task.num_rows))
    first = placed.placement.positions[0]
    assert placed.placement.positions == tuple(range(first, first + task.num_rows))
    assert abs(first - len(left)) <= 1


def test_a_companion_stands_on_either_side_at_the_sources_place_and_carries_no_directions():
    task = _task(isolation_prompts=["an owl waving at sunset"])
    companions = task.sources[0].companions
    assert [(each.prompt.text, each.source_is_left) for each in companions] == [
        ("a fox and an owl waving under a hat in the snow", True),
        ("an owl waving and a fox under a hat in the snow", False),
    ]
    assert {each.picture_prompt for each in companions} == {"an owl waving under a hat in the snow"}
    tokenizer = tiny_model().pipeline.tokenizer_2
    before = len(tokenizer("an owl waving and", add_special_tokens=False)["input_ids"])
    of_left, of_right = (each.prompt.placement for each in companions)
    assert of_left.rows == of_right.rows == tuple(range(len(of_left.rows)))
    assert len(of_left.rows) < task.num_rows
    assert set(task.rows["rusty"]) <= set(of_left.rows)
    assert of_left.positions == tuple(range(len(of_left.rows)))
    assert abs(of_right.positions[0] - before) <= 1


def test_what_is_named_in_the_phrases_of_place_and_light_has_no_companion():
    assert not _task(concepts=[FOX, HAT]).sources[0].companions


def test_a_picture_of_several_things_is_not_halved_for_a_companion():
    assert not _task("a fox and a cat in the snow").sources[0].companions


@pytest.mark.parametrize("share", ["isolation_fraction", "companion_share"])
def test_without_its_share_of_steps_there_is_no_companion(share: str):
    assert _task().sources[0].companions
    assert not _task(recipe=RECIPE.model_copy(update={share: 0.0})).sources[0].companions


def test_isolation_captions_that_do_not_fit_are_left_out():
    task = _task(isolation_prompts=["z" * 95, "the snow"])
    assert [two_part.picture for two_part in task.sources[0].two_parts] == [1]


def test_paraphrases_name_the_concepts_and_come_in_a_fixed_order():
    texts = paraphrase("A fox wearing a scarf in the snow at sunset.", ["fox", "scarf"])
    assert texts[0] == "A fox wearing a scarf in the snow at sunset."
    assert "a picture of a fox wearing a scarf in the snow at sunset" in texts
    assert "at sunset a fox wearing a scarf in the snow" in texts
    assert "a fox wearing a scarf at sunset in the snow" in texts
    assert len(set(texts)) == len(texts) >= 8
    assert texts == paraphrase("A fox wearing a scarf in the snow at sunset.", ["fox", "scarf"])


def test_no_paraphrase_repeats_a_concepts_word():
    assert all(text.count("picture") == 1 for text in paraphrase("a fox beside a picture", ["picture"]))


@pytest.mark.parametrize(
    ("caption", "kind", "expected"),
    [
        ("a fox in the snow", "character", True),
        ("a fox waving", "pose", False),
        ("a fox with a sign", "object", False),
        ('a shop named "Fox"', "object", False),
        ("a fox left of a hat", "object", False),
        ("a fox and a cat in the snow", "character", False),
        ("a fox beside a cat", "character", False),
    ],
)
def test_the_picture_is_mirrored_only_where_the_caption_stays_true(caption: str, kind: ConceptKind, expected: bool):
    assert may_mirror(caption, [kind]) is expected


def test_a_pose_turns_mirroring_off_for_all_concepts_of_its_picture():
    stance = ConceptRequest(id="stance", word="under", kind="pose")
    assert _task(concepts=[FOX, HAT]).sources[0].mirrors
    assert not _task(concepts=[FOX, stance]).sources[0].mirrors
    assert not _task(recipe=RECIPE.model_copy(update={"flip": False})).sources[0].mirrors


def test_isolation_captions_of_a_lexicon_use_its_words_evenly():
    prompts = prompts_from_lexicon(LEXICON, count=12)
    assert len(prompts) == 12
    assert sum(" fox " in prompt for prompt in prompts) == 6
    assert all(" in the snow in " in prompt for prompt in prompts)
    assert all(("an orange" in prompt) or ("a red" in prompt) for prompt in prompts)
    assert prompts == prompts_from_lexicon(LEXICON, count=12)
    assert len(prompts_from_lexicon(LEXICON)) == len(GENERAL_PROMPTS) == NUM_PICTURES == 25


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(LEXICON_SORTS, 2)))
def test_nothing_in_pockets_isolation_captions_goes_with_one_thing_only(first: str, second: str) -> None:
    """Else a direction would learn to leave a fox in the meadow alone, and no fox elsewhere."""
    lexicon = Lexicon.load(ROOT / "pocket" / "lexicon.json")
    captions = prompts_from_lexicon(lexicon)
    for word in _words(lexicon, first):
        assert len({other for other in _words(lexicon, second) if _says(captions, word, other)}) > 1, word


@pytest.mark.parametrize("sort", LEXICON_SORTS)
def test_pockets_isolation_captions_use_each_word_as_often_as_others_of_its_sort(sort: str) -> None:
    lexicon = Lexicon.load(ROOT / "pocket" / "lexicon.json")
    times = [_says(prompts_from_lexicon(lexicon), word) for word in _words(lexicon, sort)]
    assert sum(times) == NUM_PICTURES
    assert max(times) - min(times) <= 1


def _words(lexicon: Lexicon, sort: str) -> tuple[str, ...]:
    words = getattr(lexicon, sort)
    return tuple(words.values()) if isinstance(words, dict) else tuple(words)


def _says(captions: Sequence[str], *words: str) -> int:
    """How many captions have all of the words."""
    return sum(all(f" {word} " in f" {caption} " for word in words) for caption in captions)


def test_general_isolation_captions_differ():
    assert len(set(GENERAL_PROMPTS)) == len(GENERAL_PROMPTS) == 25


def test_two_pictures_of_one_concept_share_its_rows_and_nothing_else():
    task = _task("a fox under a hat", more=["the fox in the snow"])
    first, second = (source.captions[0].placement for source in task.sources)
    assert set(first.rows) & set(second.rows) == set(task.rows["rusty"])
    assert set(first.rows) | set(second.rows) == set(range(task.num_rows))
    fox = task.rows["rusty"][0]
    assert (first.positions[first.rows.index(fox)], second.positions[second.rows.index(fox)]) == (1, 1)
    assert [source.concept_ids for source in task.sources] == [("rusty",), ("rusty",)]


def test_pictures_of_different_concepts_share_no_row():
    task = _task("a fox in the snow", concepts=[FOX, HAT], more=["a hat in the moonlight"])
    first, second = (source.captions[0].placement for source in task.sources)
    assert not set(first.rows) & set(second.rows)
    assert [task.source_of(concept_id) for concept_id in ("rusty", "top-hat")] == [0, 1]
    assert task.joint == ()


JOINT = RECIPE.model_copy(update={"joint_fraction": 0.5})


def test_joint_learning_merges_captions_in_both_orders_with_both_directions():
    task = _task("a fox waves.", concepts=[FOX, HAT], more=["a hat in the moonlight"], recipe=JOINT)
    assert [text.prompt.text for text in task.joint] == [
        "a fox waves next to a hat in the moonlight",
        "a hat in the moonlight next to a fox waves",
    ]
    assert [(text.left, text.right) for text in task.joint] == [(0, 1), (1, 0)]
    both = set(task.sources[0].captions[0].placement.rows) | set(task.sources[1].captions[0].placement.rows)
    for text in task.joint:
        assert both - set(text.prompt.placement.rows) <= {3}, "only the full stop, which is taken off"
        assert len(set(text.prompt.placement.positions)) == len(text.prompt.placement.positions)


def test_two_foxes_of_two_pictures_are_learnt_jointly_under_words_of_their_own():
    rufus = ConceptRequest(id="rufus", word="second fox", kind="character")
    task = _task("a fox waves", concepts=[FOX, rufus], more=["a second fox in the snow"], recipe=JOINT)
    assert [source.concept_ids for source in task.sources] == [("rusty",), ("rufus",)]
    assert task.joint[0].prompt.text == "a fox waves next to a second fox in the snow"


@pytest.mark.parametrize("more", [[], ["the fox in the snow"]], ids=["one picture", "the same concept"])
def test_joint_learning_without_two_concepts_apart_is_refused(more: list[str]):
    with pytest.raises(LearningError, match="no two have that"):
        _task("a fox waves", more=more, recipe=JOINT)


def test_captions_that_name_no_concept_and_concepts_in_no_caption_are_refused():
    with pytest.raises(ConceptNotMentioned, match="'the snow' names none"):
        _task("a fox", more=["the snow"])
    with pytest.raises(ConceptNotMentioned, match="No caption contains 'hat'"):
        _task("a fox", concepts=[FOX, HAT], more=["the fox"])


def test_a_word_written_in_other_tokens_in_another_caption_is_refused():
    with pytest.raises(DirectionMismatch, match="in the same way in all"):
        _task("a fox", more=["the Fox"])


def test_paraphrases_that_learning_would_refuse_are_left_out_and_templates_stand_in_for_none():
    sound = "in the snow a fox under a hat"
    refused = ("a hat in the snow", "a fox and a fox", "a FOX under " + "z" * 100)
    given = [(sound, *refused), refused, (), None]
    sources = [SourcePicture(picture=picture(), caption=CAPTION, paraphrases=each) for each in given]
    kept = with_readable_paraphrases(tiny_model(), sources, (FOX,), recipe=RECIPE)
    assert [source.paraphrases for source in kept] == [(sound,), None, (), None]
    plan_learning(tiny_model(), kept, (FOX,), recipe=RECIPE, isolation_prompts=ISOLATION_PROMPTS)
