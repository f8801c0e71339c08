"""Discussions and pull requests in the browser: read by all who see the repo, taken part in by those who are signed in."""

import re

import pytest

from tests.unit.web.conftest import text_of
from viveiro.hub.discussions.service import Discussions, begin_proposal
from viveiro.hub.types import AddFile

SCRIPT = "<script>alert(1)</script>"


def propose(site, ref, files, *, by="bob", title="A proposal"):
    viewer = site.viewer(by)
    builder, into = begin_proposal(site.hub, viewer, site.hub.get_repo(viewer, ref), "main")
    for path, content in files.items():
        builder.add(AddFile(path, content.encode()))
    builder.finish(title)
    return into.opened[0]


def discuss(site, ref, title="A question", text="What is it?", by="bob"):
    viewer = site.viewer(by)
    return Discussions(site.hub).open(viewer, site.hub.get_repo(viewer, ref), title, text)


def state(site, ref, number=1):
    return Discussions(site.hub).get(site.hub.get_repo(site.viewer("alice"), ref), number)


def main_files(site, ref):
    repo = site.hub.get_repo(site.viewer("alice"), ref)
    return [entry.path for entry in site.hub.list_tree(repo, site.hub.resolve(repo, "main"))]


class TestTheList:
    def test_tells_open_from_closed_and_finds_words(self, site):
        ref = site.new_repo()
        discuss(site, ref, "Which licence?")
        discuss(site, ref, "Broken weights")
        propose(site, ref, {"a.txt": "a"}, title="Add a.txt")
        alice = site.browser("alice")
        alice.post(f"/{ref}/discussions/2/comment", data={"status": "closed", "comment": "Mended"})
        listed = text_of(alice.get(f"/{ref}/discussions").text)
        assert "Still open 2" in listed
        assert "Closed 1" in listed
        assert "Which licence?" in listed
        assert "Broken weights" not in listed
        assert "Broken weights" in text_of(alice.get(f"/{ref}/discussions?status=closed").text)
        found = text_of(alice.get(f"/{ref}/discussions?search=LICENCE").text)
        assert "Which licence?" in found
        assert "Add a.txt" not in found
        assert "Add a.txt" in text_of(alice.get(f"/{ref}/discussions?type=pull_request").text)

    def test_is_counted_on_every_page_of_the_repo(self, site):
        ref = site.new_repo(files={"a.txt": "a"})
        assert "Discussions" in text_of(site.browser().get(f"/{ref}").text)
        discuss(site, ref)
        assert "Discussions 1" in text_of(site.browser().get(f"/{ref}/blob/main/a.txt").text)

    def test_goes_on_in_pages(self, site):
        ref = site.new_repo()
        for number in range(27):
            discuss(site, ref, f"Number {number}")
        first = site.browser().get(f"/{ref}/discussions").text
        assert 'rel="next"' in first
        assert "Number 26" in first
        second = site.browser().get(f"/{ref}/discussions?p=1").text
        assert "Number 0" in second
        assert 'rel="prev"' in second


