#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Entries of the SPD and their SAs by hand, between two Simplons: several pairs of selectors of one entry (RFC 4301 §4.4.1.2), and
# later fragments in an SA of their own (§7.2).
#
#   hostA === gwA === gwB === hostB        site.sh draws them
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin spdhand
site_up
for gw in gwA gwB; do
  site_simplon_ports $gw >"$run/$gw.yaml"
  simplon_start $gw || exit 1
done
key() { printf '%032x%08x' "$1" "$1"; } # a key and its salt
# One entry at both gateways, with an SA each way. The lists have LOCAL and REMOTE as gwA sees them.
entry() { # NAME NUMBER OPTIONS... -- LOCAL REMOTE [LOCAL REMOTE]...
  local name=$1 n=$2 options=() a=() b=(); shift 2
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  while [ $# -gt 0 ]; do a+=(--selectors "$1 === $2"); b+=(--selectors "$2 === $1"); shift 2; done
  ctl gwA policy add "$name" --action protect "${options[@]}" "${a[@]}" &&
    ctl gwB policy add "$name" --action protect "${options[@]}" "${b[@]}" || return 1
  local gw direction from to
  for gw in gwA gwB; do
    for way in "198.51.100.1 198.51.100.2 0x1$n" "198.51.100.2 198.51.100.1 0x2$n"; do
      read -r from to spi <<<"$way"
      direction=in; [ "$gw $from" = "gwA 198.51.100.1" ] || [ "$gw $from" = "gwB 198.51.100.2" ] && direction=out
      ctl $gw sa add --direction $direction --spi "$spi" --source "$from" --destination "$to" --suite aes128gcm16 \
        --policy "$name" --key "$(key "$spi")" || return 1
    done
  done
}
hits() { # GATEWAY POLICY
  ctl "$1" policies --json | /usr/bin/python3 -c '
import json, sys
for entry in json.load(sys.stdin):
    for name, policy in entry.items():
        if name == sys.argv[1]: print(policy["hits-out"], policy["hits-in"])' "$2"; }
are() { [ "$(hits "$1" "$2")" = "$3" ]; }
datagram() { # FROM ADDRESS PORT OCTETS TO: arrives whole
  start "$5" receiver timeout 10 /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", int(sys.argv[1]))); print("ready", flush=True)
print("got", len(s.recv(65535)), flush=True)' "$3"
  wait_for 5 grep -q ready "$run/receiver.log" || return 1
  on "$1" /usr/bin/python3 -c '
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(bytes(int(sys.argv[3])), (sys.argv[1], int(sys.argv[2])))' "$2" "$3" "$4"
  wait_for 3 grep -q "got $4" "$run/receiver.log"
  local status=$?
  stop receiver
  return $status; }
lost() { ! datagram "$@" 2>/dev/null; }

ok "an entry of two pairs, and its SAs" entry two 001 -- '198.18.1.0/24[icmp]' '198.18.2.0/24[icmp]' \
  '198.18.1.10[udp]' '198.18.2.10[udp/7000]'
ok "pings are of the first" on hostA ping -q -c 5 -i 0.05 -W 2 198.18.2.10
ok "both ways" are gwA two "5 5"
ok "a datagram is of the second" datagram hostA 198.18.2.10 7000 100 hostB
ok "it has gone by the same SA" are gwA two "6 5"
before=$(hits gwA "(rest)")
ok "another port is of none" lost hostA 198.18.2.10 7001 100 hostB
ok "which is counted" are gwA "(rest)" "$((${before% *} + 1)) ${before#* }"
ok "the console shows both pairs" tells gwA '198.18.1.10/32\[udp\] +198.18.2.10/32\[udp/7000\]' policies

# Before the other one, which would have to know the ports of each.
ok "an entry whose later fragments go apart" entry web 002 --order 1 --fragments own-sa -- 198.18.1.10 '198.18.2.10[udp/2000]'
ok "and theirs" entry web-later 003 --order 2 --fragments later -- 198.18.1.10 '198.18.2.10[udp/opaque]'
ok "a datagram in three fragments arrives whole" datagram hostA 198.18.2.10 2000 3500 hostB
ok "the first by its port" are gwA web "1 0"
ok "the others by the other SA" are gwA web-later "2 0"
ok "at the other end too" are gwB web-later "0 2"
reassembled() { ctl "$1" counters | grep -oE '[0-9,]+ reassembled'; }
ok "nobody has put it together" [ "$(reassembled gwA) $(reassembled gwB)" = "0 reassembled 0 reassembled" ]
lab_end
