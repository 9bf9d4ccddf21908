"""The page of a report."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from lokki_tf.drawing import to_gantt, to_svg
from lokki_tf.drawing.status import format_duration

from .cards import has_frames, part_html
from .elements import Html, Markup, joined
from .style import STYLE
from .values import MISSING, Values

if TYPE_CHECKING:
    from datetime import datetime

    from .model import CardReport, Input, LogEntry, RunReport, StepReport

MOST_STEPS: Final = 1_000
"""Steps that are listed; those that failed are among them."""
MOST_LINES, MOST_CARDS = 1_000, 60
_LARGEST_CARDS = 8_000_000  # characters
_LARGEST_LOG = 120_000
_VALUES, _TRACES = 200_000, 150_000
"""Characters of all values, and of all tracebacks, that are shown."""
_LEAST, _MOST = 120, 3_000
_LONGEST_TRACE = 8_000
_CLASSES: Mapping[str, str] = {
    "done": "done",
    "succeeded": "done",
    "failed": "failed",
    "timed out": "failed",
    "aborted": "failed",
    "failed, caught": "warn",
    "interrupted": "warn",
    "cached": "cached",
    "running": "running",
}


def to_html(report: RunReport) -> str:
    """Return a report as one HTML page.

    Args:
        report: Its data.
    """
    return _Page(report).written()


class _Page:
    def __init__(self, report: RunReport) -> None:
        self.report = report
        self.h = Html(report.secrets)
        self.values = Values(self.h)
        self.steps = _listed(report.steps)
        self.room = max(_LEAST, min(_MOST, _VALUES // (2 * len(self.steps) or 1)))
        failed = sum(bool(one.trace or one.retries) for one in self.steps)
        self.trace_room = max(400, min(_LONGEST_TRACE, _TRACES // (failed or 1)))
        self.numbers = {one.name: number for number, one in enumerate(self.steps)}
        self.cards = _fitting(report.cards)

    def written(self) -> str:
        h, report = self.h, self.report
        sections = [section for section in self._sections() if section is not None]
        title = f"{report.definition.name}: {report.status}"
        head = h(
            "head",
            h("meta", charset="utf-8"),
            h("meta", http_equiv="Content-Security-Policy", content=self._policy()),
            h("meta", name="viewport", content="width=device-width,initial-scale=1"),
            h("meta", name="referrer", content="no-referrer"),
            h("meta", name="robots", content="noindex"),
            h("title", title),
            h("style", Markup(STYLE)),
        )
        links = (h("li", h("a", name, href=f"#{key}")) for key, name, _ in sections)
        body = h(
            "body",
            h("a", "Skip to the content", class_="skip", href="#content"),
            self._header(),
            h("nav", h("ul", *links), aria_label="Sections"),
            h(
                "main",
                *(
                    h(
                        "section",
                        h("h2", name, id=f"{key}-title"),
                        content,
                        id=key,
                        aria_labelledby=f"{key}-title",
                    )
                    for key, name, content in sections
                ),
                id="content",
            ),
        )
        page = h("html", head, body, lang="en")
        return f"<!doctype html>\n{page}\n"

    def _policy(self) -> str:
        """Return the content security policy: no scripts, no requests."""
        digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
        framed = any(has_frames(one.parts) for one in self.cards)
        # A frame with HTML of a step inherits the policy, and may have styles of its own.
        style = "'unsafe-inline'" if framed else f"'sha256-{digest}'"
        return (
            f"default-src 'none'; style-src {style}; img-src data:; base-uri 'none'; "
            "form-action 'none'"
        )

    def _sections(self) -> Iterator[tuple[str, str, Markup]]:
        h, report = self.h, self.report
        if report.error:
            yield "error", "Error", self._error(report.error, report.trace)
        yield "overview", "Overview", self._overview()
        if self.cards or report.cards_left_out:
            yield "cards", "Cards", self._cards()
        if report.definition.whole.nodes:
            yield (
                "picture",
                "Picture",
                self._figure(
                    to_svg(report.definition, report.outcomes), "The steps with their states"
                ),
            )
            gantt = to_gantt(report.definition, report.outcomes, report.duration)
            yield "times", "Times", self._figure(gantt, "When each step ran")
        yield "steps", "Steps", self._table()
        if self.steps:
            yield "details", "Details", joined(map(self._details, self.steps))
        if report.logs or report.logs_note:
            yield "log", "Log", self._log()
        yield "cost", "Calls and cost", self._cost()
        yield (
            "about",
            "About this page",
            h(
                "p",
                "Written by lokki_tf. The page is complete: it loads nothing from elsewhere and "
                "runs no scripts. Values are shortened.",
                class_="note",
            ),
        )

    def _header(self) -> Markup:
        h, report = self.h, self.report
        return h(
            "header",
            h("h1", report.definition.name, " ", self._badge(report.status)),
            h(
                "p",
                h("code", report.name),
                f" · {report.where} · {_moment(report.began)} · {format_duration(report.duration)}",
                class_="sub",
            ),
        )

    def _badge(self, status: str) -> Markup:
        return self.h("span", status, class_=f"badge {_CLASSES.get(status, '')}".rstrip())

    def _error(self, error: str, trace: str) -> Markup:
        return self.h("div", self.h("p", error, class_="what"), self._trace(trace), class_="error")

    def _trace(self, trace: str) -> Markup | None:
        if not trace:
            return None
        hidden = self.h.hidden(trace)
        if len(hidden) > self.trace_room:  # the innermost frames are at the end
            hidden = f"…\n{hidden[-self.trace_room :]}"
        return self.h("pre", hidden, tabindex="0", aria_label="traceback")

    def _overview(self) -> Markup:
        h, report = self.h, self.report
        counts = Counter(one.shown_status for one in report.steps)
        facts: list[tuple[str, object]] = [
            ("status", self._badge(report.status)),
            ("began", _moment(report.began)),
            ("duration", format_duration(report.duration)),
            ("steps", ", ".join(f"{n:,} {status}" for status, n in counts.items()) or "none"),
        ]
        retries = sum(len(one.retries) for one in report.steps)
        facts += [("retries", f"{retries:,}")] if retries else []
        facts += report.facts
        if report.link:
            facts.append(("console", h("a", "in AWS's console", href=report.link)))
        facts += [
            (f"parameter {name}", self.values.block(value, _MOST, name))
            for name, value in report.parameters.items()
        ]
        if report.result is not MISSING:
            facts.append(("result", self.values.block(report.result, _MOST)))
        return self._facts(facts)

    def _facts(self, facts: Iterable[tuple[str, object]]) -> Markup:
        h = self.h
        return h("dl", *(one for name, text in facts for one in (h("dt", name), h("dd", text))))

    def _figure(self, svg: str, label: str) -> Markup:
        return self.h(
            "figure", Markup(svg), tabindex="0", role="group", aria_label=f"{label}; scrolls"
        )

    def _cards(self) -> Markup:
        h, report = self.h, self.report
        hidden = len(report.cards) - len(self.cards) + report.cards_left_out
        more = [h("p", f"{hidden:,} more are not shown", class_="note")] if hidden else []
        return joined([*map(self._card, self.cards), *more])

    def _card(self, card: CardReport) -> Markup:
        h, number = self.h, self.numbers.get(card.node)
        title = h("span", card.title)
        if number is not None:
            title = h("a", card.title, href=f"#step-{number}")
        parts = (part_html(h, part, n) for n, part in enumerate(card.parts, 1))
        return h("div", h("h3", title), *parts, class_="card")

    def _table(self) -> Markup:
        h, report = self.h, self.report
        names = ("step", "status", "start", "duration", "attempts", "result")
        head = h(
            "tr",
            *(h("th", name, scope="col", class_=_COLUMNS.get(name)) for name in names),
        )
        body = (self._row(one) for one in self.steps)
        hidden = len(report.steps) - len(self.steps)
        caption = f"{len(report.steps):,} steps, maps and waits" + (
            f", of which {hidden:,} are not shown" if hidden else ""
        )
        table = h(
            "table", h("caption", caption), h("thead", head), h("tbody", *body), class_="wide"
        )
        return h(
            "div", table, class_="scroll", tabindex="0", role="region", aria_label="table of steps"
        )

    def _row(self, step: StepReport) -> Markup:
        h, outcome = self.h, step.outcome
        if step.error:
            result = self._cut(step.error, 90)
        elif step.result is MISSING:
            result = ""
        else:
            result = self.values.line(step.result, 90)
        cells = (
            ("", h("a", step.name, href=f"#step-{self.numbers[step.name]}")),
            ("", self._badge(step.shown_status)),
            ("number less", "" if outcome.start is None else format_duration(outcome.start)),
            ("number", "" if outcome.seconds is None else format_duration(outcome.seconds)),
            ("number less", str(outcome.attempts or "")),
            ("", h("code", result) if result else ""),
        )
        return h("tr", *(h("td", text, class_=kind or None) for kind, text in cells))

    def _cut(self, text: str, room: int) -> str:
        line = " ".join(self.h.hidden(text).split())
        return line if len(line) <= room else f"{line[: room - 1]}…"

    def _details(self, step: StepReport) -> Markup:
        h, number = self.h, self.numbers[step.name]
        outcome = step.outcome
        took = "" if outcome.seconds is None else f" {format_duration(outcome.seconds)}"
        summary = h("summary", h("b", step.name), " ", self._badge(step.shown_status), took)
        content = h("div", *self._parts(step), id=f"step-{number}", tabindex="-1")
        failed = step.shown_status == "failed"
        return h("details", summary, content, open=failed)

    def _parts(self, step: StepReport) -> Iterator[Markup | None]:
        h, outcome = self.h, step.outcome
        facts = [("what", step.kind)]
        facts += [("code", step.place)] if step.place else []
        if outcome.start is not None:
            end = "" if outcome.end is None else f" to {format_duration(outcome.end)}"
            facts.append(("time", f"{format_duration(outcome.start)}{end} after the start"))
        facts += [("attempts", f"{outcome.attempts:,}")] if outcome.attempts > 1 else []
        if step.items is not None:
            done, lost, total = step.items
            facts.append(("items", f"{done:,} done, {lost:,} failed, of {total:,}"))
        yield self._facts([*facts, *step.facts])
        if step.error:
            yield self._error(step.error, step.trace)
        for one in step.failed_items:
            yield h(
                "details",
                h("summary", "failed item ", h("b", one.item), f" {one.error}"),
                h("div", self._trace(one.trace) or h("p", "no traceback", class_="note")),
            )
        if step.items is not None and step.items[1] > len(step.failed_items):
            left = step.items[1] - len(step.failed_items)
            yield h("p", f"{left:,} more failed items", class_="note")
        if step.retries:
            yield h("h3", "Retries")
            yield from self._retries(step)
        if step.inputs:
            yield h("h3", "Inputs")
            yield self._facts((one.name, self._input(one)) for one in step.inputs)
        if step.result is not MISSING:
            yield h("h3", "Result")
            yield self.values.block(step.result, self.room)
        if step.name in {one.node for one in self.cards}:
            yield h("p", h("a", "Cards of this run", href="#cards"))

    def _input(self, given: Input) -> Markup:
        source = self.h("p", given.source, class_="note")
        if given.value is MISSING:
            return source
        room = max(_LEAST, self.room // 2)
        return joined([source, self.values.block(given.value, room, given.name)])

    def _retries(self, step: StepReport) -> Iterator[Markup]:
        h, most = self.h, 10
        for one in step.retries[:most]:
            when = "" if one.seconds is None else f" after {format_duration(one.seconds)}"
            text = f"{one.what}{when}: {one.error}"
            trace = self._trace(one.trace)
            if trace is None:
                yield h("p", text)
            else:
                yield h("details", h("summary", text), h("div", trace))
        if len(step.retries) > most:
            yield h("p", f"{len(step.retries) - most:,} more", class_="note")

    def _log(self) -> Markup:
        h, report = self.h, self.report
        lines, room = [], _LARGEST_LOG
        for one in report.logs[-MOST_LINES:][::-1]:
            lines.append(self._line(one))
            room -= len(lines[-1])
            if room < 0:
                break
        hidden = len(report.logs) - len(lines)
        notes = [report.logs_note] if report.logs_note else []
        notes += [f"{hidden:,} earlier lines are not shown"] if hidden else []
        made = h("pre", "\n".join(reversed(lines)), tabindex="0", aria_label="log")
        return joined(
            [*(h("p", note, class_="note") for note in notes), *([made] if lines else [])]
        )

    def _line(self, entry: LogEntry) -> str:
        node = f"{entry.node}: " if entry.node else ""
        return f"{entry.time.astimezone():%H:%M:%S}  {node}{self.h.hidden(entry.text)}"

    def _cost(self) -> Markup:
        h, report = self.h, self.report
        names = {"seconds": False, "billed": False, "memory": False}
        for name in names:
            names[name] = any(getattr(one, name) is not None for one in report.usage)
        titles = ["calls"] + [_TITLES[name] for name in names if names[name]]
        most = 50
        largest = sorted(report.usage, key=lambda one: -(one.billed or one.seconds or 0.0))
        rows = (
            h(
                "tr",
                h("td", one.node),
                h("td", f"{one.calls:,}", class_="number"),
                *(
                    h("td", _amount(getattr(one, name)), class_="number")
                    for name in names
                    if names[name]
                ),
            )
            for one in largest[:most]
        )
        caption = "the steps that took longest" if len(largest) > most else "by step"
        table = h(
            "table",
            h("caption", caption),
            h(
                "thead",
                h(
                    "tr",
                    h("th", "step", scope="col"),
                    *(h("th", one, scope="col", class_="number") for one in titles),
                ),
            ),
            h("tbody", *rows),
        )
        scrolls = h(
            "div", table, class_="scroll", tabindex="0", role="region", aria_label="calls by step"
        )
        return joined(
            [
                self._facts(report.numbers),
                *([h("p", report.cost_note, class_="note")] if report.cost_note else []),
                *([scrolls] if report.usage else []),
            ]
        )


# A narrow screen does not show those with "less".
_COLUMNS = {"start": "number less", "duration": "number", "attempts": "number less"}
_TITLES = {"seconds": "seconds", "billed": "billed ms", "memory": "memory, MB"}


def _amount(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


def _moment(when: datetime) -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _listed(steps: Sequence[StepReport]) -> list[StepReport]:
    """Return the steps that the page lists: all, or those that failed and the first others."""
    if len(steps) <= MOST_STEPS:
        return list(steps)
    failed = {one.name for one in [one for one in steps if one.error][:MOST_STEPS]}
    room = MOST_STEPS - len(failed)
    others = [one.name for one in steps if one.name not in failed][:room]
    shown = failed | set(others)
    return [one for one in steps if one.name in shown]


def _fitting(cards: Sequence[CardReport]) -> list[CardReport]:
    """Return as many cards as the page has room for."""
    found: list[CardReport] = []
    room = _LARGEST_CARDS
    for one in cards[:MOST_CARDS]:
        room -= sum(int(part.get("size") or 0) for part in one.parts)
        if room < 0:
            break
        found.append(one)
    return found
