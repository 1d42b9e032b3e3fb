#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scapy as the other ESP implementation: it opens what Simplon sends, and sends what Simplon must take and must refuse
# (esp_peer.py tells each case). SAs by hand, from the console. scapy_test.sh gcm|cbc 4|6 [af_packet|af_xdp|pcap|tap]
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB (scapy on wan0)
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
suite=$1 outer=$2 port_kind=${3:-af_packet}
lab_begin "scapy$suite$outer"
site_up
us=198.51.100.1 them=198.51.100.2
[ "$outer" = 6 ] && us=2001:db8:ffff::1 them=2001:db8:ffff::2
site_simplon_ports gwA >"$run/gwA.yaml"
simplon_start gwA && site_plug || exit 1
site_kernel_addresses gwB
on gwB sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
on gwB sysctl -qw net.ipv4.icmp_ratelimit=1000
ok "a policy by hand" ctl gwA policy add lab --action protect --local-ts 198.18.1.0/24 --local-ts 2001:db8:a::/64 \
  --remote-ts 198.18.2.0/24 --remote-ts 2001:db8:b::/64
bytes() { /usr/bin/python3 -c "print(''.join('%02x' % b for b in range($1, $2)))"; }
case $suite in
  gcm) name=aes128gcm16 keys="--key $(bytes 0 20)" ;;
  cbc) name=aes128-sha256 keys="--key $(bytes 0 16) --integ-key $(bytes 32 64)" ;;
esac
ok "an outbound SA by hand" ctl gwA sa add --direction out --spi 0x1001 --source $us --destination $them --suite $name $keys --policy lab
ok "an inbound SA by hand" ctl gwA sa add --direction in --spi 0x1002 --source $them --destination $us --suite $name $keys --policy lab --replay-window 256
ok "a second SA of the same SPI is refused" eval "! ctl gwA sa add --direction in --spi 0x1002 --source $them --destination $us --suite $name $keys --policy lab"
ctl gwA sa list
on hostA ping -q -c 1 -W 1 198.18.1.1 >/dev/null # the gateway's next hop to hostA
on gwB ping -q -c 1 -W 1 198.51.100.1 >/dev/null
mac=$(ctl gwA ports --json | /usr/bin/python3 -c 'import json,re,sys; t=json.dumps(json.load(sys.stdin)); print(re.search(r"\"wan\".*?\"mac\": \"([0-9a-f:]+)\"", t).group(1))')
on gwB timeout 150 "$here/../system/esp_peer.py" wan0 $suite $outer "$mac" >"$run/esp.out" 2>&1
status=$?
cat "$run/esp.out"
ok "scapy agrees with every case" test $status = 0
cases=$(grep -c '^ok' "$run/esp.out")
ok "they were all tried" test "$cases" = 24
passed=$((passed + cases))
ctl gwA drops
for want in replayed:2 too-old:1 bad-icv:4 unknown-spi:1 selector-mismatch:2 bad-padding:2 bad-next-header:1 dummy:1; do
  ok "each refused packet has its reason: ${want/:/, }" test "$(drop_count gwA "${want%:*}")" = "${want#*:}"
done
ids() { ctl gwA sa list --json | /usr/bin/python3 -c 'import json, sys; print(*(id for sa in json.load(sys.stdin) for id in sa), sep="\n")'; }
ok "there are two SAs" test "$(ids | wc -l)" = 2
for id in $(ids); do ok "SA $id goes again" ctl gwA sa remove "$id"; done
ok "and none is left" tells_not gwA '0x100[12]' sa list
lab_end
