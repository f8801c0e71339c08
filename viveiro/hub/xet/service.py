"""What Xet can do: take xorbs, learn layouts, tell how to fetch a file. No HTTP.

Nothing is believed. A xorb is kept under the hash that its chunks really have; a layout, when the file that it gives really has
the hashes that it is said to have. And a hash is no key: files are built only from what their sender sent, or may read.
"""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from threading import Lock
from typing import IO, Final

from viveiro.accounts.types import Viewer
from viveiro.db import Database, utc_now
from viveiro.errors import BlobNotFound, NotFound, Unavailable
from viveiro.hub import queries as hub_queries
from viveiro.hub.quotas import require_bytes, within_quota
from viveiro.hub.types import Repo
from viveiro.hub.xet import queries
from viveiro.hub.xet.hashing import HASH_BYTES, Tree, asked_about, hash_text, term_hash
from viveiro.hub.xet.packing import pack
from viveiro.hub.xet.rebuilding import Rebuilder
from viveiro.hub.xet.reconstruction import merged, reconstruct, wanted
from viveiro.hub.xet.shards import InvalidShard, read_shard, write_shard
from viveiro.hub.xet.types import Layout, Reconstruction, ShardFile, XorbIndex
from viveiro.hub.xet.xorbs import InvalidXorb, XorbReader
from viveiro.locale import Sentence
from viveiro.storage import BlobStore, full_disk_named, sweep_folder

Progress = Callable[[int, int], object]

KEPT_FOR: Final = timedelta(weeks=5)
"""hf-xet remembers for four weeks what it sent, and then counts on it: it has no way to send it again."""
COUNTED_FOR: Final = timedelta(days=1)
"""How long what was sent counts before it is in a file. An upload that was given up does not keep others away for weeks."""
KNOWN_FOR: Final = timedelta(days=1)
"""How long clients may count on what they were told of others' chunks. Who may read what can change meanwhile."""
NEIGHBOURS: Final = 32
"""Xorbs told of at once, of 48 KiB each."""
INDEXES_IN_MEMORY: Final = 256
"""About 40 KiB each."""


def tell_nobody(_done: int, _total: int) -> None:
    pass


