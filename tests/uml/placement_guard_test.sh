#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# placement_guard_test.sh : SAs that live in the kernel beside a data path, and a guard above both. The gateway is killed, and
# replaced by plan: the kernel's SAs go on as they are, with their numbers; one that another program removes meanwhile is made
# anew. To strongSwan, in User Mode Linux, whose kernel has ESP.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                                simplon-guard                       strongSwan
here=$(dirname "$(realpath "$0")")
[ "${1:-}" = inside ] || exec "$here/uml-run" -t 900 -m 1200M -- "$0" inside
source "$here/../lab/lab.sh"
source "$here/site.sh"
lab_begin placement
site_up
start_guard() {
  { site_simplon_ports gwA "[0]"; site_secrets gwA; start=trap site_connection gwA; } |
    sed 's/memory: 256MiB/memory: 96MiB/; s/buffers: 8192/buffers: 4096/' >"$run/gwA.yaml"
  simplon_start gwA "$build/simplon-guard"
}
gateway() { pgrep -P "${pids[gwA]}" -x simplond; }
logged() { grep -c "$1" "$run/gwA.log"; }
has() { [ "$(logged "$1")" -ge "$2" ]; }
lives() { tells gwA "$1" sas --child net; }
in_kernel() { [ "$(on gwA ip xfrm state | grep -c '^src')" = "$1" ]; }
spis() { on gwA ip xfrm state | grep -oE 'spi 0x[0-9a-f]+' | sort | xargs; }
same_spis() { [ "$(spis)" = "$before" ]; }
set_up() { grep -c 'parsed IKE_SA_INIT request' "$run/gwB/charon.log"; }
crosses() { on hostA ping -q -c 1 -W 1 "$1"; }
both_ping() { crosses 198.18.2.10 && crosses 2001:db8:b::10; }
killed() { # the kernel forwards, then the next gateway
  local forwards took; forwards=$(logged "the kernel forwards") took=$(logged "took over from")
  kill -KILL "$(gateway)"
  ok "killed: the kernel takes over" wait_for 30 has "the kernel forwards" $((forwards + 1))
  ok "  and the next gateway" wait_for 120 has "took over from" $((took + 1))
}

esp=camellia128-sha256-x25519
start_guard && site_strongswan || exit 1
ok "a suite that no device has is offered" tells_not gwA 'is not offered' log --history
ok "the tunnel comes up" wait_for 20 ctl gwA initiate sites net
ok "its SAs are the kernel's" eval 'in_kernel 2 && lives "CAMELLIA_CBC.*\(kernel\)"'
ok "the capture sees what is sent in clear on purpose" site_watch_clear
site_watch_numbers
ok "packets cross it, IPv4 and IPv6" both_ping
before=$(spis)
killed
ok "its SAs are the same, or their successors" eval 'same_spis || grep -q "child net up.*camellia128-sha256-x25519" "$run/gwA.log"'
ok "and the console's" wait_for 10 lives 'CAMELLIA_CBC.*\(kernel\)'
ok "packets cross it" wait_for 20 both_ping
took=$(logged "took over from")
ok "upgraded" ctl gwA upgrade
ok "  the next gateway has it" wait_for 120 has "took over from" $((took + 1))
ok "packets cross it" wait_for 20 both_ping
ok "none was refused" eval '! grep -q "could not be installed\|not adopted" "$run/gwA.log"'
before=$(spis)
ok "a rekey makes new ones" ctl gwA rekey sites/net
renewed() { in_kernel 2 && ! same_spis; }
ok "  which are the kernel's" wait_for 20 renewed
ok "packets cross it" both_ping
ok "the peer has set one IKE SA up" test "$(set_up)" = 1
# The SAs leave the kernel while nobody watches: their numbers must not begin anew.
kill -STOP "${pids[gwA]}"
kill -KILL "$(gateway)"
on gwA ip xfrm state flush
kill -CONT "${pids[gwA]}"
ok "flushed in the moment of a kill: the next gateway" wait_for 120 has "took over from" 3
ok "makes them anew" wait_for 60 both_ping
ok "in the kernel" in_kernel 2
stop sequences INT
ok "ESP was watched" test "$(watched packets)" -ge 6
ok "no sequence number was seen twice" test "$(watched sequences_twice)" = 0
ok "nothing crossed in clear" nothing_in_clear
stop gwA; stop gwB

# Moved there by the console: so it is with the next gateway.
esp=aes128gcm16-x25519
start_guard && site_strongswan || exit 1
ok "a child of the data path comes up" wait_for 20 ctl gwA initiate sites net
ok "the capture sees what is sent in clear on purpose" site_watch_clear
site_watch_numbers
ok "and moves to the kernel" ctl gwA placement sites/net kernel
ok "where it lives" wait_for 20 lives 'is in the kernel: pinned'
ok "packets cross it" wait_for 20 both_ping
killed
ok "it is in the kernel still" wait_for 10 lives 'is in the kernel: pinned'
ok "packets cross it" wait_for 20 both_ping
before=$(spis)
ok "a rekey" ctl gwA rekey sites/net
ok "  makes new ones there" wait_for 20 renewed
ok "packets cross it" wait_for 20 both_ping
ok "it moves back" ctl gwA placement sites/net dp
ok "  to the data path" wait_for 30 lives 'AES_GCM_16.*\((direct|cpu)\)'
ok "packets cross it" wait_for 20 both_ping
stop sequences INT
ok "no sequence number was seen twice" test "$(watched sequences_twice)" = 0
ok "and no IV" test "$(watched ivs_twice)" = 0
ok "nothing crossed in clear" nothing_in_clear
[ $failed = 0 ] || cat "$run/gwA.log"
lab_end
