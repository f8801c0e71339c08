"""Folders and files as people look at them, whatever they are called and whatever they hold."""

import json
import re
import struct
from urllib.parse import quote, unquote

import pytest

from tests.unit.web.conftest import text_of
from viveiro.hub.queries import keep_scan
from viveiro.hub.safety import SCANNER, content_key, scan_file
from viveiro.web.files import ENTRIES, MAX_TEXT_BYTES, TABLE_ROWS, first_rows

HOSTILE = "<img src=x onerror=alert(1)>.txt"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(document.domain)</script></svg>'
ODD = ["a b#?%.md", "ação/über ñ.txt", "100%25.txt", "semi;colon=&.txt", "plus+and~.txt", HOSTILE]


@pytest.fixture(scope="module")
def repo(site):
    files = {
        "README.md": "# Top",
        "docs/README.md": "[up](../README.md)",
        "docs/deep/er.txt": "x",
        "train.py": "def f():\n    return 1 # one\n",
        "data.csv": "id;text\n" + "".join(f"{number};leaks, badly {number}\n" for number in range(300)),
        "config.json": json.dumps({"layers": 3}),
        "evil.svg": SVG,
        "tone.wav": b"RIFF\0\0",
        "weights.dat": b"\0\1\2",
        "latin.txt": "é".encode("latin-1"),
        "empty.txt": "",
        "long.txt": "x" * (MAX_TEXT_BYTES + 1),
        **dict.fromkeys(ODD, "odd"),
    }
    ref = site.new_repo(files=files)
    alice = site.viewer("alice")
    repo = site.hub.get_repo(alice, ref)
    site.hub.create_branch(alice, repo, "feature/x")
    site.hub.create_tag(alice, repo, "v1.0", "main")
    return ref


@pytest.fixture(scope="module")
def read(site, repo):
    """The text of a page below the repo."""
    stranger = site.browser()

    def get(address):
        answer = stranger.get(f"/{repo}/{address}")
        assert answer.status_code == 200, answer.text
        return answer.text

    return get


class TestAFolder:
    def test_lists_folders_first_and_files_with_size_and_last_commit(self, read):
        html = read("tree/main")
        assert html.index("/tree/main/docs") < html.index("/blob/main/README.md")
        assert "Add files" in text_of(html)
        assert "1.0 MB" in text_of(html)
        assert "Top" in text_of(html)

    def test_below_the_top_leads_up_and_renders_its_own_readme(self, read, repo):
        html = read("tree/main/docs")
        assert f'href="/{repo}/tree/main/docs/deep"' in html
        assert f'href="/{repo}/blob/main/README.md"' in html
        assert f'href="/{repo}/tree/main"' in html

    @pytest.mark.parametrize(
        "revision", ["main", "feature/x", "feature%2Fx", "v1.0", "refs%2Fheads%2Fmain", "refs/heads/main"]
    )
    def test_is_found_at_any_revision(self, read, revision):
        assert "er.txt" in text_of(read(f"tree/{revision}/docs/deep"))
        assert "train.py" in text_of(read(f"tree/{revision}"))

    def test_quotes_the_slashes_of_branches_in_links(self, read, repo):
        assert f'href="/{repo}/blob/feature%2Fx/train.py"' in read("tree/feature/x")
        assert f'href="/{repo}/tree/feature%2Fx"' in read("tree/main")

    def test_is_led_to_from_the_address_of_a_file_and_the_other_way_round(self, site, repo):
        stranger = site.browser()
        assert stranger.get(f"/{repo}/tree/main/train.py").headers["location"] == f"/{repo}/blob/main/train.py"
        assert stranger.get(f"/{repo}/blob/main/docs").headers["location"] == f"/{repo}/tree/main/docs"

    @pytest.mark.parametrize("address", ["tree/main/gone", "tree/gone", "blob/main/gone.txt", "blob/gone/train.py"])
    def test_that_is_not_there_is_missing(self, site, repo, address):
        assert site.browser().get(f"/{repo}/{address}").status_code == 404

    def test_with_more_than_a_page_goes_on_where_it_stopped(self, site):
        ref = site.new_repo(files={f"{number:05}.txt": "" for number in range(ENTRIES + 5)})
        stranger = site.browser()
        first = stranger.get(f"/{ref}/tree/main").text
        [link] = re.findall(r'rel="next" href="([^"]+)"', first)
        second = stranger.get(link).text
        assert "01004.txt" not in first
        assert "01004.txt" in second
        assert "00000.txt" not in second

    def test_offers_changes_to_whoever_may_make_them(self, site, repo):
        assert f"/{repo}/upload/main" in site.browser("alice").get(f"/{repo}/tree/main").text
        assert f"/{repo}/upload/main" in site.browser("bob").get(f"/{repo}/tree/main").text  # as a pull request
        assert f"/{repo}/upload/main" not in site.browser().get(f"/{repo}/tree/main").text
        assert f"/{repo}/upload/" not in site.browser("alice").get(f"/{repo}/tree/v1.0").text


