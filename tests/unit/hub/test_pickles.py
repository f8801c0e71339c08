"""What a file would import is found without loading it, however it is written, packed or hidden."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest

from viveiro.errors import Unavailable
from viveiro.hub.pickle_imports import COMPUTED, PickleImport, Verdict, judge
from viveiro.hub.pickles import MAX_IMPORTS, Scan, Trouble, may_hold_pickles, scan
from viveiro.hub.types import FileSafety, SafetyStatus

SYSTEM = PickleImport("posix", "system")
OS_SYSTEM = PickleImport("os", "system")
GLOBAL = b"cos\nsystem\n."


class Bomb:
    """Loaded, it would make a file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/viveiro-test-was-here",)


def look(content: bytes, seconds: float = 60) -> Scan:
    return scan(io.BytesIO(content), seconds=seconds)


def status(content: bytes) -> SafetyStatus:
    return FileSafety.of(look(content)).status


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


class TestEveryWayToWriteAPickle:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_of_this_python(self, protocol: int) -> None:
        assert look(pickle.dumps(Bomb(), protocol)) == Scan((SYSTEM,))

    @pytest.mark.parametrize(
        "content",
        [
            GLOBAL,
            b"\x80\x02" + GLOBAL,
            b"(S'touch x'\nios\nsystem\n.",
            b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
            b"\x80\x04X\x02\0\0\0os\x8d\x06\0\0\0\0\0\0\0system\x93.",
            b"Vo\\u0073\nVsystem\n\x93.",
            b"S'o\\x73'\nT\x06\0\0\0system\x93.",
            # by way of the memo, of a copy, and over a mark
            b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94NNh\x00h\x01\x93.",
            b"\x80\x04\x8c\x06system\x94\x8c\x02os2h\x00\x93.",
            b"\x80\x04\x8c\x02os\x8c\x06system(N1\x93.",
            b"\x80\x04\x8c\x02os\x8c\x06system(K\x01K\x0210\x8c\x06system\x93.",
        ],
    )
    def test_by_hand(self, content: bytes) -> None:
        assert look(content).imports == (OS_SYSTEM,)

    @pytest.mark.parametrize(
        "content",
        [
            # the name is made by calling something
            b"\x80\x04\x8c\x02osc_codecs\nencode\n\x8c\x06system\x85R\x93.",
            b"\x80\x04\x8c\x02os\x8c\x07pers.id\x51\x93.",
            b"\x80\x04\x8c\x02os\x8c\x06systemN\x93.",
            b"\x80\x04\x8c\x02osh\x09\x93.",
        ],
    )
    def test_a_name_that_is_made_while_loading_is_dangerous(self, content: bytes) -> None:
        assert COMPUTED in look(content).imports
        assert status(content) is SafetyStatus.UNSAFE

    def test_a_number_that_stands_for_an_import_is_suspicious(self) -> None:
        assert status(b"\x80\x02\x82\x07)R.") is SafetyStatus.SUSPICIOUS

    def test_many_in_one_file_are_all_followed(self) -> None:
        assert look(pickle.dumps(1) + pickle.dumps([2]) + pickle.dumps(Bomb()) + b"\0raw").imports == (SYSTEM,)

    def test_what_breaks_off_has_imported_before(self) -> None:
        assert look(pickle.dumps(Bomb())[:-1]) == Scan((SYSTEM,), Trouble.DAMAGED)


class TestEveryWayToPackOne:
    @pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
    def test_compressed(self, pack: Callable[[bytes], bytes]) -> None:
        assert look(pack(pickle.dumps(Bomb()))).imports == (SYSTEM,)

    @pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    def test_in_a_zip_as_torch_saves(self, compression: int) -> None:
        content = zipped({"archive/data.pkl": pickle.dumps(Bomb()), "archive/data/0": b"\0" * 64}, compression)
        assert look(content) == Scan((SYSTEM,))

    def test_in_a_member_of_any_name(self) -> None:
        assert look(zipped({"archive/DATA.PKL": GLOBAL, "notes.txt": pickle.dumps(Bomb())})).imports == (
            OS_SYSTEM,
            SYSTEM,
        )

    def test_in_front_of_a_zip(self) -> None:
        """For whoever unpickles, a pickle; for whoever unzips, an archive."""
        assert look(pickle.dumps(Bomb()) + zipped({"a/data.pkl": GLOBAL})).imports == (OS_SYSTEM, SYSTEM)

    def test_in_an_array_of_objects(self) -> None:
        assert SYSTEM in look(saved(np.array([Bomb()], dtype=object))).imports
        structured = np.array([(1, Bomb())], dtype=[("n", "i4"), ("x", "O")])
        assert SYSTEM in look(zipped({"a.npy": saved(structured)})).imports

    def test_an_array_of_numbers_is_no_pickle(self) -> None:
        assert look(saved(np.frombuffer(GLOBAL * 4, "u1"))) == Scan()


