"""Asks llm-cast and prints the answer as it comes: one request, no package.

    python3 chat.py "What happens when my phone locks?"
"""

import json
import os
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

URL = os.environ.get("LLM_CAST_URL", "http://localhost:3000")


def records(question):
    """The records of the answer, one after another; the last one has a state."""
    body = {"messages": [{"role": "user", "content": question}]}
    request = Request(
        f"{URL}/llm/chat",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Accept": "text/event-stream"},
    )
    with urlopen(request) as response:
        for line in response:
            if line.startswith(b"data: "):
                yield json.loads(line[len(b"data: ") :])


def main():
    question = " ".join(sys.argv[1:]) or "What happens when my phone locks?"
    try:
        for record in records(question):
            if "state" not in record:
                print(record["message"]["content"], end="", flush=True)
            elif record["state"] == "completed":
                print()
            else:
                sys.exit(f"\n{record['state']}: {record.get('detail', '')}")
    except HTTPError as error:
        sys.exit(json.load(error)["message"])


if __name__ == "__main__":
    main()
