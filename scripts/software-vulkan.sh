#!/usr/bin/env bash
# Makes sure that a Linux machine has a Vulkan driver: a real one is left alone,
# a machine without any gets Mesa's software Vulkan (lavapipe), the newest that
# the distribution offers. Debian 12's own Mesa is three times slower than the
# one in its backports, so backports is added, derived from the mirror that is
# already configured. Needs root only when something has to be installed.
set -euo pipefail

[ "$(uname -s)" = Linux ] || exit 0

icd_dirs=(/usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d)
has_icd() {
  [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && return 0
  find "${icd_dirs[@]}" -name '*.json' 2>/dev/null | grep -q .
}
has_loader() { ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1'; }
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
  if ! apt-cache policy | grep -q "n=$suite"; then
    # The mirror that serves the release itself, whatever its address is.
    mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
      awk -v suite="$VERSION_CODENAME" '$2 == suite && $3 == "main" { print $1; exit }')
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
  apt-cache policy | grep -q "n=$suite" && target=(-t "$suite")
fi
apt install --no-install-recommends "${target[@]}" mesa-vulkan-drivers libvulkan1 >/dev/null ||
  apt install --no-install-recommends mesa-vulkan-drivers libvulkan1 >/dev/null
say "installed $(dpkg-query -W -f '${Package} ${Version}' mesa-vulkan-drivers)"
