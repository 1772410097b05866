# SPDX-License-Identifier: Apache-2.0
"""Runs on a Ray of several nodes on this machine: pytest Examples/ray/tests, with FORAGE naming the program."""
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest
import ray
from ray.cluster_utils import Cluster

import forage_ray

PROGRAM = forage_ray.Program(os.environ.get("FORAGE", "forage"))
EXAMPLES = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, runtime_env={"env_vars": {"PYTHONPATH": str(pathlib.Path(forage_ray.__file__).parents[1])}})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def suite(folder: pathlib.Path, questions: int = 8, seeds: tuple[int, ...] = (1,)) -> pathlib.Path:
    lines = (EXAMPLES / "hotpotqa/questions.jsonl").read_text().splitlines()[:questions]
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "suite.yaml").write_text(json.dumps({
        "suite": "parts", "corpus": str(EXAMPLES / "hotpotqa/corpus.jsonl"),
        "questions": [{"file": "questions.jsonl", "name": "hotpotqa"}], "policies": ["single-shot"], "models": ["none"],
        "seeds": list(seeds), "deadline": 600}))
    return folder / "suite.yaml"


def outcomes(run: pathlib.Path) -> list:
    rows = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()[1:]]
    kept = [(row["key"], {k: v for k, v in row["outcome"].items() if "second" not in k and "time" not in k}) for row in rows]
    return sorted(kept, key=lambda row: json.dumps(row[0], sort_keys=True))


def test_an_evaluation_in_parts_is_the_evaluation(cluster, tmp_path):
    path = suite(tmp_path)
    subprocess.run([PROGRAM.path, "eval", "run", str(path), "--output", str(tmp_path / "one")], check=True, capture_output=True)
    many = forage_ray.evaluate(path, tmp_path / "many", shards=4, program=PROGRAM)
    assert outcomes(many) == outcomes(tmp_path / "one")
    report = subprocess.run([PROGRAM.path, "eval", "rescore", str(many)], check=True, capture_output=True, text=True)
    assert "hotpotqa" in report.stdout + report.stderr


def test_a_killed_worker_costs_its_task_only(cluster, tmp_path):
    killed = []

    def kill_some():
        # Programs that tasks started are ended the hard way while they work.
        end = time.time() + 60
        while time.time() < end and len(killed) < 2:
            for entry in pathlib.Path("/proc").iterdir():
                try:
                    line = (entry / "cmdline").read_bytes().split(b"\0")
                    here = os.readlink(entry / "cwd")
                except (OSError, ValueError):
                    continue
                if b"suite.yaml" in line and "/forage-ray-" in here and entry.name not in killed:
                    os.kill(int(entry.name), signal.SIGKILL)
                    killed.append(entry.name)
                    break
            time.sleep(0.2)

    path = suite(tmp_path)
    thread = threading.Thread(target=kill_some)
    thread.start()
    many = forage_ray.evaluate(path, tmp_path / "many", shards=4, program=PROGRAM)
    thread.join()
    assert killed
    assert len(outcomes(many)) == 8


def test_rollouts_come_with_their_events_and_failures_are_data(cluster, tmp_path):
    path = suite(tmp_path, questions=4, seeds=(1, 2))
    played = list(forage_ray.rollouts(path, shards=2, program=PROGRAM))
    assert len(played) == 8
    assert all(rollout["events"] and rollout["events"][0]["event"] == "started" for rollout in played)
    broken = json.loads(path.read_text())
    broken["policies"] = ["no-such-policy"]
    path.write_text(json.dumps(broken))
    failed = list(forage_ray.rollouts(path, shards=2, program=PROGRAM))
    assert len(failed) == 2 and all(isinstance(f, forage_ray.Failure) and f.questions for f in failed)


@pytest.mark.skipif("FORAGE_ENCODER" not in os.environ, reason="FORAGE_ENCODER names no pulled encoder, such as minilm")
def test_a_corpus_encoded_in_parts_is_the_corpus(cluster, tmp_path):
    lines = (EXAMPLES / "hotpotqa/corpus.jsonl").read_bytes().splitlines()[:60]
    source = tmp_path / "corpus.jsonl"
    source.write_bytes(b"\n".join(lines) + b"\n")
    encoder = os.environ["FORAGE_ENCODER"]
    subprocess.run([PROGRAM.path, "index", str(source), "--output", str(tmp_path / "one.forage"), "--encoder", encoder],
                   check=True, capture_output=True)
    summary = json.loads(forage_ray.index([source], str(tmp_path / "many.forage"), shards=4, encoder=encoder, program=PROGRAM))
    assert summary["documents"] == 60

    def search(corpus):
        out = subprocess.run([PROGRAM.path, "search", "semantic", "--corpus", str(tmp_path / corpus), "--json", "a magazine"],
                             check=True, capture_output=True, text=True).stdout
        return [(row["id"], round(row["score"], 4)) for row in map(json.loads, out.splitlines())]

    assert search("many.forage") == search("one.forage")
