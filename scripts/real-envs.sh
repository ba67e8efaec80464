#!/usr/bin/env bash
# Makes the Python environment in which real suites run (dm_control, Meta-World, Atari,
# Gymnasium): ./.venv with pinned packages and, on a Linux machine without them, the
# system libraries for drawing without a display. Ends by stepping a task of every suite
# and drawing one frame: these packages install happily in combinations that break at
# import. Can be run again at any time. PYTHON names another interpreter than python3 to
# start from. What it cannot install itself, it names.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'real-envs: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

python=${PYTHON:-python3}
venv=.venv
case "$(uname -s)" in
MINGW* | MSYS* | CYGWIN*) venv_python=$venv/Scripts/python.exe ;;
*) venv_python=$venv/bin/python ;;
esac

# Installs Debian packages, as root or through sudo. What is installed stays at
# its version; where Mesa came from backports (scripts/software-vulkan.sh), the
# rest of it has to come from there too, for its parts need equal versions.
apt_install() {
  command -v apt-get >/dev/null || return 1
  local root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || return 1
    root=(sudo)
  fi
  local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Use-Pty=0)
  if [ -z "${updated:-}" ]; then
    "${apt[@]}" update >&2 || say "apt-get update failed; going on with the package lists at hand"
    updated=1
  fi
  local suite=() mesa
  mesa=$(dpkg-query -W -f '${Version}\n' libgl1-mesa-dri mesa-vulkan-drivers 2>/dev/null | head -n 1 || true)
  case "$mesa" in
  *~bpo*) suite=(-t "$(. /etc/os-release && printf %s "$VERSION_CODENAME")-backports") ;;
  esac
  say "installing $*"
  "${apt[@]}" install --no-install-recommends --no-upgrade "${suite[@]}" "$@" >/dev/null
}

can_make_venv() { "$python" -c 'import venv, ensurepip' 2>/dev/null; }
if [ ! -x "$venv_python" ] && ! can_make_venv; then
  apt_install python3 python3-venv ||
    die "Python 3.10 to 3.12 with its venv module is needed (on Debian: apt-get install python3 python3-venv)"
  can_make_venv || die "$python still has no venv module; name another interpreter with PYTHON=…"
fi
# An environment whose interpreter has gone is made anew.
"$venv_python" -c '' 2>/dev/null || "$python" -m venv --clear "$venv"
"$venv_python" -m pip install --quiet --disable-pip-version-check -r scripts/real-envs-requirements.txt

# Draws as the worker does: nothing less proves that everything is there.
prove() {
  MUJOCO_GL=$1 "$venv_python" - <<'EOF'
import os
from importlib.metadata import version
if not os.environ["MUJOCO_GL"]:
    del os.environ["MUJOCO_GL"]

def check(suite, frame, packages):
    assert frame.ndim == 3 and frame.std() > 1.0, "the frame is blank"
    names = ", ".join(n + " " + version(n) for n in packages)
    print("real-envs: %s stepped and drawn: %s" % (suite, names), flush=True)

from dm_control import suite
env = suite.load("cartpole", "swingup", task_kwargs={"random": 1})
env.reset()
env.step(env.action_spec().maximum)
check("dm_control", env.physics.render(84, 84, camera_id=0), ["dm_control", "mujoco", "numpy"])

import mujoco
from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE as tasks
env = tasks["reach-v3-goal-observable"](seed=1)
env.reset()
env.step(env.action_space.high)
renderer = mujoco.Renderer(env.model, 64, 64)
renderer.update_scene(env.data, camera="corner2")
check("metaworld", renderer.render(), ["metaworld"])
renderer.close()

import ale_py
from ale_py import roms
game = ale_py.ALEInterface()
game.setLoggerMode(ale_py.LoggerMode.Error)
game.loadROM(roms.get_rom_path("pong"))
game.act(game.getMinimalActionSet()[0])
check("ale", game.getScreenRGB(), ["ale-py"])

import gymnasium
for name, packages in (("Hopper-v5", ["gymnasium"]), ("CartPole-v1", ["pygame"])):
    env = gymnasium.make(name, render_mode="rgb_array")
    env.reset(seed=1)
    env.step(env.action_space.sample())
    check("gym/" + name, env.render(), packages)
    env.close()

import cv2
print("real-envs: videos are decoded by OpenCV %s" % cv2.__version__)
print("real-envs: drawn with %s" % os.environ.get("MUJOCO_GL", "the default renderer"), flush=True)
# Without the interpreter's own clean-up: GL drivers are known to crash in it.
os._exit(0)
EOF
}

if [ "$(uname -s)" != Linux ]; then
  prove "" || die "the suites do not run here; see the error above"
elif [ -n "${MUJOCO_GL:-}" ]; then
  prove "$MUJOCO_GL" || die "the suites do not run with MUJOCO_GL=$MUJOCO_GL; see the error above"
elif prove egl 2>/dev/null || prove osmesa 2>/dev/null; then
  :
else
  # libegl1 is the loader, libegl-mesa0 and libgl1-mesa-dri are Mesa behind it.
  { apt_install libegl1 libegl-mesa0 libgl1-mesa-dri libgl1 && prove egl; } ||
    { apt_install libosmesa6 && prove osmesa; } ||
    die "drawing without a display works neither with EGL nor with OSMesa; see the errors above (on Debian: apt-get install libegl1 libegl-mesa0, or libosmesa6)"
fi
