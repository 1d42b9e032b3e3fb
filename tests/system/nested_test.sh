#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SAs nested on the way through a second gateway (RFC 4301 §4.5): the tunnel of gateway A to gateway C goes inside one of A to
# gateway B, which unpacks and forwards it. Three Simplons; one case a run: nested_test.sh ike|hand 4|6. Pings both ways, of both
# families; between A and B no ESP of A's and C's is seen by itself; without the outer SA nothing leaves.
#
#   hostA .10 --- 198.18.1.0/24 --- gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 203.0.113.0/24 --- .9 gwC --- 198.18.2.0/24 --- hostB
#           2001:db8:a::/64            2001:db8:ffff::/64             2001:db8:c::/64               2001:db8:b::/64
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
way=${1:-ike} outer=${2:-4}
lab_begin "nested$way$outer"
ns hostA gwA gwB gwC hostB
wire hostA eth0 gwA lan0
wire gwA wan0 gwB wan0
wire gwB lan0 gwC wan0
wire gwC lan0 hostB eth0
site_host A 1 a
site_host B 2 b
if [ "$outer" = 4 ]; then a=198.51.100.1 b=198.51.100.2 c=203.0.113.9; else a=2001:db8:ffff::1 b=2001:db8:ffff::2 c=2001:db8:c::9; fi
cipher=00102030405060708090a0b0c0d0e0f10111213 # behind a digit that no two SAs have in common

top() { # GATEWAY LAN-ADDRESSES WAN-ADDRESSES
  cat <<YAML
gateway: {mode: dp, idle: relax, main_core: 0, workers: [1], buffers: 8192, memory: 256MiB}
crypto: [crypto_aesni_gcm, crypto_aesni_mb]
ports:
  - {name: lan, device: "$(site_device 0 lan0)", side: protected, addresses: [$2]}
  - {name: wan, device: "$(site_device 1 wan0)", side: unprotected, addresses: [$3]}
management: {socket: $run/$1.vici}
secrets: all.secrets.yaml
YAML
}
connection() { # NAME US OUR-ADDRESS THEM THEIR-ADDRESS CHILD...
  [ "$way" = ike ] || return 0
  cat <<YAML
  $1:
    local: {address: "$3", id: $2.example}
    remote: {address: "$5", id: $4.example}
    proposals: [aes128gcm16-prfsha256-x25519]
    children:
      ${*:6}
YAML
}
(umask 077; printf 'psks:\n  - ids: [a.example, b.example]\n    secret: "a-secret-of-the-near-end"\n  - ids: [a.example, c.example]\n    secret: "a-secret-of-the-far-end"\n' >"$run/all.secrets.yaml")
esp="esp_proposals: [aes128gcm16-x25519], start: none"
nets_a='198.18.1.0/24, "2001:db8:a::/64"' nets_c='198.18.2.0/24, "2001:db8:b::/64"'
{
  top gwA '198.18.1.1/24, "2001:db8:a::1/64"' '198.51.100.1/24, "2001:db8:ffff::1/64"'
  echo 'routes: [{to: 0.0.0.0/0, via: 198.51.100.2}, {to: "::/0", via: "2001:db8:ffff::2"}]'
  [ $way = ike ] && echo "connections:"
  connection far a $a c $c "net: {local_ts: [$nets_a], remote_ts: [$nets_c], over: near/around, $esp}"
  connection near a $a b $b "around: {remote_ts: \"$c[50]\", $esp}"
} >"$run/gwA.yaml"
{
  top gwB '203.0.113.1/24, "2001:db8:c::1/64"' '198.51.100.2/24, "2001:db8:ffff::2/64"'
  [ $way = ike ] && echo "connections:"
  connection near b $b a $a "around: {local_ts: \"$c[50]\", $esp}"
  echo "policies:" # A's and C's IKE passes through
  for port in 500 4500; do echo "  - {action: bypass, local: \"$c[udp/$port]\", remote: \"$a[udp/$port]\"}"; done
} >"$run/gwB.yaml"
{
  top gwC '198.18.2.1/24, "2001:db8:b::1/64"' '203.0.113.9/24, "2001:db8:c::9/64"'
  echo 'routes: [{to: 0.0.0.0/0, via: 203.0.113.1}, {to: "::/0", via: "2001:db8:c::1"}]'
  [ $way = ike ] && echo "connections:"
  connection far c $c a $a "net: {local_ts: [$nets_c], remote_ts: [$nets_a], $esp}"
} >"$run/gwC.yaml"
for gateway in gwA gwB gwC; do simplon_start $gateway || exit 1; done

