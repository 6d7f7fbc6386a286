"""Runs clients that ask llm-cast, as one process for many answers.

Each line in is JSON: {"id", "client", "url", "key", "fields"} asks; {"id", "abort": true} gives up.
Each line out is JSON: {"id", "text"} is a piece; {"id", "end"} is how it ended; {"id", "error"} what
was raised.
"""

import asyncio
import json
import re
import sys

import ollama
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI

MODEL = "llama3.2"
MESSAGES = [{"role": "user", "content": "why?"}]


def openai_client(asked):
    return AsyncOpenAI(base_url=f"{asked['url']}/v1", api_key=asked["key"], max_retries=0)


async def openai_chat(asked, say):
    client, fields = openai_client(asked), asked["fields"]
    reason = "none"
    async for chunk in await client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, **fields
    ):
        for choice in chunk.choices:
            say(choice.delta.content or "")
            reason = choice.finish_reason or reason
    return reason


async def openai_responses(asked, say):
    client, fields = openai_client(asked), asked["fields"]
    end = "none"
    async for event in await client.responses.create(
        model=MODEL, input="why?", stream=True, **fields
    ):
        if event.type == "response.output_text.delta":
            say(event.delta)
        response = getattr(event, "response", None)
        if response is not None:
            details = response.incomplete_details
            end = " ".join(filter(None, [response.status, details and details.reason]))
    return end


async def langchain(asked, say, use_responses_api):
    fields = dict(asked["fields"])
    tools = fields.pop("tools", None)
    model = ChatOpenAI(
        model=MODEL,
        base_url=f"{asked['url']}/v1",
        api_key=asked["key"],
        max_retries=0,
        use_responses_api=use_responses_api,
        model_kwargs=fields,
    )
    end = "none"
    async for chunk in (model if tools is None else model.bind_tools(tools)).astream("why?"):
        say(chunk.text)
        said = chunk.response_metadata
        details = said.get("incomplete_details") or {}
        status = " ".join(filter(None, [said.get("status"), details.get("reason")]))
        end = said.get("finish_reason") or status or end
    return end


async def ollama_chat(asked, say):
    headers = {"Authorization": f"Bearer {asked['key']}"}
    client = ollama.AsyncClient(host=asked["url"], headers=headers)
    end = "none"
    async for line in await client.chat(
        model=MODEL, messages=MESSAGES, stream=True, **asked["fields"]
    ):
        say(line.message.content or "")
        end = line.done_reason or end
    return end


CLIENTS = {
    "openai, chat": openai_chat,
    "openai, responses": openai_responses,
    "LangChain, chat": lambda asked, say: langchain(asked, say, False),
    "LangChain, responses": lambda asked, say: langchain(asked, say, True),
    "ollama, chat": ollama_chat,
}


def write(said):
    print(json.dumps(said), flush=True)


async def run(asked):
    def say(text):
        write({"id": asked["id"], "text": text})

    try:
        write({"id": asked["id"], "end": await CLIENTS[asked["client"]](asked, say)})
    except asyncio.CancelledError:
        write({"id": asked["id"], "error": {"message": "aborted"}})
    except Exception as error:
        status = getattr(error, "status_code", None)
        message = str(getattr(error, "error", error))
        # LangChain raises a ValueError whose text is that of the response's error.
        found = re.search(r"code='(\w+)'", message)
        code = getattr(error, "code", None) or (found and found.group(1))
        said = {"message": message, "code": code}
        write({"id": asked["id"], "error": {**said, "status": status if status != -1 else None}})


async def main():
    running = {}
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        if asked.get("abort"):
            running[asked["id"]].cancel()
        else:
            running[asked["id"]] = asyncio.create_task(run(asked))


asyncio.run(main())
