"""Which text tokens a process computes where diffusers' context parallel splits a sequence among several.

Each process has the same call of the transformer and all of its text, of which diffusers' hooks give its blocks a part.
Knows nothing of what is attached to those tokens.
"""

from diffusers.hooks.context_parallel import ContextParallelSplitHook
from diffusers.models._modeling_parallel import ContextParallelInput
from torch import distributed, nn

from generator.errors import UnsupportedModel
from generator.families import family_of

TEXT = "encoder_hidden_states"


def own_tokens(transformer: nn.Module, text_len: int) -> range:
    """Positions of the text tokens that this process computes; all of them where nothing is split.

    Args:
        transformer: Of a known family, with or without `enable_parallelism(ContextParallelConfig(…))`.
        text_len: Text tokens of a call, `T`.

    Raises:
        UnsupportedModel: The transformer is of no known family, or its text is split otherwise than by the plans that
            diffusers has for the families.
    """
    split = _split_of_text(transformer)
    if split is None:
        return range(text_len)
    mesh = split.parallel_config._flattened_mesh
    rank = distributed.get_rank(mesh.get_group())
    # As `torch.tensor_split` does it, which diffusers uses; where parts are of one size, `chunk` does the same.
    size, num_longer = divmod(text_len, mesh.size())
    start = rank * size + min(rank, num_longer)
    return range(start, start + size + (rank < num_longer))


def is_parallel(transformer: nn.Module) -> bool:
    """Whether context parallel is enabled on a transformer of a known family. Errors as in `own_tokens`."""
    return _split_of_text(transformer) is not None


def _split_of_text(transformer: nn.Module) -> ContextParallelSplitHook | None:
    """The hook that splits the text before the transformer (FLUX) or its first block (Qwen-Image) sees it."""
    for module in (transformer, family_of(transformer).blocks(transformer)[0]):
        registry = getattr(module, "_diffusers_hook", None)
        for hook in () if registry is None else registry.hooks.values():
            if not isinstance(hook, ContextParallelSplitHook):
                continue
            plan = hook.metadata.get(TEXT)
            if isinstance(plan, ContextParallelInput) and plan.split_dim == 1 and not plan.split_output:
                return hook
    parallel = transformer._parallel_config
    if parallel is not None and parallel.context_parallel_config is not None:
        raise UnsupportedModel(
            f"Context parallel was enabled on a {type(transformer).__name__} by a plan that does not split {TEXT!r} "
            "along its tokens, before the transformer or its first block, so offsets cannot be told whose tokens they "
            "are for. Enable it without a `cp_plan` of your own."
        )
    return None
