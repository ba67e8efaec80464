"""What the adapters of all suites share.

An adapter is one group of environments. It has `size`, `action_dim`,
`discrete_actions` (None where actions are continuous), `action_repeat`,
`episode_steps`, `running` (a flag for each environment), and

    tasks() → names                        what the suite has
    versions() → {package: version}        what decides physics and pixels
    reset(index) → frame
    step(index, action) → Step
    save(index) → plain JSON
    restore(index, saved) → (frame, whether the episode was broken off)

A frame is CHW uint8 bytes. To add a suite, write an adapter in a file of its
own and enter it in `service.py`, `python.rs` and `open.rs`.
"""

import base64
import collections
import difflib
import os
import zlib

from foveate_messages import Refusal

Step = collections.namedtuple("Step", "reward terminated truncated success score frame",
                              defaults=[None])


def imported(module):
    """A module, or a refusal that names what is missing."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as e:
        raise missing(e) from e


def missing(error):
    # Gymnasium's own exceptions name no module; what they were raised from does.
    seen, module = error, None
    while seen is not None and not module:
        module = getattr(seen, "name", None)
        seen = seen.__cause__ or seen.__context__
    return Refusal("module_missing", str(error), module=module)


def unknown(suite, name, known):
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return Refusal("unknown_environment", "no environment %s/%s" % (suite, name),
                   nearest="%s/%s" % (suite, near[0]) if near else None,
                   known=", ".join("%s/%s" % (suite, k) for k in known))


def installed(*packages):
    from importlib.metadata import version

    return {name: version(name) for name in packages}


def choose_renderer(options):
    """Before MuJoCo is imported: which OpenGL it draws with. Gives its name."""
    renderer = options.get("renderer")
    if renderer:
        os.environ["MUJOCO_GL"] = renderer
        os.environ.pop("PYOPENGL_PLATFORM", None)
    return renderer or "by default"


def packed(array):
    """A numpy array as plain JSON: nothing that could run code when it is read."""
    return {"dtype": array.dtype.str, "shape": list(array.shape),
            "data": base64.b64encode(array.tobytes()).decode()}


def unpacked(np, saved):
    flat = np.frombuffer(base64.b64decode(saved["data"]), np.dtype(saved["dtype"]))
    return flat.reshape(saved["shape"]).copy()


def random_state(np, seed, index, *more):
    """The random stream of environment `index`; `more` names others of the same."""
    return np.random.RandomState([seed & 0xFFFFFFFF, seed >> 32, index, *more])


def random_state_saved(stream):
    _, keys, position, has_gauss, gauss = stream.get_state()
    return {"keys": packed(keys), "position": position, "has_gauss": has_gauss, "gauss": gauss}


def restore_random_state(np, stream, saved):
    stream.set_state(("MT19937", unpacked(np, saved["keys"]),
                      saved["position"], saved["has_gauss"], saved["gauss"]))


def chw(np, picture):
    """HWC → the bytes of a frame."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)).tobytes()


class AreaResize:
    """Resizes pictures to `size`×`size` by the mean over the area of each pixel, as
    OpenCV's INTER_AREA does when it shrinks."""

    def __init__(self, np, size):
        self.np, self.size, self.overlaps = np, size, {}

    def overlap(self, length):
        """[size, length]: how much of each target pixel each source pixel covers."""
        if length not in self.overlaps:
            edges = self.np.arange(self.size + 1) * (length / self.size)
            low = self.np.maximum(edges[:-1, None], self.np.arange(length))
            high = self.np.minimum(edges[1:, None], self.np.arange(length) + 1)
            shares = self.np.clip(high - low, 0.0, None) * (self.size / length)
            self.overlaps[length] = shares.astype(self.np.float32)
        return self.overlaps[length]

    def __call__(self, picture):
        """uint8 [H, W] or [H, W, C] → uint8 of `size`×`size`."""
        np = self.np
        if picture.shape[:2] == (self.size, self.size):
            return picture
        rows, columns = (self.overlap(length) for length in picture.shape[:2])
        planes = np.atleast_3d(picture).transpose(2, 0, 1).astype(np.float32)
        resized = np.rint(rows @ planes @ columns.T).clip(0, 255).astype(np.uint8)
        return resized[0] if picture.ndim == 2 else resized.transpose(1, 2, 0)


class Repeated:
    """Saves episodes of environments that cannot be saved: by the seed of the episode
    and its actions, which are played again. Where that leads to another picture, the
    environment does not repeat itself, and the episode is broken off: a new one begins.

    An adapter has `size` and gives `begin(index, seed)`, which starts the episode that a
    seed decides, `advance(index, action)` → Step without its frame, and `frame(index)`:
    drawing is nearly all of the cost, and only the last picture of a replay is looked at.
    An episode that has ended is not played again; its last picture is kept instead.
    """

    def prepare(self, np, options):
        self.np, self.seed = np, options["seed"]
        self.episodes = [0] * options["n"]
        self.actions = [[] for _ in self.episodes]
        self.running = [False] * options["n"]
        # The last picture of each episode that is over.
        self.last = [bytes(3 * options["image_size"] ** 2)] * options["n"]

    def episode_seed(self, index):
        stream = random_state(self.np, self.seed, index, self.episodes[index])
        return int(stream.randint(0, 2**31 - 1))

    def reset(self, index):
        self.episodes[index] += 1
        self.actions[index] = []
        self.begin(index, self.episode_seed(index))
        self.running[index] = True
        return self.frame(index)

    def step(self, index, action):
        result = self.advance(index, action)._replace(frame=self.frame(index))
        self.actions[index].append([float(a) for a in action])
        self.running[index] = not (result.terminated or result.truncated)
        if not self.running[index]:
            self.last[index] = result.frame
        return result

    def save(self, index):
        saved = {"seed": self.seed, "episode": self.episodes[index],
                 "running": self.running[index]}
        if not self.running[index]:
            # Over, or never begun: the next that happens is a reset.
            return dict(saved, actions=[], frame=base64.b64encode(self.last[index]).decode())
        return dict(saved, actions=self.actions[index],
                    picture=zlib.crc32(self.frame(index)))

    def restore(self, index, saved):
        self.seed, self.episodes[index] = saved["seed"], saved["episode"]
        self.actions[index], self.running[index] = saved["actions"], saved["running"]
        if not saved["running"]:
            if "frame" in saved:
                self.last[index] = base64.b64decode(saved["frame"])
            return self.last[index], False
        self.begin(index, self.episode_seed(index))
        for action in saved["actions"]:
            result = self.advance(index, action)
            if result.terminated or result.truncated:
                return self.reset(index), True
        frame = self.frame(index)
        if zlib.crc32(frame) != saved["picture"]:
            return self.reset(index), True
        return frame, False