class XetFileNotFound(NotFound):
    def __init__(self, xet_hash: str) -> None:
        super().__init__("No file {xet_hash} here, or not for this access token.", xet_hash=xet_hash)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends to which repo. `name` tells senders apart: an access token for some repos only is one by itself."""

    viewer: Viewer
    name: str
    repo: Repo
    proposes: bool = False
    """May not write to it, and so leaves alone how it offers what it has."""


@dataclass(frozen=True, slots=True)
class _Verified:
    file: ShardFile
    sha256: str
    first_chunk: str

    @property
    def first_xorb(self) -> str:
        return self.file.layout.terms[0].xorb


class Xet:
    """Threads may share it; so may processes, each with its own."""

    def __init__(
        self,
        database: Database,
        xorbs: BlobStore,
        spool: Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        quota_bytes: int | None = None,
    ) -> None:
        """`spool`: the folder where xorbs lie while they arrive. On the store's own disk, keeping one costs no copy."""
        self.xorbs = xorbs
        self._quota_bytes = quota_bytes
        self._database = database
        self._spool = spool
        self._clock = clock
        self._indexes: OrderedDict[str, XorbIndex] = OrderedDict()
        self._lock = Lock()
        self._rebuilder = Rebuilder(xorbs, self._index)

    def close(self) -> None:
        self._rebuilder.close()

    # Xorbs ------------------------------------------------------------------------------------------------------------

    def require_room(self, sender: Sender) -> None:
        """Raises QuotaExceeded when the repo's account has no room for what they sent and have put into no file yet."""
        with self._database.read() as session:
            if hub_queries.quota_of(session, sender.repo.owner_id, self._quota_bytes) is not None:
                waiting = queries.waiting_bytes(session, sender.name, self._clock() - COUNTED_FOR)
                require_bytes(session, sender.repo.owner_id, self._quota_bytes, waiting)

    @contextmanager
    def receiving(self) -> Iterator["IncomingXorb"]:
        """Left without `finish`, no trace remains."""
        with full_disk_named():
            self._spool.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._spool, suffix=".partial", buffering=0) as file:
                yield IncomingXorb(self, file)

    def keep_xorb(self, sender: Sender | None, name: str, index: XorbIndex, file: Path) -> bool:
        """Whether the sender's repo did not have it yet. What other repos have makes no difference to the answer.

        Args:
            sender: None when the server itself made it.
        """
        if not self.xorbs.put(name, file):
            index = self._stored_index(name, file) or index
        with self._database.write() as session:
            queries.note_xorb(session, name, index, self._clock())
            # The sweep deletes xorbs inside a transaction of its own. Either it was before this one, and the xorb is gone
            # now; or it will see that it has just been sent.
            if self.xorbs.size(name) is None:
                raise Unavailable("The xorb {xorb} has just been swept away. Send it again.", xorb=name)
            queries.note_chunks(session, name, asked_about(index.hashes))
            new = sender is not None and queries.give_xorb(session, name, sender.repo.pk, sender.name)
        self._remember(name, index)
        return new

    def _stored_index(self, name: str, file: Path) -> XorbIndex | None:
        """Of what the store had under this name: perhaps the same chunks, packed in another way. None: it is `file` now."""
        index = self._read_index(name)
        if index is None:  # lost or damaged: what was sent now mends it
            self.xorbs.delete(name)
            self.xorbs.put(name, file)
        return index

    def _read_index(self, name: str) -> XorbIndex | None:
        """None for a stored xorb that is not what its name says."""
        reader = XorbReader()
        try:
            for part in self.xorbs.read(name):
                reader.take(part)
            return reader.finish(name)
        except (BlobNotFound, InvalidXorb):
            return None

    def _index(self, name: str) -> XorbIndex:
        with self._lock:
            if name in self._indexes:
                self._indexes.move_to_end(name)
                return self._indexes[name]
        with self._database.read() as session:
            index = queries.xorb_index(session, name)
        if index is None:
            raise BlobNotFound(name)
        self._remember(name, index)
        return index

    def _remember(self, name: str, index: XorbIndex) -> None:
        with self._lock:
            self._indexes[name] = index
            self._indexes.move_to_end(name)
            while len(self._indexes) > INDEXES_IN_MEMORY:
                self._indexes.popitem(last=False)

    # Layouts ----------------------------------------------------------------------------------------------------------

    def register(self, sender: Sender, shard: bytes, tell: Progress = tell_nobody) -> int:
        """Verify all that a shard says of files, and give these to the repo. How many.

        Args:
            tell: told now and then how many bytes have been verified, of how many.

        Raises:
            InvalidShard: something in it is not so; nothing of it is registered.
        """
        files = read_shard(shard)
        needed = {xorb for file in files for xorb in file.layout.xorbs}
        _refuse_missing(needed - self.usable(sender, needed))
        progress = _Steps(sum(file.layout.size for file in files), tell)
        verified = [self._verify(sender.repo, file, progress) for file in files]
        now = self._clock()
        with self._database.write() as session:
            _refuse_missing(needed - queries.touch_xorbs(session, needed, now))
            with within_quota(session, sender.repo.owner_id, self._quota_bytes):
                for each in verified:
                    hub_queries.insert_blob(session, each.sha256, each.file.layout.size)
                    hub_queries.grant(session, sender.repo.pk, [each.sha256])
            for each in verified:
                layout = queries.add_layout(session, each.sha256, each.file.xet_hash, each.file.layout, now)
                queries.give_layout(session, sender.repo.pk, each.sha256, layout, replace=not sender.proposes)
                queries.note_chunks(session, each.first_xorb, [each.first_chunk])
        return len(files)

    def usable(self, sender: Sender, xorbs: Collection[str]) -> set[str]:
        """Those from which this sender may build files."""
        with self._database.read() as session:
            return queries.usable_xorbs(session, sender.viewer, sender.name, xorbs)

    def _verify(self, repo: Repo | None, file: ShardFile, progress: "_Steps") -> _Verified:
        first_chunk = self._verify_hashes(file)
        if repo is not None and file.sha256 is not None:
            with self._database.read() as session:
                if queries.has_layout(
                    session, repo.pk, file.sha256, file.layout
                ):  # sent again, for lost was our answer
                    progress.advance(file.layout.size)
                    return _Verified(file, file.sha256, first_chunk)
        digest = hashlib.sha256()
        for content in self.rebuild(file.layout):
            digest.update(content)
            progress.advance(len(content))
        actual = digest.hexdigest()
        if file.sha256 not in (None, actual):
            raise InvalidShard(
                Sentence(
                    "file {file} has sha256 {actual}, not {said}", file=file.xet_hash, actual=actual, said=file.sha256
                )
            )
        return _Verified(file, actual, first_chunk)

    def _verify_hashes(self, file: ShardFile) -> str:
        """That each term is what it says, and that the sender knows the chunks in it. The hash of the first chunk."""
        if not file.layout.terms:
            raise InvalidShard(Sentence("file {file} has no content", file=file.xet_hash))
        if file.term_hashes is None:
            raise InvalidShard(Sentence("file {file} comes without the hashes of its terms", file=file.xet_hash))
        tree, first_chunk = Tree(), b""
        for term, announced in zip(file.layout.terms, file.term_hashes, strict=True):
            index = self._index(term.xorb)
            own = index.hashes_of(term.start, term.stop)
            if (
                term.stop > index.chunk_count
                or int(index.offsets[term.stop] - index.offsets[term.start]) != term.size
                or term_hash(own) != announced
            ):
                raise InvalidShard(
                    Sentence("a term of file {file} is not what xorb {xorb} holds", file=file.xet_hash, xorb=term.xorb)
                )
            tree.add(own, index.sizes[term.start : term.stop].tolist())
            first_chunk = first_chunk or own[:HASH_BYTES]
        actual = tree.file_hash()
        if actual != file.xet_hash:
            raise InvalidShard(Sentence("a file has the hash {actual}, not {said}", actual=actual, said=file.xet_hash))
        return hash_text(first_chunk)

    def known_chunks(self, sender: Sender, chunk: str) -> bytes | None:
        """A shard that tells which chunks lie beside this one, in xorbs from which the sender may build files."""
        with self._database.read() as session:
            holding = queries.xorbs_with_chunk(session, chunk)
            usable = queries.usable_xorbs(session, sender.viewer, sender.name, holding)
            found = next((name for name in holding if name in usable), None)
            if found is None:
                return None
            beside = queries.neighbours(session, sender.viewer, found, NEIGHBOURS)
            names = {found, *queries.usable_xorbs(session, sender.viewer, sender.name, beside)}
        now = self._clock()
        with self._database.write() as session:
            # What a client is told of, it may name for as long as it remembers.
            names &= queries.touch_xorbs(session, names, now)
        until = int((now + KNOWN_FOR).timestamp())
        indexes = {name: self._index(name) for name in sorted(names)}
        return write_shard(indexes, key=os.urandom(32), made_at=int(now.timestamp()), expires_at=until)

    def sweep(self, now: datetime) -> dict[str, int]:
        """Delete layouts that no repo offers, and xorbs that no layout needs and no client can still remember. How many."""
        with self._database.write() as session:
            layouts = queries.delete_unneeded_layouts(session)
        before = now - KEPT_FOR
        with self._database.write() as session:
            unneeded = queries.condemn_unneeded_xorbs(session, before)
        swept = 0
        for name in unneeded:
            # The file goes inside the transaction: whoever is sending the same xorb this moment waits for its end,
            # looks whether the file is there (`keep_xorb`), and finds that it is not.
            with self._database.write() as session:
                if queries.delete_unneeded_xorb(session, name, before):
                    self.xorbs.delete(name)
                    self._forget(name)
                    swept += 1
        return {"layouts": layouts, "xorbs": swept}

    def sweep_arrivals(self, older_than: timedelta) -> int:
        """Delete what was being received, or put into xorbs, by a process that was killed. How many."""
        return sweep_folder(self._spool, older_than)

    def restore(self, name: str, content: IO[bytes]) -> None:
        """A xorb comes back from a backup, whose rows say all else of it. Raises InvalidXorb when it is damaged."""
        with self.receiving() as incoming:
            while part := content.read(2**20):
                incoming.write(bytearray(part))
            incoming.restore(name)

    def is_intact(self, name: str) -> bool:
        """Whether the stored xorb holds what its name says. Reads all of it."""
        return self._read_index(name) is not None

    def adopt(self, name: str) -> None:
        """A xorb lies in the store and has no row, as one whose sender was killed with us. The sweep takes it in time."""
        index = self._read_index(name)
        if index is None:
            self.xorbs.delete(name)
            return
        with self._database.write() as session:
            queries.note_xorb(session, name, index, self._clock())

    def forget(self, name: str) -> None:
        """A xorb is gone or damaged, and no repo needs it."""
        with self._database.write() as session:
            queries.delete_xorb(session, name)
        self.xorbs.delete(name)
        self._forget(name)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._indexes.pop(name, None)

    def take_in(self, sha256: str, contents: Iterator[bytes]) -> None:
        """Put into xorbs what came otherwise, and let every repo offer it so that has it and does not offer it by Xet.

        Xorbs and layout follow from the content alone: whoever sees them learns nothing of who else has it.
        """
        self._spool.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._spool, suffix=".partial") as folder, full_disk_named():
            packed = pack(sha256, contents, Path(folder))
            for name, path in packed.xorbs.items():
                self._take_in_xorb(name, path)
        verified = self._verify(None, packed.told, _Steps(packed.told.layout.size, tell_nobody))
        now = self._clock()
        with self._database.write() as session:
            _refuse_missing(packed.xorbs.keys() - queries.touch_xorbs(session, packed.xorbs, now))
            layout = queries.add_layout(session, sha256, packed.told.xet_hash, packed.told.layout, now)
            queries.note_chunks(session, verified.first_xorb, [verified.first_chunk])
            queries.give_layout_to_all(session, sha256, layout)

    def _take_in_xorb(self, name: str, path: Path) -> None:
        with self.receiving() as incoming, path.open("rb") as file:
            while part := file.read(2**20):
                incoming.write(bytearray(part))
            incoming.finish(None, name)

    # Reading ----------------------------------------------------------------------------------------------------------

    def file(self, repo: Repo, xet_hash: str) -> tuple[int, Layout]:
        """The layout by which this repo offers a file, and its id. Raises XetFileNotFound when it offers none."""
        with self._database.read() as session:
            found = queries.layout_of_file(session, repo.pk, xet_hash)
        if found is None:
            raise XetFileNotFound(xet_hash)
        return found

    def reconstruction(self, layout: Layout, start: int, stop: int) -> Reconstruction:
        indexes = {xorb: self._index(xorb) for xorb in wanted(layout, start, stop)}
        return reconstruct(layout, start, stop, indexes)

    def readable_ranges(self, layout_id: int, xorb: str) -> list[tuple[int, int]]:
        """Which stored bytes of a xorb belong to a file that is laid out so: from, to behind the last."""
        with self._database.read() as session:
            layout = queries.layout(session, layout_id)
        terms = [(term.start, term.stop) for term in layout.terms if term.xorb == xorb] if layout else []
        if not terms:
            return []
        index = self._index(xorb)
        return [index.packed_range(start, stop) for start, stop in merged(terms)]

    def hashes(self, repo: Repo, contents: Collection[str]) -> dict[str, str]:
        """Xet's hashes of those of these contents (by sha256) that the repo offers by Xet."""
        if not contents:
            return {}
        with self._database.read() as session:
            return queries.xet_hashes(session, repo.pk, contents)

    def all_in_xorbs(self, contents: Collection[str], before: datetime) -> set[str]:
        """Those of these contents (by sha256) that need no other form, in xorbs since before then: every repo that has them
        offers them by Xet.
        """
        with self._database.read() as session:
            return queries.all_in_xorbs(session, contents, before)

    def rebuild(self, layout: Layout, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes [start, stop) of a file. Raises BlobNotFound or DamagedXorb: at once when they cannot begin."""
        return self._rebuilder.read(layout, start, stop)

    def size(self, sha256: str) -> int | None:
        """Of a content that is held in xorbs."""
        with self._database.read() as session:
            return queries.size_in_xorbs(session, sha256)

    def layout(self, sha256: str) -> Layout:
        """A way to put this content together, for the server's own use. Raises BlobNotFound when there is none."""
        with self._database.read() as session:
            layout = queries.any_layout(session, sha256)
        if layout is None:
            raise BlobNotFound(sha256)
        return layout


class _Steps:
    """Tells progress a hundred times, however many steps there are."""

    def __init__(self, total: int, tell: Progress) -> None:
        self._total = total
        self._tell = tell
        self._done = self._told = 0

    def advance(self, by: int) -> None:
        self._done += by
        if self._done - self._told >= self._total // 100 or self._done == self._total:
            self._told = self._done
            self._tell(self._done, self._total)


class IncomingXorb:
    """For one thread at a time."""

    def __init__(self, xet: Xet, file: IO[bytes]) -> None:
        self._xet = xet
        self._file = file
        self._reader = XorbReader()

    def write(self, data: bytearray) -> None:
        """Raises InvalidXorb as soon as something is wrong with it."""
        whole = memoryview(self._reader.take(data))
        with full_disk_named():
            while whole:
                whole = whole[self._file.write(whole) :]

    def restore(self, name: str) -> None:
        self._reader.finish(name)
        self._xet.xorbs.put(name, Path(self._file.name))

    def finish(self, sender: Sender | None, name: str) -> bool:
        """Whether the repo did not have it yet. Raises InvalidXorb when it is not what its name says."""
        return self._xet.keep_xorb(sender, name, self._reader.finish(name), Path(self._file.name))


def _refuse_missing(missing: Collection[str]) -> None:
    """The same words for a xorb that nobody has and for one that this sender may not use."""
    if missing:
        raise InvalidShard(Sentence("xorb {xorb} has not been sent", xorb=min(missing)))
