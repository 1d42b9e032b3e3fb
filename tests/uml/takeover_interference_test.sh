#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# takeover_interference_test.sh [KILLS]: a gateway under its guard is killed while another program flushes the kernel's SAs and
# policies at every moment of the take-over; then while the kernel has lost its ESP. Nothing passes in clear, no sequence number
# and no IV is seen twice, and the tunnel is back with the next gateway. In User Mode Linux, whose kernel has ESP.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                                simplon-guard                       strongSwan
here=$(dirname "$(realpath "$0")")
kills=${1:-3}
[ "${2:-}" = inside ] || exec "$here/uml-run" -t $((800 + kills * 100)) -m 1200M -- "$0" "$kills" inside
source "$here/../lab/lab.sh"
source "$here/site.sh"
lab_begin interference
site_up
{ site_simplon_ports gwA "[0]"; site_secrets gwA; start=trap site_connection gwA; } |
  sed 's/memory: 256MiB/memory: 96MiB/; s/buffers: 8192/buffers: 4096/' >"$run/gwA.yaml"
simplon_start gwA "$build/simplon-guard" || exit 1
site_strongswan || exit 1
gateway() { pgrep -P "${pids[gwA]}" -x simplond; }
logged() { grep -c "$1" "$run/gwA.log"; }
has() { [ "$(logged "$1")" -ge "$2" ]; }
one_ping() { on hostA ping -q -c 1 -W 1 198.18.2.10; }
ok "the tunnel comes up" wait_for 20 ctl gwA initiate sites net
ok "pings cross it" site_pings hostA 198.18.2.10
ok "the capture sees what is sent in clear on purpose" site_watch_clear
site_watch_numbers
on hostA ping -i 0.02 198.18.2.10 >"$run/load.log" 2>&1 &
pids[load]=$!

# Counts its rounds in $run/flushes, at odds with everything else.
flush_all() {
  local i
  for ((i = 1; ; i++)); do
    ip -n "$lab-gwA" xfrm state flush
    ip -n "$lab-gwA" xfrm policy flush
    echo "$i" >"$run/flushes.new"
    mv "$run/flushes.new" "$run/flushes"
    sleep "0.0$((RANDOM % 90 + 10))"
  done
}
one_kill() {
  local forwards took flushes
  forwards=$(logged "the kernel forwards") took=$(logged "took over from") flushes=$(cat "$run/flushes")
  kill -KILL "$(gateway)"
  ok "the kernel takes over" wait_for 40 has "the kernel forwards" $((forwards + 1))
  ok "the next gateway takes over" wait_for 120 has "took over from" $((took + 1))
  ok "the tunnel is back" wait_for 60 one_ping
  ok "the kernel was flushed meanwhile" test "$(cat "$run/flushes")" -gt $((flushes + 3))
}
flush_all >"$run/flush.log" 2>&1 &
pids[flush]=$!
ok "another program flushes the kernel" wait_for 10 test -s "$run/flushes"
for ((i = 0; i < kills; i++)); do one_kill; done
stop flush KILL
ok "the log tells of SAs or policies that another removed" eval 'has "another program" 1'

# The kernel without ESP: what is gone cannot be loaded again either.
lost() { # MODULE
  modprobe -r "$1_offload" 2>/dev/null
  modprobe -r "$1" && mv "$(modinfo -n "$1")" "$run/$1.ko"
}
# The twins of the gateway's SAs need it: who would put them back stands still meanwhile.
lose_esp() {
  local status
  kill -STOP "${pids[gwA]}" "$(gateway)"
  ip -n "$lab-gwA" xfrm state flush
  wait_for 10 lost esp4 && wait_for 10 lost esp6; status=$?
  kill -CONT "$(gateway)"
  sleep 0.5
  kill -CONT "${pids[gwA]}"
  return $status
}
ok "the kernel loses ESP" lose_esp
ok "the log says that no SA stands by" wait_for 20 has "cannot stand by" 1
forwards=$(logged "the kernel forwards: 0 of") took=$(logged "took over from")
kill -KILL "$(gateway)"
ok "the log says that no SA can be had" wait_for 40 has "the kernel forwards: 0 of" $((forwards + 1))
ok "the next gateway takes over" wait_for 120 has "took over from" $((took + 1))
ok "the tunnel is back" wait_for 60 one_ping
echo "       $(cat "$run/sequences.json"); $(logged 'another program') lines about another program"
ok "ESP was watched" test "$(watched packets)" -gt 200
ok "no sequence number was seen twice" test "$(watched sequences_twice)" = 0
ok "and no IV" test "$(watched ivs_twice)" = 0
stop load INT
ok "nothing crossed in clear" nothing_in_clear
stop sequences INT
[ $failed = 0 ] || cat "$run/gwA.log"
lab_end
