#!/usr/bin/env python3
"""What a small program costs that is made with one library or another: packages, CPU seconds and seconds of a clean release
build, the size of the program as it is and without symbols, and its size in a profile for small programs. Prints a table in
Markdown.

    run.py FOLDER_FOR_BUILDS [PROGRAM...]

A program is one of the folders here, or one of them with a feature of it: `send-mailwire+scram`. Dependencies are fetched
before. Each program is built with nothing built before, in a folder of its own, which is removed.
"""

import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = [
    "connect",
    "send-mailwire",
    "send-mailwire+scram",
    "send-lettre",
    "send-mail-send",
    "list-mailwire",
    "list-mailwire+scram",
    "list-async-imap",
]

SMALL = ['lto="fat"', "codegen-units=1", 'panic="abort"', 'opt-level="s"', "strip=true"]
"""The profile of somebody to whom size matters."""


def cargo(program, *words, **options):
    name, _, feature = program.partition("+")
    command = ["cargo", *words, "--locked", "--manifest-path", HERE / name / "Cargo.toml"]
    if feature and words[0] != "fetch":
        command += ["--features", feature]
    return subprocess.run([str(word) for word in command], check=True, text=True, **options)


def packages(program):
    """How many packages are compiled for it, those that run while it is built and itself among them."""
    tree = cargo(program, "tree", "--edges", "normal,build", "--prefix", "none", "--no-dedupe", stdout=subprocess.PIPE).stdout
    return len({" ".join(line.split()[:2]) for line in tree.splitlines() if line.strip()})


def measured(program, folder):
    cargo(program, "fetch", stderr=subprocess.DEVNULL)
    shutil.rmtree(folder, ignore_errors=True)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    cargo(program, "build", "--release", "--quiet", "--target-dir", folder)
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
    binary = folder / "release" / program.partition("+")[0]
    bare = folder / "bare"
    subprocess.run(["strip", "-o", bare, binary], check=True)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sizes = [path.stat().st_size for path in (binary, bare)]
    shutil.rmtree(folder)
    small = [word for line in SMALL for word in ("--config", f"profile.release.{line}")]
    cargo(program, "build", "--release", "--quiet", "--target-dir", folder, *small)
    sizes.append(binary.stat().st_size)
    shutil.rmtree(folder)
    return packages(program), cpu, seconds, *sizes


def main():
    folder, *programs = sys.argv[1:]
    print("| program | packages | CPU seconds | seconds | bytes | bytes, stripped | bytes, small |\n| --- |" + " ---: |" * 6)
    for program in programs or PROGRAMS:
        count, cpu, seconds, whole, bare, small = measured(program, Path(folder) / program)
        print(f"| `{program}` | {count} | {cpu:.1f} | {seconds:.1f} | {whole:,} | {bare:,} | {small:,} |", flush=True)


if __name__ == "__main__":
    main()
