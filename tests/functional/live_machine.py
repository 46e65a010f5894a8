"""A machine that answers offers as a test wants it, behind a scripted service with a mailbox."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import warnings
from urllib.parse import parse_qs, urlsplit

from scripted import Answer, ScriptedServer, ok, refusal

TASK = "i4ir3kvv62odsfrhko4y8w2an"
ANSWER_LIMIT_S = 20.0


class Machine:
    """The service with one task, and the task's machine.

    Attributes:
        lines: What `stdout.txt` holds.
        script: Raw messages instead of what a machine answers, one list a channel.
        status: Of the task.
        connections: How many offers were answered.
    """

    def __init__(self):
        self.lines = []
        self.script = None
        self.status = "computation-started"
        self.is_mute = False
        self.drops_packets = False
        self.answer = None
        self.offers = []
        self.requests = []
        self.connections = 0
        self._peers = []
        self._followers = []
        self._boxes = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.server = ScriptedServer()
        self.server.route = self._route

    @property
    def url(self):
        return self.server.url

    def write(self, *lines):
        """The file gains lines; followers are told."""
        self._run(self._write(lines))

    def lose_connections(self):
        """Every connection is closed, as when the network is lost."""
        self._run(self._close_peers())

    def end(self, status="success"):
        self.status = status

    def close(self):
        self._run(self._close_peers())
        self.server.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_LIMIT_S)

    # -- the service -----------------------------------------------------------------------------

    def _route(self, asked):
        place = urlsplit(asked.path)
        if place.path == f"/tasks/{TASK}/status":
            done = self.status != "computation-started"
            return ok({"id": TASK, "status": self.status, "is_terminated": done})
        if place.path == f"/tasks/{TASK}":
            done = self.status != "computation-started"
            return ok(
                {"task_id": TASK, "status": self.status, "is_terminated": done, "metrics": {}}
            )
        if place.path.endswith("/register"):
            return ok({})
        if place.path.endswith("/offer"):
            self.offers.append(asked.json)
            if not self.is_mute:
                self._boxes[asked.json["sender_id"]] = self._run(self._answered(asked.json["sdp"]))
            return ok({})
        if place.path.endswith("/message"):
            (client,) = parse_qs(place.query)["client"]
            found = self._boxes.pop(client, None)
            return Answer(204, b"") if found is None else ok(found)
        return refusal(404, "There is no such thing.")

    # -- the machine -----------------------------------------------------------------------------

    async def _answered(self, sdp):
        if self.answer is not None:
            return self.answer
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import aiortc
        peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        self._peers.append(peer)
        self.connections += 1
        peer.on("datachannel", self._serve)
        await peer.setRemoteDescription(aiortc.RTCSessionDescription(sdp=sdp, type="offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        text = peer.localDescription.sdp
        if self.drops_packets:
            await peer.close()
        return {"sender_id": TASK, "receiver_id": "", "type": "answer", "sdp": text}

    def _serve(self, channel):
        def on_message(text):
            request = json.loads(text)
            self.requests.append(request)
            if self.script is not None:
                for raw in self.script.pop(0):
                    channel.send(raw)
            else:
                self._reply(channel, request)

        channel.on("message", on_message)

    def _reply(self, channel, request):
        if request["type"] != "tail":
            message = {"top": "top - 1 user", "ls": ["a.txt", {"vtk": ["b.vtk"]}]}[request["type"]]
            channel.send(json.dumps({"status": "success", "message": message}))
            return
        count = request["args"]["lines"]
        last = self.lines[-count:] if count else []
        channel.send(json.dumps({"status": "success", "message": last}))
        if request["follow"]:
            self._followers.append(channel)

    async def _write(self, lines):
        self.lines += lines
        for channel in self._followers:
            if channel.readyState == "open":
                channel.send(json.dumps({"status": "success", "message": list(lines)}))

    async def _close_peers(self):
        self._followers.clear()
        peers, self._peers = self._peers, []
        for peer in peers:
            with contextlib.suppress(Exception):
                await peer.close()
