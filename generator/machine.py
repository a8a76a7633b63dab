"""Looks what there is to draw on, as PyTorch sees it."""

from importlib.util import find_spec

import psutil
import torch
from diffusers.models import attention_dispatch

from generator.plan import OPTIONAL_PACKAGES, Machine

_CAN_USE = {
    "flash_attn": attention_dispatch._CAN_USE_FLASH_ATTN,
    "flash_attn_interface": attention_dispatch._CAN_USE_FLASH_ATTN_3,
}
"""What diffusers refuses to compute attention by where it is too old, or was built for another PyTorch."""


def look() -> Machine:
    """This machine: its first GPU that CUDA may use, its memory, and packages that drawing makes use of."""
    packages = frozenset(name for name in OPTIONAL_PACKAGES if _CAN_USE.get(name, find_spec(name) is not None))
    ram_bytes = psutil.virtual_memory().available
    if not torch.cuda.is_available():
        return Machine(ram_bytes=ram_bytes, packages=packages)
    free_bytes, gpu_bytes = torch.cuda.mem_get_info()
    return Machine(
        gpu=torch.cuda.get_device_name(),
        gpu_bytes=gpu_bytes,
        free_bytes=free_bytes,
        capability=torch.cuda.get_device_capability(),
        ram_bytes=ram_bytes,
        packages=packages,
    )
