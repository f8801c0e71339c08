"""A file system without room for what is written, told as one error, whatever word the system has for it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from viveiro.errors import StorageFull

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def full_disk_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull from error
        raise
