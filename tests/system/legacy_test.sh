#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# DES-CBC with HMAC-MD5-96 by hand between two Simplons. Without `legacy: allow` it is refused, in the file and at the console,
# and nothing passes; with it ESP travels, which scapy opens with the same keys. (The kernel as the peer: kernel_oracle_test.sh.)
#
#   hostA === gwA (Simplon) === gwB (Simplon) === hostB        site.sh draws them
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin legacy
site_up
for gateway in gwA gwB; do
  site_simplon_ports $gateway >"$run/$gateway.yaml"
  simplon_start $gateway || exit 1
done
des=(0123456789abcdef fedcba9876543210)
md5=(000102030405060708090a0b0c0d0e0f f0e1d2c3b4a5968778695a4b3c2d1e0f)
policy() { # gwA|gwB OUR-NUMBER THEIRS OUR-LETTER THEIRS
  ctl "$1" policy add lab --action protect --local-ts "198.18.$2.0/24" --local-ts "2001:db8:$4::/64" --remote-ts "198.18.$3.0/24" \
    --remote-ts "2001:db8:$5::/64"
}
ok "gwA: a policy by hand" policy gwA 1 2 a b
ok "gwB: a policy by hand" policy gwB 2 1 b a
sa() { # gwA|gwB out|in FROM-NUMBER TO-NUMBER [KEY]
  ctl "$1" sa add --direction "$2" --spi "0x100$4" --source "198.51.100.$3" --destination "198.51.100.$4" --suite des-md5 --policy lab \
    --key "${5:-${des[$4 - 1]}}" --integ-key "${md5[$4 - 1]}"
}
all() { sa gwA out 1 2 && sa gwA in 2 1 && sa gwB out 2 1 && sa gwB in 1 2; }
refused() { # PATTERN COMMAND...
  ! "${@:2}" >"$run/answer" 2>&1 && grep -q "$1" "$run/answer" || { cat "$run/answer"; return 1; }
}
says='des-md5 is weak (RFC 8221); to use it, write legacy: allow at the top of the configuration, and reload'
ok "without legacy gwA refuses it, and says what to do" refused "$says" sa gwA out 1 2
ok "and does for the other direction" refused "$says" sa gwA in 2 1
ok "no SA is there" tells_not gwA des-md5 sa list
ok "nothing passes" no_answer hostA 198.18.2.10
{ cat "$run/gwA.yaml"; site_secrets gwA; esp=des-md5 site_connection gwA; } >"$run/file.yaml"
ok "a file with such a proposal is refused, too" refused "des, md5: weak, and for peers that have nothing better" \
  "$build/simplond" --check "$run/file.yaml"
ok "and with legacy warned of" eval '{ echo "legacy: allow"; cat "$run/file.yaml"; } >"$run/legacy.yaml" &&
  "$build/simplond" --check "$run/legacy.yaml" >"$run/answer" 2>&1 && grep -q "des, md5: weak; use it for no longer" "$run/answer"'

for gateway in gwA gwB; do
  sed -i '1i legacy: allow' "$run/$gateway.yaml"
  ok "$gateway reloads with legacy: allow" ctl $gateway reload
done
ok "a weak key of DES is refused nevertheless" refused "weak keys of DES" sa gwA out 1 2 0101010101010101
ok "both have their SAs" all
ok "the suite is shown" tells gwA 'des-md5' sa list
ok "the capture sees what is sent in clear on purpose" site_watch_clear
start gwB esp tcpdump -U -ni wan0 -w "$run/esp.pcap" 'ip proto 50'
wait_for 10 test -s "$run/esp.pcap"
ok "pings A to B" site_pings hostA 198.18.2.10
ok "pings B to A" site_pings hostB 198.18.1.10
ok "IPv6 as well" site_pings hostA 2001:db8:b::10
ok "TCP" site_tcp
ok "none of it in clear" nothing_in_clear
stop esp INT
ok "scapy opens what travelled with DES and HMAC-MD5-96" /usr/bin/python3 - "$run/esp.pcap" "${des[1]}" "${md5[1]}" "${des[0]}" "${md5[0]}" <<'PY'
import sys, warnings
warnings.filterwarnings('ignore')
from scapy.all import ICMP, IP, IPv6, TCP, ESP, PcapReader, SecurityAssociation
keys = [bytes.fromhex(k) for k in sys.argv[2:]]
sas = {spi: SecurityAssociation(ESP, spi=spi, crypt_algo='DES', crypt_key=des, auth_algo='HMAC-MD5-96', auth_key=md5,
                                tunnel_header=IP(src='198.51.100.1', dst='198.51.100.2'))
       for spi, des, md5 in ((0x1002, keys[0], keys[1]), (0x1001, keys[2], keys[3]))}
seen = {'ping': 0, 'IPv6': 0, 'TCP': 0}
for n, frame in enumerate(PcapReader(sys.argv[1])):
    if n == 200:
        break
    inner = sas[frame[ESP].spi].decrypt(frame[IP])  # fails if the ICV is wrong
    seen['ping'] += ICMP in inner
    seen['IPv6'] += IPv6 in inner
    seen['TCP'] += TCP in inner
print('  ', seen)
sys.exit(not all(seen.values()))
PY
ok "no packet had a bad ICV" test "$(drop_count gwA bad-icv) $(drop_count gwB bad-icv)" = "0 0"
lab_end
