#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The cost of an agent's loop without model and tool time: forage beside LangGraph, in turn, in one run.

    python3 -m venv v && v/bin/pip install langgraph
    swift build -c release --product ForageBenchmarks
    v/bin/python agent_peer.py .build/release/ForageBenchmarks [--steps 200] [--rounds 3]

A LangGraph step is one turn of an agent node that always asks for a call and of a tool node that does nothing, with the
state in a dictionary whose messages are appended to, as its own agents keep them; once without and once with its
in-memory checkpointer, which is what makes such a run resumable. A forage step asks a proposer, a policy, a tool that
does nothing and a keeper, and stores seven events in memory. Printed as JSON lines.
"""
import argparse
import json
import operator
import statistics
import subprocess
import time
from typing import Annotated, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    messages: Annotated[list, operator.add]
    step: int


def langgraph(steps, saver):
    """Microseconds a step of one run."""
    graph = StateGraph(State)
    graph.add_node("agent", lambda s: {"messages": [{"role": "assistant", "call": {"name": "nothing", "n": s["step"]}}]})
    graph.add_node("tool", lambda s: {"messages": [{"role": "tool", "content": "nothing"}], "step": s["step"] + 1})
    graph.add_edge(START, "agent")
    graph.add_edge("agent", "tool")
    graph.add_conditional_edges("tool", lambda s: END if s["step"] >= steps else "agent")
    app = graph.compile(checkpointer=saver)
    start = time.perf_counter()
    app.invoke({"messages": [], "step": 0}, {"recursion_limit": 4 * steps + 10, "configurable": {"thread_id": "a"}})
    return (time.perf_counter() - start) / steps * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmarks")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    plain, saved, own = [], [], []
    for _ in range(args.rounds):
        plain.append(langgraph(args.steps, None))
        saved.append(langgraph(args.steps, InMemorySaver()))
        output = subprocess.run([args.benchmarks, "agent", "--steps", str(args.steps), "--sessions", "100"],
                                capture_output=True, text=True, check=True).stdout
        own.append(json.loads(output.splitlines()[0])["us_per_step"])
    for name, values in (("langgraph", plain), ("langgraph, checkpoints in memory", saved), ("forage", own)):
        print(json.dumps({"engine": name, "steps": args.steps, "us_per_step": [round(v, 1) for v in values],
                          "median": round(statistics.median(values), 1)}))


if __name__ == "__main__":
    main()
