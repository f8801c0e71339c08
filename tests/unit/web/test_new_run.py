"""From a file to a run, in a browser."""

import re
from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.unit.datasets.tables import csv_text, rows
from tests.unit.datasets.working import claimed
from tests.unit.web.conftest import HTMX, Site, text_of
from tests.unit.web.tables import new_dataset, parquet
from viveiro.datasets.incoming import incoming_path
from viveiro.jobs.service import list_jobs
from viveiro.training.jobs import import_and_run
from viveiro.training.service import get_run
from viveiro.types import Visibility

TICKETS = csv_text(rows(60)).encode()
HEADER = b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def alice(site: Site) -> httpx.Client:
    return site.browser("alice")


@pytest.fixture(scope="module")
def bob(site: Site) -> httpx.Client:
    return site.browser("bob")


@pytest.fixture(scope="module")
def base(site: Site) -> str:
    """What the names of its files tell of a model that encodes texts. Its weights are never opened here."""
    files: dict[str, str | bytes] = {
        "config.json": '{"model_type": "bert", "architectures": ["BertModel"]}',
        "tokenizer.json": "{}",
        "model.safetensors": len(HEADER).to_bytes(8, "little") + HEADER + bytes(4),
        "README.md": "---\npipeline_tag: feature-extraction\n---\n",
    }
    return str(site.new_repo("model", files=files).repo_id)


@pytest.fixture(scope="module")
def data(site: Site) -> str:
    """40 texts of two classes."""
    labelled = rows(40)
    table = {"text": [text for text, _ in labelled], "kind": [label for _, label in labelled]}
    return str(new_dataset(site, {"data/train.parquet": parquet(table)}).repo_id)


