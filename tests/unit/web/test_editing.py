"""Changes made in the browser are commits like all others: the same rights, the same rules, nothing lost on the way."""

import hashlib
import html
import re

import httpx
import pytest

from tests.unit.web.conftest import HTMX, text_of
from viveiro.web.editing import MAX_FORM_BYTES
from viveiro.web.files import MAX_TEXT_BYTES

MiB = 2**20
PORTUGUESE = {"Accept-Language": "pt-BR"}
VERBS = ["edit", "new", "upload", "delete"]


def content(site, ref, path, revision="main"):
    answer = site.browser("alice").get(f"/{ref}/resolve/{revision}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.content


def head(site, ref):
    alice = site.viewer("alice")
    return site.hub.resolve(site.hub.get_repo(alice, ref), "main")


def last_commit(site, ref):
    alice = site.viewer("alice")
    repo = site.hub.get_repo(alice, ref)
    return site.hub.commits(repo, site.hub.resolve(repo, "main"), limit=1)[0]


def typed(page):
    """What stands in the form's text field."""
    [text] = re.findall(r'<textarea id="field-content"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    return html.unescape(text)


def parent_in(page):
    [parent] = re.findall(r'name="parent" value="([^"]*)"', page)
    return parent


def suggested_title(page):
    [title] = re.findall(r'name="title"[^>]*placeholder="([^"]*)"', page)
    return html.unescape(title)


class TestATitleThatNobodyWrites:
    """The form shows it, in the language of whoever commits, and so it is written."""

    @pytest.mark.parametrize(
        ("address", "title"),
        [
            ("edit/main/a.txt", "Atualizar a.txt"),
            ("new/main/docs/b.txt", "Criar b.txt"),
            ("delete/main/a.txt", "Excluir a.txt"),
        ],
    )
    def test_is_the_one_that_was_shown(self, site, address, title):
        ref = site.new_repo(files={"a.txt": "one"})
        alice = site.browser("alice", **PORTUGUESE)
        page = alice.get(f"/{ref}/{address}").text
        alice.post(f"/{ref}/{address}", data={"path": "docs/b.txt", "content": "two", "parent": head(site, ref)})
        assert last_commit(site, ref).title == suggested_title(page) == title

    def test_leaves_open_what_is_not_known_yet(self, site):
        ref = site.new_repo()
        alice = site.browser("alice", **PORTUGUESE)
        assert suggested_title(alice.get(f"/{ref}/new/main").text) == "Criar …"
        assert suggested_title(alice.get(f"/{ref}/upload/main").text) == "Enviar …"
        alice.post(f"/{ref}/upload/main", files=[("files", ("a.txt", b"a")), ("files", ("b.txt", b"b"))])
        assert last_commit(site, ref).title == "Enviar 2 arquivos"


class TestEditing:
    @pytest.mark.parametrize(
        "text", ["a\nb\n", "\n\n  leading", "<b>&amp;</textarea><script>alert(1)</script>", "", "olá ☘\n"]
    )
    def test_the_form_holds_the_text_as_it_is_and_saving_it_changes_nothing(self, site, text):
        ref = site.new_repo(files={"a.txt": text})
        alice = site.browser("alice")
        page = alice.get(f"/{ref}/edit/main/a.txt").text
        assert typed(page) == text
        assert "<script>alert" not in page
        before = head(site, ref)
        sent = {"parent": parent_in(page), "content": text.replace("\n", "\r\n"), "title": "Same"}
        assert alice.post(f"/{ref}/edit/main/a.txt", data=sent).status_code == 303
        assert head(site, ref) == before

    def test_makes_a_commit_with_its_message(self, site):
        ref = site.new_repo(files={"a.txt": "one\n"})
        alice = site.browser("alice")
        sent = {"parent": head(site, ref), "content": "two\r\nthree", "title": "Count on", "description": "By one."}
        answer = alice.post(f"/{ref}/edit/main/a.txt", data=sent)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/{ref}/blob/main/a.txt")
        assert content(site, ref, "a.txt") == b"two\nthree"
        made = last_commit(site, ref)
        assert (made.title, made.message, made.authors) == ("Count on", "By one.", ("alice",))

    def test_has_a_title_when_none_is_written(self, site):
        ref = site.new_repo(files={"a.txt": "one"})
        site.browser("alice").post(f"/{ref}/edit/main/a.txt", data={"parent": head(site, ref), "content": "two"})
        assert last_commit(site, ref).title == "Update a.txt"

    def test_keeps_the_line_ends_of_windows_where_they_were(self, site):
        ref = site.new_repo(files={"a.txt": "one\r\ntwo\r\n"})
        site.browser("alice").post(
            f"/{ref}/edit/main/a.txt", data={"parent": head(site, ref), "content": "one\r\n2\r\n"}
        )
        assert content(site, ref, "a.txt") == b"one\r\n2\r\n"

    def test_of_a_file_that_somebody_changed_meanwhile_is_refused_and_keeps_the_text(self, site):
        ref = site.new_repo(files={"a.txt": "one"})
        alice = site.browser("alice")
        seen = head(site, ref)
        theirs = site.commit(ref, {"a.txt": "theirs"})
        sent = {"parent": seen, "content": "mine & <all>", "title": "My title", "description": "My reasons"}
        answer = alice.post(f"/{ref}/edit/main/a.txt", data=sent)
        assert answer.status_code == 412
        assert "Somebody changed this file" in text_of(answer.text)
        assert typed(answer.text) == "mine & <all>"
        assert 'value="My title"' in answer.text
        assert "My reasons" in answer.text
        assert content(site, ref, "a.txt") == b"theirs"
        assert parent_in(answer.text) == theirs
        again = alice.post(f"/{ref}/edit/main/a.txt", data={**sent, "parent": theirs})
        assert again.status_code == 303
        assert content(site, ref, "a.txt") == b"mine & <all>"

    def test_is_not_disturbed_by_commits_to_other_files(self, site):
        ref = site.new_repo(files={"a.txt": "one"})
        seen = head(site, ref)
        site.commit(ref, {"b.txt": "other"})
        answer = site.browser("alice").post(f"/{ref}/edit/main/a.txt", data={"parent": seen, "content": "two"})
        assert answer.status_code == 303
        assert (content(site, ref, "a.txt"), content(site, ref, "b.txt")) == (b"two", b"other")

    def test_of_a_file_that_was_deleted_meanwhile_is_refused_and_keeps_the_text(self, site):
        ref = site.new_repo(files={"a.txt": "one"})
        seen, alice = head(site, ref), site.browser("alice")
        assert alice.post(f"/{ref}/delete/main/a.txt").status_code == 303
        answer = alice.post(f"/{ref}/edit/main/a.txt", data={"parent": seen, "content": "mine"})
        assert answer.status_code == 412
        assert typed(answer.text) == "mine"

    def test_goes_onto_branches_whose_names_have_slashes(self, site):
        ref = site.new_repo(files={"a b#?%.md": "one"})
        alice = site.viewer("alice")
        site.hub.create_branch(alice, site.hub.get_repo(alice, ref), "feature/x")
        address = f"/{ref}/edit/feature%2Fx/a%20b%23%3F%25.md"
        browser = site.browser("alice")
        page = browser.get(address).text
        answer = browser.post(address, data={"parent": parent_in(page), "content": "two"})
        assert answer.headers["location"] == f"/{ref}/blob/feature%2Fx/a%20b%23%3F%25.md"
        assert content(site, ref, "a%20b%23%3F%25.md", "feature%2Fx") == b"two"
        assert content(site, ref, "a%20b%23%3F%25.md") == b"one"

    @pytest.mark.parametrize(
        "data", [b"\0\1", "é".encode("latin-1"), b"x" * (MAX_TEXT_BYTES + 1)], ids=["binary", "latin", "long"]
    )
    def test_is_for_text_that_fits_a_page(self, site, data):
        ref = site.new_repo(files={"a.txt": data})
        assert site.browser("alice").get(f"/{ref}/edit/main/a.txt").status_code == 422

    def test_takes_no_more_than_a_text(self, site):
        ref = site.new_repo(files={"a.txt": "one"})
        answer = site.browser("alice").post(
            f"/{ref}/edit/main/a.txt",
            content=b"content=" + b"x" * (MAX_FORM_BYTES + MiB),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert answer.status_code == 413

    def test_with_a_parent_that_never_was_is_refused(self, site):
        ref = site.new_repo(files={"a.txt": "one"})
        answer = site.browser("alice").post(f"/{ref}/edit/main/a.txt", data={"parent": "0" * 40, "content": "mine"})
        assert answer.status_code == 404
        assert typed(answer.text) == "mine"


class TestANewFile:
    def test_lies_in_the_folder_from_which_it_was_begun(self, site):
        ref = site.new_repo(files={"docs/a.md": "a"})
        assert 'value="docs/"' in site.browser("alice").get(f"/{ref}/new/main/docs").text
        assert 'value="README.md"' in site.browser("alice").get(f"/{ref}/new/main/README.md").text

    def test_is_committed(self, site):
        ref = site.new_repo()
        sent = {"path": "docs/ação #1.md", "content": "olá\r\n"}
        answer = site.browser("alice").post(f"/{ref}/new/main", data=sent)
        assert answer.headers["location"] == f"/{ref}/blob/main/docs/a%C3%A7%C3%A3o%20%231.md"
        assert content(site, ref, "docs/a%C3%A7%C3%A3o%20%231.md") == "olá\n".encode()
        assert last_commit(site, ref).title == "Create ação #1.md"

    @pytest.mark.parametrize("path", ["", "../a", "/a", "a//b", ".git/config", "con", "a\u202eb", "x" * 300])
    def test_with_a_name_that_no_repo_may_hold_is_refused_and_keeps_the_text(self, site, path):
        ref = site.new_repo()
        answer = site.browser("alice").post(f"/{ref}/new/main", data={"path": path, "content": "mine"})
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text
        assert typed(answer.text) == "mine"

    def test_replaces_no_other(self, site):
        ref = site.new_repo(files={"a.txt": "theirs"})
        answer = site.browser("alice").post(f"/{ref}/new/main", data={"path": "a.txt", "content": "mine"})
        assert answer.status_code == 409
        assert typed(answer.text) == "mine"
        assert content(site, ref, "a.txt") == b"theirs"

    def test_whose_name_says_so_goes_through_lfs(self, site):
        ref = site.new_repo()
        site.browser("alice").post(f"/{ref}/new/main", data={"path": "a.bin", "content": "text"})
        assert site.browser("alice").get(f"/{ref}/raw/main/a.bin").text.startswith("version https://git-lfs")
        assert content(site, ref, "a.bin") == b"text"


class TestDeleting:
    def test_asks_first(self, site):
        ref = site.new_repo(files={"a.txt": "a"})
        page = site.browser("alice").get(f"/{ref}/delete/main/a.txt")
        assert page.status_code == 200
        assert f'action="/{ref}/delete/main/a.txt"' in page.text
        assert content(site, ref, "a.txt") == b"a"

    def test_takes_the_file_and_leads_to_what_is_left(self, site):
        ref = site.new_repo(files={"docs/deep/a.txt": "a", "docs/b.txt": "b"})
        answer = site.browser("alice").post(f"/{ref}/delete/main/docs/deep/a.txt", data={"title": "Weed"})
        assert answer.headers["location"] == f"/{ref}/tree/main/docs"
        assert site.browser("alice").get(f"/{ref}/resolve/main/docs/deep/a.txt").status_code == 404
        assert last_commit(site, ref).title == "Weed"

    def test_takes_a_folder_with_all_that_is_in_it(self, site):
        ref = site.new_repo(files={"docs/a.txt": "a", "docs/deep/b.txt": "b", "c.txt": "c"})
        answer = site.browser("alice").post(f"/{ref}/delete/main/docs")
        assert answer.headers["location"] == f"/{ref}/tree/main"
        assert site.browser("alice").get(f"/{ref}/tree/main/docs").status_code == 404
        assert content(site, ref, "c.txt") == b"c"


class TestUploading:
    def upload(self, site, ref, *files, place="main", headers=None, **fields):
        parts = [("files", (name, data)) for name, data in files]
        return site.browser("alice", **(headers or {})).post(f"/{ref}/upload/{place}", data=fields, files=parts)

    def test_puts_several_files_into_one_commit(self, site):
        ref = site.new_repo()
        answer = self.upload(site, ref, ("a.txt", b"one\r\n"), ("b c#.md", b"two"), folder="docs", title="Sow")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/{ref}/tree/main/docs")
        assert content(site, ref, "docs/a.txt") == b"one\r\n"
        assert content(site, ref, "docs/b%20c%23.md") == b"two"
        assert last_commit(site, ref).title == "Sow"

    def test_replaces_what_is_there(self, site):
        ref = site.new_repo(files={"a.txt": "old"})
        self.upload(site, ref, ("a.txt", b"new"))
        assert content(site, ref, "a.txt") == b"new"
        assert last_commit(site, ref).title == "Upload a.txt"

    @pytest.mark.parametrize(
        ("name", "size", "through_lfs"),
        [
            ("model.safetensors", 100, True),
            ("photo.dat", 100, True),  # holds NUL
            ("corpus.txt", 10 * MiB - 1, False),
            ("corpus.txt", 10 * MiB, True),
            ("model.safetensors", 0, False),
        ],
    )
    def test_sends_through_lfs_what_other_clients_would(self, site, name, size, through_lfs):
        data = (b"\0" if name == "photo.dat" else b"x") * size
        ref = site.new_repo()
        assert self.upload(site, ref, (name, data)).status_code == 303
        pointer = site.browser("alice").get(f"/{ref}/raw/main/{name}").content
        assert (hashlib.sha256(data).hexdigest().encode() in pointer) is through_lfs
        assert content(site, ref, name) == data

    def test_of_an_empty_file_makes_one(self, site):
        ref = site.new_repo()
        assert self.upload(site, ref, ("empty.txt", b"")).status_code == 303
        assert content(site, ref, "empty.txt") == b""

    @pytest.mark.parametrize("name", ["ação ñ.txt", 'quo"te.txt', "semi;colon.txt", "<b>.txt", "per%20cent.txt"])
    def test_keeps_every_name(self, site, name):
        ref = site.new_repo()
        assert self.upload(site, ref, (name, b"x")).status_code == 303
        alice = site.viewer("alice")
        repo = site.hub.get_repo(alice, ref)
        assert name in [entry.path for entry in site.hub.list_tree(repo, site.hub.resolve(repo, "main"))]

    @pytest.mark.parametrize("name", ["../evil.txt", "/etc/passwd", ".git/config", "aux.txt", "a\\b.txt"])
    def test_of_a_name_that_no_repo_may_hold_is_refused_in_the_form(self, site, name):
        ref = site.new_repo()
        before = head(site, ref)
        answer = self.upload(site, ref, ("good.txt", b"x"), (name, b"x" * 100_000), ("more.txt", b"x"), title="Sow")
        assert answer.status_code == 422
        assert "cannot be a path" in text_of(answer.text)
        assert 'value="Sow"' in answer.text
        assert head(site, ref) == before

    def test_says_to_its_script_only_where_to_go_or_what_was_wrong(self, site):
        ref = site.new_repo()
        fine = self.upload(site, ref, ("a.txt", b"x"), headers=HTMX)
        assert (fine.status_code, fine.headers["hx-redirect"]) == (204, f"/{ref}/tree/main")
        wrong = self.upload(site, ref, ("../a.txt", b"x"), headers=HTMX)
        assert wrong.status_code == 422
        assert "<html" not in wrong.text
        assert "cannot be a path" in text_of(wrong.text)

    def test_of_nothing_asks_for_files(self, site):
        ref = site.new_repo()
        answer = self.upload(site, ref, ("", b""), title="Sow")
        assert answer.status_code == 400
        assert "Choose at least one file" in text_of(answer.text)

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("text/plain", b"x"),
            ("multipart/form-data", b"x"),
            ("multipart/form-data; boundary=b", b"--c\r\nnonsense"),
        ],
    )
    def test_of_what_is_no_form_is_refused(self, site, content_type, body):
        ref = site.new_repo()
        answer = site.browser("alice").post(f"/{ref}/upload/main", content=body, headers={"Content-Type": content_type})
        assert answer.status_code == 400

    def test_that_breaks_off_commits_nothing(self, site):
        ref = site.new_repo()
        before = head(site, ref)
        body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.bin"\r\n\r\n' + b"x" * MiB
        answer = site.browser("alice").post(
            f"/{ref}/upload/main", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
        assert answer.status_code == 400
        assert head(site, ref) == before
        assert list(site.settings.storage_dir.glob("incoming/*")) == []


class TestPermission:
    @pytest.mark.parametrize("verb", VERBS)
    def test_a_stranger_proposes_what_he_may_not_change(self, site, verb):
        ref = site.new_repo(files={"a.txt": "one"})
        before = head(site, ref)
        form = site.browser("bob").get(f"/{ref}/{verb}/main/a.txt")
        assert form.status_code == 200
        assert "Open a pull request" in text_of(form.text)
        site.browser("bob").post(f"/{ref}/{verb}/main/a.txt", data={"content": "x", "path": "b.txt"})
        assert head(site, ref) == before

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_stranger_changes_no_tag(self, site, verb):
        ref = site.new_repo(files={"a.txt": "one"})
        alice = site.viewer("alice")
        site.hub.create_tag(alice, site.hub.get_repo(alice, ref), "v1", "main")
        assert site.browser("bob").get(f"/{ref}/{verb}/v1/a.txt").status_code in (403, 422)

    @pytest.mark.parametrize("verb", VERBS)
    def test_nobody_is_led_to_sign_in_and_back(self, site, verb):
        ref = site.new_repo(files={"a.txt": "one"})
        answer = site.browser().get(f"/{ref}/{verb}/main/a.txt")
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=")
        assert site.browser().post(f"/{ref}/{verb}/main/a.txt", data={"content": "x"}).status_code == 401

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_private_repo_is_missing_to_a_stranger(self, site, verb):
        ref = site.new_repo(files={"a.txt": "one"}, private=True)
        assert site.browser("bob").post(f"/{ref}/{verb}/main/a.txt", data={"content": "x"}).status_code == 404

    @pytest.mark.parametrize("verb", VERBS)
    def test_pages_of_other_sites_change_nothing(self, site, verb):
        ref = site.new_repo(files={"a.txt": "one"})
        evil = site.browser("alice", Origin="https://evil.example")
        assert evil.post(f"/{ref}/{verb}/main/a.txt", data={"content": "x"}).status_code == 403
        assert content(site, ref, "a.txt") == b"one"

    @pytest.mark.parametrize("verb", VERBS)
    def test_tags_and_commits_stay_as_they_are(self, site, verb):
        ref = site.new_repo(files={"a.txt": "one"})
        alice = site.viewer("alice")
        site.hub.create_tag(alice, site.hub.get_repo(alice, ref), "v1", "main")
        for revision in ("v1", head(site, ref)):
            assert site.browser("alice").get(f"/{ref}/{verb}/{revision}/a.txt").status_code == 422
            answer: httpx.Response = site.browser("alice").post(
                f"/{ref}/{verb}/{revision}/a.txt", data={"content": "x"}
            )
            assert answer.status_code == 422
