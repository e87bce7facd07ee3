"""Which modules of the package a call enters."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import lakehouse

PACKAGE = str(Path(lakehouse.__file__).parent)


def modules_entered(call: Callable[[], Any]) -> set[str]:
    """The modules in which a function runs while `call` does, paths below the package.

    Only this thread counts: what runs beside it (writing files) is no step of the way.
    """
    entered: set[str] = set()

    def trace(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            entered.add(frame.f_code.co_filename)

    before = threading.current_thread()
    sys.setprofile(trace)
    try:
        call()
    finally:
        sys.setprofile(None)
    assert threading.current_thread() is before
    return {name[len(PACKAGE) + 1 :] for name in entered if name.startswith(PACKAGE)}
