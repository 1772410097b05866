#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes templates.json: conversations rendered by Jinja2 (3.1.6 made the committed file), set up as the hub's libraries
set it up for chat templates. The templates are our own; each uses the constructs of a family of models.

usage: templates.py > templates.json
"""
import json, sys
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATES = {
    # ChatML with a standard system message where there is none, tools in the system message, joined tool results.
    "chatml-tools": """
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'Help where you can.' }}
    {%- endif %}
    {{- "\\n\\n# Functions\\n<list>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</list><|im_end|>\\n" }}
{%- elif messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nHelp where you can.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for call in message.tool_calls %}
            {%- if call.function is defined %}
                {%- set call = call.function %}
            {%- endif %}
            {{- '\\n<call>\\n{"name": "' }}{{ call.name }}{{ '", "arguments": ' }}
            {{- call.arguments | tojson }}
            {{- '}\\n</call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<result>\\n' ~ message.content ~ '\\n</result>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    # Thoughts of earlier turns are dropped: a namespace, reversed messages, splits of texts.
    "thinking": """
{%- set ns = namespace(searching=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == 'user' and message.content is string and not(message.content.startswith('<result>') and message.content.endswith('</result>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == 'assistant' %}
        {%- set thought = '' %}
        {%- if message.reasoning_content is string %}
            {%- set thought = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or thought) %}
            {{- '<|im_start|>assistant\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>assistant\\n' + content }}
        {%- endif %}
        {%- for call in message.tool_calls %}
            {{- '\\n' if (loop.first and content) or (not loop.first) else '' }}
            {{- '{"name": "' ~ call.function.name ~ '", "arguments": ' }}
            {%- if call.function.arguments is string %}
                {{- call.function.arguments }}
            {%- else %}
                {{- call.function.arguments | tojson }}
            {%- endif %}
            {{- '}' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
    # Headers and a date, tools as indented JSON in the first user's message, one call at a time.
    "headers": """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}{%- set date_string = "01 Jan 2020" %}{%- endif %}
{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{#- A system message is taken out, so that it can stand first. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|head|>system<|tail|>\\n\\n" }}
{{- "Date: " + date_string + "\\n\\n" + system_message + "<|end|>" }}
{%- if tools is not none %}
    {%- if messages | length != 0 %}
        {%- set first = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("There is no first message.") }}
    {%- endif %}
    {{- '<|head|>user<|tail|>\\n\\n' -}}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
    {{- first + "<|end|>" }}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|head|>' + message['role'] + '<|tail|>\\n\\n' + message['content'] | trim + '<|end|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("One call at a time.") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|head|>assistant<|tail|>\\n\\n' -}}
        {%- for name, value in call.arguments | items %}
            {{- name + '="' ~ value ~ '"' }}{% if not loop.last %}{{ ", " }}{% endif %}
        {%- endfor %}
        {{- '{"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson }}{{- "}<|end|>" }}
    {%- else %}
        {{- "<|head|>ipython<|tail|>\\n\\n" }}
        {%- if message.content is mapping or (message.content is iterable and message.content is not string) %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|end|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|head|>assistant<|tail|>\\n\\n' }}
{%- endif %}
""",
    # Turns that must alternate, the system message in front of the first user's; the assistant is called model.
    "alternating": """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set prefix = messages[0]['content'] + '

' -%}
    {%- else -%}
        {%- set prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set rest = messages[1:] -%}
{%- else -%}
    {%- set prefix = "" -%}
    {%- set rest = messages -%}
{%- endif -%}
{%- for message in rest -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Roles must alternate.") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<turn>' + role + '
' + (prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}{{ item['text'] | trim }}{%- endfor -%}
    {%- endif -%}
    {{ '</turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<turn>model
'}}
{%- endif -%}
""",
    # Blocks on lines of their own, without marks: only trim_blocks and lstrip_blocks take white space away.
    "plain-blocks": """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
  {{ '<|system|>\\n' + message['content'] + eos_token }}
    {% else %}
{{ '<|' ~ message['role'] ~ '|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
""",
    # Macros, block sets, loop controls, filters and tests.
    "macros": """
{%- macro described(name, value, depth=0, mark='-') -%}
    {{- '  ' * 0 }}{{ mark * 1 if false else mark }} {{ name | upper }}: {% if value is mapping -%}
        {%- for key, inner in value | dictsort -%}
            {{ described(key, inner, depth + 1, mark='+') }}
        {%- endfor -%}
    {%- else -%}
        {{ value | string | replace('"', "'") }};
    {%- endif -%}
{%- endmacro -%}
{%- set head | trim -%}
   {{ messages | length }} messages, {{ messages | selectattr('role', 'equalto', 'user') | list | length }} of users
{%- endset -%}
[{{ head }}]
{%- for tool in tools or [] %}
    {{- described(tool.function.name, tool.function.parameters.properties) }}
{%- endfor %}
{%- for message in messages if message.role != 'system' %}
    {%- if message.role == 'tool' %}{% continue %}{% endif %}
    {%- if loop.index > 4 %}{% break %}{% endif %}
    {{- loop.index }}/{{ loop.length }}{{ loop.revindex0 }} {{ message.content.split() | join('_') | default('none', true) }}
    {%- if message.tool_calls is defined and message.tool_calls is sequence %}{{ message.tool_calls | map(attribute='id') | join(',') }}{% endif %}
    {{- (loop.previtem | default({'role': 'start'})).role }}|
{%- else -%}
    nothing
{%- endfor %}
{{- [messages[0].role, 1, true, none, 2.5, "it's"] }}{{ (7 // 2) ~ (7 % 4) ~ (1 + 2 * 3) ~ ('b' in 'abc') ~ ('x' not in ['y']) }}
{{- messages[-1]['content'][:5] ~ messages[-1].content[-3:] | lower }}{{ {'a': [1, 'z']}['a'][1] }}{{ missing is defined }}{{ missing }}
""",
}

TOOL = {
    "type": "function",
    "function": {
        "name": "keyword_search",
        "description": "Finds passages by their words; \"quotes\" and <marks> too.",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "maximum": 20}},
            "required": ["query"],
        },
    },
}


def call(number, arguments):
    return {"id": f"call_{number}", "type": "function",
            "function": {"name": "keyword_search", "arguments": arguments}}


SYSTEM = {"role": "system", "content": " Be brief. "}
USER = {"role": "user", "content": "Who wrote \"Döner\" & <b>?\n"}
ANSWER = {"role": "assistant", "content": "<think>\nHm, hm.\n</think>\n\nNobody did."}
AGAIN = {"role": "user", "content": "  And who else? "}
CALLS = {"role": "assistant", "content": "", "tool_calls": [call(1, {"query": "döner 🥙", "limit": 3})]}
TWO = {"role": "assistant", "content": "Two at once.", "tool_calls": [call(1, {"query": "a"}), call(2, {"query": "b"})]}
RESULT = {"role": "tool", "content": "1. A passage.\n2. Another.", "tool_call_id": "call_1"}
SECOND = {"role": "tool", "content": "Nothing.", "tool_call_id": "call_2"}

CONVERSATIONS = {
    "one": ([USER], [], True),
    "system": ([SYSTEM, USER], [], True),
    "turns": ([SYSTEM, USER, ANSWER, AGAIN], [], True),
    "closed": ([USER, ANSWER], [], False),
    "tools": ([SYSTEM, USER], [TOOL], True),
    "call": ([SYSTEM, USER, CALLS, RESULT], [TOOL], True),
    "calls": ([USER, TWO, RESULT, SECOND, ANSWER, AGAIN], [TOOL, TOOL], True),
    "out-of-turn": ([USER, AGAIN], [], True),
}


def refuse(message):
    raise TemplateError(message)


def main():
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = refuse
    cases = []
    for name, source in TEMPLATES.items():
        for talk, (messages, tools, opening) in CONVERSATIONS.items():
            variables = {"messages": messages, "add_generation_prompt": opening, "bos_token": "<s>",
                         "eos_token": "</s>", "enable_thinking": False}
            if tools:
                variables["tools"] = tools
            try:
                text = environment.from_string(source).render(**variables)
            except TemplateError as error:
                text = None
                print(f"{name}, {talk}: {error}", file=sys.stderr)
            cases.append({"template": name, "conversation": talk, "text": text})
    conversations = {name: {"messages": m, "tools": t, "opening": o} for name, (m, t, o) in CONVERSATIONS.items()}
    print(json.dumps({"templates": TEMPLATES, "conversations": conversations, "cases": cases}, ensure_ascii=False,
                     indent=1))


main()
