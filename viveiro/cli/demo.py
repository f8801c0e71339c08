"""viveiro demo: the whole loop once, on real input, through the real parts."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import typer

from viveiro.cli.datasets import LabelOption, TextOption, run_check, upload
from viveiro.cli.models import starter
from viveiro.cli.output import say
from viveiro.cli.results import result_table
from viveiro.cli.runs import start_run
from viveiro.client import Client, get_client, is_held
from viveiro.errors import Conflict, ViveiroError
from viveiro.settings import Settings

EXAMPLE: Final = Path("examples/maintenance/tickets.csv")
EXAMPLE_TEXT_COLUMN: Final = "text_en"
"""The starter is an English model."""
MARKER: Final = "this-is-a-demo"
"""A folder without this file is somebody's installation, and is not deleted."""
REQUESTS: Final = 50


class DemoUntrue(ViveiroError):
    """A step did not do what it said."""


def add_to(app: typer.Typer) -> None:
    app.command(hidden=True)(demo)


def demo(
    data: Annotated[Path, typer.Option(help="A table of labelled texts.")] = EXAMPLE,
    text_column: TextOption = None,
    label_column: LabelOption = None,
) -> None:
    """Import the starter and a table, check, adapt, evaluate, publish, deploy, predict. Ends with status 0 if all was true."""
    if data == EXAMPLE:
        text_column = text_column or EXAMPLE_TEXT_COLUMN
    folder = _fresh_folder(Settings().data_dir)
    started = time.perf_counter()
    with get_client() as client:
        run = _loop(client, data, text_column, label_column)
        served = _serve(client, run["model"], data, run["description"]["columns"]["text"])
    _print_table(run, served)
    say(f"All of it in {time.perf_counter() - started:.0f} s.")
    say(f"To go on with it: viveiro serve --data-dir {folder}, then open http://127.0.0.1:7860/{run['model']}")


def _fresh_folder(folder: Path) -> Path:
    if is_held(folder):
        raise Conflict("A server is running on {folder}. Stop it, or name another folder: --data-dir …", folder=folder)
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise Conflict(
                "{folder} is not empty, and no demo made it. Name a folder for the demo: --data-dir .demo",
                folder=folder,
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    return folder


def _loop(client: Client, data: Path, text_column: str | None, label_column: str | None) -> dict[str, Any]:
    """From nothing to a published model; the run."""
    say(f"1/6 The starter model: {starter(client)['model']}")
    client.post("/api/v1/orgs", json={"name": "acai"})
    report = upload(client, data, f"acai/{_slug(data)}", text_column=text_column, label_column=label_column)
    dropped = sum(report["dropped"]["counts"].values())
    say(f"2/6 {data.name} as {report['dataset']}: {report['rows']}, {dropped} rows left out")
    checked = run_check(client, report["dataset"], text_column=text_column, label_column=label_column)
    _require(not _errors(checked), f"the check found: {_errors(checked)}")
    say(f"3/6 Checked: {len(checked['classes'])} classes, {checked['shared_across_splits']} texts in two splits")
    wanted = {
        "task": "text-classification",
        "data": f"{report['dataset']}@{report['revision']}",
        "columns": {"text": text_column} if text_column else {},
        "params": {"method": "frozen"},
        "publish": f"acai/{_slug(data)}-model",
    }
    run = start_run(client, wanted)
    _require(run["state"] == "succeeded" and run["model"] == wanted["publish"], f"the run ended {run['state']}")
    say(f"4/6 Adapted in {run['seconds']['train']:.1f} s, evaluated on {run['rows']['test']} rows it never saw")
    _check_publication(client, run)
    say(f"5/6 Published as one commit: {run['model']}@{run['revision'][:10]}")
    return run


def _check_publication(client: Client, run: Mapping[str, Any]) -> None:
    """Read back with the official client what the run says it published."""
    from huggingface_hub import HfApi

    found = HfApi(endpoint=client.url, token=client.token).model_info(run["model"])
    _require(found.sha == run["revision"], "the published commit is not the repo's head")
    _require(found.pipeline_tag == run["description"]["task"], "the card does not name the task")
    files = {sibling.rfilename for sibling in found.siblings or ()}
    _require({"README.md", "config.json", "model.safetensors"} <= files, "the published commit is not whole")


@dataclass(frozen=True)
class _Served:
    latency_ms: float
    text: str
    label: str
    score: float


def _serve(client: Client, model: str, data: Path, text_column: str) -> _Served:
    """Deploy, and ask through the official client."""
    from huggingface_hub import InferenceClient

    endpoint = client.post("/api/v1/endpoints", json={"model": model})
    inference = InferenceClient(model=endpoint["url"], token=client.token)
    texts = _some_texts(data, text_column)
    answers, seconds = [], []
    for number in range(REQUESTS):
        started = time.perf_counter()
        answers.append(inference.text_classification(texts[number % len(texts)]))
        seconds.append(time.perf_counter() - started)
    for answer in answers:
        _require(bool(answer) and 0 < answer[0].score <= 1, "the endpoint gave no label")
    say(f"6/6 Served at {endpoint['url']}: {REQUESTS} predictions through huggingface_hub.InferenceClient")
    return _Served(median(seconds) * 1000, texts[0], answers[0][0].label, answers[0][0].score)


def _some_texts(data: Path, column: str) -> list[str]:
    """From the file itself, read as its import read it."""
    from viveiro.datasets.service import open_source

    _, batch = next(open_source(data, data.name).batches())
    texts = [text for text in batch.column(column).to_pylist() if text and text.strip()]
    return [str(text) for text in texts[-REQUESTS:]]


def _print_table(run: Mapping[str, Any], served: _Served) -> None:
    from rich.console import Console

    table = result_table(run)
    table.add_section()
    table.add_row("time to adapt", f"{run['seconds']['train']:.1f} s", "")
    table.add_row("median latency of one request", f"{served.latency_ms:.1f} ms", "")
    console = Console()
    console.print(table)
    console.print(f"“{served.text}” → {served.label} ({served.score:.2f})", highlight=False, markup=False)
    if not run["beats_baselines"]:
        console.print(f"The adapted model does not beat the baseline {run['best_baseline']} here.")


def _errors(report: Mapping[str, Any]) -> list[str]:
    return [finding["message"] for finding in report["findings"] if finding["severity"] == "error"]


def _require(truth: bool, otherwise: str) -> None:
    if not truth:
        raise DemoUntrue("The demo is not true: {otherwise}.", otherwise=otherwise)


def _slug(data: Path) -> str:
    parent = data.resolve().parent.name if data.stem in ("train", "data") else ""
    return "-".join(filter(None, (parent.replace("_", "-"), data.stem.replace("_", "-"))))
