# SPDX-License-Identifier: Apache-2.0
"""`forage harness` as a harness of the verifiers framework (0.4): the trainer's model uses the trainer's MCP tools.

Put this folder's parent on PYTHONPATH and name the harness `forage_harness`; see ../README.md.
"""

import json

from verifiers.v1.configs.harness import HarnessConfig
from verifiers.v1.dialects.chat import message_to_wire
from verifiers.v1.harness import Harness


class ForageHarnessConfig(HarnessConfig):
    binary: str = "forage"
    """The program: a name on PATH, or a path."""


class ForageHarness(Harness[ForageHarnessConfig]):
    APPENDS_SYSTEM_PROMPT = True
    SUPPORTS_MCP = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(self, ctx, trace, runtime, endpoint, secret, mcp_urls, data):
        system, prompt = self.resolve_prompt(data)
        command = [self.config.binary, "harness", f"--base-url={endpoint}", f"--model={ctx.model}"]
        if system:
            command.append(f"--system-prompt={system}")
        if mcp_urls:
            servers = {name: {"url": url, "timeout": self.config.tool_timeout} for name, url in mcp_urls.items()}
            command.append("--mcp-config=" + json.dumps({"mcpServers": servers}))
        if isinstance(prompt, str):
            command.append(f"--prompt={prompt}")
        else:
            path = f".forage-messages-{trace.id}.json"
            await runtime.write(path, json.dumps([message_to_wire(message) for message in prompt]).encode())
            command.append(f"--initial-messages-file={path}")
        # Other users of a machine cannot read a program's environment, but can read its arguments.
        return await runtime.run_program(command, {**self.config.resolved_env, "OPENAI_API_KEY": secret})


__all__ = ["ForageHarness"]