class TestWhatIsHarmless:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_plain_data(self, protocol: int) -> None:
        data = {
            "a": [1, 2.5, 10**30, "x", b"y" * 5000, None, True],
            "b": {1, 2},
            "c": (1, 2, 3, 4),
            "d": OrderedDict(e=1),
        }
        assert status(pickle.dumps(data, protocol)) is SafetyStatus.SAFE

    def test_a_tensor_as_torch_pickles_it(self) -> None:
        content = (
            b"\x80\x02}q\x00X\x01\0\0\0wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\0\0\0storageq\x03ctorch\n"
            b"FloatStorage\nq\x04X\x01\0\0\x000q\x05X\x03\0\0\0cpuq\x06K\x0ctq\x07QK\x00K\x03K\x04\x86q\x08K\x04K\x01\x86q\t\x89"
            b"ccollections\nOrderedDict\nq\n)Rq\x0btq\x0cRq\rs."
        )
        found = look(zipped({"archive/data.pkl": content}))
        assert found.trouble is None
        assert {"torch._utils._rebuild_tensor_v2", "torch.FloatStorage"} < {".".join(it) for it in found.imports}
        assert FileSafety.of(found).status is SafetyStatus.SAFE

    @pytest.mark.parametrize(
        "content", [b"", b"\0" * 1000, b"GGUF\x03", b"<xml>", struct.pack("<8f", *range(8)), b"PK\x03\x04"]
    )
    def test_files_that_are_no_pickles(self, content: bytes) -> None:
        assert look(content).imports == ()


class TestVerdicts:
    @pytest.mark.parametrize(
        ("module", "name", "verdict"),
        [
            ("builtins", "set", Verdict.INNOCUOUS),
            ("builtins", "eval", Verdict.DANGEROUS),
            ("__builtin__", "execfile", Verdict.DANGEROUS),
            ("commands", "getoutput", Verdict.DANGEROUS),
            ("numpy.core.multiarray", "_reconstruct", Verdict.INNOCUOUS),
            ("numpy.testing._private.utils", "runstring", Verdict.DANGEROUS),
            ("torch", "BFloat16Storage", Verdict.INNOCUOUS),
            ("torch", "load", Verdict.DANGEROUS),
            ("torch.storage", "_load_from_bytes", Verdict.DANGEROUS),
            ("torch", "serialization.os.system", Verdict.DANGEROUS),
            ("collections", "OrderedDict.__init__.__globals__", Verdict.DANGEROUS),
            ("os.path", "join", Verdict.DANGEROUS),
            ("osmium", "Node", Verdict.SUSPICIOUS),
            ("sklearn.linear_model", "LogisticRegression", Verdict.SUSPICIOUS),
            ("torch.nn.modules.linear", "Linear", Verdict.SUSPICIOUS),
        ],
    )
    def test_rule(self, module: str, name: str, verdict: Verdict) -> None:
        assert judge(module, name) is verdict

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("pytorch_model.bin", True),
            ("a/b.PKL", True),
            ("x.joblib", True),
            ("model.safetensors", False),
            ("pkl", False),
            ("a.pkl/notes", False),
        ],
    )
    def test_files_that_are_looked_at(self, path: str, expected: bool) -> None:
        assert may_hold_pickles(path) == expected


