#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What af_packet ports receive is what was sent, whatever the interfaces merge, reassemble or leave to a NIC: all offloads of
# all wires are left as the kernel sets them.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin afpacket
offloads=left site_up
for host in hostA hostB; do ip -n "$lab-$host" link set eth0 mtu 1500; done
feature() { on "$1" ethtool -k "$2" | sed -n "s/^$3: \(on\|off\).*/\1/p"; }
on gwA ethtool -K lan0 gro on
site_simplon gwA || exit 1
site_simplon gwB || exit 1
is() { [ "$(feature "$1" "$2" "$3")" = "$4" ]; }
ok "the hosts leave checksums and segmentation to their NICs" is hostA eth0 tx-checksumming on
ok "the tunnel comes up" wait_for 20 ctl gwA initiate sites net

# A datagram of 3000 bytes is three fragments; the kernel behind the TAP sees them as they were sent.
fragments='icmp and ip[6:2] & 0x3fff != 0 and src host 198.18.1.10'
fragments_of() { tcpdump -nxr "$1" "$fragments" 2>/dev/null | grep -E '^\s+0x'; }
capture() { start "$1" "$3" tcpdump -U -ni "$2" -w "$run/$3.pcap" "$fragments"; wait_for 10 test -s "$run/$3.pcap"; }
capture hostA eth0 sent && capture gwA lan received
ok "a whole datagram comes (the control)" on hostA ping -q -c 1 -W 2 198.18.1.1
ok "a datagram in fragments is answered" on hostA ping -q -c 3 -i 0.1 -W 2 -s 3000 198.18.1.1
same_fragments() { [ "$(fragments_of "$run/sent.pcap" | grep -c 0x0000)" = 9 ] && [ "$(fragments_of "$run/sent.pcap")" = "$(fragments_of "$run/received.pcap")" ]; }
ok "its fragments arrive as they were sent" wait_for 5 same_fragments
stop sent; stop received

# Merged packets would be larger than the tunnel's MTU and damaged checksums drop: either stops TCP. A slow machine does
# ten times this, a broken one a tenth.
for family in -4 -6; do ok "TCP$family at the speed of a wire" site_tcp $family; done
fast() { /usr/bin/python3 -c 'import json, sys; d = json.load(open(sys.argv[1]))["end"]["sum_received"]; print("  ", int(d["bits_per_second"] / 1e6), "Mbit/s"); sys.exit(d["bits_per_second"] < 5e6)' "$run/iperf.json"; }
ok "and not slower" fast
for reason in too-big runt bad-checksum; do ok "gwA: no $reason" test "$(drop_count gwA $reason)" = 0; done

ok "GRO is off while the port has the interface" is gwA lan0 generic-receive-offload off
ok "another program switches it on" on gwA ethtool -K lan0 gro on
ok "it is switched off again" wait_for 10 is gwA lan0 generic-receive-offload off
ok "and that is told" wait_for 5 grep -q 'another program switched rx-gro on' "$run/gwA.log"
ok "the other end merges nothing meanwhile" is hostA eth0 tcp-segmentation-offload off
stop gwA
ok "the interface is given back as it was when the gateway ends" is gwA lan0 generic-receive-offload on
ok "and the other end what it had" is hostA eth0 tcp-segmentation-offload on
lab_end
