#!/usr/bin/env python3
"""Drives the page of `serve --http` in headless Chromium, as people use it: messages arrive live, HTML of strangers runs and
loads nothing, 10,000 messages stay usable, on a desktop and on a phone. Exits non-zero if something is not as it should be.

    page.py FOLDER_OF_PROGRAMS [FOLDER_OF_SCREENSHOTS]
"""

import json
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from devtools import Browser

MANY = 10_000
# Seconds that a browser may take, on a machine that does other things besides.
SHOWN, FOUND, PAGED, ARRIVED = 5, 10, 5, 5
# A picture of one pixel.
PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000"
                      "1f15c4890000000d49444154789c63646060f80f0001050101a2d3b4200000000049454e44ae426082")


class Trap:
    """A server that nothing should ever connect to."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.caught = []
        threading.Thread(target=self.wait, daemon=True).start()

    def wait(self):
        while True:
            connection, _ = self.socket.accept()
            connection.settimeout(0.2)
            try:
                said = connection.recv(2000)
            except OSError:
                said = b""
            self.caught.append(said.split(b"\r\n")[0].decode(errors="replace") or "a connection")
            connection.close()


class Serve:
    """`serve` with a page."""

    def __init__(self, program):
        words = [program, "--listen", "smtp=127.0.0.1:0", "--http", "127.0.0.1:0"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        said = [self.process.stdout.readline().split() for _ in range(2)]
        self.ports = {name: int(address.rsplit(":", 1)[1]) for name, address in said}
        self.url = f"http://127.0.0.1:{self.ports['http']}/"

    def send(self, *messages, to="bob@example.net"):
        with smtplib.SMTP("127.0.0.1", self.ports["smtp"]) as client:
            for message in messages:
                client.sendmail("shop@example.org", [to], message.as_bytes(policy=SMTP))

    def pour(self, count, at_once=50):
        """Sends many messages over one connection, without waiting for answers (PIPELINING, CHUNKING). One has a word that no other has."""
        stream = socket.create_connection(("127.0.0.1", self.ports["smtp"]))
        replies = stream.makefile("rb")
        last = lambda: next(line for line in replies if line[3:4] != b"-")
        last()
        stream.sendall(b"EHLO localhost\r\n")
        last()
        for begin in range(0, count, at_once):
            some = b""
            for number in range(begin, begin + at_once):
                word = "periwinkle" if number == count // 2 else "nothing special"
                message = letter(f"Order {number} is on its way", f"Your order {number} has left our house; {word} about it.\n"
                                 + "So it goes on. " * 40).as_bytes(policy=SMTP)
                some += (f"MAIL FROM:<shop@example.org>\r\nRCPT TO:<user{number % 97}@example.net>\r\n"
                         f"BDAT {len(message)} LAST\r\n").encode() + message
            stream.sendall(some)
            answers = [last() for _ in range(3 * at_once)]
            expect(all(answer.startswith(b"250 ") for answer in answers), answers)
        stream.close()

    def ask(self, path, method="GET"):
        with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method), timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def letter(subject, text, sender="Shop <shop@example.org>"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, "Bob <bob@example.net>", subject
    message.set_content(text)
    return message


def invoice():
    """A message as shops send them: both texts, an image in it, and a file."""
    message = letter("Your invoice 4711", "Hello Bob,\n\nthank you for your order. Confirm your address, please:\n"
                     "https://shop.example.org/confirm?token=a1b2c3\n\nYours, the shop\n")
    message.add_alternative("""<!doctype html><html><head><style>body{font-family:sans-serif;background:#f4f6f8;margin:0;padding:24px}
.card{background:#fff;border-radius:8px;max-width:520px;margin:auto;padding:24px;border:1px solid #dde}
a.go{background:#2459c0;color:#fff;padding:10px 18px;border-radius:6px;text-decoration:none;display:inline-block}</style></head>
<body><div class="card"><img src="cid:logo@shop" width="40" height="40" alt="logo" style="background:#2459c0"><h1>Thank you, Bob</h1>
<p>Your order <b>4711</b> is on its way. It will reach you within three days.</p>
<table cellpadding="6"><tr><td>Tea, 250 g</td><td>8.90</td></tr><tr><td>Cup, blue</td><td>12.00</td></tr></table>
<p><a class="go" href="https://shop.example.org/confirm?token=a1b2c3">Confirm your address</a></p></div></body></html>""", subtype="html")
    message.get_payload()[1].add_related(PIXEL, "image", "png", cid="<logo@shop>")
    message.add_attachment(b"%PDF-1.4\n" + b"x" * 41_000, maintype="application", subtype="pdf", filename="Invoice 4711 – März.pdf")
    return message


def hostile(port):
    """HTML that tries all that mail has tried. `port` is the trap's; whoever gets there, or runs a script, is caught."""
    to = f"http://127.0.0.1:{port}"
    run = f"fetch('{to}/script');new Image().src='{to}/script-image';alert('it runs');parent.postMessage('it runs','*')"
    html = f"""<!doctype html><html><head><title>x</title>
<script>{run}</script><script src="{to}/script-src"></script><script type="module">import '{to}/module'</script>
<script type="speculationrules">{{"prefetch":[{{"source":"list","urls":["{to}/speculation"]}}]}}</script>
<meta http-equiv="refresh" content="0;url={to}/refresh"><META HTTP-EQUIV=refresh CONTENT="1;url=javascript:{run}">
<meta http-equiv="Content-Security-Policy" content="default-src * 'unsafe-inline'"><meta http-equiv="x-dns-prefetch-control" content="on">
<base href="{to}/base/"><base target="_top">
<link rel="stylesheet" href="{to}/sheet"><link rel="preload" as="image" href="{to}/preload"><link rel=preconnect href="{to}">
<LINK REL=PREFETCH HREF="{to}/prefetch"><link rel="prerender" href="{to}/prerender"><link rel="dns-prefetch" href="{to}">
<link/rel=modulepreload href="{to}/modulepreload"><link rel=icon href="{to}/icon"><link rel=manifest href="{to}/manifest">
<style>@import "{to}/import"; @import url({to}/import2); @font-face{{font-family:f;src:url({to}/font)}}
body{{background:url({to}/background);font-family:f;cursor:url({to}/cursor),auto}} h1::before{{content:url({to}/content)}}
h1{{background-image:image-set("{to}/image-set" 1x);list-style-image:url('{to}/list');border-image:url({to}/border) 1;mask:url({to}/mask#m)}}</style>
</head><body background="{to}/body" onload="{run}" onerror="{run}"><h1 style="background:url({to}/style)">You have won</h1>
<p>Click <a href="javascript:{run}" id="script">here</a>, <a href="{to}/link" target="_top" ping="{to}/ping">here</a>,
<a href="{to}/blank" target="_blank">here</a> or <a href="{to}/self" target="_self" style="position:fixed;inset:60px 0 0 0;z-index:9">anywhere</a>.</p>
<img src="{to}/img"><img src=x onerror="{run}"><img srcset="{to}/srcset 1x, {to}/srcset2 2x"><picture><source srcset="{to}/picture"><img></picture>
<img src="relative"><img src="/api/messages"><img loading=eager src="//127.0.0.1:{port}/schemeless"><input type="image" src="{to}/input" onfocus="{run}" autofocus>
<svg onload="{run}"><script>{run}</script><image href="{to}/svg" width=9 height=9 /><use href="{to}/use#a"/><feImage href="{to}/fe"/>
<animate attributeName="href" values="javascript:{run}" onbegin="{run}"/><foreignObject><iframe src="{to}/foreign"></iframe></foreignObject></svg>
<img src="data:image/svg+xml,&lt;svg xmlns='http://www.w3.org/2000/svg' onload='{run.replace("'", "&quot;")}'&gt;&lt;image href='{to}/data-svg'/&gt;&lt;/svg&gt;">
<iframe src="{to}/iframe"></iframe><iframe srcdoc="&lt;script&gt;{run}&lt;/script&gt;&lt;link rel=preconnect href={to}&gt;&lt;img src={to}/srcdoc&gt;"></iframe>
<iframe src="javascript:{run}"></iframe><iframe src="data:text/html,&lt;script&gt;{run}&lt;/script&gt;"></iframe><iframe src="/"></iframe>
<object data="{to}/object"></object><embed src="{to}/embed"><applet code="{to}/applet"></applet><portal src="{to}/portal"></portal>
<video src="{to}/video" poster="{to}/poster" autoplay onerror="{run}"></video><audio src="{to}/audio" autoplay></audio>
<video><source src="{to}/source" onerror="{run}"><track src="{to}/track" default></video>
<form action="{to}/form" id="f"><input name="password" value="x"><button formaction="{to}/formaction">Claim it</button></form>
<details open ontoggle="{run}"><summary>x</summary></details><marquee onstart="{run}">x</marquee><xss onfocus="{run}" autofocus tabindex=1>x</xss>
<table background="{to}/table"><tr><td background="{to}/td">x</td></tr></table><math href="javascript:{run}"><mi>x</mi></math>
<noscript><img src="{to}/noscript"><link rel=preconnect href="{to}"></noscript><template><img src="{to}/template"></template>
<frameset><frame src="{to}/frame"></frameset><body onpageshow="{run}"><isindex action="{to}/isindex"><bgsound src="{to}/bgsound">
<plaintext><script>{run}</script>"""
    message = letter("\u202e<img src=x onerror=alert(1)> You have <b>won</b>", f"See {to}/text-only", "<script>alert(1)</script> <evil@example.org>")
    message.replace_header("Subject", message["Subject"])
    message.add_alternative(html, subtype="html")
    message.add_attachment("<script>alert('a file runs')</script>", subtype="html", filename="<img src=x onerror=alert(2)>.html")
    return message


def expect(is_so, what):
    if not is_so:
        raise AssertionError(what)


ROWS = "document.querySelectorAll('#list li').length"
FIRST = "document.querySelector('#list .what')?.textContent"
OPEN = "document.querySelector('#message:not([hidden]) h2')?.textContent"


def arrives(serve, browser, pictures):
    """What comes shows up without a reload, and can be read, by keys alone."""
    tab = browser.tab()
    tab.open(serve.url)
    tab.until("document.querySelector('#empty strong')?.textContent == 'No messages yet.' && document.querySelector('#empty li')")
    tab.screenshot(pictures / "empty.png")
    tab.value("window.stays = 1")
    serve.send(invoice())
    took = tab.until(f"{ROWS} == 1 && {FIRST} == 'Your invoice 4711'", ARRIVED)
    serve.send(letter("Lunch?", "At noon, as always?\n", "Anna <anna@example.org>"), letter("Grüße aus Köln", "Schön war es.\n"))
    tab.until(f"{ROWS} == 3 && {FIRST} == 'Grüße aus Köln'", ARRIVED)
    tab.until("document.title == '(3) mailwire'")
    expect(tab.value("document.querySelectorAll('.unseen').length") == 3, "new messages are not marked")
    for subject in ("Grüße aus Köln", "Lunch?", "Your invoice 4711"):
        tab.key("j")
        tab.until(f"{OPEN} == '{subject}' && document.querySelector('[aria-current] .what').textContent == '{subject}'")
    tab.until("document.querySelector('iframe')")
    expect(tab.value("document.querySelectorAll('.unseen').length") == 0, "what was opened is still marked")
    time.sleep(0.3)
    tab.screenshot(pictures / "desktop.png")
    tabs = [name for role, name in tab.names() if role == "tab"]
    expect(tabs == ["HTML", "Text", "Links (1)", "Headers", "Structure", "Source"], tabs)
    for key, words in (("2", "thank you for your order"), ("3", "token=a1b2c3"), ("4", "MIME-Version"), ("5", "multipart/related"), ("6", "Content-Type: multipart/mixed")):
        tab.key(key)
        tab.until(f"document.querySelector('#panel').textContent.includes('{words}')")
    tab.key("5")
    tab.until("document.querySelector('.tree')")
    tab.screenshot(pictures / "structure.png")
    expect(not [role for role, name in tab.names() if not name.strip()], f"without a name: {tab.names()}")
    stored = Path(tempfile.mkdtemp(prefix="mailwire-page-"))
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(stored))
    tab.value("document.querySelector('.files a').click()")
    stored_file = stored / "Invoice 4711 – März.pdf"
    end = time.monotonic() + 10
    while not (stored_file.exists() and stored_file.stat().st_size == 41_009) and time.monotonic() < end:
        time.sleep(0.05)
    expect(stored_file.exists(), f"the file is not stored, but {list(stored.iterdir())}")
    shutil.rmtree(stored)
    # Found, deleted, and nothing left.
    tab.key("/")
    tab.type("from:anna lunch")
    tab.until(f"{ROWS} == 1 && {FIRST} == 'Lunch?'", FOUND)
    tab.key("Escape")
    tab.until(f"{ROWS} == 3")
    tab.key("d")
    tab.until(f"{ROWS} == 2 && document.querySelector('#count').textContent == '2 messages'")
    tab.value("document.querySelector('#erase').click()")
    time.sleep(0.2)
    tab.screenshot(pictures / "delete.png")
    expect(tab.value("document.activeElement.id") == "erase-no", "what is harmless is not what Enter does")
    tab.value("document.querySelector('#mailboxes').click(), document.querySelector('#erase-yes').click()")
    tab.until(f"{ROWS} == 0 && document.querySelector('#empty strong')")
    tab.key("?")
    time.sleep(0.2)
    tab.screenshot(pictures / "help.png")
    expect(tab.value("window.stays") == 1, "the page was loaded anew")
    expect(not tab.said, tab.said)
    return f"shown {took:.2f} s after it was sent"


def runs_and_loads_nothing(serve, browser, pictures):
    """HTML that tries all that mail has tried, in the page and opened by itself, left alone and clicked on."""
    trap = Trap()
    tab = browser.tab()
    serve.send(hostile(trap.port), invoice())
    number = serve.ask("api/messages?search=has:attachment+won")["messages"][0]["number"]
    tab.open(f"{serve.url}#{number}")
    tab.until("document.querySelector('iframe')")
    tab.value("window.addEventListener('message', () => { window.told = 1 }), 1")
    time.sleep(1.5)
    tab.screenshot(pictures / "hostile.png")
    box = tab.value("(({x, y, width, height}) => [x, y, width, height])(document.querySelector('iframe').getBoundingClientRect())")
    for across, down in ((0.5, 0.5), (0.1, 0.9), (0.06, 0.2)):
        tab.click(box[0] + box[2] * across, box[1] + box[3] * down)
    time.sleep(0.7)
    for view in ("text", "links", "headers", "structure", "source", "html"):
        tab.open(f"{serve.url}#{number}/{view}")
        tab.until(f"document.querySelector('#tab-{view}')?.ariaSelected == 'true'")
    expect(tab.value("location.origin + '/'") == serve.url, "the page has gone elsewhere")
    expect(tab.value("document.querySelector('h2').children.length + document.querySelectorAll('#list b, #list img').length") == 0, "a subject is markup")
    expect(tab.value("window.told") is None, "a script in the frame has spoken")
    told = [one for one in tab.said if "it runs" in one]
    # By itself: in a tab of its own, where the frame's sandbox is not.
    alone = browser.tab()
    alone.open(f"{serve.url}html/{number}")
    alone.until("document.readyState == 'complete'")
    time.sleep(1.5)
    expect(alone.value("location.pathname") == f"/html/{number}", "it has gone elsewhere")
    expect(alone.value("self.origin") == "null", "it is of the page's origin")
    alone.value("document.querySelector('form')?.submit?.()")
    expect(alone.value("document.querySelectorAll('iframe, object, embed, link, meta').length") == 0, "elements that connect are there")
    time.sleep(0.7)
    asked = {url for one in (tab, alone) for url in one.requests if f":{trap.port}/" in url}
    refused = sum("Content Security Policy" in one or "sandboxed" in one for one in tab.said + alone.said)
    expect(not tab.dialogs and not alone.dialogs and not told, f"a script has run: {tab.dialogs + alone.dialogs + told}")
    expect(not trap.caught, f"it was loaded: {trap.caught}")
    expect(refused > 15, f"the browser has refused {refused} things only: {tab.said}")
    # The trap can catch.
    alone.value(f"location.href = 'http://127.0.0.1:{trap.port}/'")
    end = time.monotonic() + 10
    while not trap.caught and time.monotonic() < end:
        time.sleep(0.05)
    expect(trap.caught, "the trap catches nothing")
    return f"{refused} refused by the browser, {len(asked)} begun and stopped, 0 connections"


def many_stay_usable(serve, browser, pictures):
    """10,000 messages: shown, scrolled, searched, and more arriving meanwhile."""
    serve.ask("api/messages?mailboxes", "DELETE")
    watching = browser.tab()
    watching.open(serve.url)
    watching.until("document.querySelector('#empty strong')")
    begin = time.monotonic()
    serve.pour(MANY)
    poured = time.monotonic() - begin
    watching.until(f"document.querySelector('#count').textContent == '{MANY:,} messages'", ARRIVED)
    tab = browser.tab()
    tab.open(serve.url)
    shown = tab.until(f"{ROWS} > 10 && document.querySelector('#count').textContent == '{MANY:,} messages'", SHOWN)
    expect(tab.value(ROWS) < 500, f"{tab.value(ROWS)} rows at once")
    paged = 0
    for _ in range(5):
        rows = tab.value(ROWS)
        tab.value("document.querySelector('#messages').scrollTo(0, 1e9)")
        paged = max(paged, tab.until(f"{ROWS} > {rows}", PAGED))
    tab.screenshot(pictures / "many.png")
    order = tab.value("[...document.querySelectorAll('#list li')].map((item) => Number(item.dataset.number))")
    expect(order == sorted(order, reverse=True) and len(set(order)) == len(order), "rows are missing, twice or out of order")
    tab.key("/")
    tab.type("periwinkle")
    found = tab.until(f"{ROWS} == 1 && {FIRST} == 'Order {MANY // 2} is on its way'", FOUND)
    serve.send(letter("Nothing to be found", "x\n"), letter("A periwinkle", "x\n"))
    tab.until(f"{ROWS} == 2 && {FIRST} == 'A periwinkle'", ARRIVED)
    tab.screenshot(pictures / "found.png")
    # As fast as it comes, faster than a hand: nothing is left out, it does not stop, and it does not pile up.
    tab.key("Escape")
    tab.until(f"{ROWS} > 10")
    begin = time.monotonic()
    tab.value(f"""new Promise((done) => {{ const scroll = () => {{ const pane = document.querySelector('#messages');
        pane.scrollTo(0, 1e9); if ({ROWS} >= {MANY + 2}) done(1); else setTimeout(scroll, 5); }}; scroll(); }})""")
    whole = time.monotonic() - begin
    numbers = tab.value("[...document.querySelectorAll('#list li')].map((item) => Number(item.dataset.number))")
    expect(numbers == list(range(numbers[0], numbers[0] - MANY - 2, -1)), "rows are missing, twice or out of order")
    # A row is there where one looks, wherever that is, and hardly any elsewhere.
    jumped = 0
    for part in (0.5, 0.25, 0.999, 0):
        tab.value(f"(({{scrollHeight}}) => document.querySelector('#messages').scrollTo(0, scrollHeight * {part}))(document.querySelector('#messages'))")
        jumped = max(jumped, tab.until("document.elementFromPoint(150, 500)?.closest('#list li')?.querySelector('.what')?.textContent.includes('Order')", SHOWN))
    tab.until("document.querySelectorAll('#list a').length < 100", SHOWN)
    elements = tab.value("document.querySelectorAll('*').length")
    expect(elements < MANY + 2_000, f"{elements} elements")
    frames = tab.value("""new Promise((done) => { const pane = document.querySelector('#messages'), begin = performance.now(); let count = 0, last = begin, longest = 0;
        const frame = (now) => { pane.scrollBy(0, 300); longest = Math.max(longest, now - last); last = now;
            if (++count < 120) requestAnimationFrame(frame); else done([count * 1000 / (now - begin), longest]); }; requestAnimationFrame(frame); })""")
    tab.screenshot(pictures / "scrolled.png")
    tab.key("j")
    tab.until(OPEN, SHOWN)
    tab.until("document.querySelectorAll('#list a[aria-current]').length == 1", SHOWN)
    expect(not tab.said, tab.said)
    paint = tab.value("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return (f"poured in {poured:.1f} s; first paint {paint / 1000:.2f} s, list {shown:.2f} s, next page {paged:.2f} s, search {found:.2f} s; "
            f"all rows {whole:.1f} s, a jump among them {jumped:.2f} s, scrolling {frames[0]:.0f} frames a second, the longest {frames[1]:.0f} ms, {elements:,} elements")


def on_a_phone(serve, browser, pictures):
    """The list and a message are a page each, nothing is wider than the screen; dark where that is wanted."""
    serve.ask("api/messages?mailboxes", "DELETE")
    serve.send(letter("Lunch?", "At noon, as always?\n", "Anna <anna@example.org>"), invoice(),
               letter("A subject that does not end where one would expect it to end " * 3, "x" * 400 + "\n"), letter("Grüße aus Köln", "Schön war es.\n"))
    number = serve.ask("api/messages?search=invoice")["messages"][0]["number"]
    for name, dark in (("phone", False), ("phone-dark", True)):
        tab = browser.tab(390, 844, True, dark=dark)
        tab.open(serve.url)
        tab.until(f"{ROWS} == 4")
        narrow = "document.documentElement.scrollWidth <= 390"
        expect(tab.value(narrow), "the list is wider than the screen")
        tab.screenshot(pictures / f"{name}-list.png")
        tab.open(f"{serve.url}#{number}/text")
        tab.until("document.querySelector('pre')")
        expect(tab.value(narrow), "a message is wider than the screen")
        tab.screenshot(pictures / f"{name}-message.png")
        expect(tab.value("getComputedStyle(document.querySelector('nav')).display") == "none", "the list is beside the message")
        tab.value("document.querySelector('.back').click()")
        tab.until("getComputedStyle(document.querySelector('nav')).display != 'none'")
        small = tab.value("[...document.querySelectorAll('button, #list a')].filter((one) => one.offsetHeight && one.offsetHeight < 36).length")
        expect(small == 0, f"{small} buttons are too small for a finger")
    tab = browser.tab(dark=True)
    tab.open(f"{serve.url}#{number}")
    tab.until("document.querySelector('iframe')")
    time.sleep(0.5)
    tab.screenshot(pictures / "dark.png")
    back = tab.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    expect(sum(back) < 150, f"dark is {back}")
    return "fits"


def main():
    program = Path(sys.argv[1]) / "serve"
    pictures = Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="mailwire-page-"))
    pictures.mkdir(parents=True, exist_ok=True)
    failed = 0
    # Whoever ends this early leaves nothing behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    browser = Browser()
    try:
        for case in (arrives, runs_and_loads_nothing, many_stay_usable, on_a_phone):
            serve, begin = Serve(program), time.monotonic()
            try:
                told = case(serve, browser, pictures)
            except Exception as error:
                failed += 1
                told = f"FAILED: {error}"
            finally:
                serve.stop()
            print(f"{case.__name__:24} {time.monotonic() - begin:5.1f} s  {told}", flush=True)
    finally:
        browser.close()
    print(f"screenshots: {pictures}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
