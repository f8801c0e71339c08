"""The plant around the tickets is one plant: manuals, parts, service history and tickets agree with each other."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

PLANT = Path(__file__).parents[3] / "examples" / "maintenance"
LANGUAGES = ["en", "pt-BR"]
SLUGS = sorted(path.stem for path in (PLANT / "manuals" / "en").glob("*.md"))

PART_COLUMNS = [
    "part_number", "name_en", "name_pt", "models", "stock", "minimum_stock", "warehouse", "shelf",
    "unit_price_brl", "lead_time_days", "supplier",
]  # fmt: skip
HISTORY_COLUMNS = [
    "machine_id", "machine", "model", "date", "machine_hours", "type", "description_en", "description_pt",
    "parts_used", "downtime_hours", "technician",
]  # fmt: skip

PART_NUMBER = re.compile(r"\b[A-Z]{2}-\d{5}\b")
NUMBER = r"\d+(?:[.,]\d+)?"
QUANTITY = re.compile(
    rf"({NUMBER}) ?(N·m|m/s|mm/s|L/min|°C/min|bar|°C|cm³|kHz|Hz|kW|kN|kg|kΩ|MΩ|Ω|µm|mm|cm|min|rpm|ppm|Pa|dB|%|V|A|W|N|L|g|h|s|m|t|°)(?!\w)"
)
CODE_IN_PROSE = re.compile(r"\b[ACEFHKRT]-\d{2,4}\b|\bE\d{2}\b|\bF(?:-\d{2}|\d{2})\b|(?<=alarm )\d{2,4}\b(?!°)")
"""An error code as technicians write it. `temp alarm 71` is a temperature, which the tickets' reader below leaves out."""

# What a page prescribes and the history must follow: part, machine hours between two of them, the page.
HOURS_BETWEEN = {
    "CO-70110": (4000, "air-compressor-service-intervals"),
    "CO-70112": (4000, "air-compressor-service-intervals"),
    "CO-70115": (8000, "air-compressor-service-intervals"),
    "CO-70117": (8000, "air-compressor-service-intervals"),
    "HY-20180": (4000, "hydraulic-press-oil-and-filters"),
    "HY-20182": (4000, "hydraulic-press-oil-and-filters"),
    "HY-20430": (5000, "injection-moulder-oil-cooling"),
    "LU-10505": (10000, "conveyor-belt-tracking"),
}
MONTHS_BETWEEN = {
    "EL-40602": (24, "industrial-robot-mastering"),
    "LU-20305": (12, "milling-machine-spindle-chiller"),
    "SE-50810": (12, "furnace-heating-and-temperature"),
}
TOLERATED_HOURS = 400
"""Said on the compressors' page: what is later stands in the history as overdue."""


