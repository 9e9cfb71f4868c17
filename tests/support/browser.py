"""Headless Chromium from Debian's packages, unpacked, not installed; and a page in it, driven over a pipe.

It comes with every library that it needs but the C library, so that a machine without a desktop has it too. The
protocol: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import apt
from tests.support.unavailable import UnavailableError

_PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")
_NOT_NEEDED = ("libc6_", "libllvm", "libgl1-mesa-dri")  # the machine's own C library; drivers of graphics cards
_NAME = "chromium-1"
_PROGRAM = Path("usr", "lib", "chromium", "chromium-headless-shell")
_PATIENCE = 120.0
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{root}/usr/share/fonts</dir><cachedir>{cache}</cachedir></fontconfig>
"""


def fetched(*, cache: Path) -> Path:
    """The directory that the packages are unpacked in, fetched once. Raises `UnavailableError`, in one line."""
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / _NAME
    with open(cache / f"{_NAME}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        if not root.is_dir():
            apt.unpack(root, *_PACKAGES, leave_out=_NOT_NEEDED)
    return root


class BrowserError(Exception):
    """The browser refused a command, or ended."""


@dataclass
class Tab:
    """One page. `messages` is what its console shows, errors included."""

    browser: Browser
    session: str
    messages: list[str] = field(default_factory=list)
    asked: dict[str, str] = field(default_factory=dict)

    @property
    def requests(self) -> list[str]:
        """The URLs that it asked for, but for those that its own policy forbade before they were sent."""
        return list(self.asked.values())

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        return self.browser.call(method, parameters, session=self.session)

    def open(self, url: str) -> None:
        """Load a page, and wait until it is there."""
        self.asked.clear()
        self.messages.clear()
        seen = self.browser.loaded
        self.call("Page.navigate", url=url)
        self.browser.until(lambda: self.browser.loaded > seen)

    def evaluate(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        given = {"expression": script, "returnByValue": True, "awaitPromise": True}
        found = self.call("Runtime.evaluate", **given)
        if "exceptionDetails" in found:
            raise BrowserError(json.dumps(found["exceptionDetails"])[:2000])
        return found["result"].get("value")

    def press(self, key: str, *, code: int) -> None:
        """A key of the keyboard, such as ``Tab`` (9) or ``Enter`` (13)."""
        text = "\r" if key == "Enter" else ""
        given = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown", **given)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scheme(self, name: str) -> None:
        """``light`` or ``dark``"""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def screenshot(self, *, scale: float = 1.0, top: float = 0, bottom: float | None = None) -> bytes:
        """The page from `top` to `bottom`, otherwise to its end, as PNG."""
        sizes = self.call("Page.getLayoutMetrics")["cssContentSize"]
        height = (sizes["height"] if bottom is None else bottom) - top
        clip = {"x": 0, "y": top, "width": sizes["width"], "height": height, "scale": scale}
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(found["data"])

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])


class Browser:
    """A running Chromium."""

    def __init__(self, process: subprocess.Popen[bytes], write: int, read: int) -> None:
        self._process, self._write, self._read = process, write, read
        self._number, self._rest = 0, b""
        self._answers: dict[int, dict[str, Any]] = {}
        self._tabs: dict[str, Tab] = {}
        self.loaded = 0

    def tab(self, *, width: int = 1280, height: int = 900) -> Tab:
        """A new page, as wide as a window would be."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        tab = self._tabs[session] = Tab(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            tab.call(f"{domain}.enable")
        tab.resize(width, height)
        return tab

    def call(self, method: str, parameters: dict[str, Any], *, session: str | None = None) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        os.write(self._write, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        self.until(lambda: number in self._answers)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def until(self, is_so: Callable[[], bool]) -> None:
        """Read what the browser says until something is so."""
        deadline = time.monotonic() + _PATIENCE
        while not is_so():
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(self._read, 1 << 20) if ready else b""
            if not data:
                raise BrowserError("the browser ended" if ready else "the browser does not answer")
            *whole, self._rest = (self._rest + data).split(b"\0")
            for each in whole:
                self._take(json.loads(each))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
            return
        tab, given = self._tabs.get(message.get("sessionId", "")), message.get("params", {})
        method = message["method"]
        if method == "Page.loadEventFired":
            self.loaded += 1
        elif tab is not None and method == "Network.requestWillBeSent":
            tab.asked[given["requestId"]] = given["request"]["url"]
        elif tab is not None and method == "Network.loadingFailed" and given.get("blockedReason") == "csp":
            tab.asked.pop(given["requestId"], None)
        elif tab is not None and method == "Runtime.consoleAPICalled":
            tab.messages.append(json.dumps(given["args"]))
        elif tab is not None and method == "Runtime.exceptionThrown":
            tab.messages.append(json.dumps(given["exceptionDetails"]))
        elif tab is not None and method == "Log.entryAdded":
            tab.messages.append(given["entry"]["text"])


@contextmanager
def running(root: Path, scratch: Path) -> Iterator[Browser]:
    """A browser with an empty profile in `scratch`; it ends with the block. Raises `UnavailableError`."""
    libraries = sorted({str(path.parent) for path in (root / "usr" / "lib").rglob("*.so*")})
    (scratch / "fonts.conf").write_text(_FONTS.format(root=root, cache=scratch / "fonts"))
    environ = {
        "HOME": str(scratch),
        "LD_LIBRARY_PATH": ":".join((*libraries, *(str(path) for path in root.glob("lib/*-linux-gnu")))),
        "FONTCONFIG_FILE": str(scratch / "fonts.conf"),
        "PATH": os.environ.get("PATH", ""),
        "TZ": "UTC",
    }
    arguments = (
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--remote-debugging-pipe",
    )
    to_browser, write = os.pipe()
    read, from_browser = os.pipe()
    # it reads commands from its descriptor 3, and answers on 4
    shell = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
    command = ["/bin/bash", "-c", shell, str(root / _PROGRAM), *arguments, f"--user-data-dir={scratch / 'profile'}"]
    process = subprocess.Popen(
        command, env=environ, pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    os.close(to_browser)
    os.close(from_browser)
    browser = Browser(process, write, read)
    try:
        try:
            browser.call("Browser.getVersion", {})
        except (BrowserError, OSError) as exc:
            raise UnavailableError(f"Chromium does not start here: {exc}") from exc
        yield browser
    finally:
        with suppress(BrowserError, OSError):
            browser.call("Browser.close", {})
        process.kill()
        process.wait()
        os.close(write)
        os.close(read)
