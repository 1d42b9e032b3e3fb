#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# debian13.sh - a Debian 13 to build and test in, whatever Debian this machine has.
#
#   debian13.sh setup             makes the root, or installs in it what ./simplon needs by now
#   debian13.sh run COMMAND...    the same, then runs COMMAND there, in this source tree; on a machine that is Debian 13
#                                 itself, runs COMMAND as it is
#   debian13.sh in COMMAND...     run, but in the root on a Debian 13 too: for what this machine should not have installed
#   debian13.sh path              where the root is
#
# The root lies in ${SIMPLON_CACHE:-${XDG_CACHE_HOME:-~/.cache}/simplon}/debian13 and serves every source tree. A command sees
# its own tree under its own path, with a build/ that is debian13/ in the build directory outside (on a Debian 13 that
# itself); /tmp, network and ccache's cache are this machine's. Mounts are those of a mount namespace and processes those of
# a PID namespace: both are gone with the command, however it ends.
# Needs root; exits with COMMAND's status, 77 when this machine cannot have such a root, 1 when making it failed.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
top=$(realpath "$here/../..")
build=${SIMPLON_BUILD:-$top/build}
home=${SIMPLON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/simplon}/debian13
root=$home/root log=$build/log/debian13.log
suite=trixie
# The peers that tests have here besides strongSwan; they are no part of what ./simplon installs on a machine.
peers=(libreswan openiked)

die() { printf 'debian13: %s\n' "$*" >&2; exit 1; }
say() { printf '   debian13: %s\n' "$*" >&2; }

this_machine() { # VARIABLE of os-release
  sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "${2:-/etc/os-release}"
}
is_debian13() { [ "$(this_machine ID):$(this_machine VERSION_ID)" = debian:13 ]; }

# Where this machine's apt has a suite from: the mirror that its owner chose.
mirror_of() { # SUITE... : of the first that apt knows
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v suites="$*" '$2 == "main" && !($1 in at) {at[$1] = $3}
      END {n = split(suites, s, " "); for (i = 1; i <= n; i++) if (s[i] in at) {print at[s[i]]; exit}}'
}

# What this machine's apt was told of its way to the mirror, for apt there.
apt_settings() {
  apt-config dump Acquire | grep -E '^Acquire::(([a-z]+::)+(Proxy|Verify|CaInfo)|Check-Valid-Until|Check-Date|Retries)[^ ]* ' || true
}

# A process of its own, which the first step that fails ends: in a function called before || no step would.
bootstrap() {
  local mirror security codename proxy
  codename=$(this_machine VERSION_CODENAME)
  mirror=$(mirror_of "$codename" stable oldstable)
  security=$(mirror_of "$codename-security" stable-security oldstable-security)
  [ -n "$mirror" ] || die "apt's sources name no mirror of $codename's main: add one to /etc/apt/sources.list"
  command -v debootstrap >/dev/null || die "there is no debootstrap: ./simplon setup test"
  [ -e "/usr/share/keyrings/debian-archive-$suite-stable.gpg" ] ||
    die "Debian 13's keys are unknown here: apt-get update && apt-get install debian-archive-keyring"
  proxy=$(apt-config dump Acquire::http::Proxy | sed -n 's/^Acquire::http::Proxy "\(http.*\)";/\1/p')
  [ -z "$proxy" ] || export http_proxy=$proxy
  rm -rf "$root.new"
  # Nothing in it outlives a power cut that could not be made again: dpkg need not wait for the disk.
  mkdir -p "$root.new/etc/dpkg/dpkg.cfg.d" "$root.new/etc/apt/apt.conf.d" "$root.new/usr/sbin"
  printf 'force-unsafe-io\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\n' >"$root.new/etc/dpkg/dpkg.cfg.d/simplon"
  debootstrap --variant=minbase --include=ca-certificates --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    "$suite" "$root.new" "$mirror" || die "debootstrap failed"
  apt_settings >"$root.new/etc/apt/apt.conf.d/80simplon"
  echo 'Acquire::Languages "none";' >>"$root.new/etc/apt/apt.conf.d/80simplon"
  echo "deb $mirror $suite main" >"$root.new/etc/apt/sources.list"
  [ -z "$security" ] || echo "deb $security $suite-security main" >>"$root.new/etc/apt/sources.list"
  # No daemon is started by its package.
  printf '#!/bin/sh\nexit 101\n' >"$root.new/usr/sbin/policy-rc.d"
  chmod +x "$root.new/usr/sbin/policy-rc.d"
  mv "$root.new" "$root"
}

