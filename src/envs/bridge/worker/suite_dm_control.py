"""The DeepMind Control suite, with the looks of its generalisation benchmark."""

from foveate_adapter import (
    Step, choose_renderer, chw, imported, installed, missing, packed, random_state,
    random_state_saved, restore_random_state, unknown, unpacked)
from foveate_looks import Look
from foveate_messages import Refusal


class DmControl:
    """The DeepMind Control suite: pixels of camera 0, rewards summed over the
    repeated action, episodes of 1,000 control steps that end by truncation."""

    CONTROL_STEPS = 1000
    # The tasks have limits of their own; episodes end here instead, by truncation.
    NO_TIME_LIMIT = 1e6
    ACTION_REPEAT = {"cartpole": 8, "finger": 2}
    discrete_actions = None

    def __init__(self, options):
        renderer = choose_renderer(options)
        self.np = imported("numpy")
        self.mujoco = imported("mujoco")
        try:
            from dm_control import suite
        except ModuleNotFoundError as e:
            raise missing(e) from e
        except Exception as e:
            raise Refusal("renderer", "dm_control cannot use renderer %s: %s"
                          % (renderer, e)) from e
        self.suite = suite
        name = options["name"]
        if name not in self.tasks():
            raise unknown("dm_control", name, self.tasks())
        domain, task = name.split("-", 1)

        self.size = options["image_size"]
        self.action_repeat = options.get("action_repeat") or self.ACTION_REPEAT.get(domain, 4)
        self.episode_steps = -(-self.CONTROL_STEPS // self.action_repeat)
        n, seed = options["n"], options["seed"]
        self.randoms = [random_state(self.np, seed, index) for index in range(n)]

        def load(random):
            return suite.load(domain, task, task_kwargs={
                "random": random, "time_limit": self.NO_TIME_LIMIT})

        self.look = Look(self.np, self.mujoco, options.get("look"), seed, n, load)
        self.envs = [self.look.load(random) for random in self.randoms]
        self.pristine_model = self.model_arrays(self.envs[0])
        action = self.envs[0].action_spec()
        self.action_dim = int(action.shape[0])
        # What MuJoCo does not limit (lqr) has bounds of mjMAXVAL: an action is its control then.
        limited = self.np.maximum(abs(action.minimum), abs(action.maximum)) < self.mujoco.mjMAXVAL
        self.low = self.np.where(limited, action.minimum, -1.0)
        self.high = self.np.where(limited, action.maximum, 1.0)
        self.episode_step = [0] * len(self.envs)
        self.running = [False] * len(self.envs)
        try:
            self.frame(0)
        except Exception as e:
            raise Refusal("renderer", "renderer %s draws no picture of %d×%d: %s"
                          % (renderer, self.size, self.size, e)) from e

    def tasks(self):
        return ["-".join(pair) for pair in self.suite.ALL_TASKS]

    def versions(self):
        return installed("dm_control", "mujoco", "numpy")

    def frame(self, index):
        """CHW uint8 bytes of what camera 0 sees."""
        pixels = self.envs[index].physics.render(self.size, self.size, camera_id=0)
        return chw(self.np, pixels)

    def reset(self, index):
        self.envs[index].reset()
        self.look.begin(index, self.envs[index])
        self.episode_step[index] = 0
        self.running[index] = True
        return self.frame(index)

    def step(self, index, action):
        """`action` in [−1, 1]."""
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
        return Step(reward, terminated, truncated, None, reward, self.frame(index))

    # Saving: MuJoCo's own integration state (positions, velocities, activations,
    # warm start, controls, …) fixes the future of the physics; what tasks keep
    # elsewhere is their random generator, plain attributes, and the model fields
    # that they overwrite at the start of an episode.

    def model_arrays(self, env):
        model = env.physics.model.ptr
        arrays = {}
        for name in dir(model):
            # What the look changes is its own to save.
            if not name.startswith("_") and name not in Look.ARRAYS:
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
        return {
            "running": self.running[index],
            "episode_step": self.episode_step[index],
            "physics": packed(physics),
            "model": changed,
            "task": plain,
            "task_arrays": arrays,
            "random": random_state_saved(self.randoms[index]),
            "look": self.look.save(index),
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
        restore_random_state(np, self.randoms[index], saved["random"])
        self.look.restore(index, env, saved.get("look"))
        self.episode_step[index] = saved["episode_step"]
        self.running[index] = saved["running"]
        return self.frame(index), False

    def upload_height_fields(self, physics):
        with physics.contexts.gl.make_current() as ctx:
            for field in range(physics.model.ptr.nhfield):
                ctx.call(self.mujoco.mjr_uploadHField, physics.model.ptr,
                         physics.contexts.mujoco.ptr, field)
