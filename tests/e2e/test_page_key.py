"""The page in a real browser where the service asks for a key. Served without Ray: this is about the page."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator

import pytest
import uvicorn

from cirray.search import SearchEngine
from cirray.service import Backend, Gallery, Keys, LocalShard, Protection, ServingSet, create_api
from infra.local.ports import free_ports

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
READ = "read-0123456789abcdef"

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no Chromium here (Debian: chromium, chromium-driver)"
)


@pytest.fixture
def locked_url(served: ServingSet, engine: SearchEngine) -> Iterator[str]:
    shards = [LocalShard(number, shard) for number, shard in enumerate(engine.shards)]
    backend = Backend(engine, Gallery(served.dataset, served.index.details.split), shards)
    app = create_api(backend, protection=Protection(keys=Keys.of(READ)))
    (port,) = free_ports(1)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def driver() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def test_the_page_asks_for_the_key_until_it_is_the_right_one(locked_url: str, driver: webdriver.Chrome) -> None:
    def wait(condition: Callable[[], object]) -> None:
        WebDriverWait(driver, 30, 0.05).until(lambda _: condition())

    def dialog_says(text: str) -> bool:
        dialog = driver.find_element(By.ID, "key-dialog")
        return dialog.is_displayed() and text in driver.find_element(By.ID, "key-detail").text

    def answer(key: str) -> None:
        driver.find_element(By.ID, "key").send_keys(key)
        driver.find_element(By.CSS_SELECTOR, "#key-form button[type=submit]").click()

    driver.get(locked_url)
    wait(lambda: dialog_says("has no key"))
    answer("wrong-0123456789abcdef")
    wait(lambda: dialog_says("none of this service's"))
    answer(READ)
    wait(lambda: driver.find_elements(By.CSS_SELECTOR, ".tile"))
    assert not driver.find_element(By.ID, "key-dialog").is_displayed()
    shown = "return document.querySelector('.tile img').naturalWidth > 0"
    wait(lambda: driver.execute_script(shown))
    assert READ not in driver.current_url
    driver.refresh()
    wait(lambda: driver.find_elements(By.CSS_SELECTOR, ".tile"))
    assert driver.execute_script("return localStorage.length") == 0