# Inside the two namespaces: the root gets what a running system has, and the command runs.
inside() { # ROOT COMMAND...
  local at=$1; shift
  local theirs=$build/debian13; is_debian13 && theirs=$build
  mkdir -p "$at/var/cache/ccache" "$theirs" "$top/build"
  # ip netns wants / to be a mount.
  mount --bind "$at" "$at"
  mount -t proc proc "$at/proc"
  mount --rbind /sys "$at/sys"
  mount --rbind /dev "$at/dev"
  mount -t tmpfs tmpfs "$at/run"
  mount --bind /tmp "$at/tmp"
  mkdir -p "$at$top"
  mount --bind "$top" "$at$top"
  mount --bind "$theirs" "$at$top/build"
  mount --bind "$(ccache_home)" "$at/var/cache/ccache"
  cp /etc/resolv.conf /etc/hosts "$at/etc/"
  export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TMPDIR=/tmp
  export CCACHE_DIR=/var/cache/ccache SIMPLON_BUILD=$top/build DEBIAN_FRONTEND=noninteractive
  export SIMPLON_INSIDE=$suite
  unset XDG_CACHE_HOME SIMPLON_CACHE
  # The first process of a PID namespace dies of no signal that it has no handler for, so it is not the command itself.
  exec chroot "$at" /bin/bash -c 'trap "exit 130" INT TERM HUP; cd "$0" && "$@"' "$top" "$@"
}

ccache_home() {
  local d=$home/ccache
  if command -v ccache >/dev/null; then d=$(ccache -k cache_dir); fi
  mkdir -p "$d"
  echo "$d"
}

enter() { # ROOT COMMAND... : the end of this process, even by SIGKILL, is the end of all that it started there
  local child status=0
  setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --propagation private "$0" inside "$@" <&0 &
  child=$!
  trap 'kill -KILL $child 2>/dev/null' TERM HUP
  trap : INT # the terminal tells the command as well
  while :; do
    wait "$child" && status=0 || status=$?
    kill -0 "$child" 2>/dev/null || break
  done
  trap - INT TERM HUP
  return $status
}

# Names what the root must hold: ./simplon's tables of packages, and ours.
wanted() {
  { sed -n '/_packages=(/,/)/p' "$top/simplon"; echo "$suite ${peers[*]}"; } | sha256sum
}

ready() { [ "$(cat "$home/stamp" 2>/dev/null)" = "$(wanted)" ] && [ -d "$root" ]; }

setup() {
  [ "$(id -u)" = 0 ] || { echo "${SIMPLON_MAY_SKIP:+skipped: }debian13.sh needs root: it makes a root file system and enters it"; exit 77; }
  [ "$(uname -m)" = x86_64 ] || { echo "${SIMPLON_MAY_SKIP:+skipped: }Simplon is for x86-64, this machine is $(uname -m)"; exit 77; }
  mkdir -p "$home" "$build/log"
  exec 9>"$home/lock"
  # Commands share the root; who makes or changes it has it alone.
  flock -s 9
  if ready; then return; fi
  flock 9
  # Another may have made it while this one waited.
  if ready; then flock -s 9; return; fi
  local begin=$SECONDS
  if [ ! -d "$root" ]; then
    say "making the root in $root"
    "$0" bootstrap >"$log" 2>&1 9>&- || { tail -n 20 "$log" >&2; die "no root was made; the whole log: $log"; }
  fi
  enter "$root" "$0" complete >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "packages were not installed; the whole log: $log"; }
  wanted >"$home/stamp"
  say "ready after $((SECONDS - begin))s"
  flock -s 9
}

# Inside: what ./simplon would install on a Debian 13, and the peers. Debian lets no two IKE daemons be installed at
# once, so these are only unpacked, and what they depend on is installed.
complete() {
  ./simplon setup test bench
  local p
  cd /var/cache/apt
  for p in "${peers[@]}"; do
    apt-get satisfy -y --no-install-recommends "$(apt-cache show --no-all-versions "$p" | sed -n 's/^Depends: //p')"
    apt-get download "$p"
    dpkg -x "$p"_*.deb /
    rm "$p"_*.deb
  done
  # OpenIKED's daemons without privileges are of this user and live in an empty folder.
  id -u _iked >/dev/null 2>&1 || useradd --system --home-dir /var/lib/openiked/empty --no-create-home --shell /usr/sbin/nologin _iked
  mkdir -p /var/lib/openiked/empty
}

command=${1:-}
[ $# -gt 0 ] && shift
case $command in
  setup) [ -n "${SIMPLON_INSIDE:-}" ] || setup ;;
  run)
    [ $# -gt 0 ] || die "run what? debian13.sh run COMMAND..."
    if is_debian13; then exec "$@"; fi
    setup
    enter "$root" "$@" ;;
  in)
    [ $# -gt 0 ] || die "run what? debian13.sh in COMMAND..."
    if [ -n "${SIMPLON_INSIDE:-}" ]; then exec "$@"; fi
    setup
    enter "$root" "$@" ;;
  path) echo "$root" ;;
  inside) inside "$@" ;;
  bootstrap) bootstrap ;;
  complete) complete ;;
  *) sed -n '3,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
