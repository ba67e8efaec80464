#!/usr/bin/env bash
# Runs the operations' test suite on two more drivers than the machine's own:
# SwiftShader (a second software Vulkan, with other subgroups) and wgpu's OpenGL
# backend. Prints one line each: `passed`, `FAILED` or `skipped: why`. The exit
# code is 1 if one failed.
#
# With INSTALL=1, or as root with CI set, what lacks is fetched on Debian:
# SwiftShader is unpacked from the package chromium-common into the target
# folder (nothing of it is installed); Mesa's OpenGL is installed.
#
#   SWIFTSHADER_ICD    another vk_swiftshader_icd.json
#   PORTABLE_TIMEOUT   seconds for each of the two (default 1200); 0 for no limit
# Arguments go to the test program, for instance `matmul`.
set -uo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
target=$("$cargo" metadata --format-version 1 --no-deps --offline 2>/dev/null |
  sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
target=${target:-target}
limit=${PORTABLE_TIMEOUT:-1200}
results=()
failures=0

say() { printf 'portable: %s\n' "$*"; }

may_install() {
  [ "$(uname -s)" = Linux ] && command -v apt-get >/dev/null || return 1
  [ "${INSTALL:-}" = 1 ] || { [ -n "${CI:-}" ] && [ "$(id -u)" = 0 ]; }
}
apt() {
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || return 1
    sudo=(sudo)
  fi
  ${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Use-Pty=0 "$@"
}
updated=
refresh() {
  [ -n "$updated" ] || apt update || say "apt-get update failed; going on with the package lists at hand"
  updated=1
}

# Sets icd to SwiftShader's driver description, if there is one to be had.
find_swiftshader() {
  local unpacked="$target/swiftshader" candidate
  for candidate in "${SWIFTSHADER_ICD:-}" /usr/lib/chromium/vk_swiftshader_icd.json \
    "$unpacked/usr/lib/chromium/vk_swiftshader_icd.json"; do
    if [ -f "$candidate" ]; then
      icd=$candidate
      return 0
    fi
  done
  may_install || return 1
  refresh
  say "fetching chromium-common for its SwiftShader"
  rm -rf "$unpacked" && mkdir -p "$unpacked" || return 1
  (cd "$unpacked" && apt-get -qq -o APT::Sandbox::User=root download chromium-common &&
    dpkg-deb -x chromium-common_*.deb .) || return 1
  rm -f "$unpacked"/*.deb
  icd=$candidate
  [ -f "$icd" ]
}

# The loader of OpenGL's window-less side, and Mesa as the driver behind it, from
# backports where Mesa's Vulkan came from there (its parts need equal versions).
find_gl() {
  [ "$(uname -s)" = Linux ] || return 0
  local libraries
  libraries=$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null || true)
  [[ $libraries == *libEGL.so.1* ]] && return 0
  may_install || return 1
  refresh
  local suite=()
  case "$(dpkg-query -W -f '${Version}' mesa-vulkan-drivers 2>/dev/null)" in
  *~bpo*) suite=(-t "$(. /etc/os-release && printf %s "$VERSION_CODENAME")-backports") ;;
  esac
  say "installing Mesa's OpenGL"
  apt install --no-install-recommends ${suite[@]+"${suite[@]}"} \
    libegl1 libegl-mesa0 libgles2 libgl1-mesa-dri >/dev/null
}

# suite NAME ARGS…: runs the suite on the adapter that the environment selects.
suite() {
  local name=$1 log code start=$SECONDS took
  shift
  log=$(mktemp "${TMPDIR:-/tmp}/foveate-portable.XXXXXX") || exit 1
  local timer=()
  if [ "$limit" != 0 ] && command -v timeout >/dev/null; then timer=(timeout --kill-after=10 "$limit"); fi
  say "$name"
  # A driver's compiler can take all memory for one large kernel: stop it before
  # the machine does (Linux; macOS ignores the limit).
  (
    memory=$(awk '/^MemTotal:/ { print int($2 * 3 / 4) }' /proc/meminfo 2>/dev/null)
    [ -z "$memory" ] || ulimit -v "$memory"
    exec ${timer[@]+"${timer[@]}"} "$cargo" test --release --test ops -- "$@"
  ) 2>&1 | tee "$log"
  code=${PIPESTATUS[0]}
  took="$((SECONDS - start)) s"
  # Without the adapter, every test that needs one says so and nothing else fails.
  local absent panics
  absent=$(grep -c 'tests need an adapter: \(NoAdapter\|AdapterNotFound\|AdapterLacks\)' "$log")
  panics=$(grep -c '^thread .* panicked at ' "$log")
  if [ "$code" = 0 ]; then
    results+=("$name: passed in $took")
  elif [ "$absent" != 0 ] && [ "$absent" = "$panics" ]; then
    results+=("$name: skipped: $(grep -m 1 -o '\(NoAdapter\|AdapterNotFound\|AdapterLacks\).*' "$log")")
  else
    [ "$code" = 124 ] && took="$took, the limit"
    results+=("$name: FAILED after $took (exit code $code)")
    failures=1
  fi
  rm -f "$log"
}

# Compiled first, so that the limit below is for running only.
"$cargo" test --release --test ops --no-run || exit 1

icd=
if find_swiftshader; then
  VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd FOVEATE_BACKEND=vulkan FOVEATE_ADAPTER=SwiftShader \
    suite SwiftShader "$@"
else
  results+=("SwiftShader: skipped: no vk_swiftshader_icd.json (on Debian: INSTALL=1, or the package chromium-common)")
fi
if find_gl; then
  FOVEATE_BACKEND=gl FOVEATE_ADAPTER='' suite OpenGL "$@"
else
  results+=("OpenGL: skipped: no libEGL (on Debian: INSTALL=1, or the packages libegl1 and libgl1-mesa-dri)")
fi

for result in "${results[@]}"; do say "$result"; done
exit "$failures"
