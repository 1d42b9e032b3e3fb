#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A client behind a NAT that maps it anew, in the middle of its traffic: another port, another address, both. Simplon
# (gateway A) follows it by its ESP, and by its IKE when it sends no ESP (RFC 7296 §2.23): the SAs of both ends stay (mode
# kernel: another address costs a rekey of the child), and the longest gap is printed (below one second on a machine that
# has nothing else to do). What an attacker sends again from elsewhere moves nothing. One case a run:
#   nat_test.sh strongswan|simplon [4|6]        the client, and the family outside
#   nat_test.sh kernel                          both gateways are Simplons without a data path, in a User Mode Linux guest:
#                                               its kernel has ESP, but no NAT that nft could use, so lab/nat.py is the NAT
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .253,.254 nat .1 --- 192.0.2.0/24 --- .2 gwB .1 --- hostB
#           2001:db8:a::/64              2001:db8:ffff::/64                        2001:db8:c::/64               (site.sh)
#
# nat is a router that masquerades (nftables): UDP leaves from the address and the range of ports that map() names.
[ "$1" = kernel ] && [ "${3:-}" != inside ] &&
  exec "$(dirname "$(realpath "$0")")/../uml/uml-run" -t 470 -m 768M -- "$0" kernel 4 inside
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
client=$1 outer=${2:-4}
lab_begin "nat$client$outer"

gateway=198.51.100.1 inside=192.0.2.2 first=198.51.100.254 second=198.51.100.253 ip=ip length=24
[ "$outer" = 6 ] &&
  gateway=2001:db8:ffff::1 inside=2001:db8:c::2 first=2001:db8:ffff::fe second=2001:db8:ffff::fd ip=ip6 length=64

lan() { # A|B N H : the host of one side
  ip -n "$lab-host$1" link set eth0 mtu 1400
  ip -n "$lab-host$1" addr add "198.18.$2.10/24" dev eth0
  ip -n "$lab-host$1" addr add "2001:db8:$3::10/64" dev eth0 nodad
  ip -n "$lab-host$1" route add default via "198.18.$2.1"
  ip -n "$lab-host$1" -6 route add default via "2001:db8:$3::1"
}

net_up() {
  ns hostA gwA nat gwB hostB
  wire hostA eth0 gwA lan0
  wire gwA wan0 nat out0
  wire nat in0 gwB wan0
  wire gwB lan0 hostB eth0
  lan A 1 a
  lan B 2 b
  [ "$client" = kernel ] || on nat sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  ip -n "$lab-nat" addr add 192.0.2.1/24 dev in0
  ip -n "$lab-nat" addr add 2001:db8:c::1/64 dev in0 nodad
}

outside() { ip -n "$lab-nat" addr add "$1/$length" dev out0 $([ "$outer" = 6 ] && echo nodad); } # ADDRESS

# From now on what comes from inside is mapped there, also what has been mapped before.
map() { # ADDRESS FIRST-PORT LAST-PORT
  if ! ip -n "$lab-nat" addr show dev out0 | grep -q " $1/"; then
    ip -n "$lab-nat" "-$outer" addr flush dev out0 scope global
    outside "$1"
  fi
  if [ "$client" = kernel ]; then
    echo "$1 $2" >"$run/mapping"
    if [ -n "${pids[nat]:-}" ]; then kill -HUP "${pids[nat]}"; else start nat nat "$here/nat.py" in0 out0 "$inside" "$run/mapping"; fi
    return
  fi
  on nat nft -f - <<NFT
table $ip nat
delete table $ip nat
table $ip nat {
  chain out {
    type nat hook postrouting priority srcnat
    oifname out0 $ip saddr $inside meta l4proto udp masquerade to :$2-$3
  }
  chain in {
    type filter hook input priority filter
    iifname out0 meta l4proto udp drop
  }
}
NFT
  [ $? = 0 ] || { echo "nat has no such mapping"; exit 1; }
  on nat /usr/bin/python3 - <<'PY'
import socket, struct
NETLINK_NETFILTER, CTNETLINK_DELETE, REQUEST_ACK = 12, 1 << 8 | 2, 5
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
s.send(struct.pack('=IHHIIBBH', 20, CTNETLINK_DELETE, REQUEST_ACK, 1, 0, socket.AF_UNSPEC, 0, 0))
error = struct.unpack('=i', s.recv(4096)[16:20])[0]
assert error == 0, error
PY
}

kernel_ports() { # gwA|gwB
  on "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  printf 'gateway: {mode: kernel}\nmanagement: {socket: %s}\n' "$run/$1.vici"
}
client_addresses() {
  on gwB sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  ip -n "$lab-gwB" addr add 192.0.2.2/24 dev wan0
  ip -n "$lab-gwB" addr add 2001:db8:c::2/64 dev wan0 nodad
  ip -n "$lab-gwB" addr add 198.18.2.1/24 dev lan0
  ip -n "$lab-gwB" addr add 2001:db8:b::1/64 dev lan0 nodad
  ip -n "$lab-gwB" route add default via 192.0.2.1
  ip -n "$lab-gwB" -6 route add default via 2001:db8:c::1
}

