#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Frames of 9000 octets from end to end, over net_pcap, the one software driver that takes them on Debian 12 (those of
# af_packet, af_xdp, tap and memif say that they do not). The topology is drawn in site.sh.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin jumbo
site_up
for end in hostA/eth0 gwA/lan0 gwA/wan0 gwB/wan0 gwB/lan0 hostB/eth0; do ip -n "$lab-${end%/*}" link set "${end#*/}" mtu 9000; done
for gateway in gwA gwB; do
  port_kind=pcap mtu=9000 site_simplon $gateway || exit 1
done
ok "the tunnel comes up" wait_for 20 ctl gwA initiate sites net
# 20 octets of IP, 8 of ESP, 8 of IV and 16 of ICV around a multiple of 4 whose last two are the trailer's.
inner=$(((9000 - 20 - 8 - 8 - 16) / 4 * 4 - 2))
for octets in 8000 $((inner - 28)); do
  ok "ping of $octets octets, A to B" on hostA ping -q -M do -c 3 -i 0.1 -W 2 -s "$octets" 198.18.2.10
  ok "ping of $octets octets, B to A" on hostB ping -q -M do -c 3 -i 0.1 -W 2 -s "$octets" 198.18.1.10
done
ok "ping of 8000 octets, IPv6" on hostA ping -q -c 3 -i 0.1 -W 2 -s 8000 2001:db8:b::10
ok "TCP" eval "tcp_size=40M site_tcp"
ok "its segments were large" eval 'ctl gwA ports --json | /usr/bin/python3 -c "
import json, sys
wan = json.load(sys.stdin)[\"wan\"]
sys.exit(int(wan[\"tx-bytes\"]) < 2000 * int(wan[\"tx-packets\"]))"'
lab_end
