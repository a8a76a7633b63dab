"""Errors that say that memory ran out, as PyTorch and Python raise them, and others."""

import pytest
import torch

from generator.errors import DamagedModel, PromptTooLong
from generator.memory import said_of_memory


def caught(number: int) -> Exception:
    """What PyTorch raises for so many bytes of the computer's memory."""
    try:
        torch.empty(number, dtype=torch.uint8)
    except RuntimeError as error:
        return error
    raise AssertionError("there is no such memory")


def test_memory_of_a_gpu_is_told_by_its_first_line() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB\nGPU 0 has a total capacity")
    assert said_of_memory(error) == "CUDA out of memory. Tried to allocate 2.00 MiB"


def test_memory_of_the_computer_is_told() -> None:
    error = caught(2**60)
    assert not isinstance(error, torch.OutOfMemoryError)
    said = said_of_memory(error)
    assert said is not None
    assert "you tried to allocate 1152921504606846976 bytes" in said
    assert said_of_memory(OSError(12, "Cannot allocate memory")) == "[Errno 12] Cannot allocate memory"
    assert said_of_memory(MemoryError()) == "MemoryError"
    assert said_of_memory(RuntimeError("can't start new thread")) == "can't start new thread"


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUSPARSE_STATUS_ALLOC_FAILED when calling `cusparseCreate(handle)`",
    ],
    ids=["cublas", "cudnn", "cusparse"],
)
def test_memory_that_libraries_of_a_gpu_ask_for_themselves_is_told(said: str) -> None:
    """As PyTorch words it, in a plain RuntimeError."""
    assert said_of_memory(RuntimeError(said)) == said
    assert said_of_memory(RuntimeError(said.replace("ALLOC_FAILED", "EXECUTION_FAILED"))) is None


def test_what_an_error_came_from_is_told_too() -> None:
    wrapped = OSError("Unable to load weights")
    wrapped.__context__ = caught(2**60)
    assert "can't allocate memory" in str(said_of_memory(wrapped))


def test_other_errors_say_nothing_of_memory() -> None:
    wrapped = DamagedModel("The model cannot be loaded")
    wrapped.__cause__ = RuntimeError("size mismatch")
    assert said_of_memory(wrapped) is None


def test_what_a_prompt_says_of_memory_is_no_memory_that_ran_out() -> None:
    assert said_of_memory(PromptTooLong("The prompt 'a fox out of memory lane' is too long.")) is None
