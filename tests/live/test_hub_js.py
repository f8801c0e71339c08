"""`@huggingface/hub`, the client for JavaScript, by Xet and without: it decides what the server offers over LFS."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from tests.conftest import missing
from tests.live.conftest import MakeRepo
from tests.live.fetched import fetched
from tests.live.running_server import TWO_USERS, RunningServer
from tests.live.xet import StockClient, came_by_xet

MiB = 2**20
PACKAGES = Path(__file__).with_name("hub_js")
PROGRAM = """
import {{ createHash }} from "node:crypto";
import {{ pathToFileURL }} from "node:url";
import * as hub from "@huggingface/hub";
const hubUrl = process.env.HF_ENDPOINT, accessToken = process.env.HF_TOKEN || undefined;
const given = JSON.parse(process.env.GIVEN);
const {{ useXet }} = given;
const ask = (name, params) => hub[name]({{ hubUrl, accessToken, ...params }});
const gathered = async (iterator) => {{ const all = []; for await (const each of iterator) all.push(each); return all; }};
const sum = async (blob) => createHash("sha256").update(Buffer.from(await blob.arrayBuffer())).digest("hex");
const refusal = (promise) => promise.then(() => "none", (error) => `${{error.statusCode}} ${{error.message}}`);
const answer = await (async () => {{ {statements} }})();
console.log(JSON.stringify(answer ?? null));
process.exit(0); // a download that was left in its middle leaves a timer behind, which would keep this from ending
"""


@pytest.fixture(scope="session")
def packages() -> Path:
    """A folder with the client in it."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            missing("node", f"{program} is not installed")
    npm = ["npm", "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
    return fetched("hub-js", npm, sorted(PACKAGES.iterdir()), component="npm")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Parts of 1 MiB, so that what goes by LFS goes in one part here and in several there."""
    settings = {"VIVEIRO_LFS_PART_BYTES": str(MiB)}
    with RunningServer(tmp_path_factory.mktemp("javascript"), settings=settings) as running:
        yield running.seed(TWO_USERS)


@pytest.fixture(scope="module")
def alice(server: RunningServer) -> HfApi:
    return HfApi(endpoint=server.url, token=server.token("alice"))


@pytest.fixture(scope="module")
def bob(server: RunningServer) -> HfApi:
    return HfApi(endpoint=server.url, token=server.token("bob"))


class HubJs:
    """Statements in JavaScript, and what they return."""

    def __init__(self, packages: Path, server: RunningServer) -> None:
        self.packages = packages
        self._server = server

    def __call__(self, statements: str, user: str | None = "alice", **given: Any) -> Any:
        program = PROGRAM.format(statements=statements)
        command = ["node", "--input-type=module", "-"]
        said = self.run(command, user, input=program, GIVEN=json.dumps(given))
        return json.loads(said.splitlines()[-1])  # some functions of the client talk before

    def run(self, command: list[str], user: str | None, input: str = "", **environment: str) -> str:
        """Standard output of a program that must succeed."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "VIVEIRO_"))}
        own = {"HF_ENDPOINT": self._server.url, "HF_TOKEN": self._server.token(user) if user else ""}
        done = subprocess.run(
            command,
            input=input,
            env={**kept, **own, **environment},
            cwd=self.packages,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{input}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def js(packages: Path, server: RunningServer) -> HubJs:
    return HubJs(packages, server)


@pytest.fixture(params=[True, False], ids=["xet", "lfs"])
def by_xet(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """In a folder of their own: one for git, one that fits into one part of LFS, one that does not."""
    made = {
        "README.md": b"---\nlicense: mit\n---\n# From JavaScript\n",
        "deep/one part.bin": os.urandom(MiB // 2),
        "deep/parts.safetensors": os.urandom(3 * MiB + 5),
    }
    for path, content in made.items():
        file = tmp_path / "folder" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return made


class TestFiles:
    def test_a_folder_goes_up_and_comes_down(
        self, js: HubJs, repo: str, by_xet: bool, files: dict[str, bytes], alice: HfApi, tmp_path: Path
    ) -> None:
        commit = js(
            """const folder = pathToFileURL(given.folder + "/");
            return ask("uploadFiles", {repo: given.repo, files: [{path: ".", content: folder}], useXet,
                                       commitTitle: "From JavaScript"});""",
            repo=repo,
            useXet=by_xet,
            folder=str(tmp_path / "folder"),
        )
        (newest, _) = alice.list_repo_commits(repo)
        assert (newest.commit_id, newest.title) == (commit["commit"]["oid"], "From JavaScript")
        assert came_by_xet(alice, repo) == {"deep/one part.bin": by_xet, "deep/parts.safetensors": by_xet}
        assert alice.model_info(repo).card_data.license == "mit"
        read = js(
            """const listed = await gathered(ask("listFiles", {repo: given.repo, recursive: true}));
            const sums = {};
            for (const {path} of listed.filter((each) => each.type === "file"))
                sums[path] = await sum(await ask("downloadFile", {repo: given.repo, path, xet: useXet}));
            return sums;""",
            repo=repo,
            useXet=by_xet,
        )
        assert read.pop(".gitattributes")
        assert read == {path: sha256(content).hexdigest() for path, content in files.items()}

    def test_what_it_sent_python_reads_and_the_other_way_round(
        self, js: HubJs, repo: str, by_xet: bool, server: RunningServer, tmp_path: Path
    ) -> None:
        python = StockClient(server, "alice", tmp_path / "home", HF_HUB_DISABLE_XET="" if by_xet else "1")
        ours, theirs = tmp_path / "ours.bin", tmp_path / "theirs.bin"
        for file in (ours, theirs):
            file.write_bytes(os.urandom(2 * MiB))
        python.hf("upload", repo, ours)
        said = js(
            """const content = pathToFileURL(given.theirs);
            await ask("uploadFile", {repo: given.repo, file: {path: "theirs.bin", content}, useXet});
            const path = "ours.bin", info = await ask("fileDownloadInfo", {repo: given.repo, path});
            return [Boolean(info.xet), info.size, await sum(await ask("downloadFile", {repo: given.repo, path}))];""",
            repo=repo,
            useXet=by_xet,
            theirs=str(theirs),
        )
        assert said == [by_xet, 2 * MiB, sha256(ours.read_bytes()).hexdigest()]
        python.hf("download", repo, "theirs.bin", "--local-dir", tmp_path / "down")
        assert (tmp_path / "down" / "theirs.bin").read_bytes() == theirs.read_bytes()

    def test_the_same_again_sends_nothing_and_an_edited_copy_only_what_changed(
        self, js: HubJs, repo: str, server: RunningServer, tmp_path: Path
    ) -> None:
        file = tmp_path / "a.bin"
        file.write_bytes(os.urandom(5 * MiB))
        sent = js(
            """const sent = [];
            const counting = (url, init) => {
                if (init?.method === "POST" && String(url).includes("/xorbs/")) sent.push(init.body.byteLength);
                return fetch(url, init);
            };
            const content = pathToFileURL(given.file), {repo} = given;
            await ask("uploadFile", {repo, file: {path: "a.bin", content}, fetch: counting});
            const first = sent.splice(0);
            await ask("uploadFile", {repo, file: {path: "b.bin", content}, fetch: counting});
            const again = sent.splice(0);
            const originalContent = await ask("downloadFile", {repo, path: "a.bin"});
            const edits = [{start: 100, end: 200, content: new Blob(["changed"])}];
            await ask("uploadFile", {repo, file: {path: "a.bin", originalContent, edits}, fetch: counting});
            return [first, again, sent];""",
            repo=repo,
            file=str(file),
        )
        first, again, edited = map(sum, sent)
        assert (first > 5 * MiB, again) == (True, 0)
        assert 0 < edited < MiB
        content = file.read_bytes()
        changed = HfApi(endpoint=server.url).hf_hub_download(repo, "a.bin", cache_dir=tmp_path / "cache")
        assert Path(changed).read_bytes() == content[:100] + b"changed" + content[200:]

    def test_one_commit_adds_edits_and_deletes(
        self, js: HubJs, repo: str, by_xet: bool, alice: HfApi, tmp_path: Path
    ) -> None:
        for path in ("old/1.txt", "old/2.txt", "gone.bin"):
            alice.upload_file(path_or_fileobj=os.urandom(10), path_in_repo=path, repo_id=repo)
        alice.upload_file(path_or_fileobj=b"one line\n", path_in_repo="log.txt", repo_id=repo)
        commit = js(
            """const log = await ask("downloadFile", {repo: given.repo, path: "log.txt"});
            const done = await ask("commit", {repo: given.repo, title: "Four at once", description: "In one go.", useXet,
                operations: [
                    {operation: "addOrUpdate", path: "new.txt", content: new Blob(["new"])},
                    {operation: "addOrUpdate", path: "new.bin", content: new Blob([new Uint8Array(100)])},
                    {operation: "edit", path: "log.txt", originalContent: log,
                     edits: [{start: log.size, end: log.size, content: new Blob(["another\\n"])}]},
                    {operation: "delete", path: "gone.bin"},
                ]});
            await ask("deleteFiles", {repo: given.repo, paths: ["old/1.txt", "old/2.txt"]});
            return done;""",
            repo=repo,
            useXet=by_xet,
        )
        assert alice.list_repo_files(repo) == [".gitattributes", "log.txt", "new.bin", "new.txt"]
        (_, made, *_) = alice.list_repo_commits(repo)
        assert (made.commit_id, made.title, made.message) == (commit["commit"]["oid"], "Four at once", "In one go.")
        for path, content in {"log.txt": b"one line\nanother\n", "new.txt": b"new", "new.bin": bytes(100)}.items():
            assert Path(alice.hf_hub_download(repo, path, cache_dir=tmp_path)).read_bytes() == content

    def test_onto_a_branch_and_only_upon_the_expected_parent(self, js: HubJs, repo: str, alice: HfApi) -> None:
        parent = alice.model_info(repo).sha
        said = js(
            """const {repo, parentCommit} = given, branch = "side";
            await ask("createBranch", {repo, branch});
            const file = (text) => ({path: "a.txt", content: new Blob([text])});
            await ask("uploadFile", {repo, branch, parentCommit, file: file("1")});
            const late = await refusal(ask("uploadFile", {repo, branch, parentCommit, file: file("2")}));
            const text = await (await ask("downloadFile", {repo, revision: branch, path: "a.txt"})).text();
            const number = await ask("countCommits", {repo, revision: branch});
            const commits = await gathered(ask("listCommits", {repo, revision: branch}));
            const again = await refusal(ask("createBranch", {repo, branch, overwrite: true}));
            await ask("deleteBranch", {repo, branch});
            return [late, again, text, number, commits.map((commit) => commit.title)];""",
            repo=repo,
            parentCommit=parent,
        )
        late, again, text, number, titles = said
        assert late.startswith("412 The branch was updated since you opened this page")
        assert again.startswith("501 ")
        assert (text, number, titles) == ("1", 2, ["Add a.txt", "initial commit"])
        assert [branch.name for branch in alice.list_repo_refs(repo).branches] == ["main"]

    def test_a_reader_proposes(self, js: HubJs, repo: str, by_xet: bool, alice: HfApi, tmp_path: Path) -> None:
        said = js(
            """const {repo} = given;
            const files = [{path: "proposed.bin", content: new Blob([new Uint8Array(given.bytes)])}];
            const refused = await refusal(ask("uploadFiles", {repo, files, useXet}));
            return [refused, await ask("uploadFiles", {repo, files, useXet, isPullRequest: true})];""",
            user="bob",
            repo=repo,
            useXet=by_xet,
            bytes=list(os.urandom(1000)),
        )
        assert said[0].startswith("403 ")
        assert said[1]["pullRequestUrl"] == f"{alice.endpoint}/{repo}/discussions/1"
        assert came_by_xet(alice, repo, revision="refs/pr/1") == {"proposed.bin": by_xet}
        alice.merge_pull_request(repo, 1)
        assert Path(alice.hf_hub_download(repo, "proposed.bin", cache_dir=tmp_path)).stat().st_size == 1000


class TestRepos:
    def test_come_with_their_first_files_and_go(self, js: HubJs, alice: HfApi, tmp_path: Path) -> None:
        made = js(
            """const repo = {type: "dataset", name: "alice/js-made"};
            const files = [{path: "data/rows.csv", content: new Blob(["a,b\\n1,2\\n"])}];
            const made = await ask("createRepo", {repo, private: true, license: "mit", files});
            return [made, await refusal(ask("createRepo", {repo}))];"""
        )
        info = alice.dataset_info("alice/js-made")
        assert made[0]["repoUrl"] == f"{alice.endpoint}/datasets/alice/js-made"
        assert made[1].startswith("409 ")
        assert (info.private, info.card_data.license) == (True, "mit")
        assert alice.list_repo_files("alice/js-made", repo_type="dataset") == [
            ".gitattributes",
            "README.md",
            "data/rows.csv",
        ]
        rows = alice.hf_hub_download("alice/js-made", "data/rows.csv", repo_type="dataset", cache_dir=tmp_path)
        assert Path(rows).read_bytes() == b"a,b\n1,2\n"
        js("await ask('deleteRepo', {repo: {type: 'dataset', name: 'alice/js-made'}})")
        assert not alice.repo_exists("alice/js-made", repo_type="dataset")

    def test_a_space_says_its_sdk(self, js: HubJs, alice: HfApi) -> None:
        js("""await ask("createRepo", {repo: {type: "space", name: "alice/js-board"}, sdk: "gradio"})""")
        assert alice.space_info("alice/js-board").sdk == "gradio"

    def test_large_files_do_not_come_with_a_new_repo(self, js: HubJs, alice: HfApi) -> None:
        refused = js(
            """const files = [{path: "model.bin", content: new Blob(["\\0"])}];
            return refusal(ask("createRepo", {repo: "alice/js-large", files}));"""
        )
        assert "Create the repo, then upload it." in refused
        assert not alice.repo_exists("alice/js-large")

    def test_are_described_and_found(self, js: HubJs, repo: str, alice: HfApi, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import save_file

        save_file({"weight": torch.zeros(3, 4)}, tmp_path / "model.safetensors")
        card = f"---\nlicense: mit\npipeline_tag: fill-mask\ntags: [{repo.replace('/', '-')}]\n---\n"
        (tmp_path / "README.md").write_text(card)
        alice.upload_folder(repo_id=repo, folder_path=tmp_path)
        said = js(
            """const {repo} = given;
            const found = await gathered(ask("listModels", {search: {tags: [repo.replace("/", "-")]}}));
            const info = await ask("modelInfo", {name: repo, additionalFields: ["cardData", "sha"]});
            const parsed = await ask("parseSafetensorsMetadata", {repo, computeParametersCount: true});
            return {
                found: found.map((each) => [each.name, each.task]),
                licence: info.cardData.license,
                sha: info.sha,
                parameters: parsed.parameterCount,
                paths: (await ask("pathsInfo", {repo, paths: ["README.md", "none"], expand: true})).map((each) => each.path),
                there: [await ask("fileExists", {repo, path: "README.md"}), await ask("fileExists", {repo, path: "none"})],
                repos: [await ask("repoExists", {repo}), await ask("repoExists", {repo: "alice/none"})],
                nothing: await ask("downloadFile", {repo, path: "none"}),
            };""",
            repo=repo,
        )
        assert said == {
            "found": [[repo, "fill-mask"]],
            "licence": "mit",
            "sha": alice.model_info(repo).sha,
            "parameters": {"F32": 12},
            "paths": ["README.md"],
            "there": [True, False],
            "repos": [True, False],
            "nothing": None,
        }

    def test_are_copied_whole_into_a_cache(self, js: HubJs, repo: str, alice: HfApi, tmp_path: Path) -> None:
        content = os.urandom(100_000)
        alice.upload_file(path_or_fileobj=content, path_in_repo="deep/weights.bin", repo_id=repo)
        folder = js(
            "return ask('snapshotDownload', {repo: given.repo, cacheDir: given.cache})",
            repo=repo,
            cache=str(tmp_path / "cache"),
        )
        assert (Path(folder) / "deep" / "weights.bin").read_bytes() == content
        # Python finds in the same cache what JavaScript put there.
        again = alice.snapshot_download(repo, cache_dir=tmp_path / "cache", local_files_only=True)
        assert Path(again) == Path(folder)


class TestWhoMay:
    def test_a_token_knows_its_user(self, js: HubJs) -> None:
        assert js("const me = await ask('whoAmI'); return [me.name, me.orgs.map((each) => each.name)]") == [
            "alice",
            ["acai"],
        ]
        assert js("return refusal(ask('whoAmI', {accessToken: 'hf_' + 'x'.repeat(34)}))").startswith("401 ")

    @pytest.mark.parametrize("user", ["bob", None])
    def test_a_private_repo_is_missing_to_others(
        self, js: HubJs, make_repo: MakeRepo, alice: HfApi, user: str | None
    ) -> None:
        secret = make_repo(private=True)
        alice.upload_file(path_or_fileobj=b"\0secret", path_in_repo="a.bin", repo_id=secret)
        read = "return (await ask('downloadFile', {repo: given.repo, path: 'a.bin'})).text()"
        assert js(read, repo=secret) == "\0secret"
        refused = js(
            """const {repo} = given, files = [{path: "b.bin", content: new Blob(["\\0"])}];
            return [
                await refusal(ask("downloadFile", {repo, path: "a.bin"})),
                await refusal(ask("uploadFiles", {repo, files})),
                await refusal(gathered(ask("listFiles", {repo}))),
                await refusal(ask("checkRepoAccess", {repo})),
            ];""",
            user=user,
            repo=secret,
        )
        assert [each[:3] for each in refused] == ["404"] * 4

    def test_a_gated_repo_opens_to_whom_its_owner_lets_in(
        self, js: HubJs, repo: str, by_xet: bool, server: RunningServer, alice: HfApi, tmp_path: Path
    ) -> None:
        content = os.urandom(100_000)
        (tmp_path / "a.bin").write_bytes(content)
        sender = StockClient(server, "alice", tmp_path / "home", HF_HUB_DISABLE_XET="" if by_xet else "1")
        sender.hf("upload", repo, tmp_path / "a.bin")
        alice.update_repo_settings(repo, gated="manual")
        read = """const download = ask("downloadFile", {repo: given.repo, path: "a.bin"});
            return given.refused ? refusal(download) : sum(await download);"""
        assert js(read, user="bob", repo=repo, refused=True).startswith("403 ")
        assert js(read, user=None, repo=repo, refused=True).startswith("401 ")
        alice.grant_access(repo, "bob")
        assert js(read, user="bob", repo=repo) == sha256(content).hexdigest()


class TestTheHfjsProgram:
    def test_uploads_a_folder_to_a_repo_that_it_makes(
        self, js: HubJs, files: dict[str, bytes], alice: HfApi, tmp_path: Path
    ) -> None:
        command = ["npx", "--no-install", "hfjs", "upload", "alice/by-hfjs", str(tmp_path / "folder"), "--quiet"]
        js.run(command, "alice")
        assert came_by_xet(alice, "alice/by-hfjs") == {"deep/one part.bin": True, "deep/parts.safetensors": True}
        down = Path(alice.snapshot_download("alice/by-hfjs", cache_dir=tmp_path / "cache"))
        assert {path: (down / path).read_bytes() for path in files} == files
