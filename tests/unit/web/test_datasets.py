"""The page of a dataset."""

import re
from html import escape, unescape

import httpx
import pytest

from tests.unit.datasets.tables import csv_text, rows
from tests.unit.datasets.working import claimed
from tests.unit.web.conftest import HTMX, Site, text_of
from tests.unit.web.tables import new_dataset, parquet
from viveiro.datasets.jobs import check_dataset, import_dataset
from viveiro.datasets.service import dataset_ref, receive_file, start_import
from viveiro.datasets.types import Bin, ColumnKind, ColumnStatistics, Distribution, ImportOptions, ValueCount
from viveiro.jobs.service import list_jobs
from viveiro.types import RepoRef, Visibility
from viveiro.web.datasets import head_of

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def alice(site: Site) -> httpx.Client:
    return site.browser("alice")


@pytest.fixture(scope="module")
def tickets(site: Site) -> RepoRef:
    """150 different texts of two classes, and a repeated one, imported as the worker does it."""
    content = csv_text([*rows(150), *rows(1)]).encode()
    with receive_file(site.settings, len(content)) as incoming:
        incoming.file.write(content)
    ref, options = dataset_ref("alice/tickets"), ImportOptions("tickets.csv")
    with site.database.write() as session:
        start_import(session, site.viewer("alice"), ref, incoming.upload_id, options, Visibility.PUBLIC)
    job, context = claimed(site, "dataset-import")  # type: ignore[arg-type]
    import_dataset(context, **job.arguments)
    return ref


@pytest.fixture
def long_table(site: Site) -> str:
    """250 numbered rows in a split of their own."""
    ref = new_dataset(site, {"data/train.parquet": parquet({"n": list(range(1000, 1250))})})
    return f"/{ref.url_path}"


class TestRows:
    def test_are_the_first_splits(self, tickets: RepoRef, alice: httpx.Client) -> None:
        page = text_of(alice.get(f"/{tickets.url_path}").text)
        assert "text text" in page
        assert "label class label" in page
        assert re.search(r"the \w+ number \d+ makes a noise", page)
        assert "1 to 100 of 1" in page

    def test_of_another_split(self, tickets: RepoRef, alice: httpx.Client) -> None:
        page = alice.get(f"/{tickets.url_path}?split=test").text
        assert re.search(r'<option value="test" selected>', page)
        assert alice.get(f"/{tickets.url_path}?split=tset").status_code == 404

    def test_come_in_pages(self, long_table: str, alice: httpx.Client) -> None:
        page = alice.get(f"{long_table}?offset=100").text
        assert "101 to 200 of 250" in text_of(page)
        assert re.findall(r'rel="(prev|next)" href="[^"]*?(?:offset=(\d+))?"', page) == [("prev", ""), ("next", "200")]
        last = text_of(alice.get(f"{long_table}?offset=200").text)
        assert "201 to 250 of 250" in last
        assert "1249" in last
        assert "no rows at this place" in text_of(alice.get(f"{long_table}?offset=9000").text)

    def test_are_swapped_alone(self, long_table: str, alice: httpx.Client) -> None:
        part = alice.get(f"{long_table}?split=train&offset=100", headers=HTMX).text
        assert part.lstrip().startswith('<section id="viewer"')
        assert "1100" in part

    def test_a_value_that_is_cut_can_be_seen_whole(self, site: Site, alice: httpx.Client) -> None:
        long, items = "seed & soil " * 100, [f"label {number}" for number in range(30)]
        ref = new_dataset(site, {"data/train.parquet": parquet({"a text": ["", long], "labels": [[], items]})})
        page = alice.get(f"/{ref.url_path}").text
        assert escape(long) not in page
        text, labels = (unescape(address) for address in re.findall(r'<a class="small" href="([^"]*/cell[^"]*)"', page))
        assert escape(long) in alice.get(text, headers=HTMX).text
        assert "label 29" in text_of(alice.get(labels, headers=HTMX).text)
        answer = alice.get(text)
        assert (answer.text, answer.headers["content-type"]) == (long, "text/plain; charset=utf-8")
        assert answer.headers["x-content-type-options"] == "nosniff"
        for missing in (text.replace("row=1", "row=2"), text.replace("a+text", "a"), text.replace("train", "dev")):
            assert alice.get(missing).status_code == 404

    def test_what_strangers_wrote_is_text(self, site: Site, alice: httpx.Client) -> None:
        table = {HOSTILE: [HOSTILE * 20], "labels": [[HOSTILE]]}
        ref = new_dataset(site, {"data/train.parquet": parquet(table)})
        for path in (f"/{ref.url_path}", f"/{ref.url_path}/statistics"):
            page = alice.get(path, headers=HTMX).text
            assert HOSTILE not in page
        assert escape(HOSTILE) in alice.get(f"/{ref.url_path}").text

    def test_a_dataset_without_any_says_how_to_get_some(self, site: Site, alice: httpx.Client) -> None:
        ref = site.new_repo("dataset", files={"notes.txt": "x"})
        answer = alice.get(f"/{ref.url_path}")
        assert answer.status_code == 200
        page = text_of(answer.text)
        assert "holds no Parquet file" in page
        assert f"viveiro datasets import FILE --name {ref.repo_id}" in page
        assert "Fit to learn from?" not in page

    def test_a_damaged_file_is_named(self, site: Site, alice: httpx.Client) -> None:
        ref = new_dataset(site, {"data/train.parquet": b"PAR1 and nothing else"})
        assert "data/train.parquet" in text_of(alice.get(f"/{ref.url_path}").text)


