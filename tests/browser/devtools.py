"""Chromium driven as a person uses it: pages opened, keys pressed, files chosen, pictures taken.

It speaks the browser's own protocol over a pipe, so that nothing but the browser is needed.
"""

import base64
import itertools
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from tests.browser.browser import chromium

AXE: Final = files("axe_core_python") / "axe.min.js"
PATIENCE_SECONDS: Final = 150.0
DESKTOP: Final = (1280, 860)
PHONE: Final = (390, 844)
_KEYS: Final = {"Enter": ("Enter", 13, "\r"), "Tab": ("Tab", 9, ""), "Escape": ("Escape", 27, "")}


class Browser:
    """A running Chromium."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._numbers = itertools.count(1)
        self._rest = b""
        self.events: list[dict[str, Any]] = []

    def tab(self, size: tuple[int, int] = DESKTOP, *, apart: bool = False) -> "Tab":
        """A new tab; `apart` gives it cookies of its own, as another person's browser has."""
        context = {"browserContextId": self.ask("Target.createBrowserContext")["browserContextId"]} if apart else {}
        target = self.ask("Target.createTarget", url="about:blank", **context)["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            tab.ask(f"{domain}.enable")
        tab.resize(size)
        return tab

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The browser's answer to one command."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self._next(deadline)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            if "method" in answer:
                self.events.append(answer)

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._answers, 1 << 20)
            assert piece, "the browser has ended"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Tab:
    """One page of it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The browser's answer to one command about this page."""
        return self._browser.ask(method, self._session, **parameters)

    def open(self, url: str) -> "Tab":
        """Go there, and wait until it is all there."""
        self.ask("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        return self

    def value(self, expression: str) -> Any:
        """What JavaScript makes of an expression there."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = PATIENCE_SECONDS) -> Any:
        """The value of an expression once it is true."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                found = self.value(expression)
            except AssertionError:
                found = None  # the page is on its way to another
            if found:
                return found
            assert time.monotonic() < deadline, f"not within {seconds} s: {expression}\n{self.text()[:2000]}"
            time.sleep(0.05)

    def text(self) -> str:
        """All that the page says."""
        return str(self.value("document.body.innerText"))

    def press(self, key: str) -> None:
        """One key down and up."""
        name, code, text = _KEYS.get(key, (key, ord(key.upper()), key))
        values = {"key": name, "windowsVirtualKeyCode": code, "text": text}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **values)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)

    def click(self, selector: str) -> None:
        """A click on the first element of that kind."""
        self.wait(f"!!document.querySelector({json.dumps(selector)})")
        self.value(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        x, y = self.value(
            f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect(); "
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Give files to a field, as its dialogue does."""
        node = self.ask("DOM.getDocument")["root"]["nodeId"]
        field = self.ask("DOM.querySelector", nodeId=node, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=field, files=[str(file) for file in files])

    def resize(self, size: tuple[int, int]) -> None:
        """Another window."""
        width, height = size
        is_phone = width < 500
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if is_phone else 1,
            mobile=is_phone,
        )

    def colours(self, scheme: str, medium: str = "") -> None:
        """Light or dark, on a screen or on paper."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=medium, features=features)

    def block_scripts(self) -> None:
        """Nothing of a page's own scripts runs from the next page on."""
        self.ask("Emulation.setScriptExecutionDisabled", value=True)

    def picture(self, out: Path, *, whole: bool = False) -> None:
        """What is seen."""
        taken = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        out.write_bytes(base64.b64decode(taken["data"]))

    def faults(self) -> list[str]:
        """What axe finds that keeps people out: its serious and critical faults, each with where it is."""
        self.value(AXE.read_text("utf-8"))
        found = self.value("axe.run({resultTypes: ['violations']}).then((done) => done.violations)")
        return [
            f"{each['id']} ({each['impact']}): {', '.join(str(node['target']) for node in each['nodes'][:3])}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]

    def paper(self, out: Path) -> None:
        """The page printed, on A4."""
        printed = self.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True)
        out.write_bytes(base64.b64decode(printed["data"]))

    def complaints(self) -> list[str]:
        """What the browser logged as an error: refused by the policy, thrown by a script, not found."""
        return [
            json.dumps(event["params"])[:400]
            for event in self._browser.events
            if event.get("sessionId") == self._session
            and (
                event["method"] == "Runtime.exceptionThrown"
                or (event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error")
            )
        ]


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium for as long as it is needed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        commands_in, commands = os.pipe()
        answers, answers_out = os.pipe()

        def as_3_and_4() -> None:
            # Above the two, so that neither is written over while they are put in place.
            high_in, high_out = os.dup2(commands_in, 63), os.dup2(answers_out, 64)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)

        process = subprocess.Popen(
            [
                chromium(),
                "--headless=new",
                "--no-sandbox",  # in a container it cannot have one; the page is our own
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
                f"--user-data-dir={profile}/profile",
                "about:blank",
            ],
            preexec_fn=as_3_and_4,  # noqa: PLW1509 - the two numbers that the browser reads and writes
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands_in)
        os.close(answers_out)
        try:
            yield Browser(commands, answers)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(commands)
            os.close(answers)
