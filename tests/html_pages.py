"""Reading of HTML pages in tests: elements, texts, and what could run or be requested."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = frozenset(("br", "hr", "img", "meta"))
_ADDRESSES = ("src", "href", "action", "data", "poster", "background", "xlink:href")


class Page(HTMLParser):
    """A page that was parsed; elements that are not closed in order are an error.

    Args:
        html: The page.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.frames: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self.ids += [str(given["id"])] if "id" in given else []
        self.frames += [str(given["srcdoc"])] if "srcdoc" in given else []
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data

    @property
    def policy(self) -> str:
        """The content security policy."""
        metas = [one for tag, one in self.tags if tag == "meta"]
        return str(
            next(
                one["content"]
                for one in metas
                if one.get("http-equiv") == "Content-Security-Policy"
            )
        )

    def refuse_what_acts(self) -> None:
        """Fail if anything could run, or be requested without a click."""
        tags = {tag for tag, _ in self.tags}
        assert not tags & {"script", "object", "embed", "link", "base", "form", "foreignobject"}
        for tag, given in self.tags:
            assert not [name for name in given if name.startswith("on")], (tag, given)
            assert tag != "meta" or (given.get("http-equiv") or "").lower() != "refresh"
            assert tag != "iframe" or given["sandbox"] == ""
            for name in _ADDRESSES:
                address = given.get(name) or ""
                allowed = r"data:image/(png|svg\+xml);base64,|#|https?://" if tag == "a" else ""
                allowed = allowed or r"data:image/(png|svg\+xml);base64,"
                assert not address or re.match(allowed, address), (tag, address)
        for address in re.findall(r"url\(([^)]*)\)", self.html):
            assert address == "#lokki-arrow"

    def links_exist(self) -> None:
        """Fail if a link within the page leads nowhere, or if an id occurs twice."""
        own = [one for one in self.ids if one != "lokki-arrow"]
        assert len(own) == len(set(own))
        for tag, given in self.tags:
            target = given.get("href") or ""
            assert tag != "a" or not target.startswith("#") or target[1:] in own, target