def send(browser: httpx.Client, content: bytes, name: str = "table.csv", **more: str) -> str:
    """The address where its owner goes on."""
    query = urlencode({"file_name": name, **more})
    answer = browser.post(f"/runs/new/data?{query}", content=content, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 303
    return answer.headers["location"]


def upload_id(address: str) -> str:
    found = re.search(r"upload=(\w+)", address)
    assert found is not None
    return found[1]


def form_of(html: str) -> dict[str, str]:
    """What a browser would send of the page as it stands."""
    html = html.partition('id="new-run"')[2].partition("</form>")[0]
    inputs = re.findall(r"<input ([^>]*)>", html)
    said = {}
    for attributes in inputs:
        name, value = re.search(r'\bname="([^"]*)"', attributes), re.search(r'\bvalue="([^"]*)"', attributes)
        is_sent = "radio" not in attributes or "checked" in attributes
        said.update({name[1]: value[1] if value else ""} if name and is_sent else {})
    for name, options in re.findall(r'<select [^>]*\bname="([^"]*)"[^>]*>(.*?)</select>', html, re.DOTALL):
        chosen = re.search(r'value="([^"]*)"[^>]*selected', options) or re.search(r'value="([^"]*)"', options)
        said[name] = chosen[1] if chosen else ""
    return said


def jobs(site: Site, kind: str) -> Iterator[Any]:
    with site.database.read() as session:
        yield from list_jobs(session, kind=kind)


class TestData:
    def test_a_stranger_signs_in_first(self, site: Site) -> None:
        answer = site.browser().get("/runs/new")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fruns%2Fnew")

    def test_is_a_file_or_a_dataset_that_is_here(self, site: Site, alice: httpx.Client) -> None:
        public, private = site.new_repo("dataset"), site.new_repo("dataset", private=True, owner="bob")
        page = alice.get("/runs/new").text
        assert 'type="file"' in page
        assert f"/runs/new?{urlencode({'data': str(public.repo_id)})}" in page
        assert str(private.repo_id) not in page

    def test_a_dataset_is_found_by_its_name(self, site: Site, alice: httpx.Client) -> None:
        wanted, other = site.new_repo("dataset", name="needle"), site.new_repo("dataset", name="hay")
        page = alice.get("/runs/new?q=need").text
        assert str(wanted.repo_id) in page
        assert str(other.repo_id) not in page
        assert "No dataset is called like that" in alice.get("/runs/new?q=nowhere").text

    def test_a_file_is_kept_for_whoever_sent_it(self, site: Site, alice: httpx.Client) -> None:
        address = send(alice, TICKETS)
        assert address.startswith("/runs/new?upload=")
        assert incoming_path(site.settings, upload_id(address)).read_bytes() == TICKETS
        page = text_of(alice.get(address).text)
        assert "table.csv" in page
        assert "60 rows · 2 columns" in page
        assert "Classes: 2" in page

    def test_scripts_are_told_where_to_go(self, alice: httpx.Client) -> None:
        answer = alice.post("/runs/new/data?file_name=t.csv&base=a/b", content=TICKETS, headers=HTMX)
        assert answer.status_code == 204
        assert re.fullmatch(r"/runs/new\?upload=\w+&base=a%2Fb", answer.headers["hx-redirect"])

    def test_a_form_without_scripts_sends_it_too(self, site: Site, alice: httpx.Client) -> None:
        name = 'C:\\Users\\x\\évil "<b>.csv'
        answer = alice.post("/runs/new/data", files={"file": (name, TICKETS)}, data={"base": "a/b"})
        assert answer.status_code == 303
        address = answer.headers["location"]
        assert incoming_path(site.settings, upload_id(address)).read_bytes() == TICKETS
        assert address.endswith("&base=a%2Fb")

    def test_a_form_without_a_file_says_so(self, alice: httpx.Client) -> None:
        body = b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n'
        answer = alice.post("/runs/new/data", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert answer.status_code == 400
        assert "No file was chosen" in answer.text
        assert 'type="file"' in answer.text

    def test_what_is_large_arrives_whole(self, site: Site, alice: httpx.Client) -> None:
        piece = b"x" * 2**20
        answer = alice.post("/runs/new/data?file_name=big.csv", content=iter([piece] * 9))
        assert incoming_path(site.settings, upload_id(answer.headers["location"])).stat().st_size == 9 * 2**20

    @pytest.mark.parametrize(
        ("content", "name", "why"),
        [
            (b"", "empty.csv", "empty"),
            (b"text,label\n", "header.csv", "no rows"),
            (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "picture.png", "picture.png"),
        ],
    )
    def test_what_is_no_table_is_said_beside_the_drop_zone(
        self, content: bytes, name: str, why: str, alice: httpx.Client
    ) -> None:
        answer = alice.get(send(alice, content, name))
        assert answer.status_code == 422
        assert why in text_of(answer.text)
        assert 'type="file"' in answer.text

    def test_latin_1_is_read(self, alice: httpx.Client) -> None:
        table = csv_text([(f"{text} não funciona", label) for text, label in rows(40)])
        page = text_of(alice.get(send(alice, table.encode("latin-1"))).text)
        assert "não funciona" in page

    def test_nobody_else_sees_it(self, alice: httpx.Client, bob: httpx.Client) -> None:
        answer = bob.get(send(alice, TICKETS))
        assert answer.status_code == 404
        assert "No upload" in text_of(answer.text)
        assert "table.csv" not in answer.text

    def test_another_site_sends_none(self, site: Site, alice: httpx.Client) -> None:
        before = set(site.settings.incoming_dir.iterdir())
        for path in ("/runs/new/data", "/runs/new", "/runs/new/estimate"):
            answer = alice.post(path, content=TICKETS, headers={"Origin": "https://evil.example"})
            assert answer.status_code == 403
        assert set(site.settings.incoming_dir.iterdir()) == before


class TestWhatItHolds:
    def test_other_columns_are_looked_at_in_place(self, alice: httpx.Client) -> None:
        table = "nota,texto,tipo,turno\n" + "".join(
            f"n{number},a bomba {number} faz um barulho estranho,t{number % 2},s{number % 3}\n" for number in range(60)
        )
        address = send(alice, table.encode())
        answer = alice.get(f"{address}&text_column=texto&label_column=turno", headers=HTMX)
        assert answer.status_code == 200
        assert answer.text.lstrip().startswith('<section id="found"')
        assert "Classes: 3" in text_of(answer.text)

    def test_without_scripts_the_whole_form_goes_along(self, alice: httpx.Client) -> None:
        form = form_of(alice.get(send(alice, TICKETS)).text) | {"model_name": "mine", "param-seed": "7"}
        form |= {"text_column": "label", "label_column": "text"}
        assert form_of(alice.get("/runs/new", params=form).text) == form

    @pytest.mark.parametrize(
        ("table", "why"),
        [
            (csv_text(rows(30, classes=1)), "a classifier needs 2"),
            (csv_text(rows(3)), "At least two classes need 3 rows each"),
        ],
    )
    def test_what_cannot_be_learnt_from_is_said_and_does_not_start(
        self, table: str, why: str, site: Site, alice: httpx.Client
    ) -> None:
        page = alice.get(send(alice, table.encode(), "Few.csv"))
        assert why in text_of(page.text)
        before = list(jobs(site, "import-and-run"))
        answer = alice.post("/runs/new", data=form_of(page.text) | {"label_column": "label"})
        assert answer.status_code == 422
        assert why in text_of(answer.text)
        assert list(jobs(site, "import-and-run")) == before

    def test_a_column_that_is_not_there(self, alice: httpx.Client) -> None:
        answer = alice.get(f"{send(alice, TICKETS)}&text_column=txet")
        assert answer.status_code == 400
        assert "There is no column 'txet'" in text_of(answer.text)
        assert "60 rows" in text_of(answer.text)

    def test_one_column_for_both(self, alice: httpx.Client) -> None:
        answer = alice.get(f"{send(alice, TICKETS)}&text_column=text&label_column=text")
        assert answer.status_code == 400
        assert "cannot be both the text and the label" in text_of(answer.text)

    def test_what_strangers_wrote_is_text(self, alice: httpx.Client) -> None:
        table = csv_text([(f"{text} {HOSTILE}", f"{label}{HOSTILE}") for text, label in rows(40)])
        page = alice.get(send(alice, table.replace("label\n", f"{HOSTILE}\n", 1).encode(), f"{HOSTILE}.csv")).text
        assert HOSTILE not in page
        assert escape(HOSTILE) in page


class TestDataset:
    def test_is_shown_with_its_columns_and_classes(self, data: str, alice: httpx.Client) -> None:
        page = text_of(alice.get(f"/runs/new?data={data}").text)
        assert "40 rows · 2 columns" in page
        assert "Rows of train" in page
        assert "Classes: 2" in page

    def test_starts_a_run(self, data: str, base: str, site: Site, alice: httpx.Client) -> None:
        form = form_of(alice.get(f"/runs/new?data={data}&base={base}").text)
        answer = alice.post("/runs/new", data=form | {"param-seed": "7", "budget_minutes": "2.5"})
        assert answer.status_code == 303
        with site.database.read() as session:
            run = get_run(session, site.viewer("alice"), answer.headers["location"].removeprefix("/runs/"))
        wanted = run.description
        assert wanted.data.startswith(f"{data}@")
        assert wanted.base is not None
        assert wanted.base.startswith(f"{base}@")
        assert wanted.columns == {"text": "text", "label": "kind"}
        assert (wanted.params, wanted.budget_minutes) == ({"seed": 7}, 2.5)
        assert wanted.visibility is Visibility.PRIVATE

    def test_starts_a_run_on_columns_whose_names_end_in_a_blank(
        self, base: str, site: Site, alice: httpx.Client
    ) -> None:
        table = {"Ticket text ": [text for text, _ in rows(40)], " kind": [label for _, label in rows(40)]}
        data = str(new_dataset(site, {"data/train.parquet": parquet(table)}).repo_id)
        form = form_of(alice.get("/runs/new", params={"data": data, "base": base}).text)
        answer = alice.post("/runs/new", data=form | {"text_column": "Ticket text ", "label_column": " kind"})
        assert answer.status_code == 303
        with site.database.read() as session:
            run = get_run(session, site.viewer("alice"), answer.headers["location"].removeprefix("/runs/"))
        assert run.description.columns == {"text": "Ticket text ", "label": " kind"}

    def test_of_somebody_else_is_not_there(self, site: Site, alice: httpx.Client) -> None:
        private = site.new_repo("dataset", private=True, owner="bob")
        answer = alice.get(f"/runs/new?data={private.repo_id}")
        assert answer.status_code == 404
        assert "No dataset repo" in text_of(answer.text)

    def test_without_rows_says_how_to_get_some(self, site: Site, alice: httpx.Client) -> None:
        empty = site.new_repo("dataset", files={"notes.txt": "x"})
        answer = alice.get(f"/runs/new?data={empty.repo_id}")
        assert answer.status_code == 422
        assert "holds no Parquet file" in text_of(answer.text)
        assert 'type="file"' in answer.text

    def test_what_a_run_will_need_is_measured_by_a_job(
        self, data: str, base: str, alice: httpx.Client, bob: httpx.Client
    ) -> None:
        form = form_of(alice.get(f"/runs/new?data={data}&base={base}").text)
        part = alice.post("/runs/new/estimate", data=form, headers=HTMX)
        assert part.status_code == 200
        found = re.search(r'hx-get="(/runs/new/estimate/\w+)"', part.text)
        assert found is not None
        assert "hx-get" in alice.get(found[1], headers=HTMX).text
        assert bob.get(found[1], headers=HTMX).status_code == 404
        whole = alice.post("/runs/new/estimate", data=form)
        assert "estimate=" in whole.headers["location"]
        assert "A piece of the run is tried" in alice.get(whole.headers["location"]).text
        assert alice.get(f"/runs/new?data={data}&estimate=gone").status_code == 200


class TestStart:
    def test_imports_the_file_and_then_runs_at_the_same_address(
        self, base: str, site: Site, alice: httpx.Client, bob: httpx.Client
    ) -> None:
        form = form_of(alice.get(send(alice, TICKETS, "Fresh Tickets.csv", base=base)).text)
        assert (form["dataset_name"], form["model_name"]) == ("fresh-tickets", "fresh-tickets-model")
        answer = alice.post("/runs/new", data=form)
        assert answer.status_code == 303
        place = answer.headers["location"]
        assert "alice/fresh-tickets" in text_of(alice.get(place).text)
        assert bob.get(place).status_code == 404
        job, context = claimed(site, "import-and-run")  # type: ignore[arg-type]
        assert place == f"/runs/{job.id}"
        result = import_and_run(context, **job.arguments)
        with site.database.read() as session:
            run = get_run(session, site.viewer("alice"), job.id)
        assert run.description.data == f"alice/fresh-tickets@{result['revision']}"
        assert run.description.columns == {"text": "text", "label": "label"}
        assert "alice/fresh-tickets-model" in text_of(alice.get(place).text)
        assert bob.get("/datasets/alice/fresh-tickets").status_code == 404

    def test_names_that_are_taken_are_not_suggested(self, site: Site, alice: httpx.Client) -> None:
        site.new_repo("dataset", name="taken")
        form = form_of(alice.get(send(alice, TICKETS, "taken.csv")).text)
        assert (form["dataset_name"], form["model_name"]) == ("taken-2", "taken-2-model")

    def test_a_mistake_loses_nothing_that_was_typed(self, base: str, site: Site, alice: httpx.Client) -> None:
        form = form_of(alice.get(send(alice, TICKETS, base=base)).text) | {
            "dataset_name": "no spaces, please",
            "budget_minutes": "soon",
            "param-epochs": "many",
            "param-method": "full",
            "visibility": "public",
        }
        before = list(jobs(site, "import-and-run"))
        answer = alice.post("/runs/new", data=form)
        assert answer.status_code == 400
        assert form_of(answer.text) == form
        page = text_of(answer.text)
        assert "'alice/no spaces, please' is not a repo id" in page
        assert "'soon' is no number of minutes" in page
        assert "epochs: " in page
        assert list(jobs(site, "import-and-run")) == before

    @pytest.mark.parametrize("field", ["dataset_namespace", "model_namespace"])
    def test_nobody_publishes_in_a_place_of_others(
        self, field: str, base: str, site: Site, alice: httpx.Client
    ) -> None:
        form = form_of(alice.get(send(alice, TICKETS, base=base)).text) | {field: "bob"}
        before = list(jobs(site, "import-and-run"))
        answer = alice.post("/runs/new", data=form)
        assert answer.status_code == 403
        assert "in the namespace bob" in text_of(answer.text)
        assert list(jobs(site, "import-and-run")) == before

    def test_own_organizations_are_offered(self, alice: httpx.Client, bob: httpx.Client) -> None:
        assert '<option value="acai"' in alice.get(send(alice, TICKETS)).text
        assert '<option value="acai"' not in bob.get(send(bob, TICKETS)).text

    def test_a_base_that_is_not_there_is_said(self, alice: httpx.Client) -> None:
        form = form_of(alice.get(send(alice, TICKETS, base="alice/gone")).text)
        answer = alice.post("/runs/new", data=form)
        assert answer.status_code == 404
        assert "No model repo alice/gone" in text_of(answer.text)

    def test_only_bases_with_weights_are_offered(self, base: str, site: Site, alice: httpx.Client) -> None:
        card = "---\npipeline_tag: feature-extraction\n---\n"
        bare = site.new_repo("model", files={"README.md": card, "config.json": '{"model_type": "bert"}'})
        page = alice.get(send(alice, TICKETS)).text
        assert f'<option value="{bare.repo_id}"' not in page
        assert f'<option value="{base}"' in page

    def test_a_form_without_data_begins_anew(self, alice: httpx.Client) -> None:
        answer = alice.post("/runs/new", data={"task": "text-classification"})
        assert answer.status_code == 400
        assert 'type="file"' in answer.text
