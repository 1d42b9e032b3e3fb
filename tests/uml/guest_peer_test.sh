#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guest_peer_test.sh libreswan|openiked [pubkey]: Simplon is gateway A, an IKE daemon that needs a kernel with ESP is gateway B,
# in a User Mode Linux guest. Each side brings the tunnel up, pings cross both ways, each side rekeys under a running ping.
# They share a key; with "pubkey" each has a certificate (ECDSA, RFC 7427) of an authority that both believe.
#
#   hostA .10 --- 198.18.1.0/24 --- gwA .1 --- 198.51.100.0/24 --- .2 guest --- 198.18.2.0/24 --- .10 hostB
#                                   Simplon                  vec0 libreswan vec1
#                                                            openiked
# The guest's two ports are TAPs of the namespace gwB, bridged with the wires that site.sh lays to it.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
source "$here/guest.sh"
source "$here/libreswan.sh"
peer=$1 auth=${2:-psk}
case $auth in psk | pubkey) ;; *) echo "guest_peer_test.sh libreswan|openiked [pubkey]"; exit 2 ;; esac
case $peer in
  libreswan) daemon=$libreswan esp=aes128gcm16-x25519 ;;
  # On Linux it speaks PF_KEY, which has no GCM, and whose SHA2-256 is cut to 96 bits where RFC 4868 has 128.
  openiked) daemon=/usr/sbin/iked esp=aes128-sha512-x25519 ;;
  *) echo "usage: guest_peer_test.sh libreswan|openiked"; exit 2 ;;
esac
[ -n "${GUEST_IN:-}" ] || [ -x "$daemon" ] || skip "there is no $daemon here: run me by tests/lab/debian13.sh in"
command -v linux.uml >/dev/null || skip "there is no user-mode-linux"
[ $auth = psk ] || command -v openssl >/dev/null || skip "it needs the openssl command"
lab_begin "$peer"
source "$here/pki.sh"
dir=$run/guest
mkdir "$dir"
site_up

