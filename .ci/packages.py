#!/usr/bin/env python3
"""Makes the packages of all crates that are published, compiles them from what is in them, and looks at what is in them:
the licences, the README, and what the registry shows of a crate."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ["LICENSE-MIT", "LICENSE-APACHE", "README.md"]
FIELDS = ["description", "keywords", "categories", "license", "repository", "readme", "rust_version"]


def metadata():
    output = subprocess.check_output(["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT)
    return json.loads(output)


def faults(package, archive):
    """What is wrong with a package, as a list of texts."""
    found = [f"Cargo.toml has no {field}" for field in FIELDS if not package[field]]
    if len(package["keywords"]) > 5 or len(package["categories"]) > 5:
        found.append("the registry takes five keywords and five categories at most")
    docs = package["metadata"] and package["metadata"].get("docs", {}).get("rs", {})
    if not docs or not docs.get("all-features") or docs.get("rustdoc-args") != ["--cfg", "docsrs"]:
        found.append("Cargo.toml does not say [package.metadata.docs.rs] with all-features and rustdoc-args")
    folder = f"{package['name']}-{package['version']}"
    with tarfile.open(archive) as files:
        for name in FILES:
            try:
                inside = files.extractfile(f"{folder}/{name}")
            except KeyError:
                inside = None
            # A link is no file: what it points to has to be in the package itself.
            if inside is None:
                found.append(f"{name} is not in the package")
            elif name.startswith("LICENSE") and inside.read() != (ROOT / name).read_bytes():
                found.append(f"{name} is not that of the repository")
    return found


def compile_packages(archives, folder):
    """Compiles the packages, each on the others, in a workspace of their own.

    Cargo's own check keeps what it unpacked of a version, and would compile on a core of before.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for archive in archives.values():
        with tarfile.open(archive) as files:
            files.extractall(folder)
    patches = "".join(f'{name} = {{ path = "{archive.stem}" }}\n' for name, archive in archives.items())
    manifest = f'[workspace]\nresolver = "3"\nmembers = ["mailwire-*"]\n\n[patch.crates-io]\n{patches}'
    (folder / "Cargo.toml").write_text(manifest)
    # The versions that everything else is checked with.
    shutil.copy(ROOT / "Cargo.lock", folder)
    target = folder.parent.parent
    subprocess.check_call(["cargo", "check", "--quiet", "--workspace", "--target-dir", target], cwd=folder)


def main():
    workspace = metadata()
    published = [package for package in workspace["packages"] if package["publish"] != []]
    # Cargo finds the order by itself, and takes what is not published yet from the packages made before.
    names = [argument for package in published for argument in ("--package", package["name"])]
    subprocess.check_call(["cargo", "package", "--quiet", "--allow-dirty", "--no-verify", *names], cwd=ROOT)
    folder = Path(workspace["target_directory"], "package")
    archives = {it["name"]: folder / f"{it['name']}-{it['version']}.crate" for it in published}
    compile_packages(archives, folder / "unpacked")
    failed = False
    for package in published:
        archive = archives[package["name"]]
        found = faults(package, archive)
        print(f"{package['name']:20} {os.path.getsize(archive) // 1024:5} KiB  {'; '.join(found) or 'whole'}")
        failed |= bool(found)
    return failed


if __name__ == "__main__":
    sys.exit(main())