gateway_start() {
  { if [ "$client" = kernel ]; then site_kernel_addresses gwA >&2; kernel_ports gwA; else site_simplon_ports gwA; fi
    site_secrets gwA; cat <<YAML
connections:
  sites:
    local: {address: "$gateway", id: a.example}
    remote: {id: b.example}
    auth: psk
    proposals: [aes128gcm16-prfsha256-x25519]
    children:
      net:
        local_ts: [198.18.1.0/24, "2001:db8:a::/64"]
        remote_ts: [198.18.2.0/24, "2001:db8:b::/64"]
        esp_proposals: [aes128gcm16]
        start: none
YAML
  } >"$run/gwA.yaml"
  # The inner packets need a route, to be forwarded by a kernel.
  [ "$client" != kernel ] || { ip -n "$lab-gwA" route add default via 198.51.100.254 onlink dev wan0
    ip -n "$lab-gwA" -6 route add default via 2001:db8:ffff::fe dev wan0; }
  simplon_start gwA
}

simplon_client() {
  { if [ "$client" = kernel ]; then client_addresses >&2; kernel_ports gwB; else
      site_simplon_ports gwB | sed 's|198.51.100.2/24|192.0.2.2/24|; s|2001:db8:ffff::2/64|2001:db8:c::2/64|'
      printf 'routes:\n  - {to: default, via: 192.0.2.1}\n  - {to: default, via: "2001:db8:c::1"}\n'
    fi
    site_secrets gwB; cat <<YAML
connections:
  sites:
    local: {address: "$inside", id: b.example}
    remote: {address: "$gateway", id: a.example}
    auth: psk
    proposals: [aes128gcm16-prfsha256-x25519]
    dpd_delay: 3s
    children:
      net:
        local_ts: [198.18.2.0/24, "2001:db8:b::/64"]
        remote_ts: [198.18.1.0/24, "2001:db8:a::/64"]
        esp_proposals: [aes128gcm16]
        start: none
YAML
  } >"$run/gwB.yaml"
  simplon_start gwB
}

strongswan_client() {
  client_addresses
  mkdir -p "$run/gwB/swanctl"
  cat >"$run/gwB/swanctl/swanctl.conf" <<CONF
connections { sites {
  local_addrs = $inside
  remote_addrs = $gateway
  version = 2
  proposals = aes128gcm16-prfsha256-x25519
  dpd_delay = 3s
  local { auth = psk
    id = b.example }
  remote { auth = psk
    id = a.example }
  children { net {
    local_ts = 198.18.2.0/24,2001:db8:b::/64
    remote_ts = 198.18.1.0/24,2001:db8:a::/64
    esp_proposals = aes128gcm16 } }
} }
secrets { ike-1 { id-a = a.example
  id-b = b.example
  secret = "a-demonstration-secret-0123456789" } }
CONF
  strongswan_start gwB
}

initiate() { if [ "$client" != strongswan ]; then ctl gwB initiate sites net; else swan gwB --initiate --child net; fi; }

# What names the SAs of both ends: SPIs, and how they came to be.
spis() { grep -oE '"?(initiator-spi|responder-spi|spi-in|spi-out|uniqueid)"?[:=] *"?[0-9a-fx]*' | tr -d ' "' | sort -u | tr '\n' ' '; }
sas() {
  ctl gwA sas --json | spis
  if [ "$client" != strongswan ]; then ctl gwB sas --json | spis; else swan gwB --list-sas --raw | spis; fi
}
peer_at() { # ADDRESS FIRST-PORT LAST-PORT : gateway A's peer
  local at; at=$(ctl gwA sas --json | tr -d ' \n' | sed -n 's/.*"remote-host":"\([^"]*\)","remote-port":"*\([0-9]*\).*/\1 \2/p')
  [ "${at% *}" = "$1" ] && [ "${at#* }" -ge "$2" ] && [ "${at#* }" -le "$3" ]
}
same_sas() { local now; now=$(sas); [ "$now" = "$before" ] || { printf 'before: %s\nnow:    %s\n' "$before" "$now"; return 1; }; }

# Pings in both directions, until stopped; the longest time between two answers that came.
stream_begin() {
  start hostB up ping -D -i 0.02 198.18.1.10
  start hostA down ping -D -i 0.02 198.18.2.10
  wait_for 5 flowing
}
answers() { grep -c 'bytes from' "$run/$1.log"; }
flowing() { [ "$(answers up)" -gt $((10 + ${seen_up:-0})) ] && [ "$(answers down)" -gt $((10 + ${seen_down:-0})) ]; }
flow_on() { seen_up=$(answers up) seen_down=$(answers down); wait_for 20 flowing; }
stream_end() { seen_up=0 seen_down=0; stop up INT; stop down INT; }
longest_gap() { # LOG : seconds
  sed -n 's/^\[\([0-9.]*\)\] .*bytes from.*/\1/p' "$1" | awk 'NR > 1 && $1 - last > most {most = $1 - last} {last = $1}
    END {if (NR < 20) exit 1; printf "%.3f\n", most}'
}
short_gaps() { # WHAT
  local up down
  up=$(longest_gap "$run/up.log") && down=$(longest_gap "$run/down.log") || return 1
  echo "   $1: longest gap ${up}s from the client, ${down}s to it"
  awk -v u="$up" -v d="$down" 'BEGIN {exit !(u < 5 && d < 5)}'
}

