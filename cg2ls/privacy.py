"""Keep the libraries that we use from sending reports and from downloading without a request."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLES = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: a device id, events, and their upload
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub and hf-xet: reports, and details in the user agent
    "HF_XET_TELEMETRY_ENABLED": "0",  # hf-xet's own name for it
    "USE_HUB_KERNELS": "NO",  # transformers: code from the hub that replaces its own
    "DO_NOT_TRACK": "1",  # a name that several projects agreed on
}
"""Environment variables that turn reporting off. docs/user/privacy.md lists the examined libraries and the method."""


def set_variables() -> None:
    """Set the variables for this process and its children, over any value of the user's.

    Each library reads its own when it is first imported. Every package of ours imports `cg2ls` before anything else,
    and `cg2ls` calls this.
    """
    os.environ.update(VARIABLES)


def keep_compiled_code(folder: Path) -> None:
    """Make PyTorch keep compiled code in our folder, unless the user named one.

    By default it makes one among the temporary files, even if it compiles nothing.
    """
    if folder.is_absolute():  # a user without a home folder has no such folder
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


@contextmanager
def hub_kernels_refused() -> Iterator[None]:
    """Keep bitsandbytes from downloading native code, which it does if the package `kernels` is installed.

    It has no setting for that, but works without `kernels` if that cannot be imported.
    """
    absent = "kernels" not in sys.modules
    if absent:
        sys.modules["kernels"] = None  # type: ignore[assignment]  # makes its import fail
    try:
        yield
    finally:
        if absent:
            del sys.modules["kernels"]