class TestADiscussion:
    def test_is_opened_read_and_answered(self, site):
        ref = site.new_repo("dataset")
        bob = site.browser("bob")
        answer = bob.post(f"/{ref}/discussions", data={"title": "Why?", "description": "Because **why**"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/{ref}/discussions/1")
        page = site.browser().get(f"/{ref}/discussions/1").text
        assert "<strong>why</strong>" in page
        assert "Sign in to comment" in text_of(page)
        bob.post(f"/{ref}/discussions/1/comment", data={"comment": "Anyone?"})
        assert "Anyone?" in text_of(bob.get(f"/{ref}/discussions/1").text)

    @pytest.mark.parametrize("sent", [{"title": "", "description": "words"}, {"title": "A title", "description": " "}])
    def test_what_is_missing_is_said_and_what_was_typed_kept(self, site, sent):
        ref = site.new_repo()
        answer = site.browser("bob").post(f"/{ref}/discussions", data=sent)
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text
        assert all(text in answer.text for text in sent.values())

    def test_a_form_that_no_page_has_is_refused(self, site):
        ref = site.new_repo()
        fields = {f"field-{number}": "x" for number in range(40)}
        assert site.browser("alice").post(f"/{ref}/discussions", data=fields).status_code == 400

    def test_an_empty_comment_is_refused_in_the_page(self, site):
        ref = site.new_repo()
        discuss(site, ref)
        answer = site.browser("bob").post(f"/{ref}/discussions/1/comment", data={"comment": "  "})
        assert answer.status_code == 400
        assert "an empty comment says nothing" in text_of(answer.text)

    def test_comments_are_edited_and_hidden_where_that_is_theirs_to_do(self, site):
        ref = site.new_repo()
        discuss(site, ref, text="First words")
        bob, alice = site.browser("bob"), site.browser("alice")
        page = bob.get(f"/{ref}/discussions/1").text
        [event] = re.findall(r"comments/([0-9a-f]{24})/edit", page)
        assert f"comments/{event}/edit" not in alice.get(f"/{ref}/discussions/1").text
        bob.post(f"/{ref}/discussions/1/comments/{event}/edit", data={"content": "Second words"})
        page = text_of(alice.get(f"/{ref}/discussions/1").text)
        assert "Second words" in page
        assert "Earlier versions" in page
        alice.post(f"/{ref}/discussions/1/comments/{event}/hide")
        page = text_of(bob.get(f"/{ref}/discussions/1").text)
        assert "This comment was hidden." in page
        assert "words" not in page

    def test_is_renamed_closed_and_reopened(self, site):
        ref = site.new_repo()
        discuss(site, ref, "Helo")
        bob = site.browser("bob")
        bob.post(f"/{ref}/discussions/1/title", data={"title": "Hello"})
        bob.post(f"/{ref}/discussions/1/comment", data={"comment": "", "status": "closed"})
        assert (state(site, ref).title, state(site, ref).status) == ("Hello", "closed")
        bob.post(f"/{ref}/discussions/1/comment", data={"comment": "Again", "status": "open"})
        assert state(site, ref).status == "open"
        page = text_of(bob.get(f"/{ref}/discussions/1").text)
        assert "changed the title from Helo to Hello" in page
        assert "closed this" in page

    @pytest.mark.parametrize("deed", ["title", "comment"])
    def test_others_do_not_close_or_rename_it(self, site, deed):
        ref = site.new_repo()
        discuss(site, ref, by="alice")
        answer = site.browser("bob").post(f"/{ref}/discussions/1/{deed}", data={"title": "Mine", "status": "closed"})
        assert answer.status_code == 403
        assert state(site, ref).status == "open"
        assert state(site, ref).title == "A question"

    def test_strangers_are_asked_to_sign_in(self, site):
        ref = site.new_repo()
        discuss(site, ref)
        answer = site.browser().post(f"/{ref}/discussions/1/comment", data={"comment": "Hello"})
        assert answer.status_code in (303, 401)
        assert state(site, ref).comments == 1

    def test_pictures_that_were_attached_are_shown(self, site):
        ref = site.new_repo()
        discuss(site, ref, text=f"![A screen]({site.url}/uploads/abc)")
        assert '<img src="/uploads/abc" alt="A screen"' in site.browser().get(f"/{ref}/discussions/1").text


class TestWhatStrangersWrite:
    """Title, comment, diff, file names: text, never markup."""

    def test_runs_nowhere(self, site):
        ref = site.new_repo(files={"a.html": "old\n"})
        discuss(site, ref, f"Title {SCRIPT}", f"Text {SCRIPT} <img src=x onerror=alert(1)> [a](javascript:alert(1))")
        propose(site, ref, {"a.html": f"{SCRIPT}\n", f"b{'<b>x'}": "x"}, title=f"Add {SCRIPT}")
        bob = site.browser("bob")
        bob.post(f"/{ref}/discussions/1/title", data={"title": f"Renamed {SCRIPT}"})
        bob.post(f"/{ref}/discussions/1/comment", data={"comment": "", "title": SCRIPT})
        pages = [
            site.browser().get(f"/{ref}/discussions{rest}").text
            for rest in ("", "?search=" + SCRIPT, "/1", "/2", "/2?view=changes")
        ]
        for page in pages:
            assert SCRIPT not in page
            assert "onerror" not in page
            assert 'href="javascript' not in page
            assert "b<b>x" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[4]

    def test_two_headings_do_not_share_an_id(self, site):
        ref = site.new_repo()
        discuss(site, ref, text="# Same\n\n# Same")
        site.browser("bob").post(f"/{ref}/discussions/1/comment", data={"comment": "# Same"})
        ids = re.findall(r' id="([^"]+)"', site.browser().get(f"/{ref}/discussions/1").text)
        assert len(ids) == len(set(ids))


class TestAPullRequest:
    def test_shows_its_changes_and_is_merged(self, site):
        ref = site.new_repo(files={"a.txt": "old\n"})
        propose(site, ref, {"a.txt": "new\n"}, title="Renew a.txt")
        alice = site.browser("alice")
        changes = text_of(alice.get(f"/{ref}/discussions/1?view=changes").text)
        assert "One file changed" in changes
        assert "+ new" in changes
        page = alice.get(f"/{ref}/discussions/1").text
        assert "Merge into main" in text_of(page)
        assert "Merge into main" not in text_of(site.browser("bob").get(f"/{ref}/discussions/1").text)
        [head] = re.findall(r'name="head" value="([^"]*)"', page)
        refused = alice.post(f"/{ref}/discussions/1/merge", data={"head": "0" * 40})
        assert (refused.status_code, "has changed since you read it" in text_of(refused.text)) == (409, True)
        assert alice.post(f"/{ref}/discussions/1/merge", data={"head": head}).status_code == 303
        page = text_of(alice.get(f"/{ref}/discussions/1").text)
        assert "merged this" in page
        assert "Its changes are in the commit" in page

    def test_conflicts_are_named_and_mended_in_the_browser(self, site):
        ref = site.new_repo(files={"a.txt": "one\n"})
        propose(site, ref, {"a.txt": "theirs\n"})
        site.commit(ref, {"a.txt": "ours\n"})
        alice, bob = site.browser("alice"), site.browser("bob")
        page = alice.get(f"/{ref}/discussions/1").text
        assert "Somebody has to decide" in page
        assert f"/{ref}/blob/refs%2Fpr%2F1/a.txt" in page
        assert "Merge into main" not in page
        refused = alice.post(f"/{ref}/discussions/1/merge")
        assert refused.status_code == 409
        assert "a.txt" in text_of(refused.text)
        form = bob.get(f"/{ref}/edit/refs%2Fpr%2F1/a.txt").text
        assert "Commit to refs/pr/1" in form
        [parent] = re.findall(r'name="parent" value="([^"]*)"', form)
        sent = {"parent": parent, "content": "ours\n", "title": "Take theirs"}
        assert bob.post(f"/{ref}/edit/refs%2Fpr%2F1/a.txt", data=sent).status_code == 303
        assert "Somebody has to decide" not in alice.get(f"/{ref}/discussions/1").text

    def test_a_draft_is_marked_as_ready_by_its_author(self, site):
        ref = site.new_repo()
        viewer = site.viewer("bob")
        Discussions(site.hub).propose(viewer, site.hub.get_repo(viewer, ref), "Soon", "words")
        bob = site.browser("bob")
        assert "It has no commits yet" in text_of(bob.get(f"/{ref}/discussions/1").text)
        assert "No commits yet" in text_of(bob.get(f"/{ref}/discussions/1?view=changes").text)
        bob.post(f"/{ref}/discussions/1/comment", data={"status": "open"})
        assert state(site, ref).status == "open"

    def test_those_of_a_gated_repo_hide_its_files(self, site):
        ref = site.new_repo(files={"a.txt": "secret\n"})
        propose(site, ref, {"a.txt": "secret too\n"}, by="alice")
        site.hub.update_repo(site.viewer("alice"), ref, gated="manual")
        page = site.browser("bob").get(f"/{ref}/discussions/1?view=changes").text
        assert "secret too" not in page
        assert "Only those with access" in page


class TestProposingFromTheEditor:
    """People who may not write are offered a pull request where others commit."""

    def test_an_edit(self, site):
        ref = site.new_repo(files={"a.txt": "one\n"})
        bob = site.browser("bob")
        assert f"/{ref}/edit/main/a.txt" in bob.get(f"/{ref}/blob/main/a.txt").text
        form = bob.get(f"/{ref}/edit/main/a.txt").text
        assert "You cannot write to this repository" in text_of(form)
        assert "Commit to main" not in text_of(form)
        [parent] = re.findall(r'name="parent" value="([^"]*)"', form)
        sent = {"parent": parent, "content": "two\n", "title": "Count on", "how": "propose"}
        answer = bob.post(f"/{ref}/edit/main/a.txt", data=sent)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/{ref}/discussions/1")
        assert (state(site, ref).title, state(site, ref).status) == ("Count on", "open")
        assert site.browser().get(f"/{ref}/resolve/main/a.txt").text == "one\n"
        assert site.browser().get(f"/{ref}/resolve/refs%2Fpr%2F1/a.txt").text == "two\n"

    @pytest.mark.parametrize("who", ["alice", "bob"])
    def test_a_new_file_a_deletion_and_an_upload(self, site, who):
        ref = site.new_repo(files={"a.txt": "one\n"})
        browser = site.browser(who)
        browser.post(f"/{ref}/new/main/", data={"path": "b.txt", "content": "b", "how": "propose"})
        browser.post(f"/{ref}/delete/main/a.txt", data={"title": "Away", "how": "propose"})
        answer = browser.post(
            f"/{ref}/upload/main/", data={"folder": "", "how": "propose"}, files={"files": ("c.txt", b"c")}
        )
        assert answer.headers["location"] == f"/{ref}/discussions/3"
        assert main_files(site, ref) == [".gitattributes", "a.txt"]
        for number in (1, 2, 3):
            assert site.browser("alice").post(f"/{ref}/discussions/{number}/merge").status_code == 303
        assert main_files(site, ref) == [".gitattributes", "b.txt", "c.txt"]

    def test_whoever_may_write_chooses(self, site):
        ref = site.new_repo(files={"a.txt": "one\n"})
        form = text_of(site.browser("alice").get(f"/{ref}/edit/main/a.txt").text)
        assert "Commit to main" in form
        assert "Open a pull request" in form

    def test_strangers_are_asked_to_sign_in(self, site):
        ref = site.new_repo(files={"a.txt": "one\n"})
        assert "/edit/main/a.txt" not in site.browser().get(f"/{ref}/blob/main/a.txt").text
        assert site.browser().get(f"/{ref}/edit/main/a.txt").status_code in (303, 401)
