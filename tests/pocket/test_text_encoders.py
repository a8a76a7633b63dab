"""What the text encoders are taught to tell, and that teaching is kept."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pocket.training.text import (
    NONE,
    SAID_WORDS,
    TARGETS,
    TextEncoders,
    build_encoders,
    random_caption,
    said_words,
    told_attributes,
    train_text_encoders,
)
from pocket.world import captions
from pocket.world.captions import PLAIN, Caption, join_two_parts, write_caption
from pocket.world.schema import Scene
from tests.pocket.builders import character, most_bytes_of_a_file, scene, thing


def _caption(shown: Scene) -> Caption:
    return write_caption(shown, np.random.default_rng(0), PLAIN)


def _words(told: dict[str, int]) -> dict[str, str]:
    """Class indices back to the words they stand for; index 0 is kept for what is not said."""
    assert NONE not in told.values()
    return {name: TARGETS[name][index - 1] for name, index in told.items()}


def test_a_caption_tells_what_it_says_of_each_figure_and_of_the_scene() -> None:
    shown = scene(
        character("cat", colour="white", pattern="striped", pose="waving", clothing=thing("hat", "red")),
        character("bear", pattern="golden", held=thing("umbrella", "pink")),
        place="beach",
        light="day",
    )
    told = {index: _words(entry) for index, entry in told_attributes(_caption(shown)).items()}
    assert told == {
        0: {
            "kind": "cat",
            "colour": "white",
            "pattern": "striped",
            "pose": "waving",
            "clothing": "hat",
            "clothing_colour": "red",
            "position": "1",
        },
        1: {
            "kind": "bear",
            "pattern": "golden",
            "pose": "standing",
            "held": "umbrella",
            "held_colour": "pink",
            "position": "2",
        },
        -1: {"place": "beach", "light": "day"},
    }


def test_pooled_text_knows_which_words_are_said_and_not_of_whom() -> None:
    red_fox = scene(character("fox", colour="red"), character("bear", colour="blue"), place="snow", light="fog")
    blue_fox = scene(character("fox", colour="blue"), character("bear", colour="red"), place="snow", light="fog")
    said = said_words(told_attributes(_caption(red_fox)))
    assert said == said_words(told_attributes(_caption(blue_fox)))
    words = {(name, TARGETS[name][i]) for (name, i), value in zip(SAID_WORDS, said, strict=True) if value}
    assert words == {
        *(("kind", kind) for kind in ("fox", "bear")),
        *(("colour", colour) for colour in ("red", "blue")),
        ("pose", "standing"),
        ("place", "snow"),
        ("light", "fog"),
    }


def test_positions_are_counted_on_through_the_right_part() -> None:
    left = scene(character("fox"), character("cat"), place="snow", light="fog")
    right = scene(character("bear"), character("robot"), place="town", light="sunset")
    told = told_attributes(join_two_parts(_caption(left), _caption(right)))
    by_kind = {_words(told[i])["kind"]: _words(told[i])["position"] for i in range(4)}
    assert by_kind == {"fox": "1", "cat": "2", "bear": "3", "robot": "4"}
    assert _words(told[-1]) == {"place": "snow", "light": "fog"}
    assert _words(told[-2]) == {"place": "town", "light": "sunset"}


def test_what_a_caption_leaves_out_is_not_told() -> None:
    shown = scene(character("fox", colour="blue", clothing=thing("scarf", "red")))
    silent = captions.Style(colour=0.0, clothing=0.0, place=0.0, light=0.0, filler=0.0)
    told = told_attributes(write_caption(shown, np.random.default_rng(0), silent))
    assert {index: _words(entry) for index, entry in told.items()} == {
        0: {"kind": "fox", "pose": "standing", "position": "1"}
    }


def test_every_random_caption_fits_the_targets() -> None:
    rng = np.random.default_rng(0)
    for i in range(100):
        for entry in told_attributes(random_caption(rng, two_parts=i % 2 == 0)).values():
            for name, index in entry.items():
                assert 1 <= index <= len(TARGETS[name])


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TextEncoders]:
    """A folder with encoders after three steps of training, and those encoders."""
    folder = tmp_path_factory.mktemp("text")
    return folder, train_text_encoders(folder, steps=3, batch_size=4, seed=0, device="cpu")


def test_taught_encoders_are_loaded_again_instead_of_taught(taught: tuple[Path, TextEncoders], tmp_path: Path) -> None:
    folder, encoders = taught
    shutil.copy(folder / "text.safetensors", tmp_path)
    loaded = train_text_encoders(tmp_path, steps=0, batch_size=1, seed=5, device="cpu")
    prompts = ["a fox in the snow", ""]
    for ours, theirs in zip(
        loaded.encode(prompts, max_sequence_length=32), encoders.encode(prompts, max_sequence_length=32), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_encoders_whose_writing_was_cut_short_are_taught_again(tmp_path: Path) -> None:
    with most_bytes_of_a_file(100_000), pytest.raises(OSError):
        train_text_encoders(tmp_path, steps=1, batch_size=2, seed=0, device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_teaching_moves_both_encoders_and_freezes_them(taught: tuple[Path, TextEncoders]) -> None:
    _, encoders = taught
    torch.manual_seed(0)
    fresh = build_encoders()
    for trained, untrained in (
        (encoders.text_encoder, fresh.text_encoder),
        (encoders.text_encoder_2, fresh.text_encoder_2),
    ):
        before, after = dict(untrained.named_parameters()), dict(trained.named_parameters())
        assert any(not torch.equal(after[name], before[name]) for name in before)
        assert not any(parameter.requires_grad for parameter in trained.parameters())


def test_encoding_has_one_row_per_token_and_depends_on_the_text(taught: tuple[Path, TextEncoders]) -> None:
    _, encoders = taught
    embeds, pooled = encoders.encode(["a fox", "a bear", "a fox"], max_sequence_length=32)
    assert embeds.shape == (3, 32, encoders.text_encoder_2.config.d_model)
    assert pooled.shape == (3, encoders.text_encoder.config.hidden_size)
    assert torch.allclose(embeds[0], embeds[2], atol=1e-5)
    assert not torch.allclose(embeds[0], embeds[1], atol=1e-3)
    assert not torch.allclose(pooled[0], pooled[1], atol=1e-3)
