#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Talks to `forage serve` with the clients that people use: openai, LangChain and LlamaIndex.

    pip install openai langchain-openai llama-index-llms-openai-like
    forage serve --corpus news.forage --port 8080 &
    python3 Examples/clients/check.py http://127.0.0.1:8080/v1 "Who founded …?" ["And when?"]

Prints a line a check, ok or FAILED, and ends with status 1 when one failed. A client that is not installed is left out and
said so.
"""
import importlib.util
import os
import sys
import traceback

if len(sys.argv) < 3:
    sys.exit(__doc__)
BASE, QUESTION = sys.argv[1].rstrip("/"), sys.argv[2]
FOLLOW_UP = sys.argv[3] if len(sys.argv) > 3 else "And where was that?"
KEY = os.environ.get("FORAGE_TOKEN", "none")
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "citations": {"type": "array", "items": {"type": "string"}}},
    "required": ["answer", "citations"],
    "additionalProperties": False,
}
CHECKS = []
failed = 0


def check(function):
    CHECKS.append(function)
    return function


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def client():
    import openai

    return openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0, timeout=300)


def agent():
    """The first agent that the server names."""
    return client().models.list().data[0].id


@check
def openai_lists_models():
    expect(agent(), "no model")


@check
def openai_chat():
    reply = client().chat.completions.create(model=agent(), messages=[{"role": "user", "content": QUESTION}])
    expect(reply.choices[0].message.content, "no answer")
    expect(reply.choices[0].finish_reason == "stop", reply.choices[0].finish_reason)
    expect(reply.usage.total_tokens >= 0, "no usage")
    for note in reply.choices[0].message.annotations or []:
        expect(note.type == "url_citation" and note.url_citation.url, f"an odd annotation {note}")


@check
def openai_chat_streamed():
    text, finish, usage = "", None, None
    for chunk in client().chat.completions.create(
        model=agent(), messages=[{"role": "user", "content": QUESTION}], stream=True,
        stream_options={"include_usage": True},
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    expect(text and finish == "stop" and usage, f"{text!r} {finish} {usage}")


@check
def openai_chat_conversation():
    messages = [
        {"role": "system", "content": "Answer in plain English."},
        {"role": "user", "content": QUESTION},
    ]
    first = client().chat.completions.create(model=agent(), messages=messages)
    messages += [
        {"role": "assistant", "content": first.choices[0].message.content},
        {"role": "user", "content": FOLLOW_UP},
    ]
    second = client().chat.completions.create(model=agent(), messages=messages)
    expect(second.choices[0].message.content, "no answer to the follow-up")


@check
def openai_chat_json():
    import json

    reply = client().chat.completions.create(
        model=agent(), messages=[{"role": "user", "content": QUESTION}],
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}})
    value = json.loads(reply.choices[0].message.content)
    expect(set(value) == {"answer", "citations"}, value)


@check
def openai_chat_refuses():
    import openai

    for members in ({"n": 2}, {"logprobs": True}):
        try:
            client().chat.completions.create(
                model=agent(), messages=[{"role": "user", "content": QUESTION}], **members)
        except openai.BadRequestError:
            continue
        raise AssertionError(f"{members} was taken")
    try:
        client().chat.completions.create(model="no-such-agent", messages=[{"role": "user", "content": QUESTION}])
    except openai.APIStatusError as error:
        expect(error.status_code in (400, 404), error.status_code)
    else:
        raise AssertionError("an unknown model was taken")


@check
def openai_responses():
    reply = client().responses.create(model=agent(), input=QUESTION)
    expect(reply.status == "completed" and reply.output_text, reply.status)


@check
def openai_responses_conversation():
    reply = client().responses.create(
        model=agent(), instructions="Answer briefly.",
        input=[
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": "I looked it up."},
            {"role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
        ])
    expect(reply.output_text, "no answer")


@check
def openai_responses_streamed():
    text, done = "", None
    for event in client().responses.create(model=agent(), input=QUESTION, stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
        elif event.type == "response.completed":
            done = event.response
    expect(done is not None and text == done.output_text, f"{text!r} against {done and done.output_text!r}")


@check
def openai_responses_json():
    import json

    reply = client().responses.create(
        model=agent(), input=QUESTION,
        text={"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}})
    expect(set(json.loads(reply.output_text)) == {"answer", "citations"}, reply.output_text)


@check
def openai_chat_three_turns():
    """A conversation as a client holds it, with a system message in the middle and parts of content."""
    messages = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
    for follow_up in (FOLLOW_UP, "And who else?", None):
        reply = client().chat.completions.create(model=agent(), messages=messages)
        expect(reply.choices[0].message.content, f"no answer after {len(messages)} messages")
        messages.append(reply.choices[0].message.model_dump(exclude_none=True, include={"role", "content"}))
        if follow_up:
            messages += [{"role": "system", "content": "Stay brief."}, {"role": "user", "content": follow_up}]


@check
def openai_chat_as_open_webui():
    """What Open WebUI sends: its members, and its own request for a title."""
    for members in (
        {"stream": True, "stream_options": {"include_usage": True}, "temperature": 0.7, "top_p": 0.9, "max_tokens": 900,
         "seed": 1, "stop": [], "frequency_penalty": 0, "presence_penalty": 0},
        {"stream": False, "max_completion_tokens": 1000, "metadata": {"task": "title_generation"}},
    ):
        question = QUESTION if members["stream"] else (
            "### Task:\nGenerate a concise, 3-5 word title for the chat history.\n### Chat History:\n<chat_history>\nUSER: "
            + QUESTION + "\n</chat_history>")
        reply = client().chat.completions.create(
            model=agent(), messages=[{"role": "system", "content": "You help."}, {"role": "user", "content": question}], **members)
        if members["stream"]:
            text = "".join(choice.delta.content or "" for chunk in reply for choice in chunk.choices)
        else:
            text = reply.choices[0].message.content
        expect(text, f"no answer to {members}")


@check
def openai_chat_parse():
    from pydantic import BaseModel

    class Found(BaseModel):
        answer: str
        citations: list[str]

    reply = client().chat.completions.parse(
        model=agent(), messages=[{"role": "user", "content": QUESTION}], response_format=Found)
    expect(isinstance(reply.choices[0].message.parsed, Found), reply.choices[0].message)
    reply = client().responses.parse(model=agent(), input=QUESTION, text_format=Found)
    expect(isinstance(reply.output_parsed, Found), reply)


@check
def openai_responses_three_turns():
    before = None
    for question in (QUESTION, FOLLOW_UP, "And who else?"):
        reply = client().responses.create(model=agent(), input=question, previous_response_id=before)
        expect(reply.status == "completed" and reply.output_text, f"no answer to {question}")
        before = reply.id
    import openai

    try:
        client().responses.create(model=agent(), input=QUESTION, previous_response_id="resp_none")
    except openai.APIStatusError as error:
        expect(error.status_code in (400, 404), error.status_code)
    else:
        raise AssertionError("an unknown response was gone on from")


@check
def openai_unknown_corpus():
    import openai

    for model, more in ((agent() + "@no-such-corpus", {}), (agent(), {"corpus": "no-such-corpus"})):
        try:
            client().chat.completions.create(
                model=model, messages=[{"role": "user", "content": QUESTION}], extra_body=more)
        except openai.APIStatusError as error:
            expect(error.status_code in (400, 404), error.status_code)
        else:
            raise AssertionError(f"{model} {more} was taken")


def langchain():
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(base_url=BASE, api_key=KEY, model=agent(), max_retries=0, timeout=300)


@check
def langchain_invoke():
    expect(langchain().invoke(QUESTION).content, "no answer")


@check
def langchain_stream():
    expect("".join(part.content for part in langchain().stream(QUESTION)), "no answer")


@check
def langchain_structured():
    from pydantic import BaseModel, Field

    class Found(BaseModel):
        """What was found."""

        answer: str = Field(description="the answer")
        sources: list[str] = Field(description="the ids of the passages")

    for method in ("json_schema", "function_calling"):
        found = langchain().with_structured_output(Found, method=method).invoke(QUESTION)
        expect(isinstance(found, Found) and found.answer, f"{method}: {found!r}")


@check
def langchain_json_mode():
    found = langchain().with_structured_output(None, method="json_mode").invoke(QUESTION + " Answer in JSON.")
    expect(isinstance(found, dict), repr(found))


@check
def langchain_structured_conversation():
    """A structured answer by a call, and a question that goes on from it."""
    from langchain_core.messages import HumanMessage, ToolMessage
    from pydantic import BaseModel, Field

    class Found(BaseModel):
        """What was found."""

        answer: str = Field(description="the answer")

    asks = langchain().with_structured_output(Found, method="function_calling", include_raw=True)
    messages = [HumanMessage(QUESTION)]
    for follow_up in (FOLLOW_UP, "And who else?", None):
        reply = asks.invoke(messages)
        expect(isinstance(reply["parsed"], Found), reply)
        raw = reply["raw"]
        messages += [raw] + [ToolMessage("", tool_call_id=call["id"]) for call in raw.tool_calls]
        if follow_up:
            messages.append(HumanMessage(follow_up))


@check
def langchain_responses():
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(
        base_url=BASE, api_key=KEY, model=agent(), max_retries=0, timeout=300, use_responses_api=True)
    reply = model.invoke([("system", "Be brief."), ("user", QUESTION)])
    expect(reply.text if isinstance(reply.text, str) else reply.text(), "no answer")


@check
def langchain_batch():
    expect(all(reply.content for reply in langchain().batch([QUESTION, QUESTION + " "])), "no answer")


def llama_index():
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(
        model=agent(), api_base=BASE, api_key=KEY, is_chat_model=True, is_function_calling_model=False, timeout=300,
        max_retries=0)


@check
def llama_index_complete():
    expect(str(llama_index().complete(QUESTION)), "no answer")


@check
def llama_index_chat():
    from llama_index.core.llms import ChatMessage

    expect(str(llama_index().chat([ChatMessage(role="user", content=QUESTION)]).message.content), "no answer")


@check
def llama_index_stream():
    expect("".join(part.delta or "" for part in llama_index().stream_complete(QUESTION)), "no answer")


@check
def llama_index_conversation():
    from llama_index.core.llms import ChatMessage

    messages = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=QUESTION)]
    for follow_up in (FOLLOW_UP, "And who else?", None):
        reply = llama_index().chat(messages).message
        expect(str(reply.content), "no answer")
        messages.append(reply)
        if follow_up:
            messages.append(ChatMessage(role="user", content=follow_up))


@check
def llama_index_stream_chat():
    from llama_index.core.llms import ChatMessage

    parts = llama_index().stream_chat([ChatMessage(role="user", content=QUESTION)])
    expect("".join(part.delta or "" for part in parts), "no answer")


@check
def llama_index_structured():
    from pydantic import BaseModel

    class Found(BaseModel):
        answer: str

    from llama_index.llms.openai_like import OpenAILike

    model = OpenAILike(
        model=agent(), api_base=BASE, api_key=KEY, is_chat_model=True, is_function_calling_model=False, timeout=300,
        max_retries=0, should_use_structured_outputs=True)
    found = model.as_structured_llm(Found).complete(QUESTION)
    expect(isinstance(found.raw, Found), repr(found.raw))


NEEDS = {"openai": "openai", "langchain": "langchain_openai", "llama": "llama_index.llms.openai_like"}


def is_installed(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


for function in CHECKS:
    module = NEEDS[function.__name__.split("_")[0]]
    if not is_installed(module):
        print(f"{function.__name__}: left out, {module} is not installed")
        continue
    try:
        function()
        print(f"{function.__name__}: ok", flush=True)
    except Exception as error:  # every failure of a client is one line
        failed += 1
        print(f"{function.__name__}: FAILED {type(error).__name__}: {error}", flush=True)
        if os.environ.get("VERBOSE"):
            traceback.print_exc()
sys.exit(1 if failed else 0)