class TestNames:
    @pytest.mark.parametrize("name", ODD)
    def test_of_any_kind_lead_from_the_list_to_the_file(self, site, read, repo, name):
        folder, _, last = name.rpartition("/")
        html = read(f"tree/main/{quote(folder)}")
        links = [each.replace("&amp;", "&") for each in re.findall(r'href="([^"]+)"', html)]
        [link] = [each for each in links if unquote(each).endswith(f"/blob/main/{name}")]
        answer = site.browser().get(link)
        assert answer.status_code == 200
        assert last in text_of(answer.text)

    def test_are_text_and_never_markup(self, read):
        assert "<img src=x" not in read("tree/main")
        assert "<img src=x" not in read(f"blob/main/{quote(HOSTILE)}")
        assert "<img src=x" not in read(f"commits/main/{quote(HOSTILE)}")


class TestAFile:
    def test_of_text_has_lines_that_can_be_linked_to_and_colours(self, read):
        html = read("blob/main/train.py")
        assert '<tr id="L2"><td class="line"><a href="#L2">2</a>' in html
        assert '<span class="hl-comment"># one</span>' in html
        assert 'id="L3"' not in html

    def test_of_markdown_is_rendered_or_shown_as_source(self, read):
        assert ">Top</h2>" in read("blob/main/README.md")
        assert '<tr id="L1">' in read("blob/main/README.md?view=source")

    def test_of_rows_is_a_table_or_its_source(self, read):
        html = read("blob/main/data.csv")
        assert '<th scope="col">text</th>' in html
        assert f"leaks, badly {TABLE_ROWS - 1}" in html
        assert f"leaks, badly {TABLE_ROWS}<" not in html
        assert 'id="L300"' in read("blob/main/data.csv?view=source")

    def test_of_sound_has_a_player(self, read, repo):
        assert f'<audio controls preload="metadata" src="/{repo}/resolve/main/tone.wav">' in read("blob/main/tone.wav")

    @pytest.mark.parametrize("name", ["weights.dat", "latin.txt", "long.txt"])
    def test_that_is_no_text_or_too_long_is_offered_for_download(self, read, repo, name):
        html = read(f"blob/main/{name}")
        assert "Nothing to show here" in html
        assert f'href="/{repo}/resolve/main/{name}?download=true"' in html

    def test_that_is_empty_says_so(self, read):
        assert "This file is empty" in read("blob/main/empty.txt")

    def test_leads_to_its_history(self, read, repo):
        assert f'href="/{repo}/commits/main/train.py"' in read("blob/main/train.py")


class TestSafetensors:
    def file(self, header, rest=b""):
        encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(encoded)) + encoded + rest

    def show(self, site, content):
        ref = site.new_repo(files={"model.safetensors": content})
        return text_of(site.browser().get(f"/{ref}/blob/main/model.safetensors").text)

    def test_lists_its_tensors(self, site):
        header = {
            "__metadata__": {"format": "pt"},
            "encoder.0": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        }
        text = self.show(site, self.file(header, b"\0" * 24))
        assert "encoder.0 F32 2 × 3" in text
        assert "format pt" in text

    @pytest.mark.parametrize(
        "header",
        [
            b"not json",
            b"[]",
            b"{}",
            {"a": 1},
            {"a": {"dtype": "F32"}},
            {"a": {"dtype": "F32", "shape": 7}},
            {"a": {"dtype": [], "shape": "x"}},
        ],
    )
    def test_that_is_none_is_only_offered_for_download(self, site, header):
        assert "Nothing to show here" in self.show(site, self.file(header))

    def test_says_how_many_numbers_it_holds(self, site):
        header = {
            "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
            "b": {"dtype": "I8", "shape": [], "data_offsets": [24, 25]},
        }
        assert "Parameters 6 F32 , 1 I8" in self.show(site, self.file(header, b"\0" * 25))

    @pytest.mark.parametrize(
        "offsets",
        [
            [[0, 24], [0, 24]],
            [[0, 24], [30, 54]],
            [[0, 24], [24, 49]],
            [[0, 24], [24, 10**18]],
            [[24, 0], [0, 24]],
            [[-24, 0], [0, 24]],
        ],
    )
    def test_whose_tensors_do_not_fit_says_so(self, site, offsets):
        header = {str(n): {"dtype": "F32", "shape": [2, 3], "data_offsets": place} for n, place in enumerate(offsets)}
        text = self.show(site, self.file(header, b"\0" * 48))
        assert "This file is damaged: its tensors overlap, leave holes" in text

    def test_whose_header_is_longer_than_any_is_not_read(self, site):
        text = self.show(site, struct.pack("<Q", 100 * 2**30) + b"{}")
        assert "announces one that is too long to read" in text

    @pytest.mark.parametrize("content", [b"", b"\1\2", b"\xff" * 40])
    def test_whose_header_is_cut_is_only_offered_for_download(self, site, content):
        assert "Nothing to show here" in self.show(site, content)


