"""Meta-World, seen and seeded as ViSaRL does it (SPEC.md F.3)."""

from foveate_adapter import (
    Repeated, Step, choose_renderer, chw, imported, installed, missing, unknown)
from foveate_messages import Refusal


class MetaWorld(Repeated):
    """Episodes of 500 control steps that end by truncation, objects and goals drawn anew
    for each, the goal shown as a site. The camera is corner2, moved to where Masked World
    Models put it. It hangs upside down; as in the released code, OpenGL's rows are taken
    from the bottom, which sets the picture upright and mirrors it."""

    CONTROL_STEPS = 500
    CAMERA, POSITION = "corner2", (0.75, 0.075, 0.7)
    discrete_actions = None

    def __init__(self, options):
        renderer = choose_renderer(options)
        np = imported("numpy")
        self.mujoco = imported("mujoco")
        try:
            from metaworld.env_dict import ALL_V3_ENVIRONMENTS
        except ModuleNotFoundError as e:
            raise missing(e) from e
        except Exception as e:
            raise Refusal("renderer", "Meta-World cannot use renderer %s: %s"
                          % (renderer, e)) from e
        self.known = sorted(ALL_V3_ENVIRONMENTS)
        name = options["name"]
        if name not in self.known:
            raise unknown("metaworld", name, self.known)
        self.prepare(np, options)
        self.size = options["image_size"]
        self.action_repeat = options.get("action_repeat") or 1
        self.episode_steps = -(-self.CONTROL_STEPS // self.action_repeat)
        self.envs = [self.make(ALL_V3_ENVIRONMENTS[name]) for _ in range(options["n"])]
        self.action_dim = int(self.envs[0].action_space.shape[0])
        self.taken = [0] * len(self.envs)
        try:
            self.renderers = [self.mujoco.Renderer(env.model, self.size, self.size)
                              for env in self.envs]
            self.begin(0, 1)
            self.frame(0)
        except Exception as e:
            raise Refusal("renderer", "renderer %s draws no picture of %d×%d: %s"
                          % (renderer, self.size, self.size, e)) from e

    def make(self, of):
        env = of()
        # The goal is part of the state, and objects are drawn from the environment's
        # own random numbers, at every reset.
        env._partially_observable = False
        env._freeze_rand_vec = False
        env.seeded_rand_vec = True
        env._set_task_called = True
        env.model.camera(self.CAMERA).pos[:] = self.POSITION
        return env

    def tasks(self):
        return self.known

    def versions(self):
        return installed("metaworld", "mujoco", "numpy")

    def frame(self, index):
        renderer = self.renderers[index]
        renderer.update_scene(self.envs[index].data, camera=self.CAMERA)
        return chw(self.np, renderer.render()[::-1])

    def begin(self, index, seed):
        self.taken[index] = 0
        self.envs[index].seed(seed)
        self.envs[index].reset()

    def advance(self, index, action):
        action = self.np.clip(self.np.asarray(action, self.np.float32), -1.0, 1.0)
        reward, success, truncated = 0.0, False, False
        for _ in range(self.action_repeat):
            _, gained, _, truncated, info = self.envs[index].step(action)
            reward += float(gained)
            success = success or bool(info.get("success"))
            if truncated:
                break
        self.taken[index] += 1
        truncated = bool(truncated) or self.taken[index] >= self.episode_steps
        return Step(reward, False, truncated, success, reward)
