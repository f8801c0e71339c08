"""A few repos that the suite reads from the public hub, under their names and with what is asked of them, made anew.

Their commits are not those of the originals: tests that name one by its id get the id from here, where the suite keeps it
in a constant.
"""

from collections.abc import Mapping

import numpy as np
from huggingface_hub import CommitOperationAdd, HfApi
from safetensors.numpy import save

DUMMY = "julien-c/dummy-unknown"
RENAMED = "hf-internal-testing/dummy-will-be-renamed"
CACHED = "hf-internal-testing/hfh-cache-layout"
KERNEL = "kernels-community/relu"
DISCUSSED, DISCUSSIONS = "open-llm-leaderboard/open_llm_leaderboard", 51
"""More than a page."""
LIBRARY_FILES = ("flax_model.msgpack", "merges.txt", "pytorch_model.bin", "tf_model.h5", "vocab.json")
CARDS = {
    ("model", "Qwen/Qwen3-0.6B"): "library_name: transformers\nlicense: apache-2.0",
    ("dataset", "HuggingFaceFW/fineweb"): "license: odc-by",
    ("dataset", "rajpurkar/squad"): "license: cc-by-sa-4.0",
    ("space", "mteb/leaderboard"): "license: mit\nsdk: docker",
    ("space", "gradio/theme_builder"): "license: mit\nsdk: gradio",
    ("space", "multimodalart/dreambooth-training"): "license: mit\nsdk: gradio",
    ("model", "openai-community/gpt2"): "license: mit\ntags: [exbert]",
}


def make(api: HfApi) -> dict[str, str]:
    """What the suite's constants are to be."""
    first = _commit(
        api, DUMMY, {"config.json": b'{"model_type": "unknown"}', **dict.fromkeys(LIBRARY_FILES, b"\0weights")}
    )
    _commit(api, DUMMY, {"README.md": b"---\ntags: [ci]\n---\n# Dummy model"})
    _commit(api, RENAMED, {"config.json": b"{}"})
    api.move_repo(RENAMED, "hf-internal-testing/dummy-renamed")
    _branches(api)
    _commit(api, "gradio/theme_builder", {"run.py": b"import gradio\n"}, "space")
    _commit(api, "celinah/dummy-xet-testing", {"dummy.safetensors": save({"a": np.zeros(100_000, np.float32)})})
    _commit(api, "allenai/math_qa", {"math_qa.py": b"class MathQa: ...\n"}, "dataset")
    _commit(api, KERNEL, {"README.md": b"# relu", "benchmarks/benchmark.py": b"print()\n"}, "kernel")
    api.create_branch(KERNEL, branch="v1", repo_type="kernel")
    _commit(api, DISCUSSED, {"README.md": b"---\nsdk: docker\n---\n"}, "space")
    for number in range(DISCUSSIONS):
        api.create_discussion(DISCUSSED, f"Question {number}", repo_type="space")
    for (kind, name), card in CARDS.items():
        _commit(api, name, {"README.md": f"---\n{card}\n---\n# {name.partition('/')[2]}\n".encode()}, kind)
    api.create_commit(DUMMY, [CommitOperationAdd("config.json", b"{}")], commit_message="Simplify", create_pr=True)
    return {"DUMMY_MODEL_ID_REVISION_ONE_SPECIFIC_COMMIT": first}


def _branches(api: HfApi) -> None:
    """file-2 and file-3 share two files, and each has one of its own."""
    _commit(api, CACHED, {"file_0.txt": b"File 0", "file_1.txt": b"File 1"})
    for number in (2, 3):
        api.create_branch(CACHED, branch=f"file-{number}")
        path, content = f"file_{number}.txt", f"File {number}".encode()
        api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=CACHED, revision=f"file-{number}")


def _commit(api: HfApi, name: str, files: Mapping[str, bytes], kind: str = "model") -> str:
    """Its id. The repo is made when it is not there."""
    api.create_repo(name, repo_type=kind, exist_ok=True, space_sdk="static" if kind == "space" else None)
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    return str(api.create_commit(name, operations, commit_message="Add files", repo_type=kind).oid)
