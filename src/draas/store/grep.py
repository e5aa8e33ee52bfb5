"""Grep: which lines a regular expression matches, in time linear in the line whatever the expression."""

from collections.abc import Callable
from typing import Any

import re2

from draas.model.errors import Fault, Invalid

MAX_PROGRAM_BYTES = 8 * 1024 * 1024  # what RE2 may use for one expression


def compile_grep(expression: str) -> Callable[[bytes], bool]:
    """Whether `expression` matches somewhere in a line. Bytes that are no UTF-8 match nothing but themselves.

    RE2 and not Python's `re`, which takes 2^n steps on expressions such as (a+)+$ and holds the whole process meanwhile. Raises
    Invalid for what is no expression, and for what RE2 does not know: back references and looking around.
    """
    options = re2.Options()
    options.max_mem = MAX_PROGRAM_BYTES
    options.log_errors = False
    try:
        search: Callable[[bytes], Any] = re2.compile(expression, options).search
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        told = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        words = f"is no regular expression of the RE2 kind: {told[:200]}"
        raise Invalid("the request is not valid", (Fault("grep", words),)) from None
    return lambda line: search(line) is not None
