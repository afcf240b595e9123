"""A headless Chromium that is driven by its DevTools protocol, over a WebSocket of the standard library."""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path


class WebSocket:
    """A client of RFC 6455, for texts. What it sends is masked by zeros, which is as good as any for a peer of our own."""

    def __init__(self, host, port, path):
        self.socket = socket.create_connection((host, port), 30)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        self.stream = self.socket.makefile("rb")
        status = self.stream.readline()
        if b" 101 " not in status:
            raise RuntimeError(f"no WebSocket: {status!r}")
        while self.stream.readline().strip():
            pass

    def send(self, text):
        data = text.encode()
        if len(data) < 126:
            length = struct.pack("!B", 128 | len(data))
        elif len(data) < 65536:
            length = struct.pack("!BH", 128 | 126, len(data))
        else:
            length = struct.pack("!BQ", 128 | 127, len(data))
        self.socket.sendall(b"\x81" + length + bytes(4) + data)

    def receive(self):
        """The next text, put together of its frames."""
        whole = b""
        while True:
            first, second = self.exactly(2)
            length = second & 127
            if length >= 126:
                size = 2 if length == 126 else 8
                length = int.from_bytes(self.exactly(size), "big")
            data = self.exactly(length)
            if first & 15 in (0, 1):
                whole += data
                if first & 128:
                    return whole.decode()
            elif first & 15 == 8:
                raise EOFError("the browser has closed the WebSocket")

    def exactly(self, size):
        data = self.stream.read(size)
        if len(data) < size:
            raise EOFError("the browser is gone")
        return data


class Browser:
    """Chromium, with a profile of its own."""

    def __init__(self, program="chromium"):
        self.profile = Path(tempfile.mkdtemp(prefix="mailwire-browser-"))
        words = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", "--disable-breakpad", "--disable-component-update", "--disable-sync", "--disable-extensions",
                 "--remote-debugging-port=0", f"--user-data-dir={self.profile}", "about:blank"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self.port = self.find_port()
        except BaseException:
            self.close()
            raise

    def find_port(self, seconds=60):
        told = self.profile / "DevToolsActivePort"
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"the browser ended with {self.process.returncode}")
            if told.exists() and told.read_text().strip():
                return int(told.read_text().split()[0])
            time.sleep(0.05)
        raise RuntimeError("the browser does not come up")

    def tab(self, *size, dark=False):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            address = json.load(answer)["webSocketDebuggerUrl"]
        return Tab(WebSocket("127.0.0.1", self.port, "/" + address.split("/", 3)[3]), *size, dark=dark)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        # The whole session, which is its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        shutil.rmtree(self.profile, ignore_errors=True)


class Tab:
    """One page. Errors of scripts and refused loads are kept in `said`, dialogs that a page opens in `dialogs`."""

    def __init__(self, socket, width=1280, height=800, phone=False, dark=False):
        self.socket, self.number = socket, 0
        self.said, self.dialogs, self.requests = [], [], []
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def call(self, method, seconds=120, **parameters):
        end = time.monotonic() + seconds
        self.number += 1
        number = self.number
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self.socket.receive())
            if told.get("id") == number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                return told["result"]
            self.event(told.get("method"), told.get("params", {}))
            if time.monotonic() > end:
                raise RuntimeError(f"{method} does not end")

    def event(self, method, told):
        if method == "Page.javascriptDialogOpening":
            self.dialogs.append(told["message"])
        elif method == "Runtime.exceptionThrown":
            self.said.append(told["exceptionDetails"].get("exception", {}).get("description", told["exceptionDetails"]["text"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert", "log"):
            self.said.append(" ".join(str(argument.get("value")) for argument in told["args"]))
        elif method == "Log.entryAdded":
            self.said.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])

    def open(self, url):
        self.call("Page.navigate", url=url)

    def value(self, expression):
        """What an expression of JavaScript comes to, or the promise that it is."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise RuntimeError(f"{expression}: {told['exceptionDetails']}")
        return told["result"].get("value")

    def until(self, expression, seconds=30):
        """Waits until an expression is true. Returns the seconds that it took."""
        begin = time.monotonic()
        while time.monotonic() < begin + seconds:
            if self.value(f"!!({expression})"):
                return time.monotonic() - begin
            time.sleep(0.03)
        raise AssertionError(f"never true: {expression}; it said {self.said[-3:]}")

    def key(self, key):
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def names(self):
        """The roles and accessible names of what can be used, with those that have no name."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        roles = {"button", "link", "textbox", "searchbox", "checkbox", "tab", "tabpanel", "Iframe"}
        of = lambda node, what: (node.get(what) or {}).get("value", "")
        return [(of(node, "role"), of(node, "name")) for node in nodes if not node.get("ignored") and of(node, "role") in roles]

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