class TestPictures:
    def test_that_are_drawn_by_strangers_run_nothing_however_they_are_opened(self, site, repo):
        answer = site.browser().get(f"/{repo}/picture/main/evil.svg")
        assert answer.text == SVG
        assert answer.headers["content-type"] == "image/svg+xml"
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "sandbox"} <= set(policy)
        assert not [rule for rule in policy if rule.startswith("script-src") or "allow-scripts" in rule]
        assert answer.headers["x-content-type-options"] == "nosniff"

    def test_are_shown_in_pages_as_pictures_only(self, read, repo):
        html = read("blob/main/evil.svg")
        assert f'<img src="/{repo}/picture/main/evil.svg"' in html
        assert "<script>alert" not in html

    def test_are_sent_once(self, site, repo):
        stranger = site.browser()
        etag = stranger.get(f"/{repo}/picture/main/evil.svg").headers["etag"]
        assert stranger.get(f"/{repo}/picture/main/evil.svg", headers={"If-None-Match": etag}).status_code == 304

    @pytest.mark.parametrize("path", ["train.py", "docs", "gone.png", ""])
    def test_are_nothing_else(self, site, repo, path):
        assert site.browser().get(f"/{repo}/picture/main/{path}").status_code == 404


class TestPermission:
    @pytest.mark.parametrize(
        "verb", ["tree", "blob", "picture", "commits", "commit", "edit", "new", "upload", "delete"]
    )
    @pytest.mark.parametrize("kind", ["model", "dataset", "space"])
    def test_a_private_repo_is_missing_to_a_stranger_on_every_page(self, site, verb, kind):
        ref = site.new_repo(kind, files={"a.png": "x"}, private=True)
        address = f"/{ref}/{verb}/main" if verb == "commit" else f"/{ref}/{verb}/main/a.png"
        assert site.browser("bob").get(address).status_code == 404
        assert site.browser().get(address).status_code == 404

    @pytest.mark.parametrize("verb", ["tree", "blob", "picture", "commits", "commit"])
    def test_files_of_a_gated_repo_are_for_those_let_in(self, site, verb):
        ref = site.new_repo(files={"a.png": "x"})
        site.hub.update_repo(site.viewer("alice"), ref, gated="manual")
        assert site.browser("bob").get(f"/{ref}/{verb}/main").status_code == 403


class TestFirstRows:
    def test_are_as_wide_as_the_widest(self):
        assert first_rows("a,b\n1\n\n2,3,4\n", ",") == (("a", "b", ""), ("1", "", ""), ("2", "3", "4"))

    def test_know_a_semicolon_where_it_separates(self):
        assert first_rows("a;b\n1,5;2\n", ",") == (("a", "b"), ("1,5", "2"))

    def test_end_where_the_text_is_no_table(self):
        assert first_rows('a,b\n"' + "x" * 200_000, ",") == (("a", "b"),)

    def test_of_nothing_are_none(self):
        assert first_rows("", ",") == ()


@pytest.fixture(scope="module")
def pickles(site):
    """A repo whose pickles were scanned, but for the last."""
    files = {
        "evil.pkl": b"cos\nsystem\n.",
        "odd.pt": b"cmine\n<b>Net\n.",
        "good.bin": b"cnumpy\ndtype\n.",
        "later.pkl": b"N.",
    }
    ref = site.new_repo(files=files)
    repo = site.hub.get_repo(site.viewer("alice"), ref)
    sha = site.hub.resolve(repo, "main")
    git = site.hub.ledger.open(repo)
    for entry in site.hub.paths_info(repo, sha, ["evil.pkl", "odd.pt", "good.bin"]):
        with site.hub.database.write() as session:
            keep_scan(session, content_key(entry), SCANNER, scan_file(git, site.hub.blobs, entry))
    return ref


class TestSafety:
    def page(self, site, address):
        return text_of(site.browser().get(address).text)

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("evil.pkl", ["Safety unsafe", "Do not load it", "os.system dangerous"]),
            ("odd.pt", ["Safety suspicious", "mine.<b>Net suspicious"]),
            ("good.bin", ["Safety safe", "numpy.dtype harmless"]),
            ("later.pkl", ["Safety being scanned"]),
        ],
    )
    def test_the_page_of_a_pickle_says_what_it_imports(self, site, pickles, name, said):
        text = self.page(site, f"/{pickles}/blob/main/{name}")
        assert [sentence for sentence in said if sentence not in text] == []

    def test_the_list_marks_what_is_not_safe(self, site, pickles):
        text = self.page(site, f"/{pickles}/tree/main")
        assert "evil.pkl unsafe" in text
        assert "odd.pt suspicious" in text
        assert "good.bin safe" not in text

    def test_in_portuguese(self, site, pickles):
        text = text_of(site.browser().get(f"/{pickles}/blob/main/evil.pkl", headers={"Accept-Language": "pt-BR"}).text)
        assert "Segurança perigoso" in text

    def test_other_files_have_no_such_part(self, site, repo):
        assert "Safety" not in self.page(site, f"/{repo}/blob/main/train.py")