# openiked sends its own certificate and none between it and the root.
everything() {
  root root && new_key issuing p256 &&
    sign root issuing /O=Example/CN=issuing basicConstraints=critical,CA:TRUE,pathlen:0 keyUsage=critical,keyCertSign,cRLSign &&
    authority issuing && leaf a p256 a.example && root other && leaf stranger p256 b.example other || return 1
  if [ $peer = openiked ]; then leaf b p256 b.example root; else leaf b p256 b.example; fi
  cp "$pki"/*.pem "$pki/b.key" "$dir/" &&
    quiet openssl pkcs12 -export -inkey "$pki/b.key" -in "$pki/b.pem" -name b -passout pass: -out "$dir/b.p12"
}
if [ $auth = pubkey ]; then
  ok "openssl makes an authority and certificates" everything
  [ $failed = 0 ] || lab_end
  libreswan_auth='authby=ecdsa
  leftcert=b
  rightca=%same
  leftsendcert=always
  sendca=issuer'
  libreswan_keys=$(libreswan_certificates "$dir" b)
fi

# Environment: believed, the authority of the peer.
simplon_yaml() {
  local mine=
  [ $auth = psk ] || mine=", certificate: [pki/a.pem, pki/issuing.pem], key: pki/a.key"
  site_simplon_ports gwA
  site_secrets gwA
  cat <<YAML
$([ $auth = psk ] || echo "authorities: pki/${believed:-root}.pem")
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example$mine}
    remote: {address: 198.51.100.2, id: b.example}
    auth: $auth
    proposals: [aes128gcm16-prfsha256-x25519]
    children:
      net:
        local_ts: [198.18.1.0/24]
        remote_ts: [198.18.2.0/24]
        esp_proposals: [$esp]
        start: none
YAML
}

openiked_begin() {
  local how='psk "a-demonstration-secret-0123456789"'
  [ $auth = psk ] || how=rfc7427
  cat <<SH
cat >/etc/iked.conf <<'CONF'
ikev2 "sites" passive esp from 198.18.2.0/24 to 198.18.1.0/24 local 198.51.100.2 peer 198.51.100.1 \\
  ikesa enc aes-128-gcm prf hmac-sha2-256 group curve25519 \\
  childsa enc aes-128 auth hmac-sha2-512 group curve25519 noesn \\
  srcid b.example dstid a.example lifetime 20 \\
  $how
CONF
chmod 600 /etc/iked.conf
mkdir -p /etc/iked/private
$(openiked_key)
# PF_KEY asks for every cipher there is, each a modprobe if it is not there: half a minute on some machines.
echo >/proc/sys/kernel/modprobe
iked -d -v >$dir/peer.log 2>&1 &
for ((i = 0; i < 100; i++)); do [ -S /run/iked.sock ] && break; sleep 0.1; done
timeout 60 ikectl show sa >$dir/ikectl.log 2>&1
SH
}

openiked_key() {
  if [ $auth = psk ]; then
    echo "openssl ecparam -genkey -name prime256v1 -noout -out /etc/iked/private/local.key 2>/dev/null"
  else
    echo "cp $dir/b.key /etc/iked/private/local.key; cp $dir/b.pem /etc/iked/certs/b.crt"
    echo "cat $dir/root.pem $dir/issuing.pem >/etc/iked/ca/ca.crt"
  fi
  echo "chmod 600 /etc/iked/private/local.key; openssl pkey -in /etc/iked/private/local.key -pubout -out /etc/iked/local.pub"
}

children() { ctl gwA sas --json | tr -d ' \n' | grep -o '"spi-in":"[0-9a-f]*"' | sort -u | tr '\n' ' '; }
ike_spis() { ctl gwA sas --json | tr -d ' \n' | grep -o '"initiator-spi":"[0-9a-f]*"' | sort -u | tr '\n' ' '; }
flows() { grep -c 'loaded flows' "$dir/peer.log"; }
more_flows() { [ "$(flows)" -gt "$flows_at" ]; }
none_left() { [ -z "$(ike_spis)" ]; }
changed() { local now; now=$($1); [ -n "$now" ] && [ "$now" != "$2" ] && [ "$(wc -w <<<"$now")" = 1 ]; }
both_ways() {
  ok "pings A to B ($1)" site_pings hostA 198.18.2.10
  ok "pings B to A ($1)" site_pings hostB 198.18.1.10
}

# Who rekeys, by what; a ping runs meanwhile.
rekeyed() { # TITLE WHAT COMMAND...
  local title=$1 what=$2 before; shift 2
  before=$($what)
  ping_begin hostA 198.18.2.10
  ok "$title" "$@"
  ok "$title: new ones took over" wait_for 45 changed "$what" "$before"
  asked=$(answered)
  ok "$title: the ping goes on over the new ones" wait_for 20 more_answers
  ok "$title: no packet lost" no_gap
  ok "$title: pings go on" wait_for 10 site_pings hostB 198.18.1.10
}

# Of what came back none is missing. What a guest on a busy machine still has on its way when ping ends is not lost, and that
# there were answers over the new SAs has been seen. (ping_end's own verdict knows of one on its way.)
answered() { sed -n 's/.* bytes from .*icmp_seq=\([0-9]*\).*/\1/p' "$run/long-ping.log" | sort -nu; }
more_answers() { [ "$(answered | wc -l)" -ge $(($(wc -w <<<"$asked") + 10)) ]; }
no_gap() {
  ping_end
  answered | awk -v may="${may_lose:-0}" '{last = $1} END {print last - NR " lost of " last; exit NR < 5 || last - NR > may}'
}

simplon_yaml >"$run/gwA.yaml"
simplon_start gwA || exit 1
guest_uml 470 "${peer}_begin" || { failed=1; lab_end; }

# The control: of an authority that Simplon does not believe, the same certificate gets nowhere.
is_refused() {
  ! timeout 30 "$build/simplonctl" --socket "$run/gwA.vici" initiate sites net &&
    grep -q 'is of no authority that we believe: .*CN=root' "$run/gwA.log"
}
if [ $auth = pubkey ]; then
  believed=other simplon_yaml >"$run/gwA.yaml"
  ok "control: Simplon believes another authority" ctl gwA reload
  ok "control: $peer is refused" is_refused
  simplon_yaml >"$run/gwA.yaml"
  ok "Simplon believes the authority" ctl gwA reload
fi

ok "Simplon initiates to $peer" ctl gwA initiate sites net
ok "one child is up" wait_for 10 changed children none
# openiked answers before it has the SAs installed.
[ $peer != openiked ] || ok "openiked has its flows" wait_for 20 grep -q 'loaded flows' "$dir/peer.log"
[ $failed = 0 ] || { cp "$dir/peer.log" "$run/peer.log"; lab_end; }
both_ways "Simplon initiated"
rekeyed "Simplon rekeys the child" children ctl gwA rekey --child net
rekeyed "Simplon rekeys the IKE SA" ike_spis ctl gwA rekey --ike sites
case $peer in
  libreswan)
    rekeyed "libreswan rekeys the child" children guest ipsec whack --rekey-child --name sites
    rekeyed "libreswan rekeys the IKE SA" ike_spis guest ipsec whack --rekey-ike --name sites
    ok "Simplon terminates" ctl gwA terminate --ike sites
    ok "libreswan initiates" guest ipsec up sites ;;
  openiked)
    # It has no order for it, but a lifetime of 20 s. As the initiator it deletes the old SA before it has the new one
    # installed, so the one packet may be lost that comes between.
    may_lose=1 rekeyed "openiked rekeys the child" children true
    # Nor has it one to initiate: it does when it comes up.
    ok "Simplon terminates" ctl gwA terminate --ike sites
    ok "openiked ends" guest 'pkill iked; while pgrep -x iked; do sleep 0.1; done'
    ok "no IKE SA is left" wait_for 10 none_left
    flows_at=$(flows)
    ok "openiked initiates" guest "sed -i 's/ passive / active /' /etc/iked.conf; setsid iked -d -v >>$dir/peer.log 2>&1 &"
    ok "openiked has its flows again" wait_for 60 more_flows ;;
esac
ctl gwA drops
ok "one child is up again" wait_for 20 changed children none
both_ways "$peer initiated"
cp "$dir/peer.log" "$run/peer.log" 2>/dev/null
lab_end
