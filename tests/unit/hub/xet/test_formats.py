"""Hashes, xorbs and shards, against what the reference client makes."""

import os
import struct

import hf_xet
import lz4.frame
import numpy as np
import pytest

from tests.xet import MiB, Packed, chunk, floats, pack, xorb_of
from viveiro.hub.xet.hashing import Tree, chunk_hash, file_hash, hash_bytes, hash_text, xorb_hash
from viveiro.hub.xet.shards import MAX_SHARD_CHUNKS, InvalidShard, read_shard, write_shard
from viveiro.hub.xet.types import MAX_CHUNK_BYTES, MAX_XORB_CHUNKS, Layout, Term, XorbIndex
from viveiro.hub.xet.xorbs import InvalidXorb, XorbReader, unpack_chunk, unpack_chunks

CONTENTS = {
    "floats": floats(500_000),
    "floats and a rest": floats(100_000) + b"abc",
    "text": b"All work and no play makes Jack a dull boy.\n" * 40_000,
    "noise": os.urandom(MiB),
    "one byte": b"x",
}


@pytest.fixture(params=CONTENTS, scope="module")
def packed(request):
    return pack(CONTENTS[request.param])


def read(xorb: bytes, name: str, step: int = MiB) -> XorbIndex:
    reader = XorbReader()
    for start in range(0, len(xorb), step):
        reader.take(xorb[start : start + step])
    return reader.finish(name)


def chunks_of(packed: Packed) -> tuple[bytes, list[int]]:
    """Hashes and sizes of the chunks of the file that its shard tells of."""
    (told,) = read_shard(packed.shard)
    indexes = {name: read(xorb, name) for name, xorb in packed.xorbs.items()}
    runs = [(indexes[term.xorb], slice(term.start, term.stop)) for term in told.layout.terms]
    hashes = b"".join(index.hashes_of(run.start, run.stop) for index, run in runs)
    return hashes, [size for index, run in runs for size in index.sizes[run].tolist()]


class TestHashes:
    def test_text_reverses_each_group_of_eight_bytes(self):
        raw = bytes(range(32))
        assert hash_text(raw) == "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
        assert hash_bytes(hash_text(raw)) == raw

    def test_a_file_has_the_hash_that_the_reference_client_gives_it(self, packed):
        assert file_hash(*chunks_of(packed)) == packed.xet_hash

    def test_of_many_chunks_too(self, tmp_path):
        file = tmp_path / "large.bin"
        file.write_bytes(floats(8 * MiB))
        assert file_hash(*chunks_of(pack(file.read_bytes()))) == hf_xet.hash_files([str(file)])[0].hash


class TestReadingXorbs:
    def test_chunks_unpack_to_the_content(self, packed):
        (told,) = read_shard(packed.shard)
        content = b""
        for term in told.layout.terms:
            index = read(packed.xorbs[term.xorb], term.xorb)
            first, stop = index.packed_range(term.start, term.stop)
            ends = (index.ends[term.start : term.stop] - first).tolist()
            content += unpack_chunks(packed.xorbs[term.xorb][first:stop], ends)
        assert content == packed.content

    @pytest.mark.parametrize("step", [1, 7, 1000, 70_000])
    def test_pieces_of_any_length_give_the_same_index(self, step):
        name, xorb = xorb_of(os.urandom(5000), b"x", os.urandom(300))
        reader = XorbReader()
        kept = b"".join(reader.take(xorb[start : start + step]) for start in range(0, len(xorb), step))
        assert kept == xorb
        assert reader.finish(name).sizes.tolist() == [5000, 1, 300]

    @pytest.mark.parametrize("step", [1, 1000, MiB])
    def test_a_footer_is_not_kept(self, step):
        name, xorb = xorb_of(b"content")
        sent = xorb + b"XETBLOB\x01" + bytes(100)
        reader = XorbReader()
        assert b"".join(reader.take(sent[start : start + step]) for start in range(0, len(sent), step)) == xorb
        reader.finish(name)

    def test_an_index_survives_being_stored(self, packed):
        ((name, xorb),) = packed.xorbs.items()
        index = read(xorb, name)
        again = XorbIndex.from_bytes(index.to_bytes())
        assert (again.hashes, again.ends.tolist(), again.sizes.tolist()) == (
            index.hashes,
            index.ends.tolist(),
            index.sizes.tolist(),
        )

    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 4001, 4002, 4003])
    def test_grouped_bytes_of_any_length(self, size):
        content = os.urandom(size)
        grouped = b"".join(content[place::4] for place in range(4))
        assert unpack_chunk(memoryview(chunk(content, 2, packed=lz4.frame.compress(grouped)))) == content


CONTENT = os.urandom(1000)
FRAME = lz4.frame.compress(CONTENT)


