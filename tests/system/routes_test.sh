#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The kernel's routes are obeyed as the kernel would: those that refuse (blackhole, unreachable, prohibit, throw), by prefix
# and metric, in both families and both directions; all next hops of a multipath route are used, a flow by one of them; a
# route's own MTU holds; rules are told of. Simplon is gateway A; gateway B is a kernel that is the internet.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB, lo: 203.0.113.9, 2001:db8:9::9
#           2001:db8:a::/64             2001:db8:ffff::/64            .3 the same by another MAC
#
# gwA lets everything pass (bypass) and has a default route: what a route refuses must not be seen on gwB's wire.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin routes
site_up
site_kernel_addresses gwB
ip -n "$lab-gwB" addr add 203.0.113.9/32 dev lo
ip -n "$lab-gwB" addr add 203.0.113.77/32 dev lo
ip -n "$lab-gwB" addr add 2001:db8:9::9/128 dev lo
ip -n "$lab-gwB" link add link wan0 name other type macvlan mode bridge
ip -n "$lab-gwB" link set other up
ip -n "$lab-gwB" addr add 198.51.100.3/24 dev other
on gwB sysctl -qw net.ipv4.conf.all.arp_ignore=1
ip -n "$lab-gwB" route add 198.18.1.0/24 via 198.51.100.1 dev wan0
ip -n "$lab-gwB" -6 route add 2001:db8:a::/64 via 2001:db8:ffff::1 dev wan0
{ site_simplon_ports gwA
  cat <<'YAML'
policies:
  - {name: out, action: bypass, local: any, remote: any}
routes:
  - {to: default, via: 198.51.100.2}
  - {to: default, via: "2001:db8:ffff::2"}
YAML
} >"$run/gwA.yaml"
simplon_start gwA || exit 1
in_kernel() { ip -n "$lab-gwA" "$@"; }
start gwB seen tcpdump -U -l -eni any -Q in "icmp or icmp6 or udp port 9"
ok "the capture is up" wait_for 10 grep -q listening "$run/seen.log"
packets() { grep -cE "$1" "$run/seen.log"; }
echoes() { packets "(> 203.0.113.9: ICMP|> 2001:db8:9::9: ICMP6,) echo request.* length 85$"; } # of those that marked() sends

declare -A to=([4]=203.0.113.9 [6]=2001:db8:9::9) net=([4]=203.0.113.0/26 [6]=2001:db8:9::/48)
declare -A route=([4]="route" [6]="-6 route")
ping_of() { local family=$1; shift; on hostA ping -i 0.05 -W 1 "$@" "${to[$family]}"; }
marked() { ping_of "$1" -c 5 -s 77; }
seen_marked() { [ "$(echoes)" -ge "$1" ]; }
answered() { ping_of "$1" -c 1 >"$run/ping.txt" 2>&1; }
says() { grep -qE "$1" "$run/ping.txt"; }
for family in 4 6; do
  ok "the control: IPv$family goes by the default route" wait_for 15 answered $family
  expected=$(($(echoes) + 5))
  marked $family >"$run/ping.txt" 2>&1
  ok "... and the capture sees it" wait_for 5 seen_marked $expected
  for case in "blackhole route-blackhole -" "unreachable route-unreachable (Host|No.route|Destination)" \
    "prohibit route-prohibit (filtered|prohibited)" "throw no-route (Net|No.route|Destination)"; do
    set -- $case
    before=$(drop_count gwA "$2")
    in_kernel ${route[$family]} add "$1" "${net[$family]}"
    ok "IPv$family $1 stops it" wait_for 5 eval '! answered $family'
    was=$(echoes)
    marked $family >"$run/ping.txt" 2>&1
    ok "... nothing of it is on the wire" [ "$(echoes)" = "$was" ]
    more() { [ "$(drop_count gwA "$1")" -ge $((before + 5)) ]; }
    ok "... each is counted as $2" wait_for 5 more "$2"
    if [ "$3" = - ]; then ok "... without a word" eval '! says "From|Unreachable|prohibited"'
    else ok "... and told: $3" says "From .*$3"; fi
    in_kernel ${route[$family]} del "$1" "${net[$family]}"
    ok "... without it, by the default route again" wait_for 5 answered $family
  done
done

in_kernel route add blackhole 203.0.113.0/24 metric 254
ok "a blackhole behind a better route" in_kernel route add 203.0.113.0/24 via 198.51.100.2 metric 10
ok "... of its prefix does nothing" wait_for 5 answered 4
in_kernel route del 203.0.113.0/24 via 198.51.100.2 metric 10
ok "... until that goes" wait_for 5 eval '! answered 4'
in_kernel route del blackhole 203.0.113.0/24

# Towards the protected side.
from_outside() { on gwB ping -q -c 1 -W 1 -I 203.0.113.77 198.18.1.10 >/dev/null 2>&1; }
ok "from outside hostA is reached" wait_for 5 from_outside
in_kernel route add blackhole 198.18.1.10
ok "not behind a blackhole" wait_for 5 eval '! from_outside'
in_kernel route del blackhole 198.18.1.10
ok "again without it" wait_for 5 from_outside

# Two ways: 40 flows, and the MACs that they went to.
in_kernel route add 203.0.113.64/26 nexthop via 198.51.100.2 nexthop via 198.51.100.3
flows() { # FIRST-PORT
  on hostA /usr/bin/python3 - "$1" <<'PY'
import socket, sys, time
for port in range(int(sys.argv[1]), int(sys.argv[1]) + 40):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('', port))
    for _ in range(2):
        s.sendto(b'x', ('203.0.113.77', 9)); time.sleep(0.005)
PY
}
by() { # IFA : flows that came in there
  sed -nE "s/^[^ ]+ $1 .*198\.18\.1\.10\.([0-9]+) > 203.0.113.77.9:.*/\1/p" "$run/seen.log" | sort -u
}
both() { flows $1; [ "$(by other | wc -l)" -gt 5 ] && [ "$(comm -12 <(by other) <(by wan0) | wc -l)" = 0 ]; }
wait_for 5 flows 20000
: >"$run/flows.txt"
flows 30000
new() { by "$1" | awk '$1 >= 30000'; }
all_came() { [ "$( (new other; new wan0) | sort -u | wc -l)" = 40 ]; }
ok "40 flows to a destination with two next hops arrive" wait_for 5 all_came
ok "... by both" eval '[ "$(new other | wc -l)" -gt 5 ] && [ "$(comm -23 <(new wan0) <(new other) | wc -l)" -gt 5 ]'
in_kernel route del 203.0.113.64/26

in_kernel route add 203.0.113.9 via 198.51.100.2 mtu 1300
too_big() { on hostA ping -M do -s 1372 -c 1 -W 1 203.0.113.9 >"$run/ping.txt" 2>&1; grep -q 'mtu = 1300' "$run/ping.txt"; }
ok "a route's own MTU is told to the sender" wait_for 5 too_big
in_kernel route del 203.0.113.9

ok "no rule is told of that every machine has" eval '! grep -q "ip rule" "$run/gwA.log"'
in_kernel rule add from 198.18.1.99 table 100
ok "others are told of" wait_for 5 grep -q "rules (ip rule)" "$run/gwA.log"
stop seen INT
lab_end
