"""How alike two pictures are."""

import numpy as np
from PIL import Image

from benchmarks.bench_profiles import psnr, ssim


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
