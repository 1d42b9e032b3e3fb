#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# takeover_test.sh [KILLS]: a gateway under its guard is killed again and again while packets cross its tunnel to strongSwan. The
# kernel carries on, the next gateway takes over. Printed each time: the longest gap, what was lost. In the end: no IKE SA that
# the peer had to set up anew, no sequence number and no IV twice under one key, nothing in clear, TCP intact. In User Mode
# Linux, whose kernel has ESP.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                                simplon-guard                       strongSwan
here=$(dirname "$(realpath "$0")")
kills=${1:-2}
[ "${2:-}" = inside ] || exec "$here/uml-run" -t $((800 + kills * 80)) -m 1200M -- "$0" "$kills" inside
source "$here/../lab/lab.sh"
source "$here/site.sh"
lab_begin takeover
site_up
{ site_simplon_ports gwA "[0]"; site_secrets gwA; start=none site_connection gwA; } |
  sed 's/memory: 256MiB/memory: 96MiB/; s/buffers: 8192/buffers: 4096/' >"$run/gwA.yaml"
simplon_start gwA "$build/simplon-guard" || exit 1
site_strongswan || exit 1
gateway() { pgrep -P "${pids[gwA]}" -x simplond; }
logged() { grep -c "$1" "$run/gwA.log"; }
has() { [ "$(logged "$1")" -ge "$2" ]; }
ok "the tunnel comes up" wait_for 20 ctl gwA initiate sites net
ok "pings cross it" site_pings hostA 198.18.2.10
twins() { ctl gwA status | grep -q "standing by *$1 of $1 SAs"; }
ok "both SAs stand by in the kernel" wait_for 10 twins 2
silent() { on gwA ip -s xfrm state | grep -q 'oseq 0xfffffffe' && [ -z "$(on gwA ip xfrm policy)" ]; }
ok "which has no policy, and no number to send by" silent
on gwA ip xfrm state flush
ok "another program removes them: they are back" wait_for 10 eval 'grep -q "changed what stands by" "$run/gwA.log" && twins 2 && silent'
ok "the capture sees what is sent in clear on purpose" site_watch_clear
site_watch_numbers
start hostB receiver /usr/bin/python3 "$here/../lab/stream.py" receive 5300 "$run/stream.json"
wait_for 10 test -s "$run/stream.json"
start hostA sender /usr/bin/python3 "$here/../lab/stream.py" send 198.18.2.10 5300 -
number() { /usr/bin/python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$@"; }
grown() { [ "$(number "$run/stream.json" octets)" -gt "$1" ]; }
answers() { [ "$(cat "$run/answers" 2>/dev/null || echo 0)" -ge "$1" ]; }
set_up() { grep -c 'parsed IKE_SA_INIT request' "$run/gwB/charon.log"; }
ok "the peer has set one IKE SA up" test "$(set_up)" = 1
ok "TCP flows" wait_for 30 grown 10000

one_kill() { # SIGNAL : sets $gap
  local pid forwards took octets
  forwards=$(logged "the kernel forwards") took=$(logged "took over from")
  rm -f "$run/answers"
  start hostA gap /usr/bin/python3 "$here/../lab/gap_ping.py" 198.18.2.10 "${ping_ms:-10}" "$run/answers"
  ok "packets cross the data path" wait_for 30 answers 50
  pid=$(gateway)
  kill "-$1" "$pid"
  ok "the kernel takes over" wait_for 30 has "the kernel forwards" $((forwards + 1))
  ok "by SAs that stood by" eval 'grep "the kernel forwards" "$run/gwA.log" | tail -n 1 | grep -qE "\\(([2-9]) stood by\\)"'
  rm -f "$run/answers"
  octets=$(number "$run/stream.json" octets)
  ok "packets cross the kernel" wait_for 30 answers 50
  ok "TCP goes on" wait_for 40 grown $((octets + 20000))
  ok "the next gateway takes over" wait_for 120 has "took over from" $((took + 1))
  octets=$(number "$run/stream.json" octets)
  rm -f "$run/answers"
  ok "packets cross the data path again" wait_for 30 answers 50
  ok "TCP goes on again" wait_for 40 grown $((octets + 20000))
  stop gap INT
  echo "       SIG$1: $(cat "$run/gap.log"); $(grep 'ms without a forwarder' "$run/gwA.log" | tail -n 1 | grep -oE '[0-9]+ ms without a forwarder.*'); $(grep 'the kernel forwards' "$run/gwA.log" | tail -n 1 | grep -oE 'after [0-9].*')"
}
for ((i = 0; i < kills; i++)); do one_kill KILL; done
one_kill STOP
ok "the peer has set none up anew" test "$(set_up)" = 1
ok "TCP is one connection, with every octet" eval '[ "$(number "$run/stream.json" connections)" = 1 ] && [ "$(number "$run/stream.json" wrong)" = 0 ]'
echo "       $(cat "$run/sequences.json")"
ok "ESP was watched" test "$(watched packets)" -gt 500
ok "no sequence number was seen twice" test "$(watched sequences_twice)" = 0
ok "and no IV" test "$(watched ivs_twice)" = 0
ok "nothing crossed in clear" nothing_in_clear
ok "one sent twice on purpose is seen (the control)" site_numbers_control
stop sender INT; stop receiver INT; stop sequences INT
ok "a stop ends both" eval 'stop gwA; ! pgrep -x simplon-guard >/dev/null'
ok "and tells the peer" wait_for 5 eval '! swan gwB --list-sas --raw | grep -q uniqueid'
[ $failed = 0 ] && [ -z "${KEEP_LOGS:-}" ] || cat "$run/gwA.log"
lab_end
