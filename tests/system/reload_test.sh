#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Reload: of two connections one changes. The other's IKE SA, child SAs and counters are left alone; the changed one comes
# up again by its new text. A broken file changes nothing and all its errors are told.
#
#   gwA has two peers: "sites" to gwB (another Simplon, site.sh) and "second" to the same gwB under other identities.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin reload
site_up
second() { # gwA|gwB PROPOSAL
  local us=c them=d l=1 r=2; [ "$1" = gwB ] && us=d them=c l=2 r=1
  cat <<YAML
  second:
    local: {address: 198.51.100.$l, id: $us.example}
    remote: {address: 198.51.100.$r, id: $them.example}
    auth: psk
    proposals: [aes128gcm16-prfsha256-x25519]
    children:
      other:
        local_ts: [203.0.113.$l/32]
        remote_ts: [203.0.113.$r/32]
        esp_proposals: [$2]
        start: none
YAML
}
configure() { # gwA|gwB PROPOSAL-OF-SECOND
  { site_simplon_ports "$1"; site_secrets "$1"; start=none site_connection "$1"; second "$1" "$2"; } >"$run/$1.yaml"
  cat >>"$run/$1.secrets.yaml" <<'YAML'
  - ids: [c.example, d.example]
    secret: "another-secret-0123456789abcdef"
YAML
}
for gateway in gwA gwB; do configure $gateway aes128gcm16; simplon_start $gateway || exit 1; done
sas() { ctl gwA sas --json | /usr/bin/python3 -c '
import json, sys
for name, sa in sorted((n, s) for entry in json.load(sys.stdin) for n, s in entry.items()):
    for child in sa["child-sas"].values():
        print(name, sa["uniqueid"], child["name"], child["spi-in"], child["spi-out"], child["packets-in"], child["packets-out"],
              child.get("encr-keysize", ""))'; }
of() { sas | grep "^$1 "; }
ok "both connections come up" eval 'ctl gwA initiate sites net && ctl gwA initiate second other'
ok "pings" site_pings hostA 198.18.2.10
before=$(of sites) second_before=$(of second)
echo "   $before"
ok "counters of the kept child count" grep -q ' 10 10 ' <<<"$before"

configure gwA aes256gcm16
ok "gwA reloads a changed connection" ctl gwA reload
configure gwB aes256gcm16
ok "gwB reloads a changed connection" ctl gwB reload
ok "the unchanged connection kept its SAs and counters" test "$(of sites)" = "$before"
ok "the changed one comes up by its new text" eval 'ctl gwA initiate second other && of second | grep -q 256'
ok "it is a new SA" test -n "$second_before" -a "$(of second)" != "$second_before"
ok "pings" site_pings hostA 198.18.2.10

# What only a start can change is named, all else of the file holds.
sed -i "s/addresses: \[198.51.100.1/addresses: [198.51.100.77\/24, 198.51.100.1/; s|socket: .*|socket: [$run/gwA.vici, $run/more.vici]|" "$run/gwA.yaml"
printf 'log: {file: %s}\n' "$run/moved.log" >>"$run/gwA.yaml"
ok "reload of addresses, management and the log's file" eval 'ctl gwA reload | tee "$run/reload.txt"'
ok "what is held back is named" grep -q "only at the next start: management" "$run/reload.txt"
ok "the rest is not" eval 'on gwA ip addr show dev wan | grep -q 198.51.100.77'
ok "the log goes on in the new file" grep -q reloaded "$run/moved.log"

cp "$run/gwA.yaml" "$run/good.yaml"
printf 'policies: [{child: sites/net}, {name: opened, action: bypass, local: 198.18.1.0/24, remote: 198.51.100.0/24}]\n' >>"$run/gwA.yaml"
sed -i "s|$run/moved.log|/nonexistent/folder/x.log|" "$run/gwA.yaml"
ok "a log file that cannot be opened is refused" eval '! ctl gwA reload >"$run/reload.txt" 2>&1'
ok "its line is named" grep -q 'gwA.yaml:[0-9]*:[0-9]*: log.file: there is no folder' "$run/reload.txt"
ok "and by a check" eval '! ctl gwA config-check >"$run/reload.txt" 2>&1 && grep -q log.file: "$run/reload.txt"'
ok "nothing of it is applied" tells_not gwA opened policies
cp "$run/good.yaml" "$run/gwA.yaml"

printf 'aabbccddeeff00112233445566778899aabbccdd' >"$run/key.hex"
ok "an SA by hand with limits of its age" ctl gwA sa add --direction in --spi 0x4321 --source 198.51.100.2 \
  --destination 198.51.100.1 --suite aes128gcm16 --key "@$run/key.hex" --policy sites/net --soft-time 1 --hard-time 2
ok "it is listed" tells gwA 4321 sa list
ok "it is told of at the soft one" wait_for 5 grep -q "4321.*soft limit" "$run/moved.log"
ok "and gone at the hard one" wait_for 5 tells_not gwA 4321 sa list

sed 's/mode: dp/mode: kernel/' "$run/gwA.yaml" >"$run/other.yaml"
ok "another file is checked, warnings are shown" eval \
  'ctl gwA config-check "$run/other.yaml" | grep -q "other.yaml:[0-9:]* ports: is not used in mode .kernel."'

before=$(sas)
ok "both connections have their SAs" test "$(wc -l <<<"$before")" = 2
printf 'connections:\n  broken: {locl: x, proposals: [aes128gmc16]}\nports: 7\n' >"$run/gwA.yaml"
ok "a broken file is refused" eval '! ctl gwA reload >"$run/reload.txt" 2>&1'
cat "$run/reload.txt"
ok "every error has its line" eval '[ $(grep -c "gwA.yaml:[0-9]*:[0-9]*:" "$run/reload.txt") -ge 3 ]'
ok "nothing changed" test "$(sas)" = "$before"
ok "pings" site_pings hostA 198.18.2.10
lab_end
