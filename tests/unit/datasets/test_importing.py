"""From files as people have them to datasets as programs read them."""

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.unit.datasets.tables import csv_text, import_bytes, rows
from viveiro.datasets.types import REPORT_FILE, SPLITS, DropReason
from viveiro.errors import UnknownColumn, UnreadableFile, UnusableData
from viveiro.ml.data import text_key

TICKETS = Path(__file__).parents[3] / "examples" / "maintenance" / "tickets.csv"


def read(folder: Path) -> list[dict[str, object]]:
    """All rows of all splits, as they were in the file."""
    tables = [pq.read_table(folder / "data" / f"{split}-00000-of-00001.parquet") for split in SPLITS]
    return [row for table in tables for row in table.to_pylist()]


def columns(count: int) -> dict[str, list[str]]:
    return {"text": [text for text, _ in rows(count)], "label": [label for _, label in rows(count)]}


def parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def texts_by_split(folder: Path) -> dict[str, set[str]]:
    return {
        split: set(
            map(text_key, pq.read_table(folder / "data" / f"{split}-00000-of-00001.parquet")["text"].to_pylist())
        )
        for split in SPLITS
    }


def found_by_import(folder: Path) -> list[str]:
    return [finding["code"] for finding in json.loads((folder / REPORT_FILE).read_text())["findings"]]


