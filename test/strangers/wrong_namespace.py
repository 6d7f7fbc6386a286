"""Connects as a newcomer to Python would: with the namespace as the path of the address."""

import sys

import socketio

client = socketio.Client(reconnection=False)
said = []
client.on("connect_error", said.append)
try:
    client.connect(sys.argv[1] + "/events", wait_timeout=10)
    print("connected")
except socketio.exceptions.ConnectionError as error:
    print(error, said)
