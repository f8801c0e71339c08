"""What a pickle may name, judged before anybody loads it. Pure.

Loading a pickle calls what it imports. Only a list of what is harmless can be trusted: everything else is suspicious, and the
list of what is known to run programs, read files or reach the network only says it louder.
"""

import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Verdict(StrEnum):
    """The words of the Hub's wire."""

    INNOCUOUS = "innocuous"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"


class PickleImport(NamedTuple):
    """`name` may be dotted: what is reached through an attribute is imported as much."""

    module: str
    name: str

    @property
    def verdict(self) -> Verdict:
        return judge(self.module, self.name)


COMPUTED: Final = PickleImport("?", "?")
"""A name that the pickle puts together while it is loaded. No honest writer does."""

_BUILTINS: Final = (
    "bool|bytearray|bytes|complex|dict|float|frozenset|int|list|long|object|range|set|slice|str|tuple|unicode|xrange"
)
_TORCH_TYPES: Final = (
    r"u?int(1|2|3|4|5|6|7|8|16|32|64)|q?u?int(8|32|4x2|2x4)|bfloat16|bool|complex(32|64|128)|c?float(8_\w+|16|32|64)?|"
    r"double|half|long|short|cdouble|chalf|strided|sparse_coo|sparse_csr|contiguous_format|preserve_format|channels_last"
)
_REBUILD: Final = (
    "_rebuild_(tensor|tensor_v2|tensor_v3|parameter|parameter_with_state|sparse_tensor|sparse_csr_tensor|qtensor|nested_tensor|"
    "meta_tensor_no_storage|device_tensor_from_numpy|device_tensor_from_cpu_tensor)"
)
_NUMPY_TYPES: Final = (
    r"ndarray|dtype(\[\w+\])?|bool_?|u?int(8|16|32|64|c|p)|float(16|32|64|128)|complex(64|128)|str_|bytes_|datetime64|timedelta64|"
    "matrix|recarray"
)

_HARMLESS: Final[Mapping[str, re.Pattern[str]]] = {
    module: re.compile(names)
    for module, names in {
        "builtins": _BUILTINS,
        "__builtin__": _BUILTINS,
        "_codecs": "encode",
        "collections": "OrderedDict|Counter|deque|defaultdict",
        "copyreg": "_reconstructor",
        "copy_reg": "_reconstructor",
        "datetime": "date|datetime|time|timedelta|timezone",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "pathlib": "Path|PosixPath|WindowsPath|PurePath|PurePosixPath|PureWindowsPath",
        "uuid": "UUID",
        "numpy": _NUMPY_TYPES,
        "numpy.dtypes": r"\w+DType",
        **dict.fromkeys(("numpy.core.multiarray", "numpy._core.multiarray"), "_reconstruct|scalar"),
        **dict.fromkeys(("numpy.core.numeric", "numpy._core.numeric"), "_frombuffer"),
        "torch": rf"\w{{1,32}}Storage|Size|device|Tensor|Generator|{_TORCH_TYPES}",
        "torch.cuda": r"\w{1,32}Storage",
        "torch.storage": "UntypedStorage|TypedStorage",
        "torch._utils": _REBUILD,
        "torch._tensor": "_rebuild_from_type_v2",
        "torch.nn.parameter": "Parameter|Buffer",
        "torch.serialization": "_get_layout",
        # What transformers' Trainer leaves in training_args.bin: settings, and enumerations.
        "transformers.training_args": "TrainingArguments|OptimizerNames|ParallelMode",
        "transformers.training_args_seq2seq": "Seq2SeqTrainingArguments",
        "transformers.trainer_utils": "IntervalStrategy|EvaluationStrategy|SaveStrategy|HubStrategy|SchedulerType|FSDPOption",
        "transformers.trainer_pt_utils": "AcceleratorConfig",
        "accelerate.state": "PartialState",
        "accelerate.utils.dataclasses": "DistributedType|DeepSpeedPlugin|FullyShardedDataParallelPlugin|DynamoBackend",
        "sentence_transformers.training_args": r"SentenceTransformerTrainingArguments|\w*BatchSamplers",
    }.items()
}

_MODULES: Final = (
    "aiohttp asyncio bdb cProfile cloudpickle code codeop commands concurrent ctypes cffi dill dis distutils doctest ensurepip "
    "faulthandler fileinput ftplib gc glob http httplib httpx idlelib imaplib imp importlib inspect jsonpickle lib2to3 linecache "
    "marshal mmap multiprocessing nt ntpath os pdb pickle _pickle pip pkgutil platform poplib posix posixpath profile pty pydoc "
    "requests resource runpy sched select selectors setuptools shelve shutil signal site smtplib socket socketserver sqlite3 ssl "
    "subprocess _posixsubprocess sys sysconfig telnetlib tempfile test thread _thread threading timeit trace tracemalloc types "
    "unittest urllib urllib2 urllib3 venv webbrowser winreg xmlrpc zipapp zipimport _aix_support _osx_support _pyrepl"
)
_EVERYTHING_OF: Final = frozenset(_MODULES.split())
"""Modules, with all below them, that nothing harmless is imported from."""

_DANGEROUS: Final = re.compile(
    "|".join(
        (
            r"(builtins|__builtin__)\.(__import__|apply|breakpoint|compile|delattr|eval|exec|execfile|file|getattr|globals|input|"
            r"locals|memoryview|open|raw_input|reload|setattr|vars)",
            r"_?io\.(open|open_code|FileIO|OpenWrapper)",
            r"_?operator\.(attrgetter|itemgetter|methodcaller|call)",
            r"_?functools\.(partial|partialmethod|reduce)",
            r"pathlib\.\w*Path\.\w+",
            r"logging\.(FileHandler|config\..*|handlers\..*)",
            r"numpy\.(load|fromfile|memmap|genfromtxt|f2py|testing|distutils|ctypeslib|lib\.npyio)(\..*)?",
            r"torch\.(load|hub|package|jit|serialization\.load|utils\.(cpp_extension|collect_env|bottleneck|model_zoo))(\..*)?",
            r"torch\.(storage\._load_from_bytes|_inductor\..*|_dynamo\..*|distributed\..*|multiprocessing\..*)",
            r"(joblib|skops\.io|pandas|polars)\.(\w+\.)*(load|loads|read_\w+|eval)",
            r"(yaml|_yaml)\.(unsafe_load|load|full_load)(_all)?",
            r"uuid\._\w+",
        )
    )
)


def judge(module: str, name: str) -> Verdict:
    """The worse of what is written and of what Python 3 makes of names from Python 2."""
    mapped = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    verdicts = {_judge(module, name), _judge(*mapped)}
    return next(verdict for verdict in reversed(Verdict) if verdict in verdicts)


def _judge(module: str, name: str) -> Verdict:
    harmless = _HARMLESS.get(module)
    if harmless is not None and harmless.fullmatch(name):
        return Verdict.INNOCUOUS
    through = name.split(".")
    if (
        (module, name) == COMPUTED
        or module.split(".")[0] in _EVERYTHING_OF
        # "torch" and "serialization.os.system": reached through a module that imported another.
        or not _EVERYTHING_OF.isdisjoint(through)
        or any(part.startswith("__") for part in through)
        or _DANGEROUS.fullmatch(f"{module}.{name}")
    ):
        return Verdict.DANGEROUS
    return Verdict.SUSPICIOUS
