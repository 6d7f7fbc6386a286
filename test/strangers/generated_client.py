"""Uses the client that openapi-python-client made: URL, folder of the client's package."""

import sys
import time

url, folder = sys.argv[1:]
sys.path.insert(0, folder)

from llm_cast_client import Client  # noqa: E402
from llm_cast_client.api.health import live  # noqa: E402
from llm_cast_client.api.llm import cancel, generate, queue, view  # noqa: E402
from llm_cast_client.models import CompletedView, GenerateBody, GenerateBodyOnDisconnect  # noqa: E402
from llm_cast_client.models import QueueView, RunningView, Started  # noqa: E402

client = Client(base_url=url)
assert live.sync(client=client).status == "ok"
assert isinstance(queue.sync(client=client), QueueView)
started = generate.sync(
    client=client,
    body=GenerateBody(prompt="x", on_disconnect=GenerateBodyOnDisconnect.KEEP),
)
assert isinstance(started, Started), started
assert isinstance(view.sync(started.generation_id, client=client), RunningView)
print(started.generation_id, flush=True)
deadline = time.monotonic() + 60
while not isinstance(now := view.sync(started.generation_id, client=client), CompletedView):
    assert time.monotonic() < deadline, now
    time.sleep(0.1)
assert isinstance(cancel.sync(started.generation_id, client=client), CompletedView)
missing = view.sync_detailed("A" * 22, client=client)
assert missing.parsed.code.value == "generation_not_found", missing
print(now.text, now.finish_reason.value if hasattr(now.finish_reason, "value") else now.finish_reason)
