#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guard_test.sh [KILLS]: a gateway under its guard is killed again and again, on a kernel without ESP: nobody forwards until the
# next gateway has taken over. No IKE SA is set up anew, each tunnel carries packets again, no sequence number and no IV is seen
# twice under one key, nothing is in clear; also after a rekey, and when the guard itself is killed. (With the kernel as the
# forwarder meanwhile: tests/uml/takeover_test.sh.)
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                                simplon-guard                       strongSwan
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
kills=${1:-3}
lab_begin guard
site_up
{ site_simplon_ports gwA; site_secrets gwA; start=none site_connection gwA; } >"$run/gwA.yaml"
simplon_start gwA "$build/simplon-guard" || exit 1
site_strongswan || exit 1
gateway() { pgrep -P "${pids[gwA]}" -x simplond; }
has() { [ "$(grep -c "$1" "$run/gwA.log")" -ge "$2" ]; }
peers_sa() { swan gwB --list-sas --raw 2>/dev/null | grep -oE 'sites \{uniqueid=[0-9]+' | tr '\n' ' '; }
ok "the tunnel comes up" wait_for 20 ctl gwA initiate sites net
ok "pings cross it" site_pings hostA 198.18.2.10
ok "the capture sees what is sent in clear on purpose" site_watch_clear
site_watch_numbers
by_hand() {
  ctl gwA policy add lab --action protect --local-ts 198.18.1.0/24 --remote-ts 203.0.113.0/24 &&
    ctl gwA sa add --direction out --spi 0x1001 --source 198.51.100.1 --destination 198.51.100.2 --suite aes128gcm16 --policy lab \
      --key 000102030405060708090a0b0c0d0e0f10111213
}
ok "a policy and an SA by hand" by_hand
sent_by_hand() { ctl gwA sa list --json | tr ',{' '\n\n' | awk '/"spi"/ {hand = /1001"/} /"packets"/ && hand {gsub(/[^0-9]/, ""); print; exit}'; }
sends_by_hand() {
  local before; before=$(sent_by_hand)
  on hostA ping -q -c 3 -i 0.1 -W 0.1 203.0.113.9 >/dev/null
  [ "$(sent_by_hand)" -ge $((before + 3)) ]
}
ok "packets leave by it" wait_for 10 sends_by_hand
set_up() { grep -c 'parsed IKE_SA_INIT request' "$run/gwB/charon.log"; }
ok "the peer has set one IKE SA up" test "$(set_up)" = 1
adopted() { ctl gwA sas --json 2>/dev/null | grep -q '"state": *"INSTALLED"'; }
for ((i = 1; i <= kills; i++)); do
  ping_begin hostA 198.18.2.10
  wait_for 10 grep -q 'icmp_seq=5 ' "$run/long-ping.log"
  kill -KILL "$(gateway)"
  ok "after kill $i the next gateway takes over" wait_for 60 has "took over from" "$i"
  ok "pings cross again" wait_for 30 site_pings hostA 2001:db8:b::10
  ping_end | sed 's/^/       /'
  ok "what was made by hand is there, and carries packets" wait_for 10 sends_by_hand
done
ok "the peer has set none up anew" test "$(set_up)" = 1
ok "its child is the console's" adopted
ok "rekey of the child" ctl gwA rekey --child net
ok "rekey of the IKE SA" ctl gwA rekey --ike sites
kill -STOP "$(gateway)"
ok "one that hangs is killed and taken over from" wait_for 60 has "took over from" $((kills + 1))
ok "pings cross" wait_for 30 site_pings hostA 198.18.2.10
ok "there is one gateway" test "$(gateway | wc -l)" = 1
echo "       $(cat "$run/sequences.json")"
ok "ESP was watched" test "$(watched packets)" -gt $((20 * kills))
ok "none was missed" test "$(watched missed)" = 0
ok "no sequence number was seen twice" test "$(watched sequences_twice)" = 0
ok "and no IV" test "$(watched ivs_twice)" = 0
ok "one sent twice on purpose is seen (the control)" site_numbers_control
stop sequences INT
ok "nothing crossed in clear" nothing_in_clear
orphan=$(gateway)
kill -KILL "${pids[gwA]}"
ok "a gateway says that its guard has died" wait_for 10 has "the guard has died" 1
ok "and goes on" wait_for 30 site_pings hostA 198.18.2.10
kill -TERM "$orphan"
ok "it ends when it is told to" wait_for 20 eval '! kill -0 '"$orphan"' 2>/dev/null'
ok "and tells the peer" wait_for 5 eval '[ -z "$(peers_sa)" ]'
[ $failed = 0 ] || cat "$run/gwA.log"
lab_end
