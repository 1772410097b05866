#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes forage.1 (man page, roff) from the program's own description: make_manual.py PATH_TO_FORAGE > forage.1"""
import json
import subprocess
import sys


def escaped(text):
    lines = (text or "").replace("\\", "\\e").replace("-", "\\-").split("\n")
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in lines)


def option_names(argument):
    names = []
    for name in argument.get("names", []):
        names.append(("-" if name["kind"] == "short" or name["kind"] == "longWithSingleDash" else "--") + name["name"])
    return names


def arguments(command):
    for argument in command.get("arguments", []):
        if not argument.get("shouldDisplay", True):
            continue
        names = option_names(argument)
        value = argument.get("valueName", "value")
        if argument["kind"] == "positional":
            label = "\\fI" + escaped(value) + "\\fR"
        else:
            label = ", ".join("\\fB" + escaped(name) + "\\fR" for name in names)
            if argument["kind"] == "option":
                label += " \\fI" + escaped(value) + "\\fR"
        if label:
            yield ".TP\n" + label + "\n" + escaped(" ".join((argument.get("abstract") or "").split()))


def section(command, path):
    own = [a for a in arguments(command)]
    children = [c for c in command.get("subcommands", []) if c["commandName"] != "help" and c.get("shouldDisplay", True)]
    if path:
        yield ".SS \\fB" + escaped(" ".join(path)) + "\\fR"
        yield escaped(command.get("abstract", ""))
        if command.get("discussion"):
            yield ".PP\n" + escaped(command["discussion"])
        yield from own
    for child in children:
        yield from section(child, path + [child["commandName"]])


def main():
    dump = subprocess.run([sys.argv[1], "--experimental-dump-help"], check=True, capture_output=True, text=True)
    root = json.loads(dump.stdout)["command"]
    print(".TH FORAGE 1 \"\" \"forage\" \"Forage\"")
    print(".SH NAME\nforage \\- " + escaped(root["abstract"]))
    print(".SH SYNOPSIS\n.B forage\n\\fIcommand\\fR [\\fIoptions\\fR]")
    print(".SH DESCRIPTION\n" + escaped(root.get("discussion", "")))
    print(".SH COMMANDS")
    for part in section(root, []):
        print(part)
    print(".SH ENVIRONMENT")
    for name, text in [
        ("OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_MODEL", "The model server that is used where no --model is given."),
        ("FORAGE_MODELS", "The folder of pulled models; by default ~/.cache/forage/models."),
        ("FORAGE_SESSIONS", "The session store; by default forage/sessions.sqlite in the user's state folder."),
        ("FORAGE_TOKEN, FORAGE_READ_TOKEN", "Tokens that the server asks for: everything, or searching and reading."),
        ("FORAGE_PYTHON", "The Python that fetches and unpacks models; by default python3."),
    ]:
        print(".TP\n.B " + escaped(name) + "\n" + escaped(text))
    print(".SH EXIT STATUS\n0 done, 1 failure, 2 a closed gate of \\fBforage eval compare\\fR, 64 usage, 130 cancelled.")


main()
