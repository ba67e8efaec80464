#!/usr/bin/env bash
# Makes sure that a Linux machine has a Vulkan driver: a real one is left alone,
# a machine without any gets Mesa's software Vulkan (lavapipe), the newest that
# the distribution offers. Debian 12's own Mesa is three times slower than the
# one in its backports, so backports is added, derived from the mirror that is
# already configured. Needs root only when something has to be installed.
set -euo pipefail

[ "$(uname -s)" = Linux ] || exit 0

icd_dirs=(/usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d)
# No pipes here: under pipefail a folder that is missing, or a grep that has seen enough,
# would say that there is no driver.
has_icd() {
  [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && return 0
  [ -n "$(find "${icd_dirs[@]}" -name '*.json' -print -quit 2>/dev/null || true)" ]
}
has_loader() {
  local libraries
  libraries=$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null || true)
  [[ $libraries == *libvulkan.so.1* ]]
}
has_suite() {
  local policy
  policy=$(apt-cache policy || true)
  [[ $policy == *"n=$1"* ]]
}
has_loader && has_icd && exit 0

say() { printf 'software-vulkan: %s\n' "$*" >&2; }
if ! command -v apt-get >/dev/null; then
  say "no Vulkan driver found; install your distribution's Mesa Vulkan drivers (lavapipe) and run this again"
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null; then exec sudo --preserve-env=CI bash "$0"; fi
  say "no Vulkan driver found; run as root: apt-get install mesa-vulkan-drivers libvulkan1"
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -y -qq -o Dpkg::Use-Pty=0 "$@"; }
say "installing Mesa's software Vulkan"
apt update || say "apt-get update failed; going on with the package lists at hand"

. /etc/os-release
target=()
if [ "${ID:-}" = debian ] && [ -n "${VERSION_CODENAME:-}" ]; then
  suite="$VERSION_CODENAME-backports"
  if ! has_suite "$suite"; then
    # The mirror that serves the release itself, whatever its address is.
    mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
      awk -v suite="$VERSION_CODENAME" '$2 == suite && $3 == "main" && !found { print $1; found = 1 }')
    if [ -n "$mirror" ]; then
      list=/etc/apt/sources.list.d/foveate-backports.list
      printf 'deb %s %s main\n' "$mirror" "$suite" >"$list"
      if ! apt update; then
        say "the mirror has no $suite; using the release's own Mesa, which is slower"
        rm -f "$list"
        apt update || true
      fi
    fi
  fi
  if has_suite "$suite"; then target=(-t "$suite"); fi
fi
apt install --no-install-recommends "${target[@]}" mesa-vulkan-drivers libvulkan1 >/dev/null ||
  apt install --no-install-recommends mesa-vulkan-drivers libvulkan1 >/dev/null
say "installed $(dpkg-query -W -f '${Package} ${Version}' mesa-vulkan-drivers)"