# ---- by hand ----
add() { # GATEWAY out|in SPI FROM TO POLICY
  ctl "$1" sa add --direction "$2" --spi "$3" --source "$4" --destination "$5" --suite aes128gcm16 --key "${3: -1}$cipher" --policy "$6"
}
add_far() { add gwA out 0x1001 $a $c net && add gwA in 0x1002 $c $a net && add gwC in 0x1001 $a $c net && add gwC out 0x1002 $c $a net; }
add_near() { add gwA out 0x1003 $a $b around && add gwA in 0x1004 $b $a around && add gwB in 0x1003 $a $b around && add gwB out 0x1004 $b $a around; }
policies() {
  local local_a="--local-ts 198.18.1.0/24 --local-ts 2001:db8:a::/64" local_c="--local-ts 198.18.2.0/24 --local-ts 2001:db8:b::/64"
  ctl gwA policy add around --action protect --local-ts "$a[50]" --remote-ts "$c[50]" &&
    ctl gwB policy add around --action protect --local-ts "$c[50]" --remote-ts "$a[50]" &&
    ctl gwA policy add net --action protect $local_a ${local_c//local/remote} --over around &&
    ctl gwC policy add net --action protect $local_c ${local_a//local/remote}
}
refused() { local out; out=$(add gwA out 0x1005 $a $b net 2>&1); [ $? != 0 ] && grep -q "whose SAs are to be around it, is for" <<<"$out" || { echo "$out"; return 1; }; }
up_far() { if [ $way = ike ]; then ctl gwA initiate far net; else add_far; fi; }
up_near() { if [ $way = ike ]; then ctl gwA initiate near around; else add_near; fi; }
down_near() {
  if [ $way = ike ]; then ctl gwA terminate --child around; else for g in gwA gwB; do for spi in 0x1003 0x1004; do ctl $g sa remove --spi $spi || return 1; done; done; fi
}

pings() { # FROM TO4 TO6 : and 1,200 octets, which are two tunnels' with their headers
  on "$1" ping -q -c 3 -i 0.1 -W 3 "$2" | grep -q ' 3 received' && on "$1" ping -q -c 3 -i 0.1 -W 3 "$3" | grep -q ' 3 received' &&
    on "$1" ping -q -c 1 -s 1172 -W 3 "$2" | grep -q ' 1 received' && on "$1" ping -q -c 1 -s 1152 -W 3 "$3" | grep -q ' 1 received'
}
crosses() { wait_for 10 pings hostA 198.18.2.10 2001:db8:b::10 && wait_for 10 pings hostB 198.18.1.10 2001:db8:a::10; }
nothing_crosses() { no_answer hostA 198.18.2.10 && no_answer hostB 198.18.1.10; }
esp_between() { # FILE ADDRESS ADDRESS
  local out; out=$(tcpdump -nr "$1" "(ip proto 50 or ip6 proto 50) and host $2 and host $3" 2>"$run/read.log") || { cat "$run/read.log"; return 1; }
  [ -n "$out" ] && [ "$(grep -c . <<<"$out")" -ge 20 ]
}
none_between() { local out; out=$(tcpdump -nr "$1" "(ip proto 50 or ip6 proto 50) and host $2 and host $3" 2>"$run/read.log") && [ -z "$out" ] || { head "$run/read.log"; head <<<"$out"; return 1; }; }

start gwB near tcpdump -U -ni wan0 -w "$run/near.pcap"
start gwB far tcpdump -U -ni lan0 -w "$run/far.pcap"
wait_for 10 test -s "$run/near.pcap" && wait_for 10 test -s "$run/far.pcap"
if [ $way = hand ]; then
  ok "the policies" policies
  ok "an SA whose packets are not for the one around it is refused" refused
fi
ok "the inner tunnel" up_far
ok "without the outer one nothing crosses" nothing_crosses
ok "the outer tunnel" up_near
ok "both carry what crosses" crosses
if [ $way = ike ]; then
  for child in net around; do
    ok "$child is rekeyed" ctl gwA rekey --child $child
    ok "both carry what crosses" crosses
  done
fi
ok "the outer one is taken away" down_near
ok "nothing crosses" nothing_crosses
ok "it comes back" up_near
ok "both carry what crosses" crosses
ok "ESP of A's and C's was seen behind B" wait_for 5 esp_between "$run/far.pcap" $a $c
ok "ESP of A's and B's was seen before B" wait_for 5 esp_between "$run/near.pcap" $a $b
ok "there none of A's and C's was seen" none_between "$run/near.pcap" $a $c
lab_end
