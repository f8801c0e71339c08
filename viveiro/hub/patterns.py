"""`.gitattributes` and `.gitignore`, as far as uploads need them. Pure.

Source: gitignore(5) and gitattributes(5).
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

LFS_ATTRIBUTES: Final = "filter=lfs diff=lfs merge=lfs -text"
_SPACE: Final = "[[:space:]]"
"""How git-lfs writes a space in a pattern, where a bare one would end it."""
_FIELDS: Final = re.compile(r"[^ \t\r]+")
"""Unlike str.split: other white space may be part of a name."""

LFS_BY_DEFAULT: Final = (
    # weights and checkpoints
    *("*.bin", "*.bin.*", "*.ckpt", "*.gguf", "*.ggml", "*.h5", "*.joblib", "*.mlmodel", "*.model", "*.msgpack"),
    *("*.onnx", "*.onnx_data", "*.pb", "*.pickle", "*.pkl", "*.pt", "*.pth", "*.safetensors", "*.tflite", "*.xml.bin"),
    "saved_model/**/*",
    # arrays and tables
    *("*.arrow", "*.ftz", "*.npy", "*.npz", "*.ot", "*.parquet", "*.rar", "*.wasm", "*.lance", "*.mds", "*.sas7bdat"),
    # archives
    *("*.7z", "*.bz2", "*.gz", "*.lz4", "*.tar", "*.tar.*", "*.tgz", "*.xz", "*.zip", "*.zst"),
    # logs of training
    "*tfevents*",
)
"""What every new repo keeps in LFS."""

MEDIA: Final = (
    *("*.aac", "*.flac", "*.mp3", "*.ogg", "*.opus", "*.pcm", "*.raw", "*.sam", "*.wav"),
    *("*.bmp", "*.gif", "*.jpeg", "*.jpg", "*.png", "*.tif", "*.tiff", "*.webp"),
    *("*.avi", "*.mkv", "*.mov", "*.mp4", "*.webm"),
)
"""What a new dataset repo keeps in LFS besides: its sounds, pictures and films."""


def attributes_file(patterns: Iterable[str]) -> str:
    """A `.gitattributes` that sends these patterns through LFS."""
    return "".join(f"{pattern} {LFS_ATTRIBUTES}\n" for pattern in patterns)


def lfs_patterns(attributes: str) -> tuple[str, ...]:
    """The patterns whose files go through LFS, in order; one that starts with `!` takes files out again."""
    rules = []
    for line in attributes.split("\n"):
        pattern, *settings = _FIELDS.findall(line) or [""]
        if not pattern or pattern.startswith(("#", "!", "[attr]")):
            continue
        for setting in settings:
            if setting == "filter=lfs":
                rules.append(pattern)
            elif setting in ("-filter", "!filter") or setting.startswith("filter="):
                rules.append(f"!{pattern}")
    return tuple(rules)


def cover(attributes: str, paths: Iterable[str]) -> str:
    """A `.gitattributes` that sends these files through LFS too: each by its own name, where no pattern did so before."""
    rules = lfs_patterns(attributes)
    added = attributes_file(_literally(path) for path in paths if not goes_through_lfs(path, rules))
    separator = "\n" if added and attributes and not attributes.endswith("\n") else ""
    return f"{attributes}{separator}{added}"


def _literally(path: str) -> str:
    """The pattern that matches this path only, counted from the root."""
    return "/" + re.sub(r"[*?\[]", r"\\\g<0>", path).replace(" ", _SPACE)


def goes_through_lfs(path: str, patterns: Sequence[str]) -> bool:
    """The last pattern that matches decides."""
    for pattern in reversed(patterns):
        if _expression(pattern.removeprefix("!")).fullmatch(path):
            return not pattern.startswith("!")
    return False


def is_ignored(path: str, gitignore: str) -> bool:
    """Whether a `.gitignore` at the root of the repo leaves this file out. An ignored folder ignores all that is in it."""
    parts = path.split("/")
    rules = [line.rstrip() for line in gitignore.splitlines() if line.strip() and not line.startswith("#")]
    folders = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
    return any(_ignores(folder, rules, is_folder=True) for folder in folders) or _ignores(path, rules, is_folder=False)


def _ignores(path: str, rules: Sequence[str], *, is_folder: bool) -> bool:
    for rule in reversed(rules):
        pattern = rule.removeprefix("!")
        if pattern.endswith("/") and not is_folder:
            continue
        if _expression(pattern.rstrip("/")).fullmatch(path):
            return not rule.startswith("!")
    return False


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern without a slash matches a name in any folder; one with a slash is counted from the root."""
    anywhere = "" if "/" in pattern else "(?:.*/)?"
    try:
        return re.compile(anywhere + _translate(pattern.removeprefix("/")), re.DOTALL)
    except re.error:  # as git does: a malformed pattern matches nothing
        return re.compile(r"(?!)")


_TOKEN: Final = re.compile(
    r"(?P<space>\[\[:space:\]\])|(?P<folders>(?:^|(?<=/))\*\*/)|(?P<below>(?<=/)\*\*$)|(?P<stars>\*+)|(?P<any>\?)"
    r"|\[(?P<not>[!^])?(?P<set>\]?[^\]/]*)\]|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)


def _translate(pattern: str) -> str:
    return "".join(_translate_token(token) for token in _TOKEN.finditer(pattern))


def _translate_token(token: re.Match[str]) -> str:
    match token.lastgroup:
        case "space":
            return r"\s"
        case "folders":
            return "(?:.*/)?"
        case "below":
            return ".+"
        case "stars":
            return "[^/]*"
        case "any":
            return "[^/]"
        case "set":
            inside = re.sub(r"([\\\[\]&~|^])", r"\\\1", token["set"])
            return f"[{'^/' if token['not'] else ''}{inside}]"
        case _:
            return re.escape(token["escaped"] or token["plain"])