class TestHostileFiles:
    """They end, in little memory, and none passes for safe."""

    @pytest.mark.parametrize(
        "content",
        [
            b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"x",
            b"\x80\x04\x8d" + (2**64 - 1).to_bytes(8, "little") + b"x",
            b"\x80\x02T\xff\xff\xff\xff",
            b"\x80\x04\x93.",
            b"\x80\x04((0",
            b"\x80\x04\x8c\x02\xff\xff\x8c\x01a\x93.",
            b"\x80\x02c" + b"a" * 10_000,
            b"\x93NUMPY\x02\0" + b"\xff\xff\xff\xff",
            b"\x93NUMPY",
            b"7z\xbc\xaf\x27\x1c",
            zlib.compress(b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"\0" * 10**7),
            zlib.compress(b"\x80\x04")[:-6] + b"\xff\xff\xff\xff\xff\xff",
            zipped({"a.pkl": GLOBAL}).replace(b"system", b"systen", 1),
            zipped({"a.pkl": pickle.dumps(b"x" * 10**6)}, zipfile.ZIP_DEFLATED)[:500],
            pickle.dumps([1, 2, 3])[:-2],
        ],
    )
    def test_damaged_on_purpose(self, content: bytes) -> None:
        assert status(content) in (SafetyStatus.SUSPICIOUS, SafetyStatus.UNSAFE)

    @pytest.mark.parametrize("content", [b"\x80\x04" + b"(" * 2_000_000, b"\x80\x04" + b"N0" * 2_000_000])
    def test_long_ones_are_given_up(self, content: bytes) -> None:
        assert look(content, seconds=0.1).trouble is Trouble.TOO_LONG

    def test_a_small_file_that_unpacks_to_much_is_given_up(self) -> None:
        assert look(zlib.compress(b"\x80\x04" + b"N0" * 2_000_000), seconds=0.1).trouble is Trouble.TOO_LONG

    def test_a_file_of_nothing_but_imports_is_given_up(self) -> None:
        found = look(b"".join(b"ca%d\nb\n" % number for number in range(MAX_IMPORTS * 2)))
        assert (found.trouble, len(found.imports)) == (Trouble.TOO_LONG, MAX_IMPORTS + 1)

    def test_names_are_fit_to_be_shown(self) -> None:
        found = look(b"\x80\x04\x8c\x04a\0\x1bb\x8c\x01\n\x93.")
        assert [*found.imports[0]] == ["a\ufffd\ufffdb", "\ufffd"]

    def test_an_encrypted_archive_is_not_safe(self) -> None:
        content = bytearray(zipped({"a.pkl": GLOBAL}))
        for signature, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
            content[content.index(signature) + flags] |= 1
        assert look(bytes(content)) == Scan((), Trouble.ARCHIVE)


class Failing(io.BytesIO):
    """A file on a disk, or in a store, that fails at one read of it."""

    def __init__(self, content: bytes, at: int, fault: Exception) -> None:
        super().__init__(content)
        self.reads, self.at, self.fault = 0, at, fault

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads == self.at:
            raise self.fault
        return super().read(size)


class TestAFileThatCannotBeRead:
    """It is no damaged archive: nothing is known of it, and whoever asked is told why."""

    @pytest.mark.parametrize(
        "fault", [OSError(5, "Input/output error"), ValueError("damaged"), Unavailable("Stopped.")]
    )
    @pytest.mark.parametrize(
        "content",
        [
            zipped({"0": os.urandom(3 * 2**20), "a.pkl": pickle.dumps(os.urandom(2**20))}),
            zipped({"a.pkl": pickle.dumps(os.urandom(2**20))}, zipfile.ZIP_BZIP2),
            gzip.compress(pickle.dumps(os.urandom(2**20))),
            pickle.dumps([os.urandom(100)] * 10),
        ],
        ids=["zip", "zip of bzip2", "gzip", "pickle"],
    )
    def test_whichever_part_of_it_it_is(self, content: bytes, fault: Exception) -> None:
        undisturbed = Failing(content, 0, fault)
        assert scan(undisturbed, seconds=60) == Scan()
        assert undisturbed.reads > 1
        for at in range(1, undisturbed.reads + 1):
            with pytest.raises(type(fault)) as caught:
                scan(Failing(content, at, fault), seconds=60)
            assert caught.value is fault
