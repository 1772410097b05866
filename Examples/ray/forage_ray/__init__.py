# SPDX-License-Identifier: Apache-2.0
"""Forage's large jobs as Ray tasks.

Each task runs the `forage` program on a part of the work, in a folder of its own, and returns what it made as bytes. Ray
schedules, retries and moves the bytes; nothing here does. A task whose worker is killed runs again elsewhere, and nothing
else is lost. Results do not depend on how many workers there are: parts are put together in the order of the input.

    import forage_ray
    forage_ray.index(["corpus.jsonl"], "corpus.forage", shards=64)
    run = forage_ray.evaluate("suite.yaml", "run", shards=64)
    for rollout in forage_ray.rollouts("suite.yaml", shards=64): ...
"""
from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping

import ray

__all__ = ["Failure", "Program", "evaluate", "index", "rollouts"]


class ForageError(RuntimeError):
    """The program ended with an error: its own words, which a repetition would not change."""


@dataclasses.dataclass(frozen=True)
class Program:
    """How the program is run: the same binary must be at this path on every node."""

    path: str = "forage"
    #: The most processors of one task; the program uses no more.
    processors: int = 1
    #: How often a task is run again when its worker is lost.
    retries: int = 8
    #: The longest that one task may take, in seconds.
    seconds: float = 3600

    def run(self, arguments: list[str], folder: str) -> str:
        """Runs one command in a folder and gives what it printed."""
        environment = dict(os.environ, OPENBLAS_NUM_THREADS="1")

        def confine() -> None:
            # The program takes every processor that it may use: a task has those that Ray counts for it.
            allowed = sorted(os.sched_getaffinity(0))
            first = os.getpid() * self.processors
            chosen = {allowed[(first + i) % len(allowed)] for i in range(self.processors)}
            os.sched_setaffinity(0, chosen)

        done = subprocess.run(
            [self.path, *arguments], cwd=folder, env=environment, text=True, capture_output=True,
            timeout=self.seconds, preexec_fn=confine if self.processors else None)
        if done.returncode < 0:
            # Killed: of the worker's fate, not of the work. Ray runs the task again.
            raise ConnectionAbortedError(f"forage was ended by signal {-done.returncode}")
        if done.returncode != 0:
            raise ForageError(f"forage {' '.join(arguments[:2])} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def task(self, function):
        """A Ray task of this program: repeated when its worker or its process is lost, never when its input is at fault."""
        return ray.remote(function).options(
            num_cpus=max(1, self.processors), max_retries=self.retries, retry_exceptions=[ConnectionAbortedError])


def _split(items: list, parts: int) -> list[list]:
    """Parts of nearly equal length, in order; none is empty."""
    parts = max(1, min(parts, len(items)))
    return [items[len(items) * i // parts: len(items) * (i + 1) // parts] for i in range(parts)]


def _lines(paths: Iterable[str | os.PathLike]) -> list[bytes]:
    lines = []
    for path in paths:
        lines += [line for line in pathlib.Path(path).read_bytes().splitlines() if line.strip()]
    return lines


# Encoding and indexing

#: An embedding cache is a header of this many bytes and records of one size, so that caches of one encoder go together end
#: to end.
_CACHE_HEADER = 64


def _encode(program: Program, lines: list[bytes], encoder: str, options: list[str]) -> bytes:
    """The embedding cache of some documents' passages."""
    with tempfile.TemporaryDirectory(prefix="forage-ray-") as folder:
        pathlib.Path(folder, "shard.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        program.run(
            ["index", "shard.jsonl", "--output", "shard.forage", "--encoder", encoder, "--embedding-cache", "cache",
             "--graph", "off", *options], folder)
        caches = list(pathlib.Path(folder, "cache").glob("*.embeddings"))
        if len(caches) != 1:
            raise ForageError(f"expected the cache of one encoder, found {len(caches)}")
        return caches[0].name.encode() + b"\n" + caches[0].read_bytes()


def index(
    inputs: Iterable[str | os.PathLike], output: str, *, shards: int = 16, encoder: str = "minilm",
    program: Program = Program(), options: Iterable[str] = (),
) -> str:
    """Makes a corpus of JSON lines: passages are encoded by the workers, then all is indexed and published here, as one
    generation. `output` is a folder or `postgresql://…`. Gives the program's summary."""
    paths = [os.path.abspath(path) for path in inputs]
    options = list(options)
    task = program.task(_encode)
    pending = [task.remote(program, part, encoder, options) for part in _split(_lines(paths), shards)]
    with tempfile.TemporaryDirectory(prefix="forage-ray-") as folder:
        cache = pathlib.Path(folder, "cache")
        cache.mkdir()
        file = None
        for reference in pending:
            name, _, content = ray.get(reference).partition(b"\n")
            if file is None:
                file = cache / name.decode()
                file.write_bytes(content[:_CACHE_HEADER])
            elif file.name != name.decode():
                raise ForageError("the workers used different encoders")
            with file.open("ab") as out:
                out.write(content[_CACHE_HEADER:])
        # Everything is in the cache: nothing is encoded here.
        where = output if "://" in output else os.path.abspath(output)
        whole = dataclasses.replace(program, processors=0)
        return whole.run(
            ["index", *paths, "--output", where, "--encoder", encoder, "--embedding-cache", str(cache), "--json",
             *options], folder)


# Evaluation and rollouts


def _suite(path: str | os.PathLike) -> tuple[dict, list[tuple[dict, bytes]]]:
    """A suite with absolute paths and without questions, and each question with the entry of its set."""
    import yaml

    path = pathlib.Path(path).resolve()
    suite = yaml.safe_load(path.read_text())

    def absolute(name: str) -> str:
        return name if "://" in name or not (path.parent / name).exists() else str((path.parent / name).resolve())

    if isinstance(suite.get("corpus"), str):
        suite["corpus"] = absolute(suite["corpus"])
    suite["policies"] = [absolute(p) if isinstance(p, str) else p for p in suite.get("policies", [])]
    suite["models"] = [absolute(m) if isinstance(m, str) else m for m in suite.get("models", [])]
    questions = []
    for entry in suite.pop("questions"):
        entry = {"file": entry} if isinstance(entry, str) else dict(entry)
        file = pathlib.Path(absolute(entry.pop("file")))
        entry.setdefault("name", file.stem)
        questions += [(entry, line) for line in _lines([file])]
    suite["concurrency"] = 1
    return suite, questions


def _evaluate(
    program: Program, suite: dict, part: list[tuple[dict, bytes]], files: Mapping[str, bytes], traces: bool
) -> tuple[bytes, dict[str, bytes]]:
    """The records, and the traces by name, of a part of a suite."""
    with tempfile.TemporaryDirectory(prefix="forage-ray-") as folder:
        for name, content in files.items():
            place = pathlib.Path(folder, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        suite = dict(suite, questions=[])
        for number, name in enumerate(dict.fromkeys(entry["name"] for entry, _ in part)):
            lines = [line for entry, line in part if entry["name"] == name]
            pathlib.Path(folder, f"part{number}.jsonl").write_bytes(b"\n".join(lines) + b"\n")
            entry = next(entry for entry, _ in part if entry["name"] == name)
            suite["questions"].append({**entry, "file": f"part{number}.jsonl"})
        # JSON is YAML.
        pathlib.Path(folder, "suite.yaml").write_text(json.dumps(suite))
        program.run(
            ["eval", "run", "suite.yaml", "--output", "run", "--concurrency", "1"] + (["--traces"] if traces else []),
            folder)
        run = pathlib.Path(folder, "run")
        found = {trace.name: trace.read_bytes() for trace in sorted(run.glob("traces/*.jsonl"))}
        return (run / "records.jsonl").read_bytes(), found


def evaluate(
    suite: str | os.PathLike, output: str | os.PathLike, *, shards: int = 16, program: Program = Program(),
    files: Mapping[str, bytes] | None = None, traces: bool = False,
) -> pathlib.Path:
    """Runs a suite with its questions split over the workers, and puts the records together in the order of the questions:
    a run that `forage eval report`, `rescore` and `compare` take. `files` are written into each task's folder, a policy with
    its weights, say, and sent to each node once."""
    description, questions = _suite(suite)
    parts = _split(questions, shards)
    task = program.task(_evaluate)
    shared = ray.put(dict(files or {}))
    pending = [task.remote(program, description, part, shared, traces) for part in parts]
    output = pathlib.Path(output)
    (output / "traces").mkdir(parents=True, exist_ok=True)
    header, records, prints = None, [], hashlib.sha256()
    for reference in pending:
        content, found = ray.get(reference)
        first, *rest = content.splitlines()
        first = json.loads(first)
        prints.update(first["fingerprint"]["questions"].encode())
        own = {key: value for key, value in first["fingerprint"].items() if key != "questions"}
        if header is None:
            header = first
        elif own != {key: value for key, value in header["fingerprint"].items() if key != "questions"}:
            raise ForageError("the workers ran different programs, corpora, policies or models")
        records += rest
        for name, trace in found.items():
            (output / "traces" / name).write_bytes(trace)
    header["fingerprint"]["questions"] = prints.hexdigest()[:16] if len(parts) > 1 else header["fingerprint"]["questions"]
    header["suite"] = json.loads(json.dumps(dict(description, questions=sorted({e["name"] for e, _ in questions}))))
    (output / "records.jsonl").write_bytes(b"\n".join([json.dumps(header).encode(), *records]) + b"\n")
    return output


@dataclasses.dataclass(frozen=True)
class Failure:
    """A part that could not be played, and why: data for a learner, not the end of its run."""

    questions: list[str]
    reason: str


def rollouts(
    suite: str | os.PathLike, *, shards: int = 16, program: Program = Program(),
    files: Mapping[str, bytes] | None = None,
) -> Iterator[dict | Failure]:
    """Plays a suite's questions and gives each session as it is done, in no set order: `{"record": …, "events": […]}`. Give
    the weights of the policy as `files`: they are sent to each node once for a call."""
    description, questions = _suite(suite)
    shared = ray.put(dict(files or {}))
    task = program.task(_evaluate)
    pending = {task.remote(program, description, part, shared, True): part for part in _split(questions, shards)}
    while pending:
        done, _ = ray.wait(list(pending), num_returns=1)
        part = pending.pop(done[0])
        try:
            content, traces = ray.get(done[0])
        except Exception as error:  # A lost part is an answer as well.
            yield Failure([json.loads(line).get("id", "") for _, line in part], str(error)[:2000])
            continue
        for line in content.splitlines()[1:]:
            record = json.loads(line)
            key = record["key"]
            start = f"{key['set']}-{key['policy']}-{key['model']}-{key['seed']}-{key['question']}-"
            events = [trace for name, trace in traces.items() if name.startswith(start)]
            yield {"record": record, "events": [json.loads(e) for trace in events for e in trace.splitlines()]}
