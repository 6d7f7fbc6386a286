"""Asks llm-cast over python-socketio and prints what came, as JSON: URL, transport."""

import json
import sys
import threading

import socketio

url, transport = sys.argv[1:]
records, disconnects, over = [], [], threading.Event()
lock = threading.Lock()
client = socketio.Client(reconnection=False)


@client.on("streamData", namespace="/events")
def on_record(record):
    # Each event has a thread of its own, and they overtake each other on a busy machine.
    with lock:
        records.append(record)
        records.sort(key=lambda one: one["seq"])
        covered = sum(one["seq"] - one.get("from", one["seq"]) + 1 for one in records)
        if "state" in records[-1] and covered == records[-1]["seq"]:
            over.set()


@client.on("disconnect", namespace="/events")
def on_disconnect(*reason):
    disconnects.append([str(part) for part in reason])
    over.set()


client.connect(url, transports=[transport], namespaces=["/events"], wait_timeout=30)
assert client.get_sid("/events") != client.sid, "the namespace has an id of its own"
ack = client.call("generate", {"prompt": "x"}, namespace="/events", timeout=30)
over.wait(60)
print(json.dumps({"ack": ack, "records": records, "disconnects": disconnects}))
client.disconnect()
