"""Talks through ollama-python: URL. Prints what it sees as JSON."""

import json
import sys

from ollama import Client, ResponseError

client = Client(host=sys.argv[1])
messages = [{"role": "user", "content": "why is the sky blue?"}]
model = "llama3.2"


def weather(city: str) -> str:
    """The weather in a city.

    Args:
      city: where
    """
    return city


seen = {"models": [one.model for one in client.list().models]}
stream = client.chat(model=model, messages=messages, tools=[weather], think=True, stream=True)
lines = list(stream)
seen["text"] = "".join(line.message.content or "" for line in lines)
seen["thinking"] = "".join(line.message.thinking or "" for line in lines)
seen["calls"] = [
    [call.function.name, dict(call.function.arguments)]
    for line in lines
    for call in line.message.tool_calls or []
]
seen["tokens"] = [lines[-1].prompt_eval_count, lines[-1].eval_count]
schema = {"type": "object", "properties": {"colour": {"type": "string"}}}
seen["whole"] = client.generate(model=model, prompt="which colour?", format=schema).response
try:
    for line in client.chat(model=model, messages=messages, stream=True):
        seen["partly"] = line.message.content
except ResponseError as error:
    seen["cut"] = error.error
try:
    client.pull("llama3.2")
except ResponseError as error:
    seen["pull"] = error.status_code
print(json.dumps(seen))
