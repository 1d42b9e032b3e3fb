#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The kernel sees a port's link: its TAP loses its carrier and gets it back. What is set on the TAP the device cannot follow is
# refused aloud.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA (its VLAN 7: 198.18.3.1)
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin link
site_up
site_simplon_ports gwA | sed 's|^  - name: wan$|  - {name: lan.7, parent: lan, vlan: 7, addresses: [198.18.3.1/24]}\n&|' >"$run/gwA.yaml"
simplon_start gwA || exit 1
carrier() { [ "$(on gwA cat "/sys/class/net/$1/carrier")" = "$2" ]; }
logged() { grep -q "$1" "$run/gwA.log"; }
answers() { on hostA ping -q -c 1 -W 1 198.18.1.1 >/dev/null; }
ok "the TAPs have a carrier" eval 'carrier lan 1 && carrier lan.7 1 && carrier wan 1'
ok "the gateway answers" wait_for 5 answers
ok "the other end of the LAN's wire goes down" ip -n "$lab-hostA" link set eth0 down
for port in lan lan.7; do
  ok "$port: the kernel sees it" wait_for 5 carrier $port 0
  ok "$port: the log says it" wait_for 5 logged "$port has no link"
done
ok "so does ports" tells gwA '^lan +protected +down' ports
ok "wan is as before" carrier wan 1
ok "it comes up" ip -n "$lab-hostA" link set eth0 up
for port in lan lan.7; do ok "$port: the kernel sees it" wait_for 5 carrier $port 1; done
ok "the log says it" wait_for 5 logged 'lan has a link'
ok "the gateway answers again" wait_for 10 answers
mac=$(on gwA cat /sys/class/net/lan/address)
ok "another MTU on a TAP" ip -n "$lab-gwA" link set lan mtu 1400
ok "is refused" wait_for 5 logged 'lan has a new MTU 1400 on its TAP'
ok "and put back" test "$(on gwA cat /sys/class/net/lan/mtu)" = 1500
ok "another MAC on a TAP" ip -n "$lab-gwA" link set lan address 02:00:00:00:00:77
ok "is refused" wait_for 5 logged 'lan has a new MAC on its TAP'
ok "and put back" test "$(on gwA cat /sys/class/net/lan/address)" = "$mac"
ok "the gateway answers as before" wait_for 10 answers
lab_end