class TestRealDatasetsReadsIt:
    """The judge is the `datasets` library itself."""

    def test_splits_and_class_labels_come_back(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        datasets.disable_progress_bars()
        report, folder = import_bytes(TICKETS.read_bytes(), tmp_path, name="tickets.csv")
        loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
        assert {split: len(loaded[split]) for split in loaded} == report.rows
        assert loaded["train"].features["category"].names == list(report.classes)
        assert isinstance(loaded["test"][0]["category"], int)

    def test_nothing_is_lost_between_file_and_dataset(self, tmp_path: Path) -> None:
        report, folder = import_bytes(TICKETS.read_bytes(), tmp_path)
        with TICKETS.open(newline="") as file:
            wanted = {row["ticket_id"]: row for row in csv.DictReader(file)}
        found = {row["ticket_id"]: row for row in read(folder)}
        assert found.keys() == wanted.keys()
        for ticket_id, row in found.items():
            assert row | {"category": report.classes[row["category"]]} == wanted[ticket_id]


class TestSplits:
    def test_no_text_is_in_two_of_them(self, tmp_path: Path) -> None:
        repeated = [(text.upper() if number % 3 else text, label) for number, (text, label) in enumerate(rows(60) * 2)]
        _, folder = import_bytes(csv_text(repeated).encode(), tmp_path)
        train, validation, test = texts_by_split(folder).values()
        assert not train & validation
        assert not train & test
        assert not validation & test

    def test_the_seed_decides_them(self, tmp_path: Path) -> None:
        content = csv_text(rows(100)).encode()
        folders = []
        for number, seed in enumerate((0, 0, 1)):
            (tmp_path / str(number)).mkdir()
            folders.append(texts_by_split(import_bytes(content, tmp_path / str(number), seed=seed)[1]))
        assert folders[0] == folders[1] != folders[2]


class TestSeveralTexts:
    """The first is learnt from; the others are its translations, or remarks of any kind."""

    def test_translations_of_one_text_stay_in_one_split(self, tmp_path: Path) -> None:
        table = "text_pt,text_en,label\n" + "".join(
            f"{way} {text},translated: {text},{label}\n" for way in ("olá:", "oi:") for text, label in rows(100)
        )
        _, folder = import_bytes(table.encode(), tmp_path, text="text_pt")
        files = [folder / "data" / f"{split}-00000-of-00001.parquet" for split in SPLITS]
        train, validation, test = (set(pq.read_table(file)["text_en"].to_pylist()) for file in files)
        assert (len(train), len(validation), len(test)) == (70, 10, 20)
        assert not train & validation | train & test | validation & test

    @pytest.mark.parametrize(
        ("column", "remarks"),
        [
            ("content_type", ["chat", "phone"]),
            ("agent_note", ["No further action needed.", "the customer of call {} called again"]),
        ],
    )
    def test_what_many_rows_share_beside_their_text_divides_no_splits(
        self, column: str, remarks: list[str], tmp_path: Path
    ) -> None:
        table = f"text,label,{column}\n" + "".join(
            f"{text},{label},{remarks[number // 2 % 2].format(number)}\n"
            for number, (text, label) in enumerate(rows(300))
        )
        report, _ = import_bytes(table.encode(), tmp_path)
        assert report.rows == {"train": 210, "validation": 30, "test": 60}

    def test_a_remark_makes_no_duplicate_of_rows_without_text(self, tmp_path: Path) -> None:
        remarks = "".join(",class-0,No further action needed.\n" for _ in range(9))
        table = "text,label,note\n" + "".join(f"{text},{label},{text} again\n" for text, label in rows(60)) + remarks
        report, _ = import_bytes(table.encode(), tmp_path)
        assert report.roles.texts == ("text", "note")
        assert not report.dropped.counts


class TestDroppedRows:
    def test_each_reason_is_counted_with_the_rows_it_hit(self, tmp_path: Path) -> None:
        table = csv_text([*rows(30), ("", "class-0"), ("some text here", ""), ("another text", "NaN"), rows(1)[0]])
        report, _ = import_bytes((table + "a,b,c\n").encode(), tmp_path)
        assert dict(report.dropped.counts) == {
            DropReason.MALFORMED: 1,
            DropReason.EMPTY_TEXT: 1,
            DropReason.EMPTY_LABEL: 2,
            DropReason.DUPLICATE: 1,
        }
        found = {(row.reason, row.row) for row in report.dropped.examples}
        assert {(DropReason.EMPTY_TEXT, 31), (DropReason.EMPTY_LABEL, 33), (DropReason.MALFORMED, 35)} <= found

    def test_row_numbers_count_rows_that_were_skipped_before(self, tmp_path: Path) -> None:
        table = "text,label\nbroken\n" + csv_text([*rows(10), ("", "class-0")]).partition("\n")[2]
        report, _ = import_bytes(table.encode(), tmp_path)
        assert [row.row for row in report.dropped.examples if row.reason is DropReason.EMPTY_TEXT] == [12]

    def test_the_same_text_with_another_label_is_kept(self, tmp_path: Path) -> None:
        report, _ = import_bytes(csv_text([*rows(30), (rows(1)[0][0], "class-1")]).encode(), tmp_path)
        assert sum(report.rows.values()) == 31

    def test_words_that_people_use_as_classes_are_no_missing_labels(self, tmp_path: Path) -> None:
        labelled = [(text, "none" if number % 2 else "NA") for number, (text, _) in enumerate(rows(20))]
        report, _ = import_bytes(csv_text(labelled).encode(), tmp_path)
        assert report.classes == ("NA", "none")

    def test_a_text_of_ten_megabytes_is_left_out_and_said(self, tmp_path: Path) -> None:
        report, _ = import_bytes(csv_text([*rows(30), ("x" * 10_000_000, "class-0")]).encode(), tmp_path)
        assert report.dropped.counts == {DropReason.TOO_LONG: 1}


class TestHostileCsv:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
    def test_accents_come_through_in_any_encoding(self, encoding: str, tmp_path: Path) -> None:
        table = csv_text(
            [(f"{text} não é ótimo", "pressão" if i % 2 else "vazão") for i, (text, _) in enumerate(rows(20))]
        )
        report, folder = import_bytes(table.encode(encoding), tmp_path)
        assert report.classes == ("pressão", "vazão")
        assert all(str(row["text"]).endswith("não é ótimo") for row in read(folder))

    def test_quotes_delimiters_and_line_ends_inside_fields_are_content(self, tmp_path: Path) -> None:
        hostile = [(f'say "{number}",\nthen; stop\t|', label) for number, (_, label) in enumerate(rows(20))]
        stream = io.StringIO()
        csv.writer(stream, delimiter=";").writerows([("text", "label"), *hostile])
        _, folder = import_bytes(stream.getvalue().encode(), tmp_path)
        assert {str(row["text"]) for row in read(folder)} == {text for text, _ in hostile}

    @pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
    @pytest.mark.parametrize("every", [1, 10, 11, 150])
    def test_quotes_that_are_never_closed_are_characters(self, delimiter: str, every: int, tmp_path: Path) -> None:
        table = [(f'"{text}' if number % every == 0 else text, label) for number, (text, label) in enumerate(rows(200))]
        report, folder = import_bytes(csv_text(table, delimiter=delimiter).encode(), tmp_path)
        assert report.rows == {"train": 140, "validation": 20, "test": 40}
        assert {str(row["text"]) for row in read(folder)} == {text for text, _ in table}
        assert found_by_import(folder) == ["plain_quotes"]

    @pytest.mark.parametrize(
        "text",
        ['"Hello, {}\nGoodbye"', '"Hello {}\nYours, A"', '"Hello, {}\n\n\n\n\n\nBye"', '"{}\n1,2\n"', '"say ""{}"""'],
    )
    @pytest.mark.parametrize("every", [1, 50])
    def test_lines_of_a_quoted_text_are_no_rows_though_one_has_as_many_commas(
        self, text: str, every: int, tmp_path: Path
    ) -> None:
        table = [
            (text.format(number) if number % every == 0 else said, f"{label}")
            for number, (said, label) in enumerate(rows(200))
        ]
        report, folder = import_bytes(csv_text(table).encode(), tmp_path)
        assert report.rows == {"train": 140, "validation": 20, "test": 40}
        assert found_by_import(folder) == []

    @pytest.mark.parametrize(("quotes", "lost"), [([9000, 9020, 9040, 9060], 40), ([9960], 40)])
    def test_far_down_the_rows_that_they_tie_together_are_said(
        self, quotes: list[int], lost: int, tmp_path: Path
    ) -> None:
        table = [(f'"{text}' if number in quotes else text, label) for number, (text, label) in enumerate(rows(10_000))]
        report, folder = import_bytes(csv_text(table, delimiter="\t").encode(), tmp_path)
        assert sum(report.rows.values()) == 10_000 - lost
        assert "rows_in_texts" in found_by_import(folder)

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
    def test_excels_line_above_the_header_is_no_row(self, encoding: str, tmp_path: Path) -> None:
        table = "sep=;\r\n" + csv_text(rows(20), delimiter=";", header="descrição{}label").replace("\n", "\r\n")
        report, _ = import_bytes(table.encode(encoding), tmp_path)
        assert report.classes == ("class-0", "class-1")
        assert report.roles.texts == ("descrição",)
        assert sum(report.rows.values()) == 20

    @pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
    def test_blanks_before_quotes_are_no_part_of_fields(self, line_end: str, tmp_path: Path) -> None:
        hostile = [(f'say, "{number}"\n, "then", stop', label) for number, (_, label) in enumerate(rows(20))]
        lines = ["text, n,  label"]
        lines += [f"{json.dumps(text)}, {number},  {json.dumps(label)}" for number, (text, label) in enumerate(hostile)]
        table = line_end.join(lines).replace('\\"', '""').replace("\\n", "\n")
        report, folder = import_bytes(table.encode(), tmp_path)
        assert report.classes == ("class-0", "class-1")
        assert {str(row["text"]) for row in read(folder)} == {text for text, _ in hostile}

    @pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
    def test_any_line_end(self, line_end: str, tmp_path: Path) -> None:
        report, _ = import_bytes(csv_text(rows(20)).replace("\n", line_end).encode(), tmp_path)
        assert sum(report.rows.values()) == 20

    def test_blank_lines_are_nothing(self, tmp_path: Path) -> None:
        report, _ = import_bytes(("\n\n" + csv_text(rows(20)).replace("\n", "\n\n")).encode(), tmp_path)
        assert sum(report.rows.values()) == 20
        assert not report.dropped.counts

    def test_an_unclosed_quote_is_named_as_what_it_is(self, tmp_path: Path) -> None:
        table = csv_text(rows(20)) + '"never closed,class-0\n' + "x" * (40 * 2**20)
        with pytest.raises(UnreadableFile, match="never closed"):
            import_bytes(table.encode(), tmp_path)

    def test_codes_keep_their_leading_zeros_and_numbers_become_numbers(self, tmp_path: Path) -> None:
        table = "text,code,price,count,label\n" + "".join(
            f"{text},00{number:03},{number}.50,{number},{label}\n" for number, (text, label) in enumerate(rows(20))
        )
        _, folder = import_bytes(table.encode(), tmp_path)
        row = next(row for row in read(folder) if row["count"] == 7)
        assert (row["code"], row["price"]) == ("00007", 7.5)

    def test_control_characters_and_emoji_survive(self, tmp_path: Path) -> None:
        table = csv_text([(f"{text} \x01 🌱 \u202e", label) for text, label in rows(20)])
        _, folder = import_bytes(table.encode(), tmp_path)
        assert all("🌱" in str(row["text"]) for row in read(folder))


class TestOtherForms:
    def test_json_lines_of_mixed_types_and_missing_keys(self, tmp_path: Path) -> None:
        lines = [json.dumps({"text": text, "label": label, "extra": [1, "é"]}) for text, label in rows(20)]
        lines += ["not json", json.dumps(["a list"]), json.dumps({"text": "only a text in this one"})]
        report, folder = import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl")
        assert report.dropped.counts == {DropReason.MALFORMED: 2, DropReason.EMPTY_LABEL: 1}
        assert read(folder)[0]["extra"] == '[1, "é"]'

    def test_numbers_as_labels_are_named_in_order_of_value(self, tmp_path: Path) -> None:
        lines = [json.dumps({"text": text, "label": number % 11}) for number, (text, _) in enumerate(rows(66))]
        report, _ = import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl")
        assert report.classes == tuple(map(str, range(11)))

    def test_parquet_of_the_datasets_library_keeps_the_names_of_its_classes(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["b", "a"])})
        table = {"text": [text for text, _ in rows(20)], "label": [number % 2 for number in range(20)]}
        datasets.Dataset.from_dict(table, features=features).to_parquet(tmp_path / "hf.parquet")
        report, _ = import_bytes((tmp_path / "hf.parquet").read_bytes(), tmp_path, name="hf.parquet")
        assert report.classes == ("a", "b")

    def test_labels_that_pandas_made_floats_lose_their_points_and_their_nans(self, tmp_path: Path) -> None:
        labels = [None if number == 0 else float(number % 2) for number in range(20)]
        pq.write_table(pa.table({"text": [text for text, _ in rows(20)], "label": labels}), tmp_path / "p.parquet")
        report, _ = import_bytes((tmp_path / "p.parquet").read_bytes(), tmp_path, name="p.parquet")
        assert report.classes == ("0", "1")
        assert report.dropped.counts == {DropReason.EMPTY_LABEL: 1}

    def test_a_damaged_parquet_file_is_named_as_what_it_is(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableFile, match="damaged"):
            import_bytes(b"PAR1 and nothing behind it", tmp_path)

    def test_nested_columns_point_to_another_way_in(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"text": ["a"], "boxes": [{"left": 1, "top": 2}]}), tmp_path / "n.parquet")
        with pytest.raises(UnreadableFile, match="push_to_hub"):
            import_bytes((tmp_path / "n.parquet").read_bytes(), tmp_path)

    @pytest.mark.parametrize(
        "kind",
        [pa.binary(), pa.large_binary(), pa.binary(2), pa.list_(pa.binary()), pa.dictionary(pa.int8(), pa.binary())],
    )
    def test_bytes_are_named_though_nobody_asks_for_their_column(self, kind: pa.DataType, tmp_path: Path) -> None:
        values = [[b"\xff\xfe"] if pa.types.is_list(kind) else b"\xff\xfe"] * 20
        table = pa.table({**columns(20), "img": pa.array(values, kind)})
        with pytest.raises(UnreadableFile, match=r"Column 'img' of p\.parquet holds .*binary"):
            import_bytes(parquet(table), tmp_path, name="p.parquet")

    def test_two_columns_of_one_name_in_parquet(self, tmp_path: Path) -> None:
        texts, labels = columns(20).values()
        table = pa.table([texts, labels, labels], names=["text", "label", "label"])
        with pytest.raises(UnreadableFile, match=r"Two columns of p\.parquet are called 'label'"):
            import_bytes(parquet(table), tmp_path, name="p.parquet")

    def test_a_number_of_64_bits_without_a_sign_damages_no_file(self, tmp_path: Path) -> None:
        table = pa.table({**columns(20), "hash": pa.array([2**64 - 1] * 20, pa.uint64())})
        with pytest.raises(UnreadableFile, match="Column 'hash' holds a number that is too large"):
            import_bytes(parquet(table), tmp_path, name="p.parquet")

    @pytest.mark.parametrize("orient", ["columns", "index"])
    @pytest.mark.parametrize("indent", [None, 2])
    @pytest.mark.parametrize("count", [20, 20_000])
    def test_the_json_that_pandas_writes_by_default(
        self, orient: str, indent: int | None, count: int, tmp_path: Path
    ) -> None:
        by_row = {str(number): {"text": text, "label": label} for number, (text, label) in enumerate(rows(count))}
        by_column = {name: {number: row[name] for number, row in by_row.items()} for name in ("text", "label")}
        content = json.dumps(by_column if orient == "columns" else by_row, indent=indent)
        with pytest.raises(UnreadableFile, match='orient="records", lines=True'):
            import_bytes(content.encode(), tmp_path, name="t.json")

    def test_lines_that_begin_alike_are_rows(self, tmp_path: Path) -> None:
        lines = [json.dumps({"meta": {"0": 1}, "text": text, "label": label}) for text, label in rows(20)]
        report, _ = import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl")
        assert sum(report.rows.values()) == 20


