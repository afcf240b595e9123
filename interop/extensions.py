"""Our client tries the extensions that a server offers. What comes of each is held against a list."""

from pathlib import Path

from clients import run_to_end
from servers import HOST, PASSWORD, USER

EXPECTED = Path(__file__).with_name("extensions.txt")
# What needs no word in the list.
USUAL = "as expected"


def expected(server):
    """What the list says of a server, by the names of what it offers."""
    rows, section = {}, None
    for line in EXPECTED.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#") and section == server:
            name, outcome = split(line)
            rows[name] = outcome
    return rows


def split(row):
    name, _, outcome = row.partition("  ")
    return name, outcome.strip()


def check(ours, server, name):
    """Runs it against a server; returns what is wrong, or nothing."""
    # Cyrus takes three seconds to refuse the binding that is tried first, in each of the many sessions.
    mechanism = ["--mechanism", "SCRAM-SHA-256"] if name == "Cyrus" else []
    said = run_to_end(ours.programs / "extensions", "--server", f"{HOST}:{server.imaps}", "--ca", ours.authority.ca,
                      *mechanism, env={"MAILWIRE_USER": USER, "MAILWIRE_PASSWORD": PASSWORD})
    rows = dict(map(split, said.decode().splitlines()))
    wanted = expected(name)
    used = sum(1 for outcome in rows.values() if outcome == USUAL)
    print(f"        {len(rows)} offered, {used} used as expected, the others: "
          f"{', '.join(row for row, outcome in rows.items() if outcome != USUAL) or 'none'}", flush=True)
    # Another version may offer more than the list has.
    problems = [f"{row}: {rows.get(row, 'not offered')}; expected: {outcome}" for row, outcome in wanted.items()
                if rows.get(row) != outcome]
    problems += [f"{row}: {outcome}; not in the list" for row, outcome in rows.items()
                 if row not in wanted and outcome.startswith("differs")]
    return "\n        ".join(problems)
