"""The web page in a real browser, over a real service."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cirray.search import Query, SearchEngine
from cirray.service import ServiceHandle, ServingSet

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium here (Debian: chromium, chromium-driver)"),
]

WAIT_S = 20.0


class Page:
    """The page, as a reader uses it."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, hash_: str = "") -> None:
        self.driver.get("about:blank")  # or another hash alone would not load the page anew
        self.driver.get(f"{self.url}/{hash_}")
        self.wait(lambda: self.all(".tile"))

    def wait(self, condition: Callable[[], object]) -> None:
        WebDriverWait(self.driver, WAIT_S, 0.05).until(lambda _: condition())

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def pick(self, item_id: str) -> None:
        self.one(f'.tile[data-id="{item_id}"]').click()
        self.wait(lambda: self.reference().endswith(self.caption_of(item_id)))

    def reference(self) -> str:
        return str(self.one("#reference-image").get_attribute("alt"))

    def caption_of(self, item_id: str) -> str:
        return str(self.one(f'.tile[data-id="{item_id}"] img').get_attribute("alt"))

    def ask(self, text: str) -> None:
        self.one("#text").send_keys(text, Keys.ENTER)

    def hits(self) -> list[str]:
        """Return the ids of the hits, once there are some."""
        ids = "return [...document.querySelectorAll('#hits .use')].map(button => button.dataset.id)"
        self.wait(lambda: self.driver.execute_script(ids))
        found: list[str] = self.driver.execute_script(ids)
        return found

    def loaded(self, image: WebElement) -> bool:
        return bool(self.driver.execute_script("return arguments[0].naturalWidth > 0", image))

    def hash(self) -> str:
        return self.driver.current_url.partition("#")[2]


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: webdriver.Chrome, service: ServiceHandle) -> Iterator[Page]:
    page = Page(driver, service.url)
    page.open()
    yield page
    browser: Any = driver  # selenium leaves the types of its logs out
    said = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [message for message in said if "status of 4" not in message] == []


@pytest.fixture
def first(page: Page) -> str:
    return str(page.one(".tile").get_attribute("data-id"))


def test_a_chain_of_two_turns(page: Page, first: str, engine: SearchEngine) -> None:
    page.pick(first)
    assert page.driver.switch_to.active_element == page.one("#text")
    page.ask("make the circle red")
    hits = page.hits()
    assert hits == [hit.item_id for hit in engine.search(Query("make the circle red", reference_id=first)).hits]
    image = page.one("#hits img")
    page.wait(lambda: page.loaded(image))
    assert "pixelated" in str(image.get_attribute("class"))
    assert image.get_attribute("alt") == page.one("#hits .use").get_attribute("title")
    assert [rank.text for rank in page.all("#hits .rank")] == [f"#{rank}" for rank in range(1, len(hits) + 1)]
    assert page.hash() == f"ref={first}&text=make+the+circle+red"
    assert "2 of 2 shards" in page.one("#timings").text

    page.one("#hits .use").click()
    page.wait(lambda: page.hash() == f"ref={hits[0]}")
    assert page.one("#text").get_attribute("value") == ""
    assert not page.one("#results").is_displayed()
    page.ask("remove blue object")
    assert page.hits() == [
        hit.item_id for hit in engine.search(Query("remove blue object", reference_id=hits[0])).hits
    ]

    page.driver.back()
    page.driver.back()
    page.wait(lambda: page.hash() == f"ref={first}&text=make+the+circle+red")
    page.wait(lambda: page.hits() == hits)


def test_a_link_repeats_the_search(page: Page, first: str) -> None:
    page.pick(first)
    page.ask("add large red circle")
    hits, link = page.hits(), page.hash()
    page.open(f"#{link}")
    assert page.hits() == hits
    assert page.one("#text").get_attribute("value") == "add large red circle"


def test_scores_can_be_put_away(page: Page, first: str) -> None:
    page.pick(first)
    page.ask("make the circle red")
    page.hits()
    assert page.one("#hits .score").is_displayed()
    page.one("#scores").click()
    assert not page.one("#hits .score").is_displayed()