class TestHeads:
    def test_are_counted_in_a_request_of_their_own_once(self, site: Site, alice: httpx.Client) -> None:
        ref = new_dataset(site, {"data/train.parquet": parquet({"n": [1, 2, 2, None]})})
        page = alice.get(f"/{ref.url_path}").text
        address = f"/{ref.url_path}/statistics?split=train"
        assert f'hx-get="{address}"' in page
        part = text_of(alice.get(address, headers=HTMX).text)
        assert "25 % empty" in part
        again = alice.get(f"/{ref.url_path}").text
        assert "25 % empty" in text_of(again)
        assert "/statistics" not in again

    def test_without_scripts_a_link_leads_to_the_page_with_them(self, long_table: str, alice: httpx.Client) -> None:
        answer = alice.get(f"{long_table}/statistics?offset=100")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{long_table}?split=train&offset=100")

    def test_values_that_repeat_say_more_than_lengths(self) -> None:
        lengths = Distribution(3, 9, 5, 4, (Bin(3, 6, 8), Bin(6, 9, 2)))
        values = (ValueCount("pump", 8), ValueCount("valve", 2))
        repeated = ColumnStatistics("machine", ColumnKind.TEXT, 0, 2, values, lengths=lengths)
        assert head_of(repeated, 10).values == [("pump", "80 %"), ("valve", "20 %")]
        single = ColumnStatistics("text", ColumnKind.TEXT, 1, None, lengths=lengths)
        head = head_of(single, 10)
        assert (head.counts, head.told, head.empty_percent) == (
            [8, 2],
            "3 to 9 characters, half of them up to 4",
            "10 %",
        )

    def test_one_value_is_no_picture(self) -> None:
        same = Distribution(7, 7, 7, 7, (Bin(7, 7, 10),))
        head = head_of(ColumnStatistics("code", ColumnKind.TEXT, 0, None, lengths=same), 10)
        assert (head.counts, head.told) == ((), "7 characters each")


class TestCheck:
    def test_is_a_job_whose_report_stays_on_the_page(self, tickets: RepoRef, site: Site, alice: httpx.Client) -> None:
        assert "Nobody has checked it yet" in text_of(alice.get(f"/{tickets.url_path}").text)
        answer = alice.post(f"/{tickets.url_path}/check")
        assert answer.status_code == 303
        waiting = alice.get(answer.headers["location"]).text
        found = re.search(rf'hx-get="(/{tickets.url_path}/check/\w+)"', waiting)
        assert found is not None
        assert "hx-get" in alice.get(found[1], headers=HTMX).text
        assert site.browser("bob").get(found[1], headers=HTMX).status_code == 404
        job, context = claimed(site, "dataset-check")  # type: ignore[arg-type]
        check_dataset(context, **job.arguments)
        page = text_of(site.browser().get(f"/{tickets.url_path}").text)
        assert "texts in text , labels in label" in page
        assert "Classes: 2 class-0 75 class-1 75" in page
        assert "What the import left out 1 rows repeated an earlier row" in page

    def test_a_stranger_starts_none(self, tickets: RepoRef, site: Site) -> None:
        stranger = site.browser()
        assert stranger.post(f"/{tickets.url_path}/check").status_code == 401
        assert f"{tickets.url_path}/check" not in stranger.get(f"/{tickets.url_path}").text

    def test_another_site_starts_none(self, tickets: RepoRef, site: Site, alice: httpx.Client) -> None:
        with site.database.read() as session:
            before = len(list_jobs(session, kind="dataset-check"))
        answer = alice.post(f"/{tickets.url_path}/check", headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        with site.database.read() as session:
            assert len(list_jobs(session, kind="dataset-check")) == before

    def test_a_forgotten_job_leaves_the_page_as_it_is(self, tickets: RepoRef, alice: httpx.Client) -> None:
        assert alice.get(f"/{tickets.url_path}?check=gone").status_code == 200


class TestWhoSeesIt:
    def test_a_private_one_is_missing_to_strangers(self, site: Site) -> None:
        ref = new_dataset(site, {"data/train.parquet": parquet({"n": [1]})}, private=True)
        for browser in (site.browser(), site.browser("bob")):
            for path in ("", "/statistics"):
                answer = browser.get(f"/{ref.url_path}{path}")
                assert answer.status_code == 404
                assert "data/train.parquet" not in answer.text
        assert site.browser("bob").post(f"/{ref.url_path}/check").status_code == 404
        assert site.browser("alice").get(f"/{ref.url_path}").status_code == 200

    def test_rows_of_a_gated_one_are_for_those_who_were_let_in(self, site: Site) -> None:
        ref = new_dataset(site, {"data/train.parquet": parquet({"secret": ["nobody-may-read-this"]})})
        viewer = site.viewer("alice")
        site.hub.update_repo(viewer, ref, gated="manual")
        page = site.browser("bob").get(f"/{ref.url_path}")
        assert page.status_code == 200
        assert "Access is gated" in page.text
        assert "nobody-may-read-this" not in page.text
        assert site.browser("bob").get(f"/{ref.url_path}", headers=HTMX).status_code == 403

    def test_leads_on_to_a_run(self, tickets: RepoRef, alice: httpx.Client) -> None:
        page = alice.get(f"/{tickets.url_path}").text
        assert "/runs/new?data=alice%2Ftickets" in page
        assert "load_dataset(" in text_of(page)
        assert "No model has learnt from it yet" in page
