from pydantic import BaseModel, Field

from streamer.settings import Settings
from streamer.tools.config import Row, effective, lines, markdown, rows
from tests.unit.setup.samples import settings


def table():
    return {row.name: row for row in rows(Settings)}


def test_each_setting_has_a_default_and_a_meaning():
    assert [row.name for row in rows(Settings) if not row.default or not row.meaning] == []


def test_settings_in_lists_are_named_as_such():
    assert table()["routes[].inference[].input"] == Row(
        "routes[].inference[].input", "text", "required", "Field that holds the text."
    )
    assert table()["deployments[].type"].values == "`deployment`, `endpoint`"
    assert table()["kafka.group_id"].default == '`"streamer"`'
    assert table()["kafka.sasl_password"].values == "secret"


def test_defaults_of_a_section_may_differ_from_its_own():
    """The port of `ops` is not the port that other sections of the same kind have."""
    assert table()["admin.port"].default == "`9600`"
    assert table()["ops.port"].default == "`9601`"


def test_a_section_that_may_be_missing_is_shown_all_the_same():
    class Inner(BaseModel):
        b: int = 1

    class Outer(BaseModel):
        a: Inner | None = Field(None, description="Perhaps.")
        c: str | None = None

    found = [(row.name, row.values, row.default) for row in rows(Outer)]
    assert found == [("a", "section", "none"), ("a.b", "number", "`1`"), ("c", "text", "none")]


def test_markdown_escapes_bars():
    text = markdown(iter([Row("a", "x|y", "none", "m")]))
    assert text.splitlines()[2] == "| `a` | x\\|y | none | m |"


def test_secrets_are_masked():
    given = settings(
        kafka={
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "PLAIN",
            "sasl_username": "u",
            "sasl_password": "geheim",
        },
        elasticsearch={"urls": ["https://user:geheim@es:9200"], "api_key": "geheim"},
    )
    shown = effective(given)
    assert "geheim" not in str(shown)
    assert shown["elasticsearch"]["urls"] == ["https://**********@es:9200"]
    assert shown["kafka"]["sasl_password"] == "**********"  # noqa: S105


def test_lines_name_each_value():
    class Inner(BaseModel):
        b: int = 1
        c: str | None = None

    class Outer(BaseModel):
        a: Inner = Inner()
        many: list[Inner] = [Inner(), Inner(b=2)]
        none: list[Inner] = []

    assert list(lines(effective(Outer()))) == [
        "a.b = 1",
        "a.c = (not set)",
        "many[0].b = 1",
        "many[0].c = (not set)",
        "many[1].b = 2",
        "many[1].c = (not set)",
        "none = []",
    ]
