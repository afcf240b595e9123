"""A relay is asked for reports about delivery (RFC 3461), and what comes is read by the project's `reports`."""

import tempfile
from pathlib import Path

from clients import run
from servers import USER

ID = "order+42=x"
# How it comes back: Exim does not decode xtext (RFC 3464 section 2.2.1), and OpenSMTPD leaves it out.
COMES_BACK = {"Exim": " (order+2B42+3Dx)", "OpenSMTPD": ""}
NOBODY = "nobody@example.org"


def check(ours, box, relay, security, port, message, fails):
    """Sends a message to a mailbox whose owner is the sender as well, or to nobody; returns what is wrong, or nothing."""
    box.clear()
    to, when, action = (NOBODY, "failure", {"failed"}) if fails else (USER, "success", {"delivered", "relayed"})
    options = ["--notify", when, "--return", "headers", "--envelope-id", ID]
    if security == "starttls":
        put = ours.send(security, port, *options, sender=USER, to=to)
    else:
        put = ours.send_in_clear(port, *options, sender=USER, to=to)
    put([message])
    box.wait_for(1 if fails else 2)
    with tempfile.TemporaryDirectory(dir=ours.folder) as folder:
        files = []
        for number, content in enumerate(box.get()):
            files.append(Path(folder) / str(number))
            files[-1].write_bytes(content)
        said = run(ours.programs / "reports", *files).decode().splitlines()
    if len(said) != 1:
        return f"not one report of one recipient: {said}"
    # The name of the file is of no interest.
    report = said[0].partition(": ")[2]
    print(f"        {report}", flush=True)
    done, who, rest = report.split(": ", 2)
    identifier = COMES_BACK.get(relay, f" ({ID})")
    if done not in action or who != to or rest.partition(": ")[0][len("2.0.0"):] != identifier:
        return f"not {action} for {to} with {identifier or 'nothing'}"
    return ""
