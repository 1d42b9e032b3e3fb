#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# VLANs as ports: a tagged WAN, two tagged LANs, one in a service VLAN (802.1ad), and a VLAN of the other side on the LANs' wire.
#
#   hostA  .10 -- 198.18.1.0/24, VLAN 7   --+
#   hostC  .10 -- 198.18.3.0/24, VLAN 8.9 --+-- lan0 gwA wan0 -- VLAN 100, 198.51.100.0/24 -- wan0 gwB lan0 -- hostB .10
#   dmz .10 -- 198.18.9.0/24, VLAN 10, unprotected --+ (trunk)                                    198.18.2.0/24, untagged
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin vlan
ns hostA hostC dmz switch gwA gwB hostB
for host in hostA:toA hostC:toC dmz:toD; do wire "${host%:*}" eth0 switch "${host#*:}"; done
wire switch trunk gwA lan0
wire gwA wan0 gwB wan0
wire gwB lan0 hostB eth0
start switch switch /usr/bin/python3 "$here/vlan_switch.py" trunk toA:7 toC:8.9 toD:10
ok "the switch is there" wait_for 10 grep -q ready "$run/switch.log"
for host in "hostA 1 a" "hostC 3 c" "dmz 9 d" "hostB 2 b"; do
  set -- $host
  ip -n "$lab-$1" link set eth0 mtu 1400
  ip -n "$lab-$1" addr add "198.18.$2.10/24" dev eth0
  ip -n "$lab-$1" addr add "2001:db8:$3::10/64" dev eth0 nodad
  ip -n "$lab-$1" route add default via "198.18.$2.1"
  ip -n "$lab-$1" -6 route add default via "2001:db8:$3::1"
done
# The ports of site.sh, their addresses moved to VLANs.
tagged_wan() { # gwA|gwB N
  sed "/device: net_af_packet1/,/addresses/{/addresses/d}" | sed "s|^management:|  - {name: wan.100, parent: wan, vlan: 100, addresses: [198.51.100.$2/24, \"2001:db8:ffff::$2/64\"]}\nmanagement:|"
}
lans() {
  sed "/device: net_af_packet0/,/addresses/{/addresses/d}" | sed 's|^  - name: wan$|\
  - {name: lan.7, parent: lan, vlan: 7, addresses: [198.18.1.1/24, "2001:db8:a::1/64"]}\
  - {name: lan.8, parent: lan, vlan: 8, tag: 802.1ad}\
  - {name: lan.8.9, parent: lan.8, vlan: 9, addresses: [198.18.3.1/24, "2001:db8:c::1/64"]}\
  - {name: dmz, parent: lan, vlan: 10, side: unprotected, addresses: [198.18.9.1/24, "2001:db8:d::1/64"]}\
&|'
}
{ site_simplon_ports gwA | tagged_wan gwA 1 | lans; site_secrets gwA
  site_connection gwA | sed 's|local_ts: .*|local_ts: [198.18.1.0/24, 198.18.3.0/24, "2001:db8:a::/64", "2001:db8:c::/64"]|'; } >"$run/gwA.yaml"
{ site_simplon_ports gwB | tagged_wan gwB 2; site_secrets gwB
  site_connection gwB | sed 's|remote_ts: .*|remote_ts: [198.18.1.0/24, 198.18.3.0/24, "2001:db8:a::/64", "2001:db8:c::/64"]|'; } >"$run/gwB.yaml"
simplon_start gwA || exit 1
simplon_start gwB || exit 1
ok "the tunnel comes up over a tagged WAN" wait_for 20 ctl gwA initiate sites net
for to in 198.18.2.10 2001:db8:b::10; do
  ok "VLAN 7 to $to" site_pings hostA "$to"
  ok "VLAN 9 in service VLAN 8 to $to" site_pings hostC "$to"
done
ok "back to VLAN 7" site_pings hostB 198.18.1.10
ok "back to VLAN 9" site_pings hostB 2001:db8:c::10
ok "from one VLAN to another" site_pings hostA 198.18.3.10
ok "a VLAN of the other side reaches its gateway" tells gwA 'dmz +unprotected' ports
for family in -4 -6; do ok "TCP$family through two tagged wires" site_tcp $family; done
start gwB wire tcpdump -U -ni wan0 -w "$run/wire.pcap"
wait_for 10 test -s "$run/wire.pcap"
site_pings hostA 198.18.2.10
frames() { tcpdump -nr "$run/wire.pcap" "$1" 2>/dev/null | wc -l; }
tagged() { [ "$(frames 'vlan 100 and esp')" -ge 10 ]; }
ok "what is on the WAN has its tag" wait_for 5 tagged
ok "and nothing is without" test "$(frames 'ip or arp')" = 0
stop wire INT

# What VLAN 7 may send, the unprotected VLAN of the same wire may not, nor a VLAN that is no port.
inject() { # SOURCE VLANS COUNT : ICMP to hostB onto gwA's LAN wire
  on switch /usr/bin/python3 - "$1" "$2" "$3" "$(on gwA cat /sys/class/net/lan0/address)" <<'PY'
import socket, sys
from scapy.all import Ether, Dot1Q, IP, ICMP, raw
source, vlans, count, mac = sys.argv[1:]
frame = Ether(src='02:00:00:00:00:c1', dst=mac)
for vlan in filter(None, vlans.split('.')): frame /= Dot1Q(vlan=int(vlan))
frame /= IP(src=source, dst='198.18.2.10') / ICMP(id=0xc1ea) / bytes(32)
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(('trunk', 0))
for _ in range(int(count)): wire.send(raw(frame))
PY
}
start hostB seen tcpdump -U -lni eth0 "icmp[4:2] == 0xc1ea and icmp[0] == 8"
wait_for 10 grep -q listening "$run/seen.log"
seen() { grep -c 'echo request' "$run/seen.log"; }
saw() { [ "$(seen)" = "$1" ]; }
encrypted() { ctl gwA counters | grep -oE '[0-9,]+ encrypted' | tr -dc 0-9; }
ok "five of VLAN 7" inject 198.18.1.66 7 5
ok "arrive (the control)" wait_for 5 saw 5
drops() { drop_count gwA no-policy; }
count() { # PORT KEY
  ctl gwA ports --json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]][sys.argv[2]])' "$@"
}
seven=$(count lan.7 rx-packets) nine=$(count lan.8.9 rx-packets) service=$(count lan.8 rx-packets) trunk=$(count lan rx-packets)
ok "each VLAN has counts of its own" test "$seven" -gt 100 -a "$nine" -gt 10 -a "$service" -ge "$nine" -a "$(count lan.7 tx-packets)" -gt 100
ok "and its port has those of all" test "$trunk" -ge $((seven + service))
dmz=$(count dmz rx-packets)
before=$(drops)
ok "five of the unprotected VLAN with a source of VLAN 7" inject 198.18.1.66 10 5
ok "are discarded" wait_for 5 eval '[ "$(drops)" = $((before + 5)) ]'
ok "and counted at their VLAN" test "$(count dmz rx-packets)" -ge $((dmz + 5))
unknown() { drop_count gwA unknown-vlan; }
before=$(unknown)
ok "five of a VLAN that is no port" inject 198.18.1.66 77 5
ok "and five with a tag too many" inject 198.18.1.66 7.7 5
ok "have their reason" wait_for 5 eval '[ "$(unknown)" -ge $((before + 10)) ]'
ok "five with a priority tag in VLAN 7" inject 198.18.1.66 7.0 5
ok "arrive" wait_for 5 saw 10
lab_end
