"""What comes, compared with what was announced of it while it comes: the same wherever it is written to."""

import hashlib

from viveiro.errors import ChecksumMismatch, SizeMismatch
from viveiro.storage.types import Bytes, StoredBlob


class Measured:
    """Content of an announced size, or of any. `size`: of what has come."""

    def __init__(self, announced_size: int | None) -> None:
        self.size = 0
        self._announced_size = announced_size

    def add(self, data: Bytes) -> None:
        """Raises SizeMismatch as soon as there is too much of it."""
        self.size += len(data)
        if self._announced_size is not None and self.size > self._announced_size:
            raise SizeMismatch(self._announced_size, self.size)

    def require_all(self) -> None:
        """Raises SizeMismatch when something is missing."""
        if self._announced_size is not None and self.size != self._announced_size:
            raise SizeMismatch(self._announced_size, self.size)


class Hashed(Measured):
    """The same, of an announced sha256, or of any."""

    def __init__(self, announced_sha256: str | None, announced_size: int | None) -> None:
        super().__init__(announced_size)
        self._announced_sha256 = announced_sha256
        self._hash = hashlib.sha256()

    def add(self, data: Bytes) -> None:
        super().add(data)
        self._hash.update(data)

    def verified(self) -> StoredBlob:
        """What it is, now that all has come. Raises SizeMismatch or ChecksumMismatch when it is not what was announced."""
        self.require_all()
        actual = self._hash.hexdigest()
        if self._announced_sha256 not in (None, actual):
            raise ChecksumMismatch(str(self._announced_sha256), actual)
        return StoredBlob(actual, self.size)
