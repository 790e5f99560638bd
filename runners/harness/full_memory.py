"""The words in which CUDA and its libraries say that a GPU's memory is full, in every framework's errors and logs."""

import re

_GPU = re.compile(
    r"CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|CUDA out of memory|CUDA error: out of memory"
    r"|CUDA failure 2: |CU(BLAS|DNN|SOLVER|SPARSE|FFT)_(?!\w*HOST)\w*ALLOC\w*FAILED"
)
_HOST = re.compile(r"DefaultCPUAllocator|std::bad_alloc|HOST_ALLOCATION_FAILED")


def of_gpu(text: str) -> bool:
    """Whether an error's message or the end of a log says that the GPU's memory is full."""
    return bool(_GPU.search(text))


def of_host(text: str) -> bool:
    """Whether it says that the host's memory is full, whatever the case's device."""
    return bool(_HOST.search(text))
