#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What strangers send: headers cut at every octet, lengths and checksums that lie, options, extension headers, fragments,
# martians, ESP of nobody (strangers.py tells each case). Each is passed, answered, or dropped under its name, and the tunnel
# carries all the time. strangers_test.sh 4|6 [af_packet|af_xdp|pcap|tap]
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB (strangers.py on wan0, and on hostA's eth0)
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
outer=$1 port_kind=${2:-af_packet}
lab_begin "odd$outer"
site_up
{ site_simplon_ports gwA
  echo 'routes: [{to: 203.0.113.0/24, via: 198.51.100.2}, {to: "2001:db8:c::/48", via: "2001:db8:ffff::2"}]'
} >"$run/gwA.yaml"
simplon_start gwA && site_plug || exit 1
site_kernel_addresses gwB
on gwB sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
us=198.51.100.1 them=198.51.100.2
[ "$outer" = 6 ] && us=2001:db8:ffff::1 them=2001:db8:ffff::2
policy() { local name=$1 action=$2; shift 2; ctl gwA policy add "$name" --action "$action" "$@" >"$run/policy.log"; }
ok "a policy that protects" policy lab protect --local-ts 198.18.1.0/24 --local-ts 2001:db8:a::/64 \
  --remote-ts 198.18.2.0/24 --remote-ts 2001:db8:b::/64
# The widest door: what lies behind it must keep martians out by itself.
ok "one that lets strangers in" policy open bypass --direction in --local-ts 198.18.1.0/24 --local-ts 2001:db8:a::/64 --remote-ts 0.0.0.0/0 --remote-ts ::/0
ok "one that lets the answers out" policy answers bypass --direction out --local-ts 0.0.0.0/0 --local-ts ::/0 --remote-ts 203.0.113.0/24 --remote-ts 2001:db8:c::/48
ok "one for the gateway's neighbours" policy link bypass --local-ts 198.51.100.1 --local-ts 2001:db8:ffff::1 \
  --remote-ts 198.51.100.0/24 --remote-ts 2001:db8:ffff::/64
key=$(/usr/bin/python3 -c "print(bytes(range(20)).hex())")
sa() { ctl gwA sa add "$@" --suite aes128gcm16 --key "$key" --policy lab >"$run/sa.log"; }
ok "an SA out" sa --direction out --spi 0x1001 --source $us --destination $them
ok "an SA in" sa --direction in --spi 0x1002 --source $them --destination $us --replay-window 256
on hostA ping -q -c 1 -W 1 198.18.1.1 >/dev/null
on hostA ping -q -c 1 -W 1 2001:db8:a::1 >/dev/null
on gwB ping -q -c 1 -W 1 $us >/dev/null
on gwB timeout 150 env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$here/../system/strangers.py" "$outer" "$build/simplonctl" "$run/gwA.vici" "$lab-hostA" >"$run/odd.out" 2>&1
status=$?
cat "$run/odd.out"
ok "every case as it should be" test $status = 0
ok "they were all tried" grep -q '^8 groups$' "$run/odd.out"
passed=$((passed + $(grep -c '^ok' "$run/odd.out")))
lab_end
