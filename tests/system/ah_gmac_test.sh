#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# AES-GMAC for AH (RFC 4543 section 4) between two Simplons: by IKE, with a rekey by either of them under pings; by hand, with
# the keys at the console. One key is not taken twice, and mode kernel, which has none of it, says so.
#
#   hostA === gwA (Simplon, AH) === gwB (Simplon) === hostB        site.sh draws them
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin ahgmac
site_up
ns kernel
for gateway in gwA gwB; do
  { site_simplon_ports $gateway; site_secrets $gateway; esp=aes256gmac-x25519 start=none child_more='        esn: require' \
    site_connection $gateway; } | sed 's/esp_proposals/ah_proposals/' >"$run/$gateway.yaml"
  simplon_start $gateway || exit 1
done
pings() { site_pings hostA 198.18.2.10 && site_pings hostB 2001:db8:a::10; }
# What travels: AH, and inside it the ping in clear.
start gwB capture tcpdump -U -ni wan0 -w "$run/ah.pcap" 'ip proto 51 or ip proto 50'
wait_for 10 test -s "$run/ah.pcap"
travelled() { tcpdump -nr "$run/ah.pcap" "$1" 2>/dev/null | wc -l; }

ok "nothing passes without it" no_answer hostA 198.18.2.10
ok "gwA initiates" ctl gwA initiate sites net
ok "and has AH with AES-GMAC" tells gwA 'AH.*AES_256_GMAC|AES_256_GMAC' sas --json
ok "so has gwB" tells gwB 'AES_256_GMAC' sas --json
ok "pings both ways, both families inside" wait_for 10 pings
ok "TCP" site_tcp
spi() { ctl "$1" sas --json | tr -d ' \n' | grep -o '"spi-in":"[0-9a-f]*"'; }
changed() { [ "$(spi "$1")" != "$2" ]; }
answers() { [ "$(grep -c 'bytes from' "$run/long-ping.log")" -ge "$1" ]; }
for gateway in gwA gwB; do
  before=$(spi $gateway)
  ping_begin hostA 198.18.2.10
  ok "pings" wait_for 10 answers 10
  ok "$gateway rekeys" ctl $gateway rekey --child net
  ok "new SAs took over" wait_for 10 changed $gateway "$before"
  ok "pings go on" wait_for 10 answers 40
  ok "no ping was lost" ping_end
done
ok "packets of AH travelled" test "$(travelled 'ip proto 51')" -gt 50
ok "and none of ESP" test "$(travelled 'ip proto 50')" = 0
ok "they are authenticated, not enciphered" test "$(travelled 'ip proto 51 and ip[20] = 4 and ip[65] = 1')" -gt 10
ok "gwA ends it" ctl gwA terminate --ike sites
ok "then nothing passes" no_answer hostA 198.18.2.10

keys=(000102030405060708090a0b0c0d0e0f101112131415161718191a1b a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babb)
for gateway in "gwA 1 2 a b 0 1" "gwB 2 1 b a 1 0"; do
  set -- $gateway
  ok "$1: a policy by hand" ctl "$1" policy add hand --action protect --protocol ah --order 1 --local-ts "198.18.$2.0/24" \
    --local-ts "2001:db8:$4::/64" --remote-ts "198.18.$3.0/24" --remote-ts "2001:db8:$5::/64"
  ok "$1: an outbound SA" ctl "$1" sa add --direction out --spi "0x100$2" --source "198.51.100.$2" --destination "198.51.100.$3" \
    --suite aes192gmac --key "${keys[$6]}" --policy hand
  ok "$1: an inbound SA" ctl "$1" sa add --direction in --spi "0x100$3" --source "198.51.100.$3" --destination "198.51.100.$2" \
    --suite aes192gmac --key "${keys[$7]}" --policy hand
done
ok "pings by SAs made by hand" wait_for 5 pings
ok "gwA tells of them" tells gwA 'aes192gmac' sa list
refuses() { ! "${@:2}" >"$run/answer" 2>&1 && grep -q "$1" "$run/answer" || { cat "$run/answer"; return 1; }; }
ok "a policy of ESP beside it" ctl gwA policy add esp --action protect --local-ts 203.0.113.1 --remote-ts 203.0.113.2
ok "its key is no other with another salt" refuses "sends with the same key" ctl gwA sa add --direction out --spi 0x2001 --source \
  198.51.100.1 --destination 198.51.100.2 --suite aes192gcm16 --key "${keys[0]:0:48}ffffffff" --policy esp
ok "a key of another length is refused" refuses "56 hexadecimal digits" ctl gwA sa add --direction out --spi 0x2001 --source \
  198.51.100.1 --destination 198.51.100.2 --suite aes192gmac --key "${keys[0]:0:40}" --policy hand
ok "pings go on" pings

(umask 077; cp "$run/gwA.secrets.yaml" "$run/kernel.secrets.yaml")
{ printf 'gateway: {mode: kernel}\nmanagement: {socket: %s}\nsecrets: kernel.secrets.yaml\n' "$run/kernel.vici"
  esp=aes128gmac start=none site_connection gwA; } | sed 's/esp_proposals/ah_proposals/' >"$run/kernel.yaml"
ip -n "$lab-kernel" addr add 198.51.100.1/32 dev lo
simplon_start kernel || exit 1
ok "mode kernel warns that it has none" grep -q "aes128gmac is not offered: the kernel has no AES-GMAC for AH" "$run/kernel.log"
ok "and by hand refuses it" eval 'ctl kernel policy add hand --action protect --protocol ah --local-ts 198.18.1.0/24 --remote-ts \
  198.18.9.0/24 --tunnel-local 198.51.100.1 --tunnel-remote 198.51.100.2 &&
  refuses "the kernel has no AES-GMAC for AH" ctl kernel sa add --direction out --spi 0x1001 --source 198.51.100.1 --destination \
    198.51.100.2 --suite aes128gmac --key "${keys[0]:0:40}" --policy hand'
lab_end