class TestRefusals:
    def test_lists_where_texts_are_wanted(self, tmp_path: Path) -> None:
        lines = [json.dumps({"words": text.split(), "label": label}) for text, label in rows(20)]
        with pytest.raises(UnusableData, match=r"Column 'words' holds list<.*>, not one value a row"):
            import_bytes("\n".join(lines).encode(), tmp_path, name="t.jsonl", text="words")

    def test_a_long_label_is_not_quoted_whole(self, tmp_path: Path) -> None:
        with pytest.raises(UnusableData, match="one class only") as refusal:
            import_bytes(csv_text([(text, "x" * 10_000) for text, _ in rows(20)]).encode(), tmp_path)
        assert len(str(refusal.value)) < 400

    def test_three_rows(self, tmp_path: Path) -> None:
        with pytest.raises(UnusableData, match="3 usable rows"):
            import_bytes(csv_text(rows(3)).encode(), tmp_path)

    def test_one_class_only(self, tmp_path: Path) -> None:
        with pytest.raises(UnusableData, match=r"one class only.*--unlabelled"):
            import_bytes(csv_text(rows(30, classes=1)).encode(), tmp_path)

    def test_only_a_header(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableFile, match="no rows"):
            import_bytes(b"text,label\n", tmp_path)

    def test_no_label_anywhere(self, tmp_path: Path) -> None:
        with pytest.raises(UnusableData, match="every text or label is empty"):
            import_bytes(csv_text([(text, "") for text, _ in rows(20)]).encode(), tmp_path, label="label")

    def test_an_unknown_column(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownColumn, match="'label'"):
            import_bytes(csv_text(rows(20)).encode(), tmp_path, label="labels")


