"""Reports in Chromium: nothing runs or is requested, any width, light and dark, the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from browser import Tab, browser

from lokki_tf import Parameter, Pipeline, flow, run_context, step
from lokki_tf.errors import StepFailed

pytestmark = pytest.mark.browser

ACT = "document.title='evil'"
EVIL = f'<img src=https://example.org/x onerror="{ACT}"><script>{ACT}</script>'


class Figure:
    def _repr_html_(self) -> str:
        outside = "<meta http-equiv=refresh content='0;url=https://example.org/r'>"
        style = "<style>b{color:red;background:url(https://example.org/b)}</style>"
        act = "<script>parent.document.title='evil';top.location='https://example.org'</script>"
        return f"{outside}{style}<b>bold</b>{act}{EVIL}<form action=https://example.org></form>"


class Drawing:
    def _repr_svg_(self) -> str:
        own = "xmlns='http://www.w3.org/2000/svg' width='99' height='20'"
        act = "<script>parent.document.title='evil'</script>"
        image = "<image href='https://example.org/i'/>"
        return f"<svg {own}>{act}{image}<rect width='99' height='20'/></svg>"


@step
def load(day: str) -> list[dict[str, str]]:
    print(EVIL)
    run_context().card.append(f"# Title\n\n{EVIL} ![x](https://example.org/m) [y](javascript:1)")
    run_context().card.append(Figure())
    run_context().card.append(Drawing())
    run_context().card.append([{f"column {n}": "x" * 30 for n in range(20)}])
    return [{"value": EVIL}] * 20


@step
def publish(rows: Any) -> None:
    raise ValueError(EVIL)


hostile = Pipeline("hostile", steps=[publish(load(Parameter("day", str, default=EVIL)))])


@step
def source(count: int) -> list[int]:
    return list(range(count))


@step
def square(number: int) -> int:
    return number**2


@step
def both(*values: Any) -> int:
    return len(values)


@flow
def mapped(count: int = 10_000) -> Any:
    return source(count).map(square)


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    """A browser for all tests."""
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with hostile content everywhere."""
    file = tmp_path_factory.mktemp("reports") / "hostile.html"
    with pytest.raises(StepFailed):
        hostile.local_run(report=file)
    return file


def test_nothing_runs_and_nothing_is_requested(tab: Tab, page: Path, tmp_path: Path) -> None:
    """No script of anybody runs, frames and pictures included, and only the file is read."""
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    html = page.read_text(encoding="utf-8").replace(' loading="lazy"', "")
    # Without the policy, the same page does request what it must not.
    free = html.replace("Content-Security-Policy", "x-none")
    for name, text in (("strict", html), ("free", free)):
        file = tmp_path / f"{name}.html"
        file.write_text(text.replace("https://example.org", f"{here}/{name}"), encoding="utf-8")
        tab.open(file)  # with its frames
        assert tab.value("document.title") == "hostile: failed"
    assert {one.split("/")[1] for one in asked} == {"free"}
    server.shutdown()
    server.server_close()
    tab.open(page)
    assert tab.value("document.title") == "hostile: failed"
    assert tab.value("document.scripts.length") == 0
    assert tab.value("location.protocol") == "file:"
    outside = [one for one in tab.requests if not one.startswith(("data:", "about:"))]
    assert outside == [page.absolute().as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_page_fits_and_is_readable(tab: Tab, page: Path, width: int, scheme: str) -> None:
    """At any width only parts scroll sideways; text has the contrast that WCAG 2.2 requires."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    tab.call("Emulation.setEmulatedMedia", features=features)
    tab.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=800,
        deviceScaleFactor=1,
        mobile=width < 600,
    )
    tab.open(page)
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value(_LEAST_CONTRAST) >= 4.5
    tab.call("Emulation.clearDeviceMetricsOverride")


def test_the_keyboard_is_enough(tab: Tab, page: Path) -> None:
    """Tab reaches a link to the content first; details open with a key, and by links to them."""
    tab.open(page)
    tab.press("Tab", 9)
    assert tab.value("document.activeElement.textContent") == "Skip to the content"
    closed = "document.querySelector('details:not([open])')"
    tab.value(f"window.one = {closed}; one.querySelector('summary').focus()")
    tab.press("Enter", 13, "\r")
    assert tab.value("one.open") is True
    tab.press("Enter", 13, "\r")
    assert tab.value("one.open") is False
    tab.value("document.querySelector('#steps a').focus()")
    tab.press("Enter", 13, "\r")
    assert tab.value("document.querySelector(location.hash).closest('details').open") is True
    without = "[...document.querySelectorAll('.scroll, figure')].filter(e => e.tabIndex < 0).length"
    assert tab.value(without) == 0
    named = "[...document.querySelectorAll('[tabindex=\"0\"]')].every(e => e.ariaLabel)"
    assert tab.value(named) is True


def test_large_runs_are_shown(tab: Tab, tmp_path: Path) -> None:
    """300 steps, and a map of 10,000 items, are complete pages."""
    many = Pipeline("many", steps=[both(*(square(square(number)) for number in range(150)))])
    many.local_run(report=tmp_path / "many.html")
    tab.open(tmp_path / "many.html")
    assert tab.value("document.querySelectorAll('#steps tbody tr').length") == 301
    assert tab.value("document.querySelectorAll('#details details').length") == 301
    mapped.local_run(report=tmp_path / "mapped.html")
    tab.open(tmp_path / "mapped.html")
    assert "10,000 done, 0 failed" in tab.value("document.querySelector('#details').textContent")


_LEAST_CONTRAST = """
(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const [x, y, z] = [r, g, b].map(v => linear(v / 255));
    return .2126 * x + .7152 * y + .0722 * z;
  };
  const behind = e => {
    for (; e; e = e.parentElement) {
      const found = rgb(getComputedStyle(e).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  let least = 21;
  for (const e of document.querySelectorAll("main *, header *, nav *")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest("svg")) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    least = Math.min(least, (a + .05) / (b + .05));
  }
  return least;
})()
"""
