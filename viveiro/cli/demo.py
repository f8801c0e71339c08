"""viveiro demo: the whole loop once, on real input, through the real parts."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import typer

from viveiro.cli.datasets import LabelOption, TextOption, run_check, upload
from viveiro.cli.live import duration, follow_run
from viveiro.cli.models import starter
from viveiro.cli.output import say
from viveiro.cli.results import BASELINES, add_baselines, score_table, scores
from viveiro.client import Client, is_held, local_client
from viveiro.datasets.naming import name_of_path
from viveiro.errors import Conflict, ViveiroError
from viveiro.locale import Sentence, number, translate
from viveiro.settings import Settings

EXAMPLE: Final = Path("examples/maintenance/tickets.csv")
EXAMPLE_TEXT_COLUMN: Final = "text_en"
"""The starter is an English model."""
OTHER_TEXT_COLUMN: Final = "text_pt"
"""The same tickets as they were written. What an English model makes of them is shown too."""
METHODS: Final = ("frozen", "full")
ORGANISATION: Final = "acai"
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
    """Import the starter and a table, check, adapt in both ways, evaluate, publish, deploy, predict. Status 0: all of it was true."""
    if data == EXAMPLE:
        text_column = text_column or EXAMPLE_TEXT_COLUMN
    settings = Settings()
    folder = _fresh_folder(settings.data_dir)
    started = time.perf_counter()
    with local_client(settings) as client:
        report = _import(client, data, text_column, label_column)
        runs = [_adapt(client, report, method, text_column, label_column) for method in METHODS]
        others = []
        if data == EXAMPLE:
            others.append(_adapt(client, report, METHODS[0], OTHER_TEXT_COLUMN, label_column))
        best = max(runs, key=lambda run: run["metrics"]["f1_macro"]["value"])
        served = _serve(client, best, data)
    _print_table(runs, others, served)
    _say_verdict(best, served)
    say("All of it took {time}.", time=duration(time.perf_counter() - started))
    say(
        "To go on with it: viveiro serve --data-dir {folder}, then open http://127.0.0.1:7860/{model}",
        folder=folder,
        model=best["model"],
    )


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


def _import(client: Client, data: Path, text_column: str | None, label_column: str | None) -> dict[str, Any]:
    """Starter and dataset, from nothing; what the import says of the dataset."""
    say("1 The starter model: {model}", model=starter(client)["model"])
    client.post("/api/v1/orgs", json={"name": ORGANISATION})
    name = f"{ORGANISATION}/{name_of_path(data)}"
    report = upload(client, data, name, text_column=text_column, label_column=label_column)
    say(
        "2 {file} as {dataset}: {rows} rows, {dropped} left out",
        file=data.name,
        dataset=report["dataset"],
        rows=sum(report["rows"].values()),
        dropped=sum(report["dropped"]["counts"].values()),
    )
    checked = run_check(client, report["dataset"], text_column=text_column, label_column=label_column)
    _require(not _errors(checked), Sentence("the check found: {errors}", errors=str(_errors(checked))))
    say(
        "3 Checked: {classes} classes, {shared} texts in two splits",
        classes=len(checked["classes"]),
        shared=checked["shared_across_splits"],
    )
    return report


def _adapt(
    client: Client, report: Mapping[str, Any], method: str, text_column: str | None, label_column: str | None
) -> dict[str, Any]:
    """A published model; the run."""
    columns = {"text": text_column, "label": label_column}
    publish = f"{report['dataset']}-{method}{'-pt' if text_column == OTHER_TEXT_COLUMN else ''}"
    started = client.start_run(
        "text-classification",
        f"{report['dataset']}@{report['revision']}",
        columns={role: name for role, name in columns.items() if name},
        params={"method": method},
        publish=publish,
    )
    run = follow_run(client, started)
    _require(run["model"] == publish, Sentence("the run published {model}", model=run["model"]))
    _check_publication(client, run)
    say(
        "4 Adapted ({method}) in {time}, evaluated on {rows} rows it never saw, published as one commit: {model}",
        method=method,
        time=duration(run["seconds"]["train"]),
        rows=run["rows"]["test"],
        model=run["model"],
    )
    return run


def _check_publication(client: Client, run: Mapping[str, Any]) -> None:
    """Read back with the official client what the run says it published."""
    from huggingface_hub import HfApi

    found = HfApi(endpoint=client.url, token=client.token).model_info(run["model"])
    _require(found.sha == run["revision"], Sentence("the published commit is not the repo's head"))
    _require(found.pipeline_tag == run["description"]["task"], Sentence("the card does not name the task"))
    files = {sibling.rfilename for sibling in found.siblings or ()}
    whole = {"README.md", "config.json", "model.safetensors"} <= files
    _require(whole, Sentence("the published commit is not whole"))


@dataclass(frozen=True)
class _Served:
    model: str
    latency_ms: float
    text: str
    label: str
    score: float


def _serve(client: Client, run: Mapping[str, Any], data: Path) -> _Served:
    """Deploy, and ask through the official client."""
    from huggingface_hub import InferenceClient

    endpoint = client.post("/api/v1/endpoints", json={"model": run["model"]})
    inference = InferenceClient(model=endpoint["url"], token=client.token)
    texts = _some_texts(data, run["description"]["columns"]["text"])
    answers, seconds = [], []
    for number_of_request in range(REQUESTS):
        started = time.perf_counter()
        answers.append(inference.text_classification(texts[number_of_request % len(texts)]))
        seconds.append(time.perf_counter() - started)
    for answer in answers:
        _require(bool(answer) and 0 < answer[0].score <= 1, Sentence("the endpoint gave no label"))
    say(
        "5 Served at {url}: {count} predictions through huggingface_hub.InferenceClient",
        url=endpoint["url"],
        count=REQUESTS,
    )
    return _Served(run["model"], median(seconds) * 1000, texts[0], answers[0][0].label, answers[0][0].score)


def _some_texts(data: Path, column: str) -> list[str]:
    """From the file itself, read as its import read it."""
    from viveiro.datasets.service import open_source

    first = next(open_source(data, data.name).batches())
    texts = [text for text in first.rows.column(column).to_pylist() if text and text.strip()]
    return [str(text) for text in texts[-REQUESTS:]]


def _print_table(runs: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], served: _Served) -> None:
    from rich.console import Console

    table = score_table(runs[0], Sentence("time to adapt"))
    for run in runs:
        table.add_row(f"[bold]{_named(run)}", *scores(run["metrics"]), duration(run["seconds"]["train"]))
    add_baselines(table, runs[0])
    for run in others:
        table.add_section()
        table.add_row(_named(run), *scores(run["metrics"]), duration(run["seconds"]["train"]))
        table.add_row(
            translate("{baseline}, {column}", baseline=BASELINES["tfidf"], column=OTHER_TEXT_COLUMN),
            *scores(run["baselines"]["tfidf"]),
        )
    table.add_section()
    latency = translate("{milliseconds} ms", milliseconds=number(served.latency_ms, 1))
    table.add_row(translate("median latency of one request"), "", "", latency)
    Console().print(table)


def _named(run: Mapping[str, Any]) -> str:
    method = run["description"]["params"].get("method", METHODS[0])
    return f"{method}, {run['description']['columns']['text']}"


def _say_verdict(best: Mapping[str, Any], served: _Served) -> None:
    typer.echo(f"“{served.text}” → {served.label} ({number(served.score, 2)})")
    if not best["beats_baselines"]:
        say("The adapted model does not beat a baseline here: {baseline}.", baseline=BASELINES[best["best_baseline"]])


def _errors(report: Mapping[str, Any]) -> list[str]:
    return [finding["message"] for finding in report["findings"] if finding["severity"] == "error"]


def _require(truth: bool, otherwise: Sentence) -> None:
    if not truth:
        raise DemoUntrue("The demo is not true: {otherwise}.", otherwise=otherwise)