def read_table(name: str) -> list[dict[str, str]]:
    with (PLANT / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@cache
def page(slug: str, language: str) -> tuple[dict[str, Any], str]:
    """The front matter and the text of one manual page."""
    _, head, body = (PLANT / "manuals" / language / f"{slug}.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


@cache
def parts() -> dict[str, dict[str, str]]:
    return {part["part_number"]: part for part in read_table("parts.csv")}


@cache
def history() -> list[dict[str, str]]:
    return read_table("service_history.csv")


def services_by_machine() -> dict[str, list[dict[str, str]]]:
    services = defaultdict(list)
    for service in history():
        services[service["machine_id"]].append(service)
    return services


def parts_used(service: dict[str, str]) -> dict[str, int]:
    """The column `parts_used`, such as `CO-70110:1;LU-10110:2`."""
    uses = (use.split(":") for use in service["parts_used"].split(";") if use)
    return {number: int(quantity) for number, quantity in uses}


def consecutive_uses(part: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """A service that used the part, and the next one that did on the same machine."""
    for services in services_by_machine().values():
        yield from pairwise(service for service in services if part in parts_used(service))


def fits(part: str, model: str) -> bool:
    return model in parts()[part]["models"].split(";")


def codes_of(slug: str, language: str) -> set[str]:
    """The codes a page explains: what stands between backticks and is no part number."""
    return {name for name in re.findall(r"`([^`]+)`", page(slug, language)[1]) if not PART_NUMBER.fullmatch(name)}


def all_codes() -> set[str]:
    return set().union(*(codes_of(slug, "en") for slug in SLUGS))


def with_points(number: str) -> str:
    return number.replace(",", ".")


def numbers(text: str) -> Counter[str]:
    """How often each number occurs, whether its decimals follow a point or a comma."""
    return Counter(with_points(number) for number in re.findall(NUMBER, text))


def quantities(text: str) -> Counter[tuple[str, str]]:
    return Counter((with_points(number), unit) for number, unit in QUANTITY.findall(text))


def shingles(text: str) -> set[str]:
    """The character 5-grams of a text, ignoring case and runs of spaces."""
    text = " ".join(text.lower().split())
    return {text[start : start + 5] for start in range(len(text) - 4)}


def closest(texts: list[str]) -> float:
    """The highest Jaccard similarity between two of the texts."""
    sets = [shingles(text) for text in texts]
    return max(len(a & b) / len(a | b) for a, b in combinations(sets, 2))


class TestPages:
    """Short pages, each about one matter."""

    def test_there_are_enough_to_search_in(self):
        assert len(SLUGS) >= 16

    def test_each_one_exists_in_both_languages(self):
        assert sorted(path.stem for path in (PLANT / "manuals" / "pt-BR").glob("*.md")) == SLUGS

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("slug", SLUGS)
    def test_each_one_is_short_and_says_what_it_is_about(self, slug, language):
        head, body = page(slug, language)
        assert list(head) == ["title", "machine", "models", "topics", "revision", "date"]
        assert all(head.values())
        assert 250 <= len(re.findall(r"\w+", body)) <= 600

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_no_two_resemble_each_other(self, language):
        assert closest([page(slug, language)[1] for slug in SLUGS]) < 0.25

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_each_code_is_explained_on_one_page_only(self, language):
        explained = Counter(code for slug in SLUGS for code in codes_of(slug, language))
        assert [code for code, pages in explained.items() if pages > 1] == []


@pytest.mark.parametrize("slug", SLUGS)
class TestBothLanguagesSayTheSame:
    """A page read in Portuguese tells the same torque, part and code as in English."""

    def test_front_matter(self, slug):
        (english, _), (portuguese, _) = (page(slug, language) for language in LANGUAGES)
        assert [english[key] for key in ("models", "revision", "date")] == [
            portuguese[key] for key in ("models", "revision", "date")
        ]
        assert len(english["topics"]) == len(portuguese["topics"])
        assert english["title"] != portuguese["title"]

    def test_codes_and_part_numbers(self, slug):
        english, portuguese = (page(slug, language)[1] for language in LANGUAGES)
        assert codes_of(slug, "en") == codes_of(slug, "pt-BR")
        assert Counter(PART_NUMBER.findall(english)) == Counter(PART_NUMBER.findall(portuguese))

    def test_numbers_and_their_units(self, slug):
        english, portuguese = (page(slug, language)[1] for language in LANGUAGES)
        assert numbers(english) == numbers(portuguese)
        assert quantities(english) == quantities(portuguese)


class TestParts:
    """A store as they are: most parts on the shelf, some short, some gone."""

    def test_columns_are_the_documented_ones(self):
        assert list(read_table("parts.csv")[0]) == PART_COLUMNS

    def test_there_are_enough_of_them_and_each_number_is_used_once(self):
        assert len(read_table("parts.csv")) == len(parts()) >= 60

    def test_no_cell_is_empty(self):
        assert all(value and value == value.strip() for part in parts().values() for value in part.values())

    @pytest.mark.parametrize("language", ["en", "pt"])
    def test_no_two_bear_the_same_name(self, language):
        names = [part[f"name_{language}"] for part in parts().values()]
        assert len(set(names)) == len(names)

    def test_numbers_have_the_form_that_texts_are_searched_for(self):
        assert all(PART_NUMBER.fullmatch(number) for number in parts())

    def test_amounts_are_amounts(self):
        for part in parts().values():
            assert int(part["stock"]) >= 0
            assert int(part["minimum_stock"]) >= 1
            assert int(part["lead_time_days"]) >= 1
            assert float(part["unit_price_brl"]) > 0

    def test_each_lies_in_a_place_of_its_own(self):
        places = Counter((part["warehouse"], part["shelf"]) for part in parts().values())
        assert set(places.values()) == {1}

    def test_some_are_out_of_stock_and_more_are_below_their_minimum(self):
        stocks = [(int(part["stock"]), int(part["minimum_stock"])) for part in parts().values()]
        out = sum(stock == 0 for stock, _ in stocks)
        below = sum(stock < minimum for stock, minimum in stocks)
        assert 5 <= out < below <= len(stocks) / 3

    @pytest.mark.parametrize("slug", SLUGS)
    def test_those_a_page_names_exist_and_fit_its_machine(self, slug):
        head, body = page(slug, "en")
        misfits = [
            n for n in PART_NUMBER.findall(body) if n not in parts() or not any(fits(n, m) for m in head["models"])
        ]
        assert misfits == []


class TestHistory:
    """Three years of work orders that add up."""

    def test_columns_are_the_documented_ones(self):
        assert list(history()[0]) == HISTORY_COLUMNS

    def test_it_is_long_enough_to_ask_questions_of(self):
        first, last = (date.fromisoformat(history()[index]["date"]) for index in (0, -1))
        assert len(history()) >= 150
        assert (last - first).days >= 2.5 * 365

    def test_only_the_parts_may_be_empty(self):
        required = [column for column in HISTORY_COLUMNS if column != "parts_used"]
        assert all(
            service[column] and service[column] == service[column].strip()
            for service in history()
            for column in required
        )

    def test_services_are_in_order_of_date_and_none_lies_in_the_future(self):
        dates = [date.fromisoformat(service["date"]) for service in history()]
        assert dates == sorted(dates)
        assert dates[-1] <= date.fromisoformat("2026-11-30")  # when it was written

    def test_types_are_the_documented_ones(self):
        assert {service["type"] for service in history()} == {"preventive", "corrective", "inspection"}

    def test_machine_hours_rise_by_less_than_the_clock(self):
        for services in services_by_machine().values():
            for one, later in pairwise(services):
                days = (date.fromisoformat(later["date"]) - date.fromisoformat(one["date"])).days
                assert 0 < int(later["machine_hours"]) - int(one["machine_hours"]) <= 24 * (days + 1)

    def test_a_machine_keeps_its_kind_and_model(self):
        for services in services_by_machine().values():
            assert len({(service["machine"], service["model"]) for service in services}) == 1

    def test_downtime_is_a_number_of_hours(self):
        assert all(0 < float(service["downtime_hours"]) <= 240 for service in history())

    def test_parts_used_exist_and_fit_the_machine(self):
        for service in history():
            for number, quantity in parts_used(service).items():
                assert quantity >= 1
                assert fits(number, service["model"]), (service["machine_id"], number)

    def test_each_service_is_told_with_the_same_numbers_in_both_languages(self):
        differing = [s for s in history() if numbers(s["description_en"]) != numbers(s["description_pt"])]
        assert differing == []

    @pytest.mark.parametrize("language", ["en", "pt"])
    def test_hardly_two_descriptions_resemble_each_other(self, language):
        assert closest([service[f"description_{language}"] for service in history()]) < 0.6


class TestOnePlant:
    """What one file names, the others know."""

    def test_each_machine_with_a_ticket_has_a_history(self):
        machines = {f"{service['machine']} {service['machine_id']}" for service in history()}
        assert {ticket["machine"] for ticket in read_table("tickets.csv")} - machines == set()

    def test_each_model_has_a_page_of_its_own_kind_of_machine(self):
        kinds = {(service["model"], service["machine"]) for service in history()}
        heads = [page(slug, "en")[0] for slug in SLUGS]
        assert kinds - {(model, head["machine"]) for head in heads for model in head["models"]} == set()

    def test_each_model_on_a_page_or_part_is_in_the_plant(self):
        plant = {service["model"] for service in history()}
        named = {model for slug in SLUGS for model in page(slug, "en")[0]["models"]}
        assert named | {model for part in parts().values() for model in part["models"].split(";")} == plant

    def test_each_code_in_the_history_is_explained_in_a_manual(self):
        quoted = {code for service in history() for code in CODE_IN_PROSE.findall(service["description_en"])}
        assert quoted
        assert quoted - all_codes() == set()

    def test_each_code_in_a_ticket_is_explained_in_a_manual(self):
        texts = [ticket["text_en"].replace("temp alarm", "") for ticket in read_table("tickets.csv")]
        quoted = {code for text in texts for code in CODE_IN_PROSE.findall(text)}
        assert quoted - all_codes() == set()


class TestIntervals:
    """Maintenance is done when the manual says, and who was late wrote so."""

    @pytest.mark.parametrize("part", list(HOURS_BETWEEN))
    def test_machine_hours(self, part):
        hours, slug = HOURS_BETWEEN[part]
        for one, later in consecutive_uses(part):
            late = int(later["machine_hours"]) - int(one["machine_hours"]) > hours + TOLERATED_HOURS
            assert not late or "overdue" in later["description_en"], (later["machine_id"], later["date"])
        assert f"{hours} h" in page(slug, "en")[1]

    @pytest.mark.parametrize("part", list(MONTHS_BETWEEN))
    def test_calendar_months(self, part):
        months, slug = MONTHS_BETWEEN[part]
        for one, later in consecutive_uses(part):
            days = (date.fromisoformat(later["date"]) - date.fromisoformat(one["date"])).days
            assert days <= (months + 1) * 31, (later["machine_id"], later["date"])
        assert f"{months} months" in page(slug, "en")[1]


class TestReadme:
    """The documentation counts what is there."""

    @pytest.mark.parametrize("name", ["README.md", "README.pt-BR.md"])
    def test_counts(self, name):
        sizes = {
            "manuals": [len(SLUGS)],
            "parts.csv": [len(parts())],
            "service_history.csv": [len(history()), len(services_by_machine())],
        }
        files = re.findall(r"^\| `([\w.]+)[^|]*\| (.*) \|$", (PLANT / name).read_text(encoding="utf-8"), re.MULTILINE)
        told = {file: [int(number) for number in re.findall(r"\d+", text)] for file, text in files if file in sizes}
        assert {file: told[file][: len(size)] for file, size in sizes.items()} == sizes

    def test_both_languages_describe_the_same_columns_and_machines(self):
        english, portuguese = ((PLANT / name).read_text(encoding="utf-8") for name in ("README.md", "README.pt-BR.md"))
        described = r"`([A-Za-z_]+(?:-\d+)?)`"
        assert set(re.findall(described, english)) == set(re.findall(described, portuguese))
        assert set(re.findall(described, english)) >= {*PART_COLUMNS, *HISTORY_COLUMNS}
