# SPDX-License-Identifier: Apache-2.0
# Sourced after lab.sh: two sites, each a LAN with one host behind a gateway, the gateways joined by a "WAN" wire.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#           2001:db8:a::/64              2001:db8:ffff::/64                  2001:db8:b::/64
#
# The LANs' MTU leaves room for ESP: 1400. A Simplon gateway owns lan0 and wan0 through af_packet and shows the kernel
# its ports "lan" and "wan"; a strongSwan gateway uses them as they are. With relay=PERCENT the WAN wire goes through
# lossy_relay.py, which harms IKE datagrams alone, from $seed, and none while $run/calm exists:
#
#   gwA wan0 --- toA [relay] toB --- wan0 gwB
#
# port_kind=KIND makes Simplon's ports of another driver: af_packet (the default), af_xdp, pcap, tap. The devices of "tap" are
# interfaces that Simplon, as gwA, makes: site_plug, after its start, gives them to hostA and gwB in place of the wires.

site_device() { # NUMBER INTERFACE
  case ${port_kind:-af_packet} in
    pcap) echo "\"net_pcap$1,rx_iface_in=$2,tx_iface=$2\"" ;;
    tap) [ "$2" = lan0 ] && echo "net_tap$1,iface=eth0" || echo "net_tap$1,iface=wan0" ;;
    *) echo "net_${port_kind:-af_packet}$1,iface=$2" ;;
  esac
}

site_plug() {
  [ "${port_kind:-}" = tap ] || return 0
  ip -n "$lab-gwA" link set eth0 netns "$lab-hostA" && ip -n "$lab-gwA" link set wan0 netns "$lab-gwB" || return 1
  ip -n "$lab-hostA" link set eth0 up
  ip -n "$lab-gwB" link set wan0 up
  site_host A 1 a
}

site_host() { # A|B NUMBER LETTER : its interface
  ip -n "$lab-host$1" link set eth0 mtu 1400
  ip -n "$lab-host$1" addr add "198.18.$2.10/24" dev eth0
  ip -n "$lab-host$1" addr add "2001:db8:$3::10/64" dev eth0 nodad
  ip -n "$lab-host$1" route add default via "198.18.$2.1"
  ip -n "$lab-host$1" -6 route add default via "2001:db8:$3::1"
}

site_up() {
  ns hostA gwA gwB hostB
  wire gwB lan0 hostB eth0
  site_host B 2 b
  [ "${port_kind:-}" != tap ] || return 0
  wire hostA eth0 gwA lan0
  site_host A 1 a
  if [ -n "${relay:-}" ]; then
    ns relay
    wire gwA wan0 relay toA
    wire relay toB gwB wan0
    start relay relay /usr/bin/python3 "$here/lossy_relay.py" toA toB "$relay" "${seed:-1}" "$run/calm"
    wait_for 10 grep -q ready "$run/relay.log"
  else
    wire gwA wan0 gwB wan0
  fi
}

# The addresses of gateway B when it is a kernel that forwards (strongSwan).
site_kernel_addresses() { # gwA|gwB
  local n=1 h=a; [ "$1" = gwB ] && n=2 h=b
  on "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  ip -n "$lab-$1" addr add "198.51.100.$n/24" dev wan0
  ip -n "$lab-$1" addr add "2001:db8:ffff::$n/64" dev wan0 nodad
  ip -n "$lab-$1" addr add "198.18.$n.1/24" dev lan0
  ip -n "$lab-$1" addr add "2001:db8:$h::1/64" dev lan0 nodad
}

# The top of a Simplon configuration for one of the two gateways; connections and policies follow. mtu: of the ports.
site_simplon_ports() { # gwA|gwB [WORKERS]
  local n=1 h=a workers=${2:-"[1]"}; [ "$1" = gwB ] && n=2 h=b
  cat <<YAML
gateway:
  mode: dp
  idle: relax
  main_core: 0
  workers: $workers
  buffers: 8192
  memory: 256MiB
crypto: [crypto_aesni_gcm, crypto_aesni_mb]
ports:
  - name: lan
    device: $(site_device 0 lan0)
    side: protected
    mtu: ${mtu:-1500}
    addresses: [198.18.$n.1/24, "2001:db8:$h::1/64"]
  - name: wan
    device: $(site_device 1 wan0)
    side: unprotected
    mtu: ${mtu:-1500}
    addresses: [198.51.100.$n/24, "2001:db8:ffff::$n/64"]
management:
  socket: $run/$1.vici
YAML
}

site_secrets() { # gwA|gwB : the one key the two sites share
  (umask 077; cat >"$run/$1.secrets.yaml" <<'YAML'
psks:
  - ids: [a.example, b.example]
    secret: "a-demonstration-secret-0123456789"
YAML
  )
  echo "secrets: $1.secrets.yaml"
}

# The connection "sites" of a Simplon gateway. Environment: outer=4|6, ike, esp (proposals), start, more (further lines of
# the connection, indented by four), child_more (of the child, by eight).
site_connection() { # gwA|gwB
  local us=a them=b l=1 r=2 wan="198.51.100."; [ "$1" = gwB ] && us=b them=a l=2 r=1
  [ "${outer:-4}" = 6 ] && wan="2001:db8:ffff::"
  cat <<YAML
connections:
  sites:
    local: {address: "$wan$l", id: $us.example}
    remote: {address: "$wan$r", id: $them.example}
    auth: psk
    proposals: [${ike:-aes128gcm16-prfsha256-x25519}]
${more:-}
    children:
      net:
        local_ts: [198.18.$l.0/24, "2001:db8:$us::/64"]
        remote_ts: [198.18.$r.0/24, "2001:db8:$them::/64"]
        esp_proposals: [${esp:-aes128gcm16-x25519}]
        start: ${start:-trap}
${child_more:-}
YAML
}

