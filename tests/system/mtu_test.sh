#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Packets as large as the hosts like, through a tunnel that takes less: Simplon is gateway A, strongSwan or another Simplon
# gateway B (site.sh draws them), and every MTU is 1500. One case a run: mtu_test.sh [4|6] [strongswan|simplon], the family
# of the outer packets first.
# TCP works with every default, from hosts and from the gateway itself, and without clamped SYNs by ICMP alone; what may be
# fragmented is, whoever may not is told the exact MTU; traceroute shows both gateways.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
outer=${1:-4} peer=${2:-strongswan}
lab_begin "mtu$outer"
site_up
for host in hostA hostB; do ip -n "$lab-$host" link set eth0 mtu 1500; done

# Site A's gateway, whose kernel knows the way to site B for what it sends itself.
configure() { # [LINES OF THE CHILD]
  { site_simplon_ports gwA; site_secrets gwA
    outer=$outer start=none child_more=${1:-} site_connection gwA
    cat <<'YAML'
routes:
  - {to: 198.18.2.0/24, via: 198.51.100.2}
  - {to: "2001:db8:b::/64", via: "2001:db8:ffff::2"}
YAML
  } >"$run/gwA.yaml"
}
configure
simplon_start gwA || exit 1
if [ "$peer" = simplon ]; then outer=$outer start=none site_simplon gwB; else outer=$outer site_strongswan; fi || exit 1
ok "the capture sees what is sent in clear on purpose" site_watch_clear

child_up() { ctl gwA sas --json | tr -d ' \n' | grep -q '"state":"INSTALLED"'; }
up() { ctl gwA initiate sites net >"$run/initiate.log" && wait_for 10 child_up; }
ok "the tunnel is up" up
# 20 or 40 octets of IP, 8 of ESP, 8 of IV and 16 of ICV around a multiple of 4 whose last two are the trailer's (RFC 4303
# section 2); strongSwan's kernel-libipsec has ESP in UDP, which takes 8 more.
ip_bytes=20 udp_bytes=8
[ "$outer" = 6 ] && ip_bytes=40
[ "$peer" = simplon ] && udp_bytes=0
inner=$(((1500 - ip_bytes - udp_bytes - 8 - 8 - 16) / 4 * 4 - 2))

declare -A a=([4]=198.18.1.10 [6]=2001:db8:a::10) b=([4]=198.18.2.10 [6]=2001:db8:b::10)
declare -A gate_a=([4]=198.18.1.1 [6]=2001:db8:a::1) gate_b=([4]=198.18.2.1 [6]=2001:db8:b::1)
# What a packet has beside ping's own octets: the IP header and the echo header.
declare -A headers=([4]=28 [6]=48)

serve() { # NAME
  start "$1" iperf iperf3 -s -1
  wait_for 10 sh -c "ip netns exec $lab-$1 ss -Hltn sport = 5201 | grep -q 5201"
}
received() { # OCTETS : so many arrived at least
  /usr/bin/python3 -c '
import json, sys
sys.exit(json.load(open(sys.argv[1]))["end"]["sum_received"]["bytes"] < int(sys.argv[2]))' "$run/iperf.json" "$1"
}
tcp() { # CLIENT TO ARGUMENTS... : eight megabytes, of which one at least has arrived when the last was sent
  local client=$1 to=$2 status; shift 2
  serve hostB || return 1
  on "$client" timeout 60 iperf3 -c "$to" -n 8M -J "$@" >"$run/iperf.json"
  status=$?
  stop iperf
  [ $status = 0 ] && received 1000000
}
udp() { # CLIENT TO OCTETS ARGUMENTS... : for half a second, and a fifth at least arrives on a busy machine
  local client=$1 to=$2 octets=$3 status; shift 3
  serve hostB || return 1
  on "$client" timeout 60 iperf3 -u -c "$to" -l "$octets" -b 4M -n 240000 -J "$@" >"$run/iperf.json"
  status=$?
  stop iperf
  [ $status = 0 ] && received 48000 && return
  grep -E '"(error|bytes|packets|lost_packets)"' "$run/iperf.json" | tail -n 8
  return 1
}
# A socket of Linux fails once when its IPv6 path turns out to be smaller, so the path is learned before.
learn() { # CLIENT TO [ARGUMENTS]
  local client=$1 to=$2; shift 2
  on "$client" ping -q -c 2 -i 0.5 -W 1 -s 1452 "$@" "$to" >"$run/learn.log" 2>&1
}
all_tcp() { # WHAT
  local family
  for family in 4 6; do
    ok "TCP A to B, IPv$family $1" tcp hostA "${b[$family]}"
    ok "TCP B to A, IPv$family $1" tcp hostA "${b[$family]}" -R
    ok "TCP from the gateway itself, IPv$family $1" tcp gwA "${b[$family]}" -B "${gate_a[$family]}"
    ok "TCP to the gateway itself, IPv$family $1" tcp gwA "${b[$family]}" -B "${gate_a[$family]}" -R
  done
}
all_tcp "by every default"

