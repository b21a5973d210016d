# SPDX-License-Identifier: MIT
"""What the lints share: the files of the tree, C without its comments, allow lists, the report.

Every lint takes --root DIR (the tree to look at; the self-test gives it bad ones), prints one line
per problem, "path:line: what is wrong", and exits 0 without problems, 1 with, 77 when it cannot
run, with the reason."""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

LAYERS = ("common", "certs", "netpolicy", "tunneld")
SOURCES = LAYERS + ("tests",)
SKIPPED = {".git", "__pycache__", "corpus"}


class Lint:
    def __init__(self, description, options=()):
        parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
        parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
        parser.add_argument("--build", type=Path, help="build folder")
        for option in options:
            parser.add_argument(option, action="store_true")
        self.options = parser.parse_args()
        self.root = self.options.root.resolve()
        self.problems = []

    def files(self, suffixes=None, tops=SOURCES):
        """The regular files below the folders or files @tops, relative to the root, sorted."""
        found = []
        for top in tops:
            start = self.root / top
            paths = start.rglob("*") if start.is_dir() else [start]
            found += [path.relative_to(self.root) for path in paths
                      if path.is_file() and not path.is_symlink()
                      and (suffixes is None or path.suffix in suffixes)]
        return sorted(path for path in found if not is_skipped(path))

    def read(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def problem(self, path, line, text):
        self.problems.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")

    def tags(self, paths):
        """What universal-ctags knows about the C files @paths: one dictionary per tag."""
        if not paths:
            return []
        command = ["ctags", "--langmap=C:.c.h", "--languages=C", "--kinds-C=fpstuegmd", "-f", "-",
                   "--output-format=json", "--fields=+neSK", "-L", "-"]
        done = subprocess.run(command, cwd=self.root, input="\n".join(map(str, paths)), text=True,
                              stdout=subprocess.PIPE, check=True)
        return [json.loads(line) for line in done.stdout.splitlines() if line]

    def allowed(self, name, n_fields):
        """Reads tests/lint/@name: per line @n_fields words and a reason. Gives {words: line}."""
        path = Path("tests/lint") / name
        entries = {}
        if not (self.root / path).exists():
            return entries
        for number, line in enumerate(self.read(path).splitlines(), 1):
            words = line.split(None, n_fields)
            if not words or words[0].startswith("#"):
                continue
            if len(words) <= n_fields:
                self.problem(path, number, f"needs {n_fields} words and a reason")
                continue
            entries[tuple(words[:n_fields])] = number
        return entries

    def finish(self, summary):
        for text in self.problems:
            print(text)
        print(f"{Path(sys.argv[0]).name}: {summary}, {len(self.problems)} problems")
        sys.exit(1 if self.problems else 0)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def is_skipped(path):
    return any(part in SKIPPED or part.startswith("build") for part in path.parts[:-1])


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text, keep_strings=False):
    """C without comments and, unless told, without what is in strings. Lines stay where they are."""
    def blank(match):
        token = match.group()
        if token[0] in "\"'":
            return token if keep_strings else token[0] + token[0]
        return " " + "\n" * token.count("\n")
    return TOKEN.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
