#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The devices that the other tests do not use carry traffic too: AF_XDP, memif between two processes, TAP.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#           af_xdp on a veth            memif, gwB its server             tap, its interface with hostB
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin drivers
ns hostA gwA gwB hostB
wire hostA eth0 gwA lan0
configuration() { # gwA|gwB LAN-DEVICE WAN-DEVICE
  site_simplon_ports "$1" | sed -e "s|net_af_packet0,iface=lan0|$2|" -e "s|net_af_packet1,iface=wan0|$3|"
  site_secrets "$1"
  site_connection "$1"
}
memif="socket-abstract=no,socket=$run/memif.sock"
configuration gwB net_tap0,iface=eth0 "net_memif0,role=server,$memif" >"$run/gwB.yaml"
configuration gwA net_af_xdp0,iface=lan0 "net_memif0,role=client,$memif" >"$run/gwA.yaml"
simplon_start gwB || exit 1
ok "the device's interface can be moved to the host" ip -n "$lab-gwB" link set eth0 netns "$lab-hostB"
simplon_start gwA || exit 1
for side in "A 1" "B 2"; do
  set -- $side
  ip -n "$lab-host$1" link set eth0 up mtu 1400
  ip -n "$lab-host$1" addr add "198.18.$2.10/24" dev eth0
  ip -n "$lab-host$1" route add default via "198.18.$2.1"
done
ok "the tunnel comes up over memif" wait_for 20 ctl gwA initiate sites net
ok "af_xdp to tap" site_pings hostA 198.18.2.10
ok "tap to af_xdp" site_pings hostB 198.18.1.10
ok "TCP" site_tcp
for gateway in gwA gwB; do
  ok "$gateway: nothing but what the SAs are for" eval '[ "$(drop_count $gateway no-policy)" = 0 ]'
  ok "$gateway: the packets went through them" eval 'ctl $gateway workers --json | /usr/bin/python3 -c "
import json, sys
sys.exit(not all(int(w[k]) >= 20 for w in json.load(sys.stdin).values() for k in (\"encrypted\", \"decrypted\")))"'
done
lab_end
