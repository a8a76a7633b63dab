"""Limits of `RenderSettings`."""

from dataclasses import asdict, replace

import pytest

from generator.errors import InvalidSettings
from generator.settings import FLUX_DEV_SETTINGS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_inference_steps", 0),
        ("num_inference_steps", 1001),
        ("guidance_scale", -0.1),
        ("guidance_scale", float("nan")),
        ("height", 1000),
        ("width", 0),
        ("width", 4112),
        ("max_sequence_length", 513),
        ("direction_sigma_min", -0.1),
        ("direction_sigma_min", 400.0),
        ("direction_sigma_min", float("nan")),
        ("concept_guidance_scale", 0.9),
        ("concept_guidance_scale", float("inf")),
        ("concept_guidance_scale", float("nan")),
        ("concept_guidance_sigma_min", -0.1),
        ("concept_guidance_sigma_min", 400.0),
        ("concept_guidance_sigma_min", float("nan")),
    ],
)
def test_values_out_of_range_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(InvalidSettings, match=f"^{field} is {value!r}; choose"):
        replace(FLUX_DEV_SETTINGS, **{field: value})


def test_the_ends_of_the_ranges_are_allowed() -> None:
    ends = {"num_inference_steps": 1, "guidance_scale": 0, "height": 16, "width": 4096, "max_sequence_length": 1}
    ours = {"direction_sigma_min": 1, "concept_guidance_scale": 10, "concept_guidance_sigma_min": 0}
    changed = replace(FLUX_DEV_SETTINGS, **ends, **ours)
    assert asdict(changed) == {**ends, **ours}
    assert changed.of_pipeline == ends
