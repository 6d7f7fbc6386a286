"""Reads a generation with httpx-sse and prints ids and text, as JSON: URL, id, last event id."""

import json
import sys

import httpx
from httpx_sse import connect_sse

url, generation, last = sys.argv[1:]
ids, text = [], ""
headers = {"Last-Event-ID": last} if last else {}
with httpx.Client(timeout=30) as client:
    address = f"{url}/llm/generations/{generation}/events"
    with connect_sse(client, "GET", address, headers=headers) as source:
        for event in source.iter_sse():
            record = json.loads(event.data)
            ids.append(event.id)
            text += record.get("response", "")
print(json.dumps({"ids": ids, "text": text}))
