#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A child that cannot be installed: gwA's crypto may do aes128gcm16 by a way that no device has. Who asks hears why not, the
# peer hears that nothing is agreed to. A suite beside one that can be done is not offered.
#
#   hostA === gwA (crypto.prefer: aes128gcm16 by 'cpu' of crypto_openssl) === gwB (Simplon) === hostB
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin uninst
site_up
for gateway in gwA gwB; do
  { site_simplon_ports $gateway; site_secrets $gateway; start=none site_connection $gateway; } >"$run/$gateway.yaml"
done
sed -i 's/^crypto: .*/crypto: {devices: [crypto_openssl], prefer: {aes128gcm16: cpu}}/' "$run/gwA.yaml"
for gateway in gwA gwB; do simplon_start $gateway || exit 1; done
ok "a warning says so at the start" grep -q 'child sites/net: none of its proposals can be installed' "$run/gwA.log"
status=0
timeout 20 "$build/simplonctl" --socket "$run/gwA.vici" initiate sites net >"$run/answer" 2>&1 || status=$?
cat "$run/answer"
ok "initiate fails" test $status != 0 -a $status != 124
ok "and says why" grep -q "none of its proposals can be installed here" "$run/answer"
ok "as responder too" eval '! ctl gwB initiate sites net >"$run/answer" 2>&1 && grep -q NO_PROPOSAL_CHOSEN "$run/answer"'
ok "nobody has a child" eval 'tells_not gwA INSTALLED sas && tells_not gwB INSTALLED sas'

sed -i 's/esp_proposals: .*/esp_proposals: [aes128gcm16-x25519, aes256gcm16-x25519]/' "$run"/gw?.yaml
ok "reload beside a suite that can be done" eval 'ctl gwA reload && ctl gwB reload'
ok "the other is not offered" grep -q 'sites/net: aes128gcm16-x25519 is not offered' "$run/gwA.log"
ok "the child comes up" ctl gwA initiate sites net
ok "pings" site_pings hostA 198.18.2.10
lab_end
