"""Answers foveate's requests, one after the other."""

import difflib
import json
import os
import struct
import sys

from foveate_messages import (
    CLOSE, ERROR, OPEN, REPLY, RESET, RESTORE, SAVE, STEP, TASKS, UNKNOWN, VIDEO, Refusal,
    die_with_parent, error_payload, private_streams, read_message, write_message)
from foveate_suite_ale import Atari
from foveate_suite_dm_control import DmControl
from foveate_suite_gym import Gymnasium
from foveate_suite_metaworld import MetaWorld
from foveate_video import decoded

ADAPTERS = {"dm_control": DmControl, "metaworld": MetaWorld, "ale": Atari, "gym": Gymnasium}
STATE_FORMAT = 2


class Service:
    """Answers requests for one group of environments."""

    def __init__(self):
        self.group = None

    def answer(self, kind, payload):
        """The parts of the reply's payload."""
        if kind == OPEN:
            return [json.dumps(self.open(json.loads(payload))).encode()]
        if kind == VIDEO:
            wanted = json.loads(payload)
            return decoded(wanted["path"], wanted["size"], wanted.get("most"))
        if self.group is None:
            raise Refusal("protocol", "request %d before the group was opened" % kind)
        if kind == TASKS:
            return [json.dumps(self.group.tasks()).encode()]
        if kind == RESET:
            (index,) = struct.unpack("<I", payload)
            return [self.group.reset(index)]
        if kind == STEP:
            return self.step(payload)
        if kind == SAVE:
            return [self.save()]
        if kind == RESTORE:
            return self.restore(payload)
        raise Refusal("protocol", "unknown kind of request %d" % kind)

    def open(self, options):
        suite, _, options["name"] = options["id"].partition("/")
        if suite not in ADAPTERS:
            near = difflib.get_close_matches(suite, list(ADAPTERS), n=1, cutoff=0.4)
            raise Refusal("unknown_environment", "no suite '%s'" % suite,
                          nearest="%s/%s" % (near[0], options["name"]) if near else None,
                          known=", ".join("%s/…" % name for name in ADAPTERS))
        if options.get("look") and suite != "dm_control":
            raise Refusal("unsuitable", "only dm_control has other looks")
        self.id, self.n = options["id"], options["n"]
        self.group = ADAPTERS[suite](options)
        return {
            "spec": {
                "id": self.id,
                "n": self.n,
                "image_size": self.group.size,
                "action_dim": self.group.action_dim,
                "discrete_actions": self.group.discrete_actions,
                "episode_steps": self.group.episode_steps,
                "action_repeat": self.group.action_repeat,
            },
            "versions": dict(self.group.versions(), python=sys.version.split()[0]),
        }

    def step(self, payload):
        actions = struct.unpack("<%df" % (self.n * self.group.action_dim), payload)
        # Checked for all before any moves: a refused step changes nothing.
        for index, running in enumerate(self.group.running):
            if not running:
                raise Refusal("misuse", "environment %d was stepped without a reset: "
                              "its episode is over or never began" % index)
        outcomes, frames = [], []
        for index in range(self.n):
            action = actions[index * self.group.action_dim:(index + 1) * self.group.action_dim]
            result = self.group.step(index, action)
            success = UNKNOWN if result.success is None else int(result.success)
            outcomes.append(struct.pack("<fBBBxf", result.reward, result.terminated,
                                        result.truncated, success, result.score))
            frames.append(result.frame)
        return outcomes + frames

    def save(self):
        return json.dumps({
            "format": STATE_FORMAT,
            "id": self.id,
            "action_repeat": self.group.action_repeat,
            "versions": self.group.versions(),
            "environments": [self.group.save(index) for index in range(self.n)],
        }).encode()

    def restore(self, payload):
        try:
            state = json.loads(payload)
            found = (state["format"], state["id"], state["action_repeat"], len(state["environments"]))
        except (ValueError, KeyError, TypeError) as e:
            raise Refusal("state", "this is no saved state: %s" % e) from e
        wanted = (STATE_FORMAT, self.id, self.group.action_repeat, self.n)
        if found != wanted:
            raise Refusal("state", "(format, id, action repeat, environments) is %r, expected %r"
                          % (found, wanted))
        if state["versions"] != self.group.versions():
            raise Refusal("state", "it was saved under %r and cannot continue with the same bits under %r"
                          % (state["versions"], self.group.versions()))
        restored = [self.group.restore(index, saved)
                    for index, saved in enumerate(state["environments"])]
        return [frame for frame, _ in restored] + [bytes(broken for _, broken in restored)]


def serve():
    requests, replies = private_streams()
    die_with_parent()
    service = Service()
    while True:
        try:
            try:
                kind, payload = read_message(requests)
            except Refusal as e:
                # The stream cannot be trusted any more: say why and leave.
                write_message(replies, ERROR, error_payload(e))
                return 1
            if kind == CLOSE:
                write_message(replies, CLOSE | REPLY)
                return 0
            try:
                parts = service.answer(kind, payload)
            except Exception as e:
                write_message(replies, ERROR, error_payload(e))
            else:
                write_message(replies, kind | REPLY, *parts)
        except (EOFError, BrokenPipeError):
            return 0


def run():
    """Serves until the end, and ends the process."""
    status = serve()
    # Without the interpreter's own clean-up: GL drivers are known to crash in it.
    sys.stderr.flush()
    os._exit(status)
