#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds ipsec-secgw from Debian's own source package of dpdk, to measure against; prints the path of the program.
# The hard-wired request for RX checksum offload is set to 0: with it the program starts on no software port.
# Kept in the user's cache folder; the second call only prints the path.
set -euo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}/simplon/secgw
[ -x "$cache/ipsec-secgw" ] && { echo "$cache/ipsec-secgw"; exit 0; }
mkdir -p "$cache/lists/partial"
say() { echo "   ipsec-secgw: $*" >&2; }

# A deb-src entry of our own, derived from this machine's entries, in an apt configuration of our own.
: >"$cache/sources.list"
for f in /etc/apt/sources.list.d/debian*.sources; do
  [ -f "$f" ] || continue
  awk '{v=$0; sub(/^[^:]*: */, "", v)} /^URIs/ {u=v} /^Suites/ {s=v} /^Components/ {c=v} /^Signed-By/ {k=v}
    function out(i, n, a) {n = split(s, a, " "); for (i = 1; i <= n; i++) if (u != "")
      printf "deb-src %s%s %s %s\n", (k != "" ? "[signed-by=" k "] " : ""), u, a[i], c; u = ""}
    /^$/ {out()} END {out()}' "$f" >>"$cache/sources.list"
done
grep -hE '^deb .*debian' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | sed 's/^deb /deb-src /' >>"$cache/sources.list" || true
apt=(-o Dir::Etc::sourcelist="$cache/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$cache/lists" -o APT::Sandbox::User=root)
say "fetching Debian's source package of dpdk"
apt-get -qq "${apt[@]}" update >&2
version=$(dpkg-query -W -f '${source:Version}' libdpdk-dev)
cd "$cache" && rm -rf src && mkdir src && cd src
apt-get -qq "${apt[@]}" source "dpdk=$version" >&2
cd dpdk-*/
sed -i 's/\.offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM,/.offloads = 0,/' examples/ipsec-secgw/ipsec-secgw.c
sed -i 's/RTE_ETH_RX_OFFLOAD_CHECKSUM/0/' examples/ipsec-secgw/ipsec-secgw.c
say "compiling"
# The example alone, against the installed DPDK: what is compared differs in the program only.
g++ --version >/dev/null
sources=$(sed -n "/^sources = files/,/)/s/.*'\(.*\.c\)'.*/\1/p" examples/ipsec-secgw/meson.build)
cd examples/ipsec-secgw
gcc -O3 -march="${1:-x86-64-v3}" -w -DALLOW_EXPERIMENTAL_API -I. $(pkg-config --cflags libdpdk | sed 's/-march=[^ ]*//') \
  $sources -o "$cache/ipsec-secgw" $(pkg-config --libs libdpdk) >&2
say "done"
echo "$cache/ipsec-secgw"