# A Simplon gateway of one site, started.
site_simplon() { # gwA|gwB [WORKERS]
  { site_simplon_ports "$1" "${2:-[1]}"; site_secrets "$1"; site_connection "$1"; } >"$run/$1.yaml"
  simplon_start "$1"
}

# The other site by strongSwan, always gateway B. Environment: outer, ike, esp; conn_more, child_more_ss (swanctl.conf lines).
site_strongswan() {
  local wan="198.51.100."; [ "${outer:-4}" = 6 ] && wan="2001:db8:ffff::"
  mkdir -p "$run/gwB/swanctl"
  ip -n "$lab-gwB" addr show dev wan0 | grep -q 198.51.100 || site_kernel_addresses gwB
  cat >"$run/gwB/swanctl/swanctl.conf" <<CONF
connections { sites {
  local_addrs = ${wan}2
  remote_addrs = ${wan}1
  version = 2
  proposals = ${ike:-aes128gcm16-prfsha256-x25519}
  ${conn_more:-}
  local { auth = psk
    id = b.example }
  remote { auth = psk
    id = a.example }
  children { net {
    local_ts = 198.18.2.0/24,2001:db8:b::/64
    remote_ts = 198.18.1.0/24,2001:db8:a::/64
    ${child_more_ss:-}
    esp_proposals = ${esp:-aes128gcm16-x25519} } }
} }
secrets { ike-1 { id-a = a.example
  id-b = b.example
  secret = "a-demonstration-secret-0123456789" } }
CONF
  strongswan_start gwB
}

# No packet of ten is lost.
site_pings() { # FROM TO
  on "$1" ping -q -c 10 -i 0.1 -W 2 "$2" | tee -a "$run/pings.log" | grep -q '^10 packets transmitted, 10 received'
}

# TCP carries data from hostA to hostB: four megabytes are sent, or $tcp_size, and when the last is sent one has arrived at
# least.
site_tcp() { # [-4|-6]
  local to=198.18.2.10; [ "${1:-}" = -6 ] && to=2001:db8:b::10
  start hostB iperf iperf3 -s -1
  wait_for 10 sh -c "ip netns exec $lab-hostB ss -Hltn sport = 5201 | grep -q 5201" || return 1
  on hostA timeout 60 iperf3 -c "$to" -n "${tcp_size:-4M}" -J >"$run/iperf.json"
  local status=$?
  stop iperf
  [ $status = 0 ] && /usr/bin/python3 -c '
import json, sys
sys.exit(json.load(open(sys.argv[1]))["end"]["sum_received"]["bytes"] < 1_000_000)' "$run/iperf.json"
}

# Site A's packets are looked for in clear on gateway B's wire; nothing_in_clear (lab.sh) tells.
site_watch_clear() { watch_clear gwB wan0 198.18.1.10 gwA wan0; }

# What ESP of gwA's crosses the WAN, and whether a number or an IV comes twice: read by `watched NAME` (sequence_watch.py).
site_watch_numbers() {
  start gwB sequences /usr/bin/python3 "$here/../lab/sequence_watch.py" wan0 198.51.100.1 "$run/sequences.json"
  wait_for 20 test -s "$run/sequences.json"
}
watched() { /usr/bin/python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$run/sequences.json" "$1"; }
# The control: one packet of gwA's is sent again as it was, and again, for the watch may have missed the first.
site_numbers_control() {
  local status
  wait_for 30 on hostA ping -q -c 1 -W 1 198.18.2.10 || return 1
  start hostA steady ping -i 0.2 198.18.2.10
  on gwB timeout 30 tcpdump -c 1 -ni wan0 -w "$run/again.pcap" \
    "src host 198.51.100.1 and (esp or (udp port 4500 and udp[8:4] != 0 and greater 100))" 2>/dev/null
  status=$?
  stop steady INT
  [ $status = 0 ] && on gwA /usr/bin/python3 -c 'import sys
from scapy.all import rdpcap, sendp
sendp(rdpcap(sys.argv[1])[0], iface="wan0", count=2, verbose=False)' "$run/again.pcap" && wait_for 30 site_seen_twice
}
site_seen_twice() { [ "$(watched sequences_twice)" -ge 1 ] && [ "$(watched ivs_twice)" -ge 1 ]; }

# A ping that goes on in the background: begin, then end tells how many were lost (and fails when any was).
ping_begin() { # FROM TO
  on "$1" ping -i 0.05 -W 2 "$2" >"$run/long-ping.log" 2>&1 &
  pids[long-ping]=$!
}
ping_end() {
  local pid=${pids[long-ping]}
  # On a busy machine it may only have begun; the twelfth itself may be lost.
  wait_for 20 grep -qE 'icmp_seq=(1[2-9]|[2-9][0-9]|[0-9]{3,}) ' "$run/long-ping.log"
  pkill -INT -P "$pid" 2>/dev/null; kill -INT "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  unset "pids[long-ping]"
  grep 'packets transmitted' "$run/long-ping.log"
  local sent got
  read -r sent got < <(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$run/long-ping.log")
  # The last request may still be on its way when ping is told to stop.
  [ -n "$sent" ] && [ "$sent" -gt 10 ] && [ $((sent - got)) -le 1 ] && ! grep -q 'errors' "$run/long-ping.log" &&
    gapless "$run/long-ping.log"
}
# Every sequence number from 1 to the last one answered was answered.
gapless() {
  sed -n 's/.*icmp_seq=\([0-9]*\).*/\1/p' "$1" | awk '$1 != NR {bad = 1} END {exit bad || NR == 0}'
}