# A kernel does not take an outbound GCM SA to another address: it would draw another random number for its IVs. There the
# child is rekeyed at once, and the IKE SA stays. Else both ends have the SAs that they had.
child_rekeyed() {
  local now; now=$(sas)
  [ "$(grep spi-in <<<"$now" | tr ' ' '\n' | grep -c spi-in)" = 2 ] && [ "$(ike_of "$now")" = "$(ike_of "$before")" ] &&
    [ -z "$(comm -12 <(child_of "$now") <(child_of "$before"))" ]
}
ike_of() { tr ' ' '\n' <<<"$1" | grep -E 'initiator-spi|responder-spi' | sort -u; }
child_of() { tr ' ' '\n' <<<"$1" | grep -E 'spi-in|spi-out' | sort -u; }
sas_follow() { # WHAT ADDRESS-CHANGED
  if [ "$client" = kernel ] && [ "$2" = yes ]; then
    ok "$1: the child is rekeyed, the IKE SA stays" wait_for 10 child_rekeyed
    before=$(sas)
  else
    ok "$1: both ends have the SAs that they had" same_sas
  fi
}

at_now=$first
rebind() { # WHAT ADDRESS FIRST-PORT LAST-PORT
  local other=no; [ "$2" = "$at_now" ] || other=yes
  at_now=$2
  stream_begin
  map "$2" "$3" "$4"
  ok "$1: gateway A follows" wait_for 5 peer_at "$2" "$3" "$4"
  ok "$1: it goes on in both directions" flow_on
  stream_end
  ok "$1: the longest gap is short" short_gaps "$1"
  sas_follow "$1" "$other"
}

# Without ESP: the client asks whether gateway A lives, and by that has moved.
by_ike() {
  map "$first" 50000 50999
  ok "IKE alone: gateway A follows" wait_for 20 peer_at "$first" 50000 50999
  ok "IKE alone: pings A to B" site_pings hostA 198.18.2.10
  ok "IKE alone: both ends have the SAs that they had" same_sas
}

# Whoever has seen packets on their way sends them again from an address of its own, ESP and IKE.
replay() {
  start nat capture tcpdump -U -ni out0 -w "$run/seen.pcap" "dst host $gateway and udp port 4500"
  wait_for 10 test -s "$run/seen.pcap"
  site_pings hostB 198.18.1.10
  wait_for 20 esp_and_ike_seen
  stop capture INT
  local before_it; before_it=$(refused)
  outside "$second"
  on nat /usr/bin/python3 - "$run/seen.pcap" "$gateway" "$second" <<'PY'
import socket, sys
from scapy.all import IP, IPv6, UDP, rdpcap
sent = 0
attacker = socket.socket(socket.AF_INET6 if ':' in sys.argv[2] else socket.AF_INET, socket.SOCK_DGRAM)
attacker.bind((sys.argv[3], 6666))
for packet in rdpcap(sys.argv[1]):
    attacker.sendto(bytes(packet[UDP].payload), (sys.argv[2], 4500))
    sent += 1
print('   packets sent again:', sent)
PY
  arrived() { [ "$(refused)" -ge $((before_it + 10)) ]; }
  ok "replay: the packets arrived" wait_for 10 arrived
  ok "replay: gateway A stays with its peer" peer_at "$first" 50000 50999
  ok "replay: pings A to B" site_pings hostA 198.18.2.10
  ok "replay: both ends have the SAs that they had" same_sas
}
refused() {
  if [ "$client" = kernel ]; then on gwA awk '$1 == "XfrmInStateSeqError" {print $2}' /proc/net/xfrm_stat; return; fi
  echo $(($(drop_count gwA replayed) + $(drop_count gwA too-old)))
}
esp_and_ike_seen() {
  local marker='udp[8:4]'; [ "$outer" = 6 ] && marker='ip6[48:4]'
  [ "$(tcpdump -nr "$run/seen.pcap" "$marker != 0" 2>/dev/null | wc -l)" -ge 10 ] &&
    [ "$(tcpdump -nr "$run/seen.pcap" "$marker = 0" 2>/dev/null | wc -l)" -ge 1 ]
}

net_up
map "$first" 20000 20999
gateway_start || exit 1
if [ "$client" = strongswan ]; then strongswan_client; else simplon_client; fi || exit 1
ok "the client initiates" initiate
ok "gateway A sees it at the NAT" peer_at "$first" 20000 20999
ok "pings A to B" site_pings hostA 198.18.2.10
ok "pings B to A, IPv6" site_pings hostB 2001:db8:a::10
before=$(sas)
rebind "another port" "$first" 30000 30999
rebind "another address" "$second" 30000 30999
rebind "another address and port" "$first" 40000 40999
by_ike
replay
ok "the log tells of each move" test "$(grep -c 'the peer has moved from' "$run/gwA.log")" -ge 4
lab_end
