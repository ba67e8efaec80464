"""A worker that speaks the protocol with nothing but the standard library, and that does
to its caller what it is told to.

usage: stub_worker.py FOLDER [ARGUMENTS OF PYTHON]. FOLDER/plan.json is a list with a fault for each worker that
is started there, one after the other (null, or beyond its end: none):
    {"during": "reset" | "step" | "save" | "open", "after": calls answered before it,
     "how": "exit" | "kill" | "hang" | "rubbish" | "raise" | "prints"}
or {"promises": steps that it says an episode has}.
Environment i of worker w shows frames filled with 50 w + 10 i + (step of the episode), is
rewarded with the step, is done (`success`) at step 2 and truncated at step 5.
"""

import json
import os
import signal
import struct
import sys
import time
import zlib

folder = sys.argv[1]
with open(os.path.join(folder, "starts"), "a") as f:
    f.write("%d\n" % os.getpid())
with open(os.path.join(folder, "starts")) as f:
    worker = len(f.readlines()) - 1
with open(os.path.join(folder, "plan.json")) as f:
    plan = json.load(f)
fault = (plan[worker] if worker < len(plan) else None) or {}
requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
# In the place of Python it is given the real worker's source first, in parts "name:bytes".
for argument in sys.argv[2:]:
    if argument.split(":")[-1].isdigit():
        requests.read(int(argument.split(":")[-1]))
# As real workers do it: who prints, prints to stderr.
os.dup2(2, 1)
NAMES = {1: "open", 2: "reset", 3: "step", 4: "save", 5: "restore", 6: "close"}
answered = dict.fromkeys(NAMES.values(), 0)


def say(kind, payload=b""):
    crc = zlib.crc32(payload, zlib.crc32(struct.pack("<HI", kind, len(payload))))
    replies.write(struct.pack("<4sHHII", b"FOVB", 2, kind, len(payload), crc) + payload)
    replies.flush()


def misbehave():
    how = fault["how"]
    print("about to", how, flush=True)
    if how == "exit":
        os._exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hang":
        time.sleep(1000)
    if how == "rubbish":
        replies.write(b"Welcome to the environment!\n")
        replies.flush()
        time.sleep(1000)
    if how == "raise":
        say(0xFF, json.dumps({"kind": "raised", "message": "PhysicsError: it blew up",
                              "traceback": "File \"task.py\", line 7"}).encode())
        return True
    return False


def frame(index):
    return bytes([50 * worker % 200 + 10 * index + steps[index]]) * (3 * size * size)


while True:
    header = requests.read(16)
    if len(header) < 16:
        sys.exit(0)
    _, _, kind, length, _ = struct.unpack("<4sHHII", header)
    payload = requests.read(length)
    name = NAMES[kind]
    if fault.get("during") == name and answered[name] >= fault.get("after", 0) and misbehave():
        continue
    answered[name] += 1
    if name == "open":
        wanted = json.loads(payload)
        n, size = wanted["n"], wanted["image_size"]
        steps, running = [0] * n, [False] * n
        with open(os.path.join(folder, "seeds"), "a") as f:
            f.write("%d\n" % wanted["seed"])
        with open(os.path.join(folder, "evaluations"), "a") as f:
            f.write("%s\n" % wanted["evaluation"])
        say(0x81, json.dumps({"spec": {
            "id": wanted["id"], "n": n, "image_size": size, "action_dim": 1,
            "discrete_actions": wanted.get("discrete"), "episode_steps": fault.get("promises", 5),
            "action_repeat": wanted.get("action_repeat") or 1}, "versions": {}}).encode())
    elif name == "reset":
        (index,) = struct.unpack("<I", payload)
        steps[index], running[index] = 0, True
        say(0x82, frame(index))
    elif name == "step":
        if not all(running):
            say(0xFF, json.dumps({"kind": "misuse", "message": "not all run"}).encode())
            continue
        outcomes = b""
        for index in range(n):
            steps[index] += 1
            running[index] = steps[index] < 5
            outcomes += struct.pack("<fBBBxf", steps[index], False, not running[index],
                                    steps[index] == 2, 10 * steps[index])
        say(0x83, outcomes + b"".join(map(frame, range(n))))
    elif name == "save":
        say(0x84, json.dumps({"steps": steps, "running": running}).encode())
    elif name == "restore":
        saved = json.loads(payload)
        steps, running = saved["steps"], saved["running"]
        say(0x85, b"".join(map(frame, range(n))) + bytes(n))
    else:
        say(0x86)
        sys.exit(0)