def test_an_example_asks_itself(page: Page, first: str) -> None:
    page.pick(first)
    page.wait(lambda: page.all(".chip"))
    chip = page.one(".chip")
    text = chip.text
    chip.click()
    assert page.hits()
    assert page.one("#text").get_attribute("value") == text


def test_surprise_me(page: Page) -> None:
    page.one("#surprise").click()
    assert page.hits()
    assert page.reference()


def test_scrolling_brings_the_whole_gallery(page: Page, served: ServingSet) -> None:
    total = len(served.dataset.gallery(served.index.details.split))
    assert len(page.all(".tile")) < total

    def at_the_end() -> bool:
        page.driver.execute_script("scrollTo(0, document.body.scrollHeight)")
        return len(page.all(".tile")) == total

    page.wait(at_the_end)
    assert len({tile.get_attribute("data-id") for tile in page.all(".tile")}) == total

    page.all(".tile")[-1].click()
    page.ask("make the circle red")
    assert page.hits()
    top, height = page.driver.execute_script(
        "return [document.querySelector('#results').getBoundingClientRect().top, innerHeight]"
    )
    assert 0 <= top < height / 2


def test_without_a_mouse(page: Page, first: str) -> None:
    page.driver.execute_script("arguments[0].focus()", page.one(f'.tile[data-id="{first}"]'))
    keys = webdriver.ActionChains(page.driver)
    keys.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER).perform()
    third = str(page.all(".tile")[2].get_attribute("data-id"))
    page.wait(lambda: page.hash() == f"ref={third}")
    outline = page.driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    keys.send_keys("make the circle red", Keys.ENTER).perform()
    assert page.hits()


def test_a_picture_of_ones_own(
    page: Page, first: str, served: ServingSet, engine: SearchEngine, tmp_path: Path
) -> None:
    picture = served.dataset.image(first)
    (tmp_path / "mine.png").write_bytes(picture)
    page.one("#file").send_keys(str(tmp_path / "mine.png"))
    page.wait(lambda: page.reference() == "mine.png" and page.loaded(page.one("#reference-image")))
    page.ask("make the circle red")
    assert page.hits() == [
        hit.item_id for hit in engine.search(Query("make the circle red", reference_image=picture)).hits
    ]


def test_problems_are_shown(page: Page, tmp_path: Path) -> None:
    page.one("#search").click()
    assert "There is no reference yet" in page.one("#problem").text
    (tmp_path / "notes.png").write_text("not a picture")
    page.one("#file").send_keys(str(tmp_path / "notes.png"))
    page.wait(lambda: page.reference() == "notes.png")
    page.ask("make the circle red")
    page.wait(lambda: "The reference is not a picture" in page.one("#problem").text)
    assert "Request " in page.one("#problem").text
    assert not page.one("#results").is_displayed()


def test_text_stays_text(page: Page, first: str) -> None:
    page.pick(first)
    page.ask("<img src=x onerror=document.title='taken'> red")
    page.hits()
    assert "onerror" in page.one("#unknown").text
    assert page.all("#unknown img") == []
    assert page.driver.title != "taken"


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_sticks_out(page: Page, first: str, width: int) -> None:
    metrics = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": width < 500}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.pick(first)
        page.ask("make the zyzzyva circle red")
        page.hits()
        assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width
        right = (
            "return Math.max(...[...document.querySelectorAll('body *')].map(e => e.getBoundingClientRect().right))"
        )
        assert page.driver.execute_script(right) <= width
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_degraded_answer_says_so(page: Page, first: str, kill_shard: Callable[[int], None]) -> None:
    page.pick(first)
    kill_shard(1)
    page.ask("make the circle red")
    assert page.hits()
    assert page.one("#degraded").text.startswith("Only 1 of 2 shards answered (50 % of the index; shard 1: ")
    page.wait(lambda: httpx.get(f"{page.url}/readyz").status_code == 200)
    page.one("#search").click()
    page.wait(lambda: page.all("#hits .use") and not page.one("#degraded").is_displayed())