class TestWithoutLabels:
    def test_a_table_is_kept_as_it_is(self, tmp_path: Path) -> None:
        report, folder = import_bytes(csv_text(rows(3)).encode(), tmp_path, unlabelled=True)
        assert sum(report.rows.values()) == 3
        assert {row["label"] for row in read(folder)} == {"class-0", "class-1"}

    def test_rows_that_say_the_same_of_different_things_all_stay(self, tmp_path: Path) -> None:
        history = "date,work\n" + "".join(
            f"2025-0{month}-01,changed the oil and the filter\n" for month in range(1, 10)
        )
        report, _ = import_bytes(history.encode(), tmp_path, text="work", unlabelled=True)
        assert sum(report.rows.values()) == 9


class TestCard:
    def test_its_metadata_say_task_splits_and_classes(self, tmp_path: Path) -> None:
        report, folder = import_bytes(csv_text(rows(30)).encode(), tmp_path)
        card = yaml.safe_load((folder / "README.md").read_text().split("---")[1])
        assert card["task_categories"] == ["text-classification"]
        assert {split["name"]: split["num_examples"] for split in card["dataset_info"]["splits"]} == report.rows
        assert card["dataset_info"]["features"][1]["dtype"]["class_label"]["names"] == {"0": "class-0", "1": "class-1"}
