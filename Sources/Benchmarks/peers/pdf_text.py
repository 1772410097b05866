#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The text of PDFs: forage beside pypdf, pdfminer.six and docling-parse, in turn, on the same files, in one run.

    python3 -m venv v && v/bin/pip install pypdf pdfminer.six docling-parse
    swift build -c release --product ForageBenchmarks
    v/bin/python pdf_text.py .build/release/ForageBenchmarks FILE.pdf ... [--rounds 3]

Each reads a file from the disk to one text, one file after the other on one core; the fastest of the rounds counts. What
is not installed is left out. Printed as JSON lines.
"""
import argparse
import json
import os
import subprocess
import time


def pypdf_text(path):
    import pypdf
    return "\f".join(page.extract_text() for page in pypdf.PdfReader(path).pages)


def pdfminer_text(path):
    from pdfminer.high_level import extract_text
    return extract_text(path)


def docling_text(path):
    from docling_parse.pdf_parser import DoclingPdfParser
    document = DoclingPdfParser(loglevel="fatal").load(path)
    lines = []
    for _, page in document.iterate_pages():
        lines += [cell.text for cell in page.textline_cells]
    return "\n".join(lines)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("benchmarks")
    arguments.add_argument("files", nargs="+")
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    peers = {"pypdf": pypdf_text, "pdfminer.six": pdfminer_text, "docling-parse": docling_text}
    for path in options.files:
        ours = subprocess.run([options.benchmarks, "pdf", path, "--rounds", str(options.rounds)],
                              capture_output=True, text=True)
        print(ours.stdout.strip() or json.dumps({"bench": "pdf", "file": os.path.basename(path),
                                                 "error": ours.stderr.strip()[-200:]}), flush=True)
        for name, read in peers.items():
            row = {"bench": "pdf", "peer": name, "file": os.path.basename(path)}
            try:
                read(path)
                times = []
                for _ in range(options.rounds):
                    start = time.perf_counter()
                    text = read(path)
                    times.append(time.perf_counter() - start)
                row.update(characters=len(text), seconds=min(times))
            except ImportError:
                continue
            except Exception as error:
                row["error"] = str(error)[:200]
            print(json.dumps(row), flush=True)


main()
