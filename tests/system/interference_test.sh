#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Another program changes the kernel under a running gateway: it flushes nftables and tc, switches forwarding on and rp_filter
# off, puts an address and a route that lead past the gateway, deletes TAPs, interfaces, addresses and routes. Nothing may
# pass in clear, out or in, and what the configuration says is there again by itself.
#
#   hostA .10 --- lan 198.18.1.0/24 --- gwA .1 --- 198.51.100.0/24 --- .2 gwB --- 198.18.2.0/24 --- .10 hostB
#                                                        |
#                              intruder (on gwB's wan0): sends to hostA in clear all the time
#
# site.sh draws the sites. hostA sends to hostB all the time; whatever of hostA's is seen on gateway B's wire in clear, and
# whatever of the intruder's is seen on hostA's wire, is a fault. Both captures see a packet sent in clear on purpose first.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin meddle
site_up

# What an intruder sends to hostA in clear, from outside: seen on hostA's wire? 0x1d is its ICMP identifier's high byte.
intruder() { # NAME IFA DESTINATION-MAC COUNT
  on "$1" /usr/bin/python3 - "$2" "$3" "$4" <<'PY'
import socket, struct, sys, time
def checksum(b):
    s = sum(struct.unpack('!%dH' % (len(b) // 2), b)); s = (s & 0xffff) + (s >> 16); return ~(s + (s >> 16)) & 0xffff
icmp = struct.pack('!BBHHH', 8, 0, 0, 0x1dea, 1); icmp = icmp[:2] + struct.pack('!H', checksum(icmp)) + icmp[4:]
head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28, 1, 0, 64, 1, 0, socket.inet_aton('203.0.113.66'), socket.inet_aton('198.18.1.10'))
ip = head[:10] + struct.pack('!H', checksum(head)) + head[12:] + icmp
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((sys.argv[1], 0))
for _ in range(int(sys.argv[3])):
    wire.send(bytes.fromhex(sys.argv[2].replace(':', '')) + bytes.fromhex('0200000000d1' '0800') + ip)
    time.sleep(0.01)
PY
}
start hostA intruded tcpdump -U -lni eth0 "icmp[4:2] == 0x1dea"
seen() { grep -c 'ICMP echo request' "$run/intruded.log"; }
saw() { [ "$(seen)" -ge "$1" ]; }
ok "the capture of what enters is up" wait_for 10 grep -q listening "$run/intruded.log"
mac_of() { on "$1" cat "/sys/class/net/$2/address"; }
# The control: a kernel that forwards lets it in. Then the addresses are the gateway's.
site_kernel_addresses gwA
intruder gwB wan0 "$(mac_of gwA wan0)" 3
ok "a kernel that forwards lets the intruder in, and the capture sees it" wait_for 5 saw 1
on gwA sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
ip -n "$lab-gwA" addr flush dev wan0
ip -n "$lab-gwA" addr flush dev lan0
site_simplon gwA || exit 1
site_simplon gwB || exit 1
ok "the tunnel carries pings" wait_for 20 on hostA ping -q -c 1 -W 1 198.18.2.10
ok "the capture of what leaves sees what is sent in clear on purpose" site_watch_clear
entered=$(seen)
gate=$(mac_of gwA wan)

ip netns exec "$lab-hostA" ping -i 0.02 198.18.2.10 >/dev/null 2>&1 &
pids[sender]=$!
says() { tail -n +"$((log_from + 1))" "$run/gwA.log" | grep -qE "$1"; }
nothing_entered() { [ "$(seen)" = "$entered" ]; }
# One kind of interference: what it does, what the log says of it, and then that the tunnel carries, with nothing in clear.
meddle() { # TITLE LOG-PATTERN COMMAND...
  local title=$1 pattern=$2; shift 2
  log_from=$(wc -l <"$run/gwA.log")
  ok "$title" on gwA sh -c "$*"
  intruder gwB wan0 "$gate" 30
  ok "... is told" wait_for 10 says "$pattern"
  ok "... and the tunnel carries" wait_for 15 on hostB ping -q -c 3 -i 0.1 -W 1 198.18.1.10
  ok "... and nothing has entered" nothing_entered
}
meddle "forwarding is switched on" "forwarding off" "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
meddle "nft flush ruleset" "opened to the kernel.*nftables drop" nft flush ruleset
meddle "the tc filters are gone" "opened to the kernel.*tc drop" "tc qdisc del dev wan0 clsact; tc qdisc del dev lan0 clsact"
meddle "both and rp_filter at once" "opened to the kernel" "nft flush ruleset; tc qdisc del dev wan0 clsact; tc qdisc del dev lan0 clsact; \
  for i in all wan0 lan0 wan lan; do sysctl -qw net.ipv4.conf.\$i.rp_filter=0; done"
meddle "a route and an address that lead past the gateway" "forwarding off|closed" "ip addr add 198.18.1.77/24 dev lan0; \
  ip addr add 198.51.100.77/24 dev wan0; ip route add 198.18.2.0/24 via 198.51.100.2 dev wan0 metric 1; sysctl -qw net.ipv4.ip_forward=1; nft flush ruleset"
on gwA sh -c "ip addr del 198.18.1.77/24 dev lan0; ip addr del 198.51.100.77/24 dev wan0"
meddle "an address of the configuration is removed" "address 198.51.100.1/24 of port wan was removed" ip addr del 198.51.100.1/24 dev wan
meddle "all addresses are flushed" "address 198.18.1.1/24 of port lan was removed" "ip addr flush dev lan; ip addr flush dev wan"
meddle "ports go down and up" "2001:db8:.*::1/64 of port (lan|wan) was removed" "ip link set wan down; ip link set wan up; ip link set lan down; ip link set lan up"
meddle "a TAP is deleted" "port wan has its TAP again" ip link del wan
meddle "the other, too" "port lan has its TAP again" ip link del lan

ok "nothing of hostA's was ever seen in clear" nothing_in_clear

log_from=$(wc -l <"$run/gwA.log")
ip -n "$lab-gwA" link del wan0
ok "an interface is deleted (with the peer's): told" wait_for 10 says "wan0 is gone"
ok "its port has no link" tells gwA '^wan +unprotected +down' ports
wire gwA wan0 gwB wan0
ok "it is there again: muted and told" wait_for 10 says "wan0 is there again"
ok "its port is open again" wait_for 10 says "port wan is open again"
ok "and has a link" wait_for 5 tells gwA '^wan +unprotected +up' ports
ok "the capture sees again what is sent in clear on purpose" site_watch_clear
ok "the tunnel carries again" wait_for 20 on hostB ping -q -c 3 -i 0.1 -W 1 198.18.1.10
intruder gwB wan0 "$gate" 30
ok "reload" ctl gwA reload
ok "hostA was sending all the time" kill -0 "${pids[sender]}"
ok "nothing has entered" nothing_entered
stop sender INT
ok "nothing of hostA's was seen in clear" nothing_in_clear
stop intruded INT
lab_end
