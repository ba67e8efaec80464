"""Any environment of Gymnasium that shows pictures."""

import difflib

from foveate_adapter import (
    AreaResize, Repeated, Step, choose_renderer, chw, imported, installed, missing)
from foveate_messages import Refusal

# Packages that register their environments when they are imported, by namespace.
NAMESPACES = {"ALE": "ale_py", "dm_control": "shimmy", "Meta-World": "metaworld"}
# Where an environment sets no limit of its own.
STEPS_WITHOUT_LIMIT = 1_000


class Gymnasium(Repeated):
    """Frames are the observations where these are pictures, else what `render` gives;
    both are resized to a square by the mean over the area of a pixel."""

    def __init__(self, options):
        np = imported("numpy")
        renderer = choose_renderer(options)
        self.gym = imported("gymnasium")
        name = options["name"]
        namespace = NAMESPACES.get(name.split("/")[0]) if "/" in name else None
        if namespace:
            self.gym.register_envs(imported(namespace))
        self.prepare(np, options)
        self.size = options["image_size"]
        self.resize = AreaResize(np, self.size)
        try:
            self.envs = [self.make(name) for _ in range(options["n"])]
        except self.gym.error.UnregisteredEnv as e:
            raise self.not_registered(name) from e
        except self.gym.error.Error as e:
            raise Refusal("unsuitable", str(e)) from e
        self.actions_of(self.envs[0].action_space)
        self.shows = is_picture(np, self.envs[0].observation_space)
        if not self.shows and not self.renders:
            raise Refusal("unsuitable", "its observations are no pictures, and it cannot "
                          "be rendered as rgb_array")
        self.action_repeat = options.get("action_repeat") or 1
        limit = self.envs[0].spec.max_episode_steps or STEPS_WITHOUT_LIMIT
        self.episode_steps = -(-limit // self.action_repeat)
        self.taken = [0] * len(self.envs)
        self.observations = [None] * len(self.envs)
        self.begin(0, 1)
        try:
            self.frame(0)
        except self.gym.error.DependencyNotInstalled as e:
            raise missing(e) from e
        except Exception as e:
            if self.is_mujoco(name):
                raise Refusal("renderer", "renderer %s draws no picture of %d×%d: %s"
                              % (renderer, self.size, self.size, e)) from e
            raise

    def is_mujoco(self, name):
        spec = self.gym.registry.get(name)
        return spec is not None and "mujoco" in str(spec.entry_point)

    def make(self, name):
        size = {"width": self.size, "height": self.size} if self.is_mujoco(name) else {}
        takes_mode = True
        try:
            try:
                env = self.gym.make(name, render_mode="rgb_array", **size)
            except TypeError as e:
                if "'render_mode'" not in str(e):
                    raise
                # A constructor that does not know rendering: its observations may do.
                takes_mode = False
                env = self.gym.make(name)
        except (self.gym.error.DependencyNotInstalled, ImportError) as e:
            raise missing(e) from e
        self.renders = takes_mode and "rgb_array" in (env.metadata.get("render_modes") or [])
        return env

    def not_registered(self, name):
        known = self.tasks()
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        return Refusal("unknown_environment", "no environment gym/%s" % name,
                       nearest="gym/" + near[0] if near else None,
                       known="the %d ids of gymnasium.registry (foveate envs gym)" % len(known))

    def actions_of(self, space):
        """How numbers in [−1, 1], or the numbers of actions, become its own."""
        np, spaces = self.np, self.gym.spaces
        if isinstance(space, spaces.Discrete):
            self.action_dim, self.discrete_actions = 1, int(space.n)
            first = int(space.start)
            self.action = lambda given: first + int(given[0])
        elif isinstance(space, spaces.Box) and space.dtype.kind == "f" and space.shape != (0,):
            self.action_dim, self.discrete_actions = int(np.prod(space.shape)), None
            low, high = space.low.astype(np.float64), space.high.astype(np.float64)
            # Where there is no limit the numbers are taken as they are.
            low = np.where(np.isfinite(low) & np.isfinite(high), low, -1.0)
            high = np.where(np.isfinite(space.low) & np.isfinite(high), high, 1.0)

            def scaled(given):
                unit = np.clip(np.asarray(given, np.float64), -1.0, 1.0).reshape(space.shape)
                return (low + (unit + 1.0) * 0.5 * (high - low)).astype(space.dtype)

            self.action = scaled
        else:
            raise Refusal("unsuitable", "its actions are %s; numbers (Box of floats) or a "
                          "choice (Discrete) are needed" % space)

    def tasks(self):
        return sorted(self.gym.registry)

    def versions(self):
        packages = ["gymnasium", "numpy"]
        for more in ("mujoco", "pygame", "ale-py", "shimmy"):
            try:
                installed(more)
            except ImportError:
                continue
            packages.append(more)
        return installed(*packages)

    def frame(self, index):
        np = self.np
        picture = self.observations[index] if self.shows else self.envs[index].render()
        picture = np.asarray(picture)
        if picture.ndim == 3 and picture.shape[0] in (1, 3) and picture.shape[2] not in (1, 3):
            picture = picture.transpose(1, 2, 0)
        if picture.ndim == 2:
            picture = picture[:, :, None]
        if picture.ndim != 3 or picture.dtype != np.uint8:
            raise Refusal("unsuitable", "it shows %s of shape %s, not a picture of uint8"
                          % (picture.dtype, picture.shape))
        resized = np.atleast_3d(self.resize(picture))[:, :, :3]
        return chw(np, np.broadcast_to(resized, (self.size, self.size, 3)))

    def begin(self, index, seed):
        self.taken[index] = 0
        self.observations[index], _ = self.envs[index].reset(seed=seed)

    def advance(self, index, action):
        action = self.action(action)
        reward, terminated, truncated, success = 0.0, False, False, None
        for _ in range(self.action_repeat):
            seen, gained, terminated, truncated, info = self.envs[index].step(action)
            reward += float(gained)
            for name in ("success", "is_success"):
                if name in info:
                    success = bool(info[name]) or bool(success)
            if terminated or truncated:
                break
        self.observations[index] = seen
        self.taken[index] += 1
        terminated = bool(terminated)
        over = bool(truncated) or self.taken[index] >= self.episode_steps
        return Step(reward, terminated, over and not terminated, success, reward)


def is_picture(np, space):
    """Whether observations are grey or RGB pictures, channels last or first."""
    shape = getattr(space, "shape", None) or ()
    if getattr(space, "dtype", None) != np.uint8 or min(shape, default=0) < 1:
        return False
    return len(shape) == 2 or (len(shape) == 3 and (shape[2] in (1, 3) or shape[0] in (1, 3)))
