"""A page in headless Chromium (Debian's package `chromium`), for scripts that look at pages.

Standard library only. The browser is a child process that ends with the script.
"""

import base64
import collections
import json
import os
import subprocess

import harness as h

# Widths in CSS pixels, each with the height of its window.
WIDTHS = {360: 740, 1280: 800}
SCHEMES = ("light", "dark")
# Taller pictures are cut off: nobody looks at more.
PICTURE_HEIGHT = 6000


class Chromium:
    """One page in headless Chromium, spoken to in the DevTools protocol over a pipe."""

    def __init__(self, folder):
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()

        def pipes_at_3_and_4():
            # Both may be in each other's place already, so they go through numbers that are neither.
            ends = [os.dup(to_read), os.dup(to_write)]
            spare = [os.dup2(end, 100 + at) for at, end in enumerate(ends)]
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        self.child = h.spawn(
            [*h.CHROMIUM, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder)},
            pass_fds=(3, 4),
            preexec_fn=pipes_at_3_and_4,
        )
        os.close(to_read)
        os.close(to_write)
        self._kept = b""
        self._last = 0
        self._session = None
        self.refused = []
        self._loaded = False
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _message(self):
        while b"\0" not in self._kept:
            piece = os.read(self._in, 1 << 20)
            if not piece:
                raise RuntimeError("Chromium went away")
            self._kept += piece
        message, self._kept = self._kept.split(b"\0", 1)
        message = json.loads(message)
        if message.get("method") == "Page.loadEventFired":
            self._loaded = True
        if message.get("method") == "Log.entryAdded":
            self.refused.append(message["params"]["entry"]["text"])
        return message

    def call(self, method, **params):
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != self._last:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def load(self, url, width, height, scheme):
        self.refused.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if width < 500 else 1,
            mobile=width < 500,
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._loaded = False
        gone = self.call("Page.navigate", url=url).get("errorText")
        if gone:
            raise RuntimeError(f"{url}: {gone}")
        while not self._loaded:
            self._message()

    def value(self, expression):
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"]["exception"]["description"])
        return done["result"]["value"]

    def roles(self):
        """How many of each role the page has for a screen reader."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return collections.Counter(node["role"]["value"] for node in nodes if not node["ignored"])

    def picture(self, path, width, height):
        """The page at this width; taller ones than `PICTURE_HEIGHT` are cut off."""
        # The window grows to the picture, so that what is sticky stays at the top.
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=max(min(height, PICTURE_HEIGHT), WIDTHS[width]),
            deviceScaleFactor=2 if width < 500 else 1,
            mobile=width < 500,
        )
        shot = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
