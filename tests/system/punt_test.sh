#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 19,000 pings a second to the gateway cost no IKE datagram and no ARP.
#
#   stranger .66 --- 198.51.100.0/24 --- .1 wan0 gwA
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin punt
ns stranger gwA hostA
wire stranger eth0 gwA wan0
wire hostA eth0 gwA lan0
ip -n "$lab-stranger" addr add 198.51.100.66/24 dev eth0
# A ring that holds what comes while another process has the worker's core: this is about what is behind it.
{ site_simplon_ports gwA | sed 's|iface=wan0|&,framecnt=16384|'
  echo 'policies: [{name: ping, action: bypass, local: "198.51.100.1[icmp]", remote: any}]'; } >"$run/gwA.yaml"
simplon_start gwA || exit 1
ok "the gateway answers" wait_for 5 on stranger ping -q -c 1 -W 1 198.51.100.1
start gwA ike tcpdump -U -ni wan -w "$run/ike.pcap" 'udp dst port 500 and src host 198.51.100.66'
wait_for 10 test -s "$run/ike.pcap"
# Three seconds; in each fiftieth of one, 380 pings with four IKE datagrams and an ARP request among them. Datagrams of 20
# octets are no IKE message: nobody answers them.
on stranger /usr/bin/python3 - "$(on gwA cat /sys/class/net/wan0/address)" <<'PY'
import socket, sys, time
from scapy.all import ARP, Ether, ICMP, IP, UDP, raw
to = dict(src='198.51.100.66', dst='198.51.100.1')
ethernet = Ether(src='02:00:00:00:00:66', dst=sys.argv[1])
ping, ike = raw(ethernet / IP(**to) / ICMP() / bytes(56)), raw(ethernet / IP(**to) / UDP(sport=500, dport=500) / bytes(20))
arp = raw(Ether(src='02:00:00:00:00:66', dst='ff:ff:ff:ff:ff:ff') / ARP(hwsrc='02:00:00:00:00:66', psrc='198.51.100.67', pdst='198.51.100.1'))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(('eth0', 0))
begin = time.monotonic()
for part in range(150):
    for n in range(380):
        wire.send(ping)
        if n % 95 == 47: wire.send(ike)
    wire.send(arp)
    time.sleep(max(0, begin + (part + 1) / 50 - time.monotonic()))
print('   %.0f pings a second' % (150 * 380 / (time.monotonic() - begin)))
PY
datagrams() { tcpdump -nr "$run/ike.pcap" 2>/dev/null | wc -l; }
arrived() { [ "$(datagrams)" = 600 ]; }
ok "all 600 IKE datagrams are in the kernel" wait_for 5 arrived
echo "   $(datagrams) of 600, $(drop_count gwA punt-full) others dropped as punt-full"
ctl gwA ports
ok "and the gateway answers as before" wait_for 5 on stranger ping -q -c 1 -W 1 198.51.100.1
lab_end
