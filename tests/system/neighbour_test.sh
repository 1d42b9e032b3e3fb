#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A next hop gets another MAC in the middle of the traffic: the router towards the peer, and a host of the LAN.
# Announced (gratuitous ARP, unsolicited neighbour advertisement), it is followed at once; without a word, within seconds,
# since the kernel asks the neighbours that are in use whether they are still there. One family a run:
#   neighbour_test.sh [4|6]
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- hostB          (site.sh)
#    its MAC changes                   Simplon     its MAC changes    strongSwan
#
# Who gets another MAC asks nobody either: its ARP requests and neighbour solicitations, which tell where it is, are dropped.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
outer=${1:-4}
lab_begin "neighbour$outer"
to=198.18.1.10 from=198.18.2.10 router=198.51.100.2 us_wan=198.51.100.1 us_lan=198.18.1.1
[ "$outer" = 6 ] && to=2001:db8:a::10 from=2001:db8:b::10 router=2001:db8:ffff::2 us_wan=2001:db8:ffff::1 us_lan=2001:db8:a::1

settle() { # NAME IFA ADDRESS : knows for good where its neighbour is
  local mac; mac=$(ip -n "$lab-$1" neigh show "$3" dev "$2" | sed -n 's/.*lladdr \([0-9a-f:]*\).*/\1/p')
  [ -n "$mac" ] && ip -n "$lab-$1" neigh replace "$3" lladdr "$mac" dev "$2" nud permanent
}
mute() { # NAME : no request of its own; its neighbours are settled before
  on "$1" nft -f - <<'NFT'
table arp quiet {
  chain out {
    type filter hook output priority 0
    arp operation request drop
  }
}
table ip6 quiet {
  chain out {
    type filter hook output priority 0
    icmpv6 type nd-neighbor-solicit drop
  }
}
NFT
}

# The interface has another MAC from now on. With it the kernel forgets its neighbours, so it is told ours again.
change_mac() { # NAME IFA MAC US
  local ours; ours=$(ip -n "$lab-$1" neigh show "$4" dev "$2" | sed -n 's/.*lladdr \([0-9a-f:]*\).*/\1/p')
  [ -n "$ours" ] || return 1
  ip -n "$lab-$1" link set "$2" address "$3"
  ip -n "$lab-$1" neigh replace "$4" lladdr "$ours" dev "$2" nud permanent
}
announce() { # NAME IFA MAC ADDRESS
  on "$1" /usr/bin/python3 - "$2" "$3" "$4" <<'PY'
import socket, sys
from scapy.all import ARP, Ether, ICMPv6NDOptDstLLAddr, ICMPv6ND_NA, IPv6
interface, mac, address = sys.argv[1:]
if ':' in address:
    frame = Ether(src=mac, dst='33:33:00:00:00:01') / IPv6(src=address, dst='ff02::1', hlim=255)
    frame /= ICMPv6ND_NA(tgt=address, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)
else:
    frame = Ether(src=mac, dst='ff:ff:ff:ff:ff:ff') / ARP(op=1, hwsrc=mac, psrc=address, hwdst='00:00:00:00:00:00', pdst=address)
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((interface, 0))
wire.send(bytes(frame))
PY
}

answers() { grep -c 'bytes from' "$run/stream.log"; }
flowing() { [ "$(answers)" -gt $((seen + 10)) ]; }
flow_on() { seen=$(answers); wait_for 30 flowing; }
gap() { # seconds
  sed -n 's/^\[\([0-9.]*\)\] .*bytes from.*/\1/p' "$run/stream.log" | awk 'NR > 1 && $1 - last > most {most = $1 - last} {last = $1}
    END {if (NR < 20) exit 1; printf "%.3f\n", most}'
}
below() { # SECONDS WHAT
  local longest; longest=$(gap) || return 1
  echo "   $2: longest gap ${longest}s"
  awk -v g="$longest" -v most="$1" 'BEGIN {exit !(g < most)}'
}
learnt() { ip -n "$lab-gwA" neigh show "$1" | grep -q "lladdr $2"; }

change() { # WHAT silently|aloud NAME IFA MAC US ADDRESS MOST-SECONDS
  start hostB stream ping -D -i 0.02 "$to"
  seen=0
  wait_for 10 flowing
  ok "$1, $2: the MAC changes" change_mac "$3" "$4" "$5" "$6"
  [ "$2" = silently ] || announce "$3" "$4" "$5" "$7"
  ok "$1, $2: the traffic goes on" flow_on
  stop stream INT
  ok "$1, $2: the gap is below $8 s" below "$8" "$1, $2"
  ok "$1, $2: the kernel knows the new MAC" learnt "$7" "$5"
}

site_up
start=none site_simplon gwA || exit 1
site_strongswan || exit 1
ok "Simplon initiates" ctl gwA initiate sites net
ok "pings A to B" site_pings hostA 198.18.2.10
ok "pings B to A, IPv6" site_pings hostB 2001:db8:a::10
ok "pings B to A" site_pings hostB $to
ok "gwB and hostA know their neighbours" eval 'settle gwB wan0 $us_wan && settle gwB lan0 $from && settle hostA eth0 $us_lan'
for name in gwB hostA; do ok "$name asks for nobody's MAC" mute $name; done

change router silently gwB wan0 02:00:00:00:0b:01 $us_wan $router 30
change router silently gwB wan0 02:00:00:00:0b:02 $us_wan $router 30
change router aloud gwB wan0 02:00:00:00:0b:03 $us_wan $router 5
change host silently hostA eth0 02:00:00:00:0a:01 $us_lan $to 30
change host silently hostA eth0 02:00:00:00:0a:02 $us_lan $to 30
change host aloud hostA eth0 02:00:00:00:0a:03 $us_lan $to 5
lab_end
