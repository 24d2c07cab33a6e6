"""The search page in a real browser: type, find, switch, filter, and be told what is wrong."""

import re

import pytest
from playwright.sync_api import expect

from search_api.access import keys
from search_api.errors import InferenceUnavailable
from streamer.errors import ElasticUnavailable


@pytest.fixture
def results(page):
    return page.locator("article.hit")


def search(page, text):
    page.get_by_role("searchbox", name="What to look for").fill(text)
    page.keyboard.press("Enter")


def failing(page):
    """Let go of the browser's own lines about answers that were meant to fail."""
    page.problems = [line for line in page.problems if "Failed to load resource" not in line]


def test_a_search_shows_title_text_score_and_facts(page, results):
    page.goto("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    search(page, "casinos in one night")
    expect(results.first.get_by_role("heading")).to_have_text("Ocean's Eleven")
    expect(results.first).to_contain_text("Eleven accomplices plan a heist")
    expect(results.first).to_contain_text("2001")
    expect(results.first).to_contain_text("Steven Soderbergh")
    expect(results.first.locator(".score")).to_have_text(re.compile(r"\d+\.\d\d"))
    expect(page.get_by_role("status")).to_have_text(re.compile(r"by meaning and words in .* ms"))
    assert "q=casinos" in page.url


def test_whose_the_data_is_stands_below_the_results(page):
    page.goto("/?q=heist")
    expect(page.locator("footer")).to_contain_text("Plots: written for these tests")


def test_modes_are_switched_by_keyboard_and_kept_in_the_address(page, results):
    page.goto("/?q=heist")
    expect(results).to_have_count(3)
    page.get_by_role("radio", name="Hybrid").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("status")).to_have_text(re.compile("results by meaning in"))
    assert "mode=semantic" in page.url
    page.go_back()
    expect(page.get_by_role("radio", name="Hybrid")).to_be_checked()
    expect(page.get_by_role("status")).to_have_text(re.compile("by meaning and words"))


def test_three_modes_side_by_side_say_where_the_others_have_it(page):
    page.goto("/?q=heist&mode=compare")
    for mode in ("Semantic", "Hybrid", "Lexical"):
        expect(page.get_by_role("region", name=mode).locator("article")).to_have_count(3)
    first = page.get_by_role("region", name="Semantic").locator("article").first
    expect(first).to_contain_text(re.compile(r"hybrid #\d · lexical #\d"))
    first.focus()
    expect(page.locator("article.same")).to_have_count(3)


def test_filters_narrow_and_can_be_taken_away(page, results):
    page.goto("/?q=heist")
    expect(results).to_have_count(3)
    page.get_by_role("button", name="Only Genres Thriller").click()
    expect(results).to_have_count(1)
    assert "genres=Thriller" in page.url
    page.get_by_role("button", name="Remove Genres Thriller").click()
    expect(results).to_have_count(3)
    page.get_by_label("Year from").fill("2005")
    page.keyboard.press("Enter")
    expect(results).to_have_count(1)
    assert "year.gte=2005" in page.url
    page.reload()
    expect(page.get_by_label("Year from")).to_have_value("2005")
    expect(results).to_have_count(1)
    page.get_by_role("button", name="Clear filters").click()
    expect(results).to_have_count(3)


def test_what_a_document_holds_is_text_and_never_markup(page, results):
    page.goto("/?q=markup")
    expect(results.first.get_by_role("heading")).to_have_text('The <b>Bold</b> & the "Quoted"')
    expect(results.first).to_contain_text("<script>window.broken = true</script>")
    assert page.evaluate("window.broken") is None
    assert page.locator("article img, article b").count() == 0


def test_nothing_found_says_so(page):
    page.goto("/?q=zebra")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()


def test_before_the_first_search_the_modes_are_explained(page):
    page.goto("/")
    expect(page.get_by_text("finds by meaning")).to_be_visible()


def test_without_the_encoder_words_answer_and_the_page_says_so(page, service, results):
    service.door.infer_error = InferenceUnavailable()
    page.goto("/?q=heist")
    expect(results).to_have_count(3)
    expect(page.get_by_role("status")).to_contain_text("by words alone, the encoder does not answer")


def test_side_by_side_each_mode_says_so(page, service):
    service.door.infer_error = InferenceUnavailable()
    page.goto("/?q=heist&mode=compare")
    for mode, said in (("Semantic", 1), ("Lexical", 0)):
        column = page.get_by_role("region", name=mode)
        expect(column.locator("article")).to_have_count(3)
        expect(column.get_by_text("By words alone")).to_have_count(said)


def test_an_outage_is_told_with_the_request_and_can_be_tried_again(page, service, results):
    service.door.search_error = ElasticUnavailable("node-1 is away")
    page.goto("/?q=heist")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The search engine cannot be reached")
    expect(alert).to_contain_text(re.compile(r"Request [0-9a-f]{32}"))
    expect(alert).not_to_contain_text("node-1")
    failing(page)
    service.door.search_error = None
    page.get_by_role("button", name="Try again").click()
    expect(results).to_have_count(3)


def test_what_is_typed_while_the_page_starts_is_searched(page, results):
    held = []
    page.route("**/indices", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks the handler
    page.goto("/")
    search(page, "heist")
    expect(results).to_have_count(0)
    held[0].continue_()
    expect(results).to_have_count(3)


def test_a_refused_request_is_explained(page):
    page.goto("/")
    search(page, "x" * 1001)
    expect(page.get_by_role("alert")).to_contain_text("at most 1000 characters")
    failing(page)


def test_the_keyboard_alone_is_enough(page, results):
    page.goto("/?q=heist")
    expect(results).to_have_count(3)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(results.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(results.nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_a_phone_shows_all_without_scrolling_sideways(page, results):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/?q=heist")
    expect(page.get_by_label("Year from")).to_be_hidden()
    page.get_by_text("Filters", exact=True).click()
    expect(page.get_by_label("Year from")).to_be_visible()
    for mode in ("hybrid", "compare"):
        page.goto(f"/?q=heist&mode={mode}&genres=Crime")
        expect(results.first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


SECRET = keys.make_secret()
GUARDED = {"access": {"keys": [{"name": "reader", "hash": keys.hash_of(SECRET)}]}}


@pytest.mark.parametrize("service", [GUARDED], indirect=True)
def test_a_key_is_asked_for_and_kept_out_of_the_address(page, results):
    page.goto("/?q=heist")
    expect(page.get_by_role("alert")).to_contain_text("needs credentials")
    page.get_by_label("Key or token").fill(keys.text_of("reader", "wrong"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    page.get_by_label("Key or token").fill(keys.text_of("reader", SECRET))
    page.get_by_role("button", name="Use it").click()
    expect(results).to_have_count(3)
    page.reload()
    expect(results).to_have_count(3)
    assert SECRET not in page.url
    failing(page)
