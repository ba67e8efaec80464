"""How tasks of dm_control are recoloured, as the generalisation benchmark does it
(SPEC.md F.1): by other colours of floor, sky and body for each episode, or by a sky (and
floor) of one green, which foveate replaces by moving pictures.

Colours are changed where the suite keeps them, in the XML files that all of its domains
include, so that MuJoCo makes the textures as it always does. What an episode then needs
of such a model, its textures and one colour, is copied into the running one.
"""

import contextlib
import xml.etree.ElementTree as xml

from foveate_adapter import random_state, random_state_saved, restore_random_state
from foveate_messages import Refusal

GREEN = (0.2, 0.8, 0.2)
MATERIALS, SKYBOX = "./common/materials.xml", "./common/skybox.xml"
# The stream of random numbers that draws sets of colours.
LOOK = 1


class Look:
    """The look of a group of environments. `load` makes an environment of the task from
    a random state."""

    # The arrays of a MuJoCo model that hold it.
    ARRAYS = ("tex_data", "mat_rgba")

    def __init__(self, np, mujoco, wanted, seed, n, load):
        self.np, self.mujoco, self.make = np, mujoco, load
        wanted = wanted or {}
        self.sets = wanted.get("colours", {}).get("sets")
        self.green = wanted.get("green")
        self.randoms = [random_state(np, seed, index, LOOK) for index in range(n)]
        self.chosen = [None] * n

    def load(self, random):
        """An environment as episodes begin to look."""
        if self.green is None:
            return self.make(random)
        sky = {"rgb1": GREEN, "rgb2": GREEN, "markrgb": GREEN}
        with recoloured(sky, sky if self.green["floor"] else {}, None):
            env = self.make(random)
        if not has_texture(env, "skybox"):
            raise Refusal("unsuitable", "its model has no sky of the suite's that a "
                          "background could replace")
        return env

    def begin(self, index, env):
        """A new episode: other colours."""
        if self.sets:
            self.chosen[index] = int(self.randoms[index].randint(len(self.sets)))
            self.paint(index, env)

    def paint(self, index, env):
        colours = self.sets[self.chosen[index]]
        floor = {"rgb1": colours["grid_rgb1"], "rgb2": colours["grid_rgb2"]}
        with recoloured({"rgb1": colours["skybox_rgb"]}, floor, colours["self_rgb"]):
            twin = self.make(self.np.random.RandomState(0))
        model, other = env.physics.model, twin.physics.model
        model.ptr.tex_data[...] = other.ptr.tex_data
        model.ptr.mat_rgba[...] = other.ptr.mat_rgba
        twin.close()
        with env.physics.contexts.gl.make_current() as ctx:
            for texture in range(model.ptr.ntex):
                ctx.call(self.mujoco.mjr_uploadTexture, model.ptr,
                         env.physics.contexts.mujoco.ptr, texture)

    def save(self, index):
        if not self.sets:
            return None
        return {"chosen": self.chosen[index],
                "random": random_state_saved(self.randoms[index])}

    def restore(self, index, env, saved):
        if not self.sets or saved is None:
            return
        restore_random_state(self.np, self.randoms[index], saved["random"])
        self.chosen[index] = saved["chosen"]
        if self.chosen[index] is not None:
            self.paint(index, env)


def has_texture(env, name):
    model = env.physics.model
    return any(model.id2name(i, "texture") == name for i in range(model.ntex))


@contextlib.contextmanager
def recoloured(sky, floor, body):
    """Models that the suite makes meanwhile have these colours: attributes of the
    textures of sky and floor, and RGB of the material of the agent's own body."""
    from dm_control.suite import common

    before = dict(common.ASSETS)
    materials = xml.fromstring(before[MATERIALS])
    skybox = xml.fromstring(before[SKYBOX])
    paint(skybox.find("asset/texture[@name='skybox']"), sky)
    paint(materials.find("asset/texture[@name='grid']"), floor)
    if body is not None:
        paint(materials.find("asset/material[@name='self']"), {"rgba": (*body, 1)})
    try:
        common.ASSETS[MATERIALS] = xml.tostring(materials)
        common.ASSETS[SKYBOX] = xml.tostring(skybox)
        yield
    finally:
        common.ASSETS.update(before)


def paint(element, colours):
    for attribute, colour in colours.items():
        element.set(attribute, " ".join("%r" % float(c) for c in colour))
