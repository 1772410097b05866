# SPDX-License-Identifier: Apache-2.0
"""Throughput of an evaluation with 1, 2 and 4 workers, and its efficiency: python3 measure.py PROGRAM SUITE"""
import sys
import tempfile
import time

import ray
from ray.cluster_utils import Cluster

import forage_ray

program, suite = forage_ray.Program(sys.argv[1]), sys.argv[2]
base = None
for workers in (1, 2, 4):
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(workers):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address)
    ray.get([ray.remote(lambda: 0).remote() for _ in range(workers)])
    with tempfile.TemporaryDirectory() as folder:
        start = time.time()
        forage_ray.evaluate(suite, folder, shards=8, program=program)
        seconds = time.time() - start
    base = base or seconds
    print(f"{workers} workers: {seconds:.1f} s, efficiency {base / seconds / workers:.2f}", flush=True)
    ray.shutdown()
    cluster.shutdown()
