#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job, shown: two sites joined by IKEv2 and ESP, pings and iperf3 through the tunnel, counters while it runs.
# The topology is drawn in site.sh. Usage: demo.sh [--peer strongswan|simplon] [--seconds N]
source "$(dirname "$(realpath "$0")")/lab.sh"
source "$here/site.sh"

peer=strongswan seconds=5
while [ $# -gt 0 ]; do
  case $1 in
    --peer) peer=${2:-}; shift 2 ;;
    --seconds) seconds=${2:-}; shift 2 ;;
    *) echo "demo: unknown argument '$1'; use --peer strongswan|simplon, --seconds N" >&2; exit 2 ;;
  esac
done
case $peer in strongswan|simplon) ;; *) echo "demo: --peer is strongswan or simplon" >&2; exit 2 ;; esac
[[ $seconds =~ ^[1-9][0-9]{0,2}$ ]] || { echo "demo: --seconds is 1 to 999" >&2; exit 2; }

title() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

connection() { # gwA|gwB : the other one is the peer
  local us=a them=b l=1 r=2; [ "$1" = gwB ] && us=b them=a l=2 r=1
  cat <<YAML
connections:
  sites:
    local: {address: 198.51.100.$l, id: $us.example}
    remote: {address: 198.51.100.$r, id: $them.example}
    auth: psk
    proposals: [aes256gcm16-prfsha384-ecp384, aes128gcm16-prfsha256-x25519]
    children:
      net:
        local_ts: [198.18.$l.0/24, "2001:db8:$us::/64"]
        remote_ts: [198.18.$r.0/24, "2001:db8:$them::/64"]
        esp_proposals: [aes128gcm16-x25519]
        start: trap
YAML
}

simplon_site() { # gwA|gwB
  { site_simplon_ports "$1"; site_secrets "$1"; connection "$1"; } >"$run/$1.yaml"
  simplon_start "$1"
}

strongswan_site() {
  mkdir -p "$run/gwB/swanctl"
  site_kernel_addresses gwB
  cat >"$run/gwB/swanctl/swanctl.conf" <<'CONF'
connections { sites {
  local_addrs = 198.51.100.2
  remote_addrs = 198.51.100.1
  version = 2
  proposals = aes256gcm16-prfsha384-ecp384,aes128gcm16-prfsha256-x25519
  local { auth = psk
    id = b.example }
  remote { auth = psk
    id = a.example }
  children { net {
    local_ts = 198.18.2.0/24,2001:db8:b::/64
    remote_ts = 198.18.1.0/24,2001:db8:a::/64
    esp_proposals = aes128gcm16-x25519 } }
} }
secrets { ike-1 { id-a = a.example
  id-b = b.example
  secret = "a-demonstration-secret-0123456789" } }
CONF
  strongswan_start gwB
}

pings() { # FROM TO TITLE
  local out; out=$(on "$1" ping -q -c 10 -i 0.1 -W 2 "$2") || true
  printf '   %-26s %s\n' "$3" "$(grep -E 'packet loss' <<<"$out" | sed 's/, time.*//') $(sed -n 's/^rtt/ rtt/p' <<<"$out")"
  grep -q ' 0% packet loss' <<<"$out"
}

counters() { # one line of the gateway's live counters
  ctl gwA counters 2>/dev/null | tail -n 1
}

encrypted_and_decrypted() { # the forty pings at least
  local both; both=$(ctl gwA workers --json | grep -oE '"(en|de)crypted": *"?[0-9]+' | grep -oE '[0-9]+$')
  [ "$(wc -l <<<"$both")" = 2 ] && awk '$1 < 40 {bad = 1} END {exit bad}' <<<"$both"
}

main() {
  lab_begin demo
  title "Two sites: hostA - gwA (Simplon) === WAN === gwB ($peer) - hostB"
  sed -n '/hostA .10/,/2001/s/^#  */   /p' "$here/site.sh"
  site_up
  title "Starting the gateways"
  simplon_site gwA || exit 1
  if [ "$peer" = strongswan ]; then strongswan_site; else simplon_site gwB; fi || exit 1
  grep -hE 'memory|worker' "$run/gwA.log" | sed 's/^/   /' | head -n 4
  title "IKEv2: the first packet asks for the tunnel"
  wait_for 30 on hostA ping -q -c 1 -W 1 198.18.2.10 || { failed=1; lab_end; }
  ctl gwA sas | sed 's/^/   /'
  title "Pings through the tunnel, both ways"
  ok "hostA to hostB, IPv4" pings hostA 198.18.2.10 "A to B, IPv4"
  ok "hostB to hostA, IPv4" pings hostB 198.18.1.10 "B to A, IPv4"
  ok "hostA to hostB, IPv6" pings hostA 2001:db8:b::10 "A to B, IPv6"
  ok "hostB to hostA, IPv6" pings hostB 2001:db8:a::10 "B to A, IPv6"
  title "iperf3 through the tunnel, ${seconds}s"
  start hostB iperf iperf3 -s -1
  wait_for 10 sh -c "ip netns exec $lab-hostB ss -Hltn sport = 5201 | grep -q 5201"
  on hostA iperf3 -c 198.18.2.10 -t "$seconds" -J >"$run/iperf.json" &
  local client=$! rate
  while kill -0 $client 2>/dev/null; do printf '   %s\n' "$(counters)"; sleep 1; done
  wait $client
  rate=$(sed -n '/"sum_received"/,/}/s/.*"bits_per_second":[^0-9]*\([0-9.e+]*\).*/\1/p' "$run/iperf.json" | tail -n 1)
  ok "iperf3 carried data" awk -v r="${rate:-0}" 'BEGIN {exit !(r > 0)}'
  ok "through ESP, both ways" encrypted_and_decrypted
  title "Summary"
  ctl gwA sas | sed 's/^/   /'
  ctl gwA drops | sed 's/^/   /'
  awk -v r="${rate:-0}" -v p="$peer" 'BEGIN {printf "   iperf3 through the tunnel, Simplon to %s: %.2f Gbit/s\n", p, r / 1e9}'
  lab_end
}
main
