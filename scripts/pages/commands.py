"""The page of the command line, made from the docstrings of the commands."""

import inspect
import re

from page_text import code, escaped, table

from jaxvec import cli
from jaxvec.shell import examples_of

FIRST = """\
# The command

`jaxvec` has a command for each step of a study. `jaxvec COMMAND --help` shows the options with their defaults. On bad input
a command ends with status 2 and one line that says what was wrong and what is accepted. `--json` prints one JSON object in
the place of text.
"""


def pages() -> dict[str, str]:
    """Address -> Markdown."""
    return {"command.md": "\n\n".join([FIRST, *map(_command, cli.COMMANDS)]) + "\n"}


def _command(name: str) -> str:
    command = cli.COMMANDS[name]
    words = inspect.getdoc(command) or ""
    summary = words.partition("\n\n")[0].replace("\n", " ")
    meanings = dict(re.findall(r"^    (\w+): ((?:.|\n      )+)", words.partition("Args:\n")[2], re.MULTILINE))
    rows = []
    for parameter in inspect.signature(command).parameters.values():
        by_name = parameter.kind == parameter.KEYWORD_ONLY
        shown = f"--{parameter.name.replace('_', '-')}" if by_name else parameter.name.upper()
        rows.append((code(shown), escaped(" ".join(meanings.get(parameter.name, "").split()))))
    examples = "\n".join(examples_of(command))
    return "\n\n".join(
        [f"## jaxvec {name}", escaped(summary), f"```sh\n{examples}\n```", table(("argument", "meaning"), rows)]
    )
