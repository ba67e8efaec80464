"""Serves one group of environments to foveate over stdin and stdout.

The protocol is documented in `protocol.rs`: every message is a 16-byte header
(magic, version, kind, payload length, CRC-32; little-endian)
and a payload; every request gets exactly one reply. Only the standard library
is imported up here, so that a missing package becomes a reply and not a death.
To add a suite, write an adapter like `DmControl` and enter it in `ADAPTERS`.
"""

import base64
import difflib
import json
import os
import signal
import struct
import sys
import threading
import time
import traceback
import zlib

MAGIC = b"FOVB"
VERSION = 1
HEADER = struct.Struct("<4sHHII")
MAX_PAYLOAD = 1 << 30

OPEN, RESET, STEP, SAVE, RESTORE, CLOSE = 1, 2, 3, 4, 5, 6
REPLY, ERROR = 0x80, 0xFF

STATE_FORMAT = 1


class Refusal(Exception):
    """A failure that the other side turns into a typed error of its own."""

    def __init__(self, kind, message, **details):
        super().__init__(message)
        self.kind, self.details = kind, details


# --------------------------------------------------------------- the process


def private_streams():
    """Takes stdin and stdout away from everybody else in this process.

    A stray `print`, in Python or in C, then lands in stderr instead of inside a
    message, and a stray `input` reads nothing.
    """
    if os.name == "nt":
        import msvcrt

        msvcrt.setmode(0, os.O_BINARY)
        msvcrt.setmode(1, os.O_BINARY)
    requests, replies = os.dup(0), os.dup(1)
    if os.name == "nt":
        msvcrt.setmode(requests, os.O_BINARY)
        msvcrt.setmode(replies, os.O_BINARY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")


def die_with_parent():
    """Ends this process with its parent even while an environment hangs.

    (While it waits for a request, the end of stdin does that already.)
    """
    if sys.platform.startswith("linux"):
        import ctypes

        try:
            pr_set_pdeathsig = 1
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
            return
        except (OSError, AttributeError):
            pass
    if os.name == "posix":
        parent = os.getppid()

        def watch():
            while os.getppid() == parent:
                time.sleep(1.0)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def read_exactly(stream, length):
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def read_message(stream):
    magic, version, kind, length, crc = HEADER.unpack(read_exactly(stream, HEADER.size))
    if magic != MAGIC or length > MAX_PAYLOAD:
        raise Refusal("protocol", "the request does not start like a message: %r" % magic)
    if version != VERSION:
        raise Refusal("version", "the worker speaks protocol %d, foveate %d" % (VERSION, version))
    payload = read_exactly(stream, length)
    if zlib.crc32(payload, checked_start(kind, length)) != crc:
        raise Refusal("protocol", "a request arrived damaged (CRC-32 differs)")
    return kind, payload


def checked_start(kind, length):
    return zlib.crc32(struct.pack("<HI", kind, length))


def write_message(stream, kind, *parts):
    length = sum(len(part) for part in parts)
    crc = checked_start(kind, length)
    for part in parts:
        crc = zlib.crc32(part, crc)
    stream.write(HEADER.pack(MAGIC, VERSION, kind, length, crc))
    for part in parts:
        stream.write(part)
    stream.flush()


def error_payload(error):
    if isinstance(error, Refusal):
        body = dict(error.details, kind=error.kind, message=str(error))
        if error.__cause__ is not None:
            body["traceback"] = traceback_of(error.__cause__)
    else:
        body = {"kind": "raised", "message": "%s: %s" % (type(error).__name__, error),
                "traceback": traceback_of(error)}
    return json.dumps(body).encode()


def traceback_of(error):
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


# ------------------------------------------------------------------ adapters


class DmControl:
    """The DeepMind Control suite: pixels of camera 0, rewards summed over the
    repeated action, episodes of 1,000 control steps that end by truncation."""

    CONTROL_STEPS = 1000
    # The tasks have limits of their own; episodes end here instead, by truncation.
    NO_TIME_LIMIT = 1e6
    ACTION_REPEAT = {"cartpole": 8, "finger": 2}

    def __init__(self, options):
        self.np = self.imported("numpy")
        self.mujoco = self.imported("mujoco")
        renderer = options.get("renderer")
        if renderer:
            os.environ["MUJOCO_GL"] = renderer
            os.environ.pop("PYOPENGL_PLATFORM", None)
        try:
            from dm_control import suite
        except ModuleNotFoundError as e:
            raise missing(e) from e
        except Exception as e:
            raise Refusal("renderer", "dm_control cannot use renderer %s: %s"
                          % (renderer or "by default", e)) from e

        name = options["name"]
        known = ["-".join(pair) for pair in suite.ALL_TASKS]
        if name not in known:
            raise unknown("dm_control", name, known)
        domain, task = name.split("-", 1)

        self.size = options["image_size"]
        self.action_repeat = options.get("action_repeat") or self.ACTION_REPEAT.get(domain, 4)
        self.episode_steps = -(-self.CONTROL_STEPS // self.action_repeat)
        self.envs, self.randoms = [], []
        for index in range(options["n"]):
            seed = options["seed"]
            random = self.np.random.RandomState([seed & 0xFFFFFFFF, seed >> 32, index])
            self.randoms.append(random)
            self.envs.append(suite.load(domain, task, task_kwargs={
                "random": random, "time_limit": self.NO_TIME_LIMIT}))
        self.pristine_model = self.model_arrays(self.envs[0])
        action = self.envs[0].action_spec()
        self.action_dim = int(action.shape[0])
        self.low, self.high = action.minimum, action.maximum
        self.episode_step = [0] * len(self.envs)
        self.running = [False] * len(self.envs)
        try:
            self.frame(0)
        except Exception as e:
            raise Refusal("renderer", "renderer %s draws no picture of %d×%d: %s"
                          % (renderer or "by default", self.size, self.size, e)) from e

    @staticmethod
    def imported(module):
        try:
            return __import__(module)
        except ImportError as e:
            raise missing(e) from e

    def versions(self):
        from importlib.metadata import version

        return {name: version(name) for name in ("dm_control", "mujoco", "numpy")}

    def frame(self, index):
        """CHW uint8 bytes of what camera 0 sees."""
        pixels = self.envs[index].physics.render(self.size, self.size, camera_id=0)
        return self.np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes()

    def reset(self, index):
        self.envs[index].reset()
        self.episode_step[index] = 0
        self.running[index] = True
        return self.frame(index)

    def step(self, index, action):
        """`action` in [−1, 1] → (reward, terminated, truncated, frame)."""
        env = self.envs[index]
        action = self.np.clip(self.np.asarray(action, self.np.float64), -1.0, 1.0)
        control = self.low + (action + 1.0) * 0.5 * (self.high - self.low)
        reward, terminated = 0.0, False
        for _ in range(self.action_repeat):
            result = env.step(control)
            reward += float(result.reward or 0.0)
            if result.last():
                terminated = result.discount == 0.0
                break
        self.episode_step[index] += 1
        truncated = not terminated and (
            result.last() or self.episode_step[index] >= self.episode_steps)
        self.running[index] = not (terminated or truncated)
        return reward, terminated, truncated, self.frame(index)

    # Saving: MuJoCo's own integration state (positions, velocities, activations,
    # warm start, controls, …) fixes the future of the physics; what tasks keep
    # elsewhere is their random generator, plain attributes, and the model fields
    # that they overwrite at the start of an episode.

    def model_arrays(self, env):
        model = env.physics.model.ptr
        arrays = {}
        for name in dir(model):
            if not name.startswith("_"):
                value = getattr(model, name)
                if isinstance(value, self.np.ndarray):
                    arrays[name] = value.copy()
        return arrays

    def save(self, index):
        env, np, mujoco = self.envs[index], self.np, self.mujoco
        model, data = env.physics.model.ptr, env.physics.data.ptr
        spec = mujoco.mjtState.mjSTATE_INTEGRATION
        physics = np.empty(mujoco.mj_stateSize(model, spec), np.float64)
        mujoco.mj_getState(model, data, physics, spec)
        changed = {name: packed(value) for name, value in self.model_arrays(env).items()
                   if not np.array_equal(value, self.pristine_model[name], equal_nan=value.dtype.kind == "f")}
        plain = {name: value for name, value in vars(env.task).items()
                 if isinstance(value, (bool, int, float, str))}
        arrays = {name: packed(value) for name, value in vars(env.task).items()
                  if isinstance(value, np.ndarray)}
        _, keys, position, has_gauss, gauss = self.randoms[index].get_state()
        return {
            "running": self.running[index],
            "episode_step": self.episode_step[index],
            "physics": packed(physics),
            "model": changed,
            "task": plain,
            "task_arrays": arrays,
            "random": {"keys": packed(keys), "position": position,
                       "has_gauss": has_gauss, "gauss": gauss},
        }

    def restore(self, index, saved):
        env, np, mujoco = self.envs[index], self.np, self.mujoco
        physics = env.physics
        model, data = physics.model.ptr, physics.data.ptr
        spec = mujoco.mjtState.mjSTATE_INTEGRATION
        state = unpacked(np, saved["physics"])
        if state.shape != (mujoco.mj_stateSize(model, spec),):
            raise Refusal("state", "the saved physics has %d numbers, this task has %d"
                          % (state.size, mujoco.mj_stateSize(model, spec)))
        # A reset brings everything that derives from the model into being, and
        # lets the first step after it be a step and not another reset.
        env.reset()
        changed = {name: unpacked(np, value) for name, value in saved["model"].items()}
        for name, value in self.model_arrays(env).items():
            wanted = changed.get(name, self.pristine_model[name])
            if not np.array_equal(value, wanted):
                getattr(model, name)[...] = wanted
                if name == "hfield_data":
                    self.upload_height_fields(physics)
        for name, value in saved["task"].items():
            setattr(env.task, name, value)
        for name, value in saved["task_arrays"].items():
            setattr(env.task, name, unpacked(np, value))
        mujoco.mj_setState(model, data, state, spec)
        # The suite leaves every step with position and velocity stages computed.
        mujoco.mj_step1(model, data)
        random = saved["random"]
        self.randoms[index].set_state(("MT19937", unpacked(np, random["keys"]),
                                       random["position"], random["has_gauss"], random["gauss"]))
        self.episode_step[index] = saved["episode_step"]
        self.running[index] = saved["running"]
        return self.frame(index)

    def upload_height_fields(self, physics):
        with physics.contexts.gl.make_current() as ctx:
            for field in range(physics.model.ptr.nhfield):
                ctx.call(self.mujoco.mjr_uploadHField, physics.model.ptr,
                         physics.contexts.mujoco.ptr, field)


ADAPTERS = {"dm_control": DmControl}


def missing(error):
    return Refusal("module_missing", str(error), module=getattr(error, "name", None) or "?")


def unknown(suite, name, known):
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return Refusal("unknown_environment", "no environment %s/%s" % (suite, name),
                   nearest="%s/%s" % (suite, near[0]) if near else None,
                   known=", ".join("%s/%s" % (suite, k) for k in known))


def packed(array):
    """A numpy array as plain JSON: nothing that could run code when it is read."""
    return {"dtype": array.dtype.str, "shape": list(array.shape),
            "data": base64.b64encode(array.tobytes()).decode()}


def unpacked(np, saved):
    flat = np.frombuffer(base64.b64decode(saved["data"]), np.dtype(saved["dtype"]))
    return flat.reshape(saved["shape"]).copy()


# ------------------------------------------------------------------- service


class Service:
    """Answers requests for one group of environments."""

    def __init__(self):
        self.group = None

    def answer(self, kind, payload):
        """The parts of the reply's payload."""
        if kind == OPEN:
            return [json.dumps(self.open(json.loads(payload))).encode()]
        if self.group is None:
            raise Refusal("protocol", "request %d before the group was opened" % kind)
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
        self.id, self.n = options["id"], options["n"]
        self.group = ADAPTERS[suite](options)
        return {
            "spec": {
                "id": self.id,
                "n": self.n,
                "image_size": self.group.size,
                "action_dim": self.group.action_dim,
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
            reward, terminated, truncated, frame = self.group.step(index, action)
            outcomes.append(struct.pack("<fBBxx", reward, terminated, truncated))
            frames.append(frame)
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
        return [self.group.restore(index, saved)
                for index, saved in enumerate(state["environments"])]


def main():
    # The terminal sends Ctrl-C to both; when to end is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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


status = main()
# Without the interpreter's own clean-up: GL drivers are known to crash in it.
sys.stderr.flush()
os._exit(status)
