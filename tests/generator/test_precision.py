import torch

from generator.precision import has_fast_bfloat16, in_fast_arithmetic
from tests.generator.tiny import tiny_transformer


def test_a_float32_transformer_is_copied_where_bfloat16_is_fast_and_stays_what_it_is():
    transformer = tiny_transformer()
    found = in_fast_arithmetic(transformer)
    assert transformer.dtype == torch.float32
    assert (found is not transformer) == has_fast_bfloat16()
    assert found.dtype == (torch.bfloat16 if has_fast_bfloat16() else torch.float32)
    for name, weight in transformer.named_parameters():
        torch.testing.assert_close(found.get_parameter(name).float(), weight, rtol=2**-8, atol=0.0)


def test_a_transformer_in_another_arithmetic_is_left_alone():
    transformer = tiny_transformer().to(torch.float64)
    assert in_fast_arithmetic(transformer) is transformer
