"""How alike two pictures are, and that what is gated leaves something out."""

from collections import Counter
from dataclasses import replace

import numpy as np
from PIL import Image

from api.settings import SAMPLE_BANK_DIR
from benchmarks.bench_profiles import psnr, ssim, ways_of
from concepts.bank import ConceptBank
from concepts.binding import expand_handles
from generator.flux_renderer import FluxRenderer
from generator.loading import load_model


def test_equal_pictures_are_alike_and_noise_takes_from_both_measures() -> None:
    noise = np.random.default_rng(0)
    values = noise.integers(40, 200, (32, 32, 3))
    picture, noisier = (
        Image.fromarray((values + noise.integers(-most, most + 1, values.shape)).astype(np.uint8)) for most in (4, 40)
    )
    exact = Image.fromarray(values.astype(np.uint8))
    assert (psnr(exact, exact), round(ssim(exact, exact), 9)) == (99.0, 1.0)
    assert 99 > psnr(picture, exact) > psnr(noisier, exact)
    assert 1 > ssim(picture, exact) > ssim(noisier, exact)


def test_a_uniform_error_has_the_peak_signal_to_noise_that_arithmetic_gives() -> None:
    black, grey = Image.new("RGB", (16, 16)), Image.new("RGB", (16, 16), (51, 51, 51))
    assert round(psnr(black, grey), 2) == 13.98


def test_gated_ways_that_leave_blocks_out_do_so_on_pocket_in_about_half_of_the_passes() -> None:
    """FLUX.1-dev, 1.55 times as fast, leaves them out of some 36 %."""
    model, bank = load_model(device="cpu"), ConceptBank(SAMPLE_BANK_DIR)
    transformer = model.pipeline.transformer
    first, last = transformer.transformer_blocks[0], transformer.single_transformer_blocks[-1]
    thresholds = {way.cache_threshold for way in ways_of(model.defaults) if way.is_profile} - {0.0}
    assert thresholds
    for threshold in thresholds:
        runs = Counter[str]()
        hooks = [
            block.attn.register_forward_hook(lambda *_, name=name, runs=runs: runs.update([name]))
            for name, block in (("first", first), ("last", last))
        ]
        renderer = FluxRenderer(replace(model, cache_threshold=threshold), bank)
        renderer.render(expand_handles("a @rusty waving in the snow", bank), seed=0)
        for hook in hooks:
            hook.remove()
        assert 1 / 3 < 1 - runs["last"] / runs["first"] < 2 / 3