class TestHostileXorbs:
    """Whatever is sent: an error that says why, and memory for one chunk."""

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            (b"", "no chunk"),
            (b"\x00\x01", "middle of a chunk"),
            (chunk(CONTENT)[:-1], "middle of a chunk"),
            (b"\x01" + chunk(CONTENT)[1:], "unknown version"),
            (chunk(CONTENT, size=999), "does not unpack"),
            (chunk(CONTENT, size=0), "does not unpack"),
            (chunk(b"", packed=b"", size=0), "does not unpack"),
            (chunk(bytes(MAX_CHUNK_BYTES + 1)), "does not unpack"),
            (chunk(CONTENT, 3, packed=CONTENT), "does not unpack"),
            (chunk(CONTENT, 1, packed=CONTENT), "does not unpack"),
            (chunk(CONTENT, 1, packed=FRAME[:-5]), "does not unpack"),
            (chunk(CONTENT, 1, packed=FRAME + b"more"), "does not unpack"),
            (chunk(CONTENT, 1, packed=FRAME, size=999), "does not unpack"),
            (chunk(CONTENT, 1, packed=FRAME, size=1001), "does not unpack"),
            (chunk(CONTENT, 2, packed=b"", size=10), "does not unpack"),
            (chunk(CONTENT, 1, packed=lz4.frame.compress(bytes(64 * MiB))[:100_000], size=1000), "does not unpack"),
        ],
    )
    def test_is_refused(self, body, why):
        with pytest.raises(InvalidXorb, match=why):
            read(body, "0" * 64)

    def test_a_frame_that_claims_to_be_huge_reserves_nothing(self):
        frame = bytearray(lz4.frame.compress(CONTENT, store_size=True))
        frame[6:14] = (2**60).to_bytes(8, "little")
        with pytest.raises(InvalidXorb, match="does not unpack"):
            read(chunk(CONTENT, 1, packed=bytes(frame)), "0" * 64)

    def test_a_chunk_that_is_said_to_be_huge_is_not_waited_for(self):
        with pytest.raises(InvalidXorb, match="larger than chunks may be"):
            XorbReader().take(b"\0\xff\xff\xff\0\xff\xff\xff")

    def test_another_hash_than_announced(self):
        _, xorb = xorb_of(CONTENT)
        with pytest.raises(InvalidXorb, match="its hash is"):
            read(xorb, "0" * 64)

    def test_too_many_chunks(self):
        with pytest.raises(InvalidXorb, match="more than 8192 chunks"):
            read(chunk(b"x") * (MAX_XORB_CHUNKS + 1), "0" * 64)

    def test_too_many_bytes(self):
        with pytest.raises(InvalidXorb, match="larger than 64 MiB"):
            read(chunk(bytes(MAX_CHUNK_BYTES)) * 513, "0" * 64)

    def test_an_endless_footer(self):
        reader = XorbReader()
        reader.take(chunk(b"x") + b"XETBLOB")
        with pytest.raises(InvalidXorb, match="larger than 64 MiB"):
            for _ in range(100):
                reader.take(bytes(MiB))


class TestShards:
    def test_what_the_reference_client_tells(self, packed):
        (told,) = read_shard(packed.shard)
        assert told.xet_hash == packed.xet_hash
        assert told.sha256 == packed.sha256
        assert told.layout.size == len(packed.content)
        assert told.layout.xorbs == packed.xorbs.keys()
        assert len(told.term_hashes) == len(told.layout.terms)

    @pytest.mark.parametrize("length", [0, 10, 47, 48, 60, 96, 140, 200])
    def test_one_that_is_cut_short_is_refused(self, packed, length):
        with pytest.raises(InvalidShard):
            read_shard(packed.shard[:length])

    def test_one_that_claims_to_be_huge_is_refused(self, packed):
        claims = bytearray(packed.shard)
        struct.pack_into("<I", claims, 48 + 36, 2**32 - 1)
        with pytest.raises(InvalidShard, match="ends too soon"):
            read_shard(bytes(claims))

    def test_one_that_names_a_xorb_without_end_is_refused_before_anything_is_read(self):
        """A hundred bytes for each time, and 64 MiB to verify."""
        term = hash_bytes("1" * 64) + struct.pack("<IIII", 0, 2**26, 0, 8192)
        times = MAX_SHARD_CHUNKS // 8192 + 1
        header = bytes(32) + struct.pack("<II8x", 0, times)
        shard = write_shard({}, key=bytes(32), made_at=0, expires_at=0)[:48] + header + term * times
        with pytest.raises(InvalidShard, match="more than"):
            read_shard(shard)

    def test_of_another_version(self, packed):
        with pytest.raises(InvalidShard, match="version 2"):
            read_shard(packed.shard[:32] + (3).to_bytes(8, "little") + packed.shard[40:])

    def test_a_layout_survives_being_stored(self):
        layout = Layout((Term(hash_text(os.urandom(32)), 0, 8192, 2**26), Term(hash_text(os.urandom(32)), 5, 6, 1)))
        assert Layout.from_bytes(layout.to_bytes()) == layout

    def test_what_is_told_of_chunks_can_be_read_only_by_those_who_have_them(self):
        contents = [os.urandom(100), os.urandom(200)]
        name, xorb = xorb_of(*contents)
        index = read(xorb, name)
        key = os.urandom(32)
        shard = write_shard({name: index}, key=key, made_at=1, expires_at=2)
        assert read_shard(shard) == []
        assert chunk_hash(contents[0]) not in shard
        assert hash_bytes(name) in shard
        footer = shard[-200:]
        assert struct.unpack_from("<QQQ", footer) == (1, 48, 96)
        assert footer[72:104] == key
        assert int.from_bytes(footer[-8:], "little") == len(shard) - 200


class TestTree:
    def test_one_chunk_is_its_own_root(self):
        raw = chunk_hash(b"alone")
        assert xorb_hash(raw, [5]) == hash_text(raw)

    @pytest.mark.parametrize("step", [1, 7, 4096, 10_000])
    @pytest.mark.parametrize("count", [1, 2, 9, 10, 4095, 4096, 4104, 4105, 20_000])
    def test_chunks_may_come_little_by_little(self, count, step):
        raw, sizes = np.random.default_rng(count).bytes(32 * count), list(range(1, count + 1))
        tree = Tree()
        for at in range(0, count, step):
            tree.add(raw[32 * at : 32 * (at + step)], sizes[at : at + step])
        assert tree.file_hash() == file_hash(raw, sizes)

    def test_an_end_falls_only_behind_a_third_child(self):
        raw = np.zeros((20, 32), "u1").tobytes()  # every hash may cut
        assert len(xorb_hash(raw, [1] * 20)) == 64
