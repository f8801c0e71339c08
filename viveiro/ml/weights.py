"""Writing safetensors, with the system's own errors: the library tells a full disk by words alone."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from safetensors import SafetensorError

_NUMBER: Final = re.compile(r"\(os error (\d+)\)")


@contextmanager
def writing_weights() -> Iterator[None]:
    """Raises OSError, with its number, where the system refused to write."""
    try:
        yield
    except SafetensorError as error:
        if (found := _NUMBER.search(str(error))) is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number)) from error
