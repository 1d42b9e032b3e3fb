#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gateway A's WAN is a bond of two members. One cable is pulled, then the other: pings through the tunnel go
# on, and the port has its link until both are out. What is plugged in again serves again.
#
#                      m0 ---- c0 \
#   hostA --- gwA wan              hub --- wan0 gwB --- hostB
#                      m1 ---- c1 /
#
# Members are net_af_packet devices, whose link is that of a veth. The hub is tc's.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin bond
site_up
ns hub
wire gwB out hub out
ip -n "$lab-gwB" link del wan0 && ip -n "$lab-gwB" link set out down name wan0 && ip -n "$lab-gwB" link set wan0 up
for i in 0 1; do wire gwA "m$i" hub "c$i"; done
members='"net_af_packet1,iface=m0", "net_af_packet2,iface=m1"'
{ site_simplon_ports gwA | sed "s|device: net_af_packet1,.*|bond: {mode: active-backup, members: [$members]}|"
  site_secrets gwA; start=none site_connection gwA; } >"$run/gwA.yaml"
{ site_simplon_ports gwB; site_secrets gwB; start=none site_connection gwB; } >"$run/gwB.yaml"

send() { # FROM TO... : what comes in by FROM goes out by all TO
  local from=$1 actions=; shift
  while [ $# -gt 1 ]; do actions+=" action mirred egress mirror dev $1 pipe"; shift; done
  on hub tc qdisc add dev "$from" clsact &&
    on hub tc filter add dev "$from" ingress bpf bytecode '1,6 0 0 4294967295' flowid 1:1 $actions action mirred egress redirect dev "$1"
}
cable() { ip -n "$lab-hub" link set "c$1" "$2"; } # NUMBER up|down
member() { tells gwA "^wan .*[^0-9]$(($1 + 1)) \\($2\\)" ports; } # NUMBER STATE
carrier() { [ "$(on gwA cat /sys/class/net/wan/carrier)" = "$1" ]; }
losses() { grep -c 'wan has no link' "$run/gwA.log"; }
lost_more_than() { [ "$(losses)" -gt "$1" ]; }
answers() { on hostA ping -q -c 3 -i 0.05 -W 1 198.18.2.10 >/dev/null && on hostB ping -q -c 3 -i 0.05 -W 1 2001:db8:a::10 >/dev/null; }
refused() { # what a second port with a member says
  sed "s|net_af_packet0,iface=lan0|$(sed 's/"//g; s/, .*//' <<<"$members")|" "$run/gwA.yaml" >"$run/twice.yaml"
  cp -p "$run/gwA.secrets.yaml" "$run/twice.secrets.yaml"
  ! "$build/simplond" --check "$run/twice.yaml" >"$run/twice" 2>&1 && grep -q 'another port has device' "$run/twice"
}

ok "a device that is used twice is refused" refused
simplon_start gwA || exit 1
simplon_start gwB || exit 1
send c0 out && send c1 out && send out c0 c1 || { echo "this kernel's tc cannot be a hub"; exit 1; }
ok "m0 is in use" wait_for 10 member 0 'in use'
ok "m1 is ready" wait_for 10 member 1 ready
ok "the kernel sees a link" wait_for 5 carrier 1
ok "the tunnel comes up" wait_for 20 ctl gwA initiate sites net
ok "pings pass" wait_for 10 answers
before=$(losses) # the bond may have been without one at its start
start hostA pings ping -i 0.1 -O 198.18.2.10
for out in 0 1; do
  in=$((1 - out))
  ok "cable $out is pulled" cable $out down
  ok "m$in is in use" wait_for 10 member $in 'in use'
  ok "m$out has no link" wait_for 10 member $out 'no link'
  ok "pings go on" wait_for 10 answers
  ok "the port has its link" carrier 1
  ok "cable $out is plugged in" cable $out up
  ok "m0 is in use" wait_for 10 member 0 'in use'
  ok "m1 is ready" wait_for 10 member 1 ready
  ok "pings go on" wait_for 10 answers
done
stop pings INT
answered=$(grep -c 'bytes from' "$run/pings.log") not=$(grep -c 'no answer' "$run/pings.log")
echo "   $answered pings answered, $not not at once"
ok "few pings were lost" test "$not" -lt "$answered"
ok "no link was lost meanwhile" test "$(losses)" = "$before"
for i in 0 1; do cable $i down; done
ok "both are pulled: the log says it" wait_for 5 lost_more_than "$before"
ok "the kernel sees it" wait_for 5 carrier 0
cable 1 up
ok "one is plugged in" wait_for 5 carrier 1
ok "pings pass again" wait_for 20 answers
lab_end
