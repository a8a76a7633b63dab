"""Pictures for the isolation loss, made once even where several processes want them."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from shutil import copyfile

import pytest
import torch
from filelock import FileLock

from generator.isolation import load_isolation_latents
from generator.isolation_files import clear_isolation
from tests.generator.learning_builders import ISOLATION_PROMPTS
from tests.generator.tiny import tiny_model


def test_who_wants_what_another_process_is_drawing_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = tiny_model()
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    drawn = load_isolation_latents(model, ISOLATION_PROMPTS[:1], settings=model.defaults, cache_dir=theirs)
    (kept,) = theirs.glob("*.safetensors")
    (lock,) = theirs.glob("*.lock")
    ours.mkdir()
    caplog.set_level(logging.INFO, logger="generator.isolation")
    with ThreadPoolExecutor(1) as pool:
        with FileLock(ours / lock.name):
            waiting = pool.submit(
                load_isolation_latents, model, ISOLATION_PROMPTS[:1], settings=model.defaults, cache_dir=ours
            )
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            copyfile(kept, ours / kept.name)
        assert torch.equal(waiting.result(), drawn)
    assert not caplog.messages


def test_pictures_are_told_of_and_those_drawn_before_an_interruption_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, told = tiny_model(), list[int]()

    def interrupt() -> None:
        raise KeyboardInterrupt

    draw = partial(load_isolation_latents, model, ISOLATION_PROMPTS, settings=model.defaults, cache_dir=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        draw(on_picture=interrupt)
    caplog.set_level(logging.INFO, logger="generator.isolation")
    latents = draw(on_picture=lambda: told.append(len(caplog.messages)))
    assert told == [0, 1]
    fresh = load_isolation_latents(model, ISOLATION_PROMPTS, settings=model.defaults, cache_dir=None)
    assert torch.equal(latents, fresh)


def test_pictures_that_nothing_uses_any_more_are_cleared_and_used_ones_stay(tmp_path: Path) -> None:
    model = tiny_model()
    for prompt in ISOLATION_PROMPTS:
        load_isolation_latents(model, [prompt], settings=model.defaults, cache_dir=tmp_path)
    (tmp_path / "checkpoint.safetensors").touch()
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    load_isolation_latents(model, ISOLATION_PROMPTS[:1], settings=model.defaults, cache_dir=tmp_path)
    (used,) = (path for path in tmp_path.glob("*.safetensors") if path.stat().st_mtime > 0)
    clear_isolation(tmp_path)
    assert {path.name for path in tmp_path.glob("*.safetensors")} == {used.name, "checkpoint.safetensors"}