# What a host is told about a packet that is one octet too large, and that one that is not arrives. (The answer is too large
# for strongSwan's own interface: host B has to learn that first.)
told_exactly() { # FAMILY
  local size=$((inner - ${headers[$1]}))
  ip -n "$lab-hostA" -$1 route flush cache
  on hostA ping -q -M do -c 3 -i 0.2 -W 2 -s $size "${b[$1]}" || return 1
  on hostA ping -M do -c 1 -W 2 -s $((size + 1)) "${b[$1]}" >"$run/told.log" 2>&1
  grep -i "mtu *= *$inner" "$run/told.log" && grep -q "From ${gate_a[$1]}" "$run/told.log"
}
hop() { # FROM TO TTL ROUTER
  on "$1" ping -c 3 -i 0.2 -t "$3" -W 2 "$2" >"$run/hop.log" 2>&1
  [ "$(grep -cE "From $4 .*(Time to live|Hop limit)" "$run/hop.log")" -ge 2 ] || { cat "$run/hop.log"; return 1; }
}
for family in 4 6; do
  ok "the exact MTU is told, IPv$family" told_exactly $family
  ok "traceroute A to B, IPv$family: gateway A" hop hostA "${b[$family]}" 1 "${gate_a[$family]}"
  ok "traceroute A to B, IPv$family: gateway B" hop hostA "${b[$family]}" 2 "${gate_b[$family]}"
  ok "traceroute B to A, IPv$family: gateway B" hop hostB "${a[$family]}" 1 "${gate_b[$family]}"
  ok "traceroute B to A, IPv$family: gateway A" hop hostB "${a[$family]}" 2 "${gate_a[$family]}"
  learn gwA "${b[$family]}" -I "${gate_a[$family]}"
  learn hostA "${b[$family]}"
  learn hostB "${a[$family]}"
  learn hostB "${gate_a[$family]}"
  # In fragments of the sender's own.
  for octets in 3000 8000; do
    ok "UDP of $octets octets, A to B, IPv$family" udp hostA "${b[$family]}" $octets
    ok "UDP of $octets octets, B to A, IPv$family" udp hostA "${b[$family]}" $octets -R
    ok "UDP of $octets octets from the gateway itself, IPv$family" udp gwA "${b[$family]}" $octets -B "${gate_a[$family]}"
    ok "UDP of $octets octets to the gateway itself, IPv$family" udp gwA "${b[$family]}" $octets -B "${gate_a[$family]}" -R
  done
done
counted() { ctl "$1" workers --json | /usr/bin/python3 -c 'import json, sys; print(sum(int(w[sys.argv[1]]) for w in json.load(sys.stdin).values()))' "$2"; }
# Of packets that the host does not fragment itself, since it has forgotten what it was told.
before=$(counted gwA fragments)
ip -n "$lab-hostA" route flush cache
ok "what has no DF is fragmented" on hostA ping -q -M dont -c 3 -i 0.2 -W 2 -s 1472 198.18.2.10
ok "the gateway counts its fragments" test "$(counted gwA fragments)" -ge $((before + 3))
ok "and its ICMP errors" test "$(counted gwA icmp-errors)" -gt 0
ok "what was answered is counted as a drop" test "$(drop_count gwA too-big)" -ge 2 -a "$(drop_count gwA ttl-expired)" -ge 8

configure '        mss: off
        fragment: after'
ok "a reload takes 'mss: off' and 'fragment: after'" ctl gwA reload
ok "the tunnel is up again" up
ip -n "$lab-hostA" route flush cache
before=$(counted gwA fragments)
ok "what has no DF is fragmented after ESP" on hostA ping -q -M dont -c 3 -i 0.2 -W 2 -s 1472 198.18.2.10
for octets in 3000 8000; do ok "UDP of $octets octets, A to B, after ESP" udp hostA "${b[4]}" $octets; done
ok "the gateway counts its fragments, of ESP now" test "$(counted gwA fragments)" -ge $((before + 20))
[ "$peer" = strongswan ] || ok "gateway B has put them together" test "$(counted gwB reassembled)" -ge 20
all_tcp "by ICMP alone"
ok "all of it went through ESP" nothing_in_clear
lab_end
