#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A link on the way between the gateways takes less than they know: the router before it says so, and the SA then sends what
# fits. Simplon is gateway A, strongSwan gateway B (site.sh); the router answers ARP and neighbour solicitations for both.
#
#   hostA --- gwA wan0 --- toA router toB --- wan0 gwB --- hostB
#                   MTU 1500        MTU 1300
#
# One case a run: path_mtu_test.sh [4|6], the family of the outer packets.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
outer=${1:-4}
lab_begin "pathmtu$outer"
site_up
for host in hostA hostB; do ip -n "$lab-$host" link set eth0 mtu 1500; done
ip -n "$lab-gwA" link del wan0
ns router
wire gwA wan0 router toA
wire router toB gwB wan0
site_kernel_addresses gwB
on router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.all.proxy_ndp=1 \
  net.ipv4.conf.toA.proxy_arp=1 net.ipv4.conf.toB.proxy_arp=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
for side in "toA 1 2" "toB 2 1"; do
  set -- $side
  ip -n "$lab-router" addr add "198.51.100.254/32" dev "$1"
  ip -n "$lab-router" route add "198.51.100.$2" dev "$1"
  ip -n "$lab-router" -6 route add "2001:db8:ffff::$2" dev "$1"
  ip -n "$lab-router" -6 neigh add proxy "2001:db8:ffff::$3" dev "$1"
done
ip -n "$lab-router" addr add 2001:db8:ffff:1::254/128 dev toA nodad
ip -n "$lab-router" link set toB mtu 1300
ip -n "$lab-gwB" link set wan0 mtu 1300

{ site_simplon_ports gwA; site_secrets gwA
  outer=$outer start=none site_connection gwA
  printf 'routes:\n  - {to: 198.18.2.0/24, via: 198.51.100.2}\n  - {to: "2001:db8:b::/64", via: "2001:db8:ffff::2"}\n'
} >"$run/gwA.yaml"
simplon_start gwA || exit 1
outer=$outer site_strongswan || exit 1
up() { ctl gwA initiate sites net >"$run/initiate.log" && wait_for 10 on gwB ip link show ipsec0; }
ok "the tunnel is up" up
# strongSwan's own interface knows nothing of its path: what it sends is not what is tested. 1280 is the least for IPv6.
ip -n "$lab-gwB" link set ipsec0 mtu 1280
ip_bytes=20; [ "$outer" = 6 ] && ip_bytes=40
inner=$(((1300 - ip_bytes - 8 - 8 - 8 - 16) / 4 * 4 - 2))
path_mtu() { ctl gwA sas --json | tr -d ' "\n' | grep -o 'mtu:[0-9]*'; }
has_path_mtu() { [ "$(path_mtu)" = "mtu:$1" ]; }

measured() { # CLIENT TO OCTETS ARGUMENTS... : iperf3 to host B, of which so many octets have arrived when the last were sent
  local client=$1 to=$2 octets=$3 status; shift 3
  start hostB iperf iperf3 -s -1
  wait_for 10 sh -c "ip netns exec $lab-hostB ss -Hltn sport = 5201 | grep -q 5201" || return 1
  on "$client" timeout 60 iperf3 -c "$to" -J "$@" >"$run/iperf.json"
  status=$?
  stop iperf
  [ $status = 0 ] && /usr/bin/python3 -c '
import json, sys
sys.exit(json.load(open(sys.argv[1]))["end"]["sum_received"]["bytes"] < int(sys.argv[2]))' "$run/iperf.json" "$octets" && return
  echo "status $status"; grep -E '"error"' "$run/iperf.json"
  return 1
}
tcp() { # CLIENT TO ARGUMENTS...
  local client=$1 to=$2; shift 2
  measured "$client" "$to" 1000000 -n 8M "$@"
}
told() { # MTU ADDRESS OCTETS : by ICMP, about a packet that is one octet too large
  # What TCP has taught the host would keep the packet there.
  ip -n "$lab-hostA" route flush cache
  ip -n "$lab-hostA" -6 route flush cache
  on hostA ping -M do -c 3 -i 0.3 -W 2 -s "$3" "$2" >"$run/told.log" 2>&1
  grep -qi "mtu *= *$1" "$run/told.log" || { cat "$run/told.log"; return 1; }
}

ok "the SA begins with the port's MTU" has_path_mtu 1500
ok "TCP A to B, whose first large segments are too large" tcp hostA 198.18.2.10
ok "the SA has learned the path's MTU" wait_for 5 has_path_mtu 1300
ok "the router's messages are counted" test "$(drop_count gwA path-mtu)" -ge 1
ok "hosts are told the exact inner MTU, IPv4" told $inner 198.18.2.10 $((inner - 28 + 1))
echos() { on hostB awk '/^Icmp: [0-9]/ {print $10}' /proc/net/snmp; } # that it has received
echos_arrive() { # The answers are not counted: they come in outer fragments of strongSwan's kernel.
  local before; before=$(echos)
  on hostA ping -q -M dont -c 3 -i 0.2 -W 1 -s 1472 198.18.2.10 >"$run/echos.log" 2>&1
  [ $(($(echos) - before)) = 3 ]
}
ok "packets that may be fragmented arrive" echos_arrive
ok "hosts are told 1280 at least, IPv6" told 1280 2001:db8:b::10 1233
ok "IPv6 packets of 1280 octets arrive, in outer fragments" \
  measured hostA 2001:db8:b::10 $((20 * 1232)) -u -l 1232 -b 2M -n $((100 * 1232))
for family in 4 6; do
  to=198.18.2.10 own=198.18.1.1; [ $family = 6 ] && to=2001:db8:b::10 own=2001:db8:a::1
  ok "TCP A to B, IPv$family" tcp hostA $to
  ok "TCP B to A, IPv$family" tcp hostA $to -R
  ok "TCP from the gateway itself, IPv$family" tcp gwA $to -B $own
done
# Whoever is not on the path knows neither SPI nor sequence number.
forged() {
  on router /usr/bin/python3 - "$outer" <<'PY' || return 1
import sys
from scapy.all import IP, IPv6, ICMP, ICMPv6PacketTooBig, UDP, Raw, send
if sys.argv[1] == '4':
    inside = IP(src='198.51.100.1', dst='198.51.100.2') / UDP(sport=4500, dport=4500) / Raw(b'\x12\x34\x56\x78' + b'\0\0\0\1' * 8)
    packet = IP(src='198.51.100.254', dst='198.51.100.1') / ICMP(type=3, code=4, nexthopmtu=600) / inside
else:
    inside = IPv6(src='2001:db8:ffff::1', dst='2001:db8:ffff::2') / UDP(sport=4500, dport=4500) / Raw(b'\x12\x34\x56\x78' + b'\0\0\0\1' * 8)
    packet = IPv6(src='2001:db8:ffff:1::254', dst='2001:db8:ffff::1') / ICMPv6PacketTooBig(mtu=1280) / inside
send(packet, verbose=False)
PY
}
before=$(drop_count gwA path-mtu)
heard() { [ "$(drop_count gwA path-mtu)" -gt "$before" ]; }
ok "a forged message is sent" forged
ok "and received" wait_for 5 heard
ok "but not believed" has_path_mtu 1300
lab_end
