#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Certificates: Simplon is gateway A, Debian's strongSwan is gateway B (site.sh draws them), with a root, an authority below
# it and certificates that openssl makes here. Every kind of key in both roles, with pings; identities; a renewal; what is
# refused, and the reason in the log; a peer without RFC 7427.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
command -v openssl >/dev/null || skip "it needs the openssl command"
lab_begin certs

# ---- the authorities: root, issuing (below root), and other, which nobody here believes ----

source "$here/pki.sh"

everything() {
  local kind
  root root && root other && new_key issuing p256 &&
    sign root issuing /O=Example/CN=issuing basicConstraints=critical,CA:TRUE,pathlen:0 keyUsage=critical,keyCertSign,cRLSign &&
    authority issuing || return 1
  for kind in rsa p256 p384 p521 ed25519 ed448; do
    leaf "a-$kind" $kind a.example && leaf "b-$kind" $kind b.example || return 1
  done
  leaf b-other p256 b.example other && leaf b-wrong p256 c.example && leaf b-sub p256 gw.b.example && leaf b-revoked p256 b.example &&
    days="-startdate 20200101000000Z -enddate 20210101000000Z" leaf b-expired p256 b.example &&
    cat "$pki/root.crl" "$pki/issuing.crl" >"$pki/nobody.crl" &&
    quiet openssl ca -config "$pki/issuing.cnf" -batch -revoke "$pki/b-revoked.pem" &&
    quiet openssl ca -config "$pki/issuing.cnf" -batch -gencrl -out "$pki/issuing.crl" &&
    cat "$pki/root.crl" "$pki/issuing.crl" >"$pki/revoked.crl"
}
ok "openssl makes authorities, certificates and lists of revoked ones" everything
[ "$failed" = 0 ] || lab_end

# ---- the two gateways ----

# Environment: cert (of A: rsa, p256...), rsa, ours (more of local), id_b, theirs (more of remote), extra (further lines of the file).
simplon_file() {
  site_simplon_ports gwA
  cat <<YAML
authorities: pki/root.pem
secrets: gwA.secrets.yaml
${extra:-}
connections:
  sites:
    auth: pubkey
    local: {address: 198.51.100.1, ${ours:-certificate: [pki/a-$cert.pem, pki/issuing.pem], key: pki/a-$cert.key, rsa: ${rsa:-pkcs1}}}
    remote: {address: 198.51.100.2, id: "${id_b:-b.example}"${theirs:-}}
    proposals: [aes128gcm16-prfsha256-x25519]
    dpd_delay: 0
    children:
      net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24, esp_proposals: [aes128gcm16-x25519], start: none}
YAML
}

# Environment: peer (certificate of B), id_b_own, send_cert, auth_a.
strongswan_files() {
  local dir=$run/gwB/swanctl
  strongswan_credentials gwB "b-$peer"
  cat >"$dir/swanctl.conf" <<CONF
connections { sites {
  local_addrs = 198.51.100.2
  remote_addrs = 198.51.100.1
  version = 2
  proposals = aes128gcm16-prfsha256-x25519
  send_cert = ${send_cert:-always}
  local { auth = pubkey
    certs = b-$peer.pem
    id = "${id_b_own:-b.example}" }
  remote { auth = ${auth_a:-pubkey}
    id = "${id_a:-a.example}" }
  children { net {
    local_ts = 198.18.2.0/24
    remote_ts = 198.18.1.0/24
    esp_proposals = aes128gcm16-x25519 } }
} }
secrets { ike-1 { id-a = a.example
  id-b = b.example
  secret = "a-demonstration-secret-0123456789" } }
CONF
}

gone() { [ -z "$(swan gwB --list-sas)" ] && ! ctl gwA sas --json | grep -q initiator-spi; }
down() {
  swan gwB --terminate --ike sites --timeout 3 >/dev/null 2>&1
  ctl gwA terminate --ike sites >/dev/null 2>&1
  wait_for 10 gone
}
shown() { "$@" >"$run/answer" 2>&1 || { cat "$run/answer"; return 1; }; }
# Both gateways get what the environment says; no SA is there then.
prepared() {
  down || return 1
  local peer=${peer:-${cert:-p256}} cert=${cert:-p256}
  simplon_file >"$run/gwA.yaml" && shown ctl gwA reload || return 1
  strongswan_files && shown swan gwB --load-all --clear --noprompt || return 1
  log_at=$(wc -l <"$run/gwA.log") charon_at=$(wc -l <"$run/gwB/charon.log")
}
said() { tail -n +$((log_at + 1)) "$run/gwA.log"; }
charon_said() { tail -n +$((charon_at + 1)) "$run/gwB/charon.log"; }
what_they_said() { echo "--- gwA said:"; said | tail -n 25; echo "--- gwB said:"; charon_said | tail -n 25; }

pinged() { on "$1" ping -q -c 3 -i 0.05 -W 2 "$2" >"$run/answer" 2>&1 || { cat "$run/answer"; return 1; }; }
initiated() { # simplon|strongswan
  if [ "$1" = simplon ]; then shown timeout 20 "$build/simplonctl" --socket "$run/gwA.vici" initiate sites net
  else shown swan gwB --initiate --child net --timeout 15; fi
}
# $scheme: what strongSwan calls our signature.
works() { # ROLE
  prepared && initiated "$1" && pinged hostA 198.18.2.10 && pinged hostB 198.18.1.10 || { what_they_said; return 1; }
  [ -z "${scheme:-}" ] || charon_said | grep -qE "authentication of '[^']*' with $scheme.* successful" ||
    { echo "our signature was not $scheme"; what_they_said; return 1; }
}
is_refused() { # ROLE PATTERN : the log tells why, of each host once a second
  prepared || return 1
  sleep 1.1
  if initiated "$1" >/dev/null 2>&1; then echo "it came up"; what_they_said; return 1; fi
  wait_for 5 refusal_told "$2" || { what_they_said; return 1; }
  ! tells gwA INSTALLED sas || { echo "there is a child nevertheless"; return 1; }
}
refusal_told() { said | grep -qiE -- "$1"; }

site_up
site_kernel_addresses gwB
site_secrets gwA >/dev/null
cert=p256 peer=p256
simplon_file >"$run/gwA.yaml"
simplon_start gwA || { tail -n 20 "$run/gwA.log"; exit 1; }
strongswan_files
strongswan_start gwB || exit 1
unset cert peer
ok "the capture sees what is sent in clear on purpose" site_watch_clear

# ---- kinds of keys ----

declare -A schemes=([rsa]=RSA_EMSA_PKCS1_SHA2 [p256]=ECDSA_WITH_SHA256 [p384]=ECDSA_WITH_SHA384 [p521]=ECDSA_WITH_SHA512 [ed25519]=ED25519
                    [ed448]=ED448)
for kind in rsa p256 p384 p521 ed25519 ed448; do
  for role in simplon strongswan; do
    cert=$kind scheme=${schemes[$kind]} ok "$kind, $role initiates" works $role
  done
done
listed() {
  STRONGSWAN_CONF=$run/gwB/strongswan.conf /usr/sbin/swanctl --list-conns --uri "unix://$run/gwA.vici" >"$run/answer" 2>&1 &&
    grep -q "$1" "$run/answer" || { cat "$run/answer"; return 1; }
}
ok "the console tells the kind of authentication" listed 'remote public key authentication'
cert=rsa peer=ed25519 ok "two kinds at once: RSA here, Ed25519 there" works simplon

# ---- identities ----

dn="O=Example, CN=b.example"
for role in simplon strongswan; do
  id_b=$dn id_b_own=$dn ok "the peer's distinguished name, $role initiates" works $role
  id_b="*.b.example" id_b_own=gw.b.example peer=sub ok "a pattern of names, $role initiates" works $role
done
id_b="O=Example, CN=*" id_b_own=$dn ok "a pattern of a distinguished name" works strongswan
id_b="%any" ok "anybody whom the authority certified" works strongswan
id_b="*.c.example" ok "control: a pattern that the name does not fit" is_refused strongswan 'b\.example'
ours="certificate: [pki/a-p256.pem, pki/issuing.pem], key: pki/a-p256.key, id: \"O=Example, CN=a.example\"" id_a="O=Example, CN=a.example" \
  ok "our distinguished name" works simplon
theirs=", certificate: pki/b-p256.pem" ok "the peer's one certificate" works strongswan
theirs=", certificate: pki/b-p384.pem" ok "control: another than the peer's one certificate" \
  is_refused strongswan 'is of no authority that we believe'
for role in simplon strongswan; do
  ours="id: a.example, auth: psk" auth_a=psk ok "a shared key here, a certificate there, $role initiates" works $role
done

# ---- revocation, and what is refused ----

crls="crls: pki/nobody.crl"
extra="$crls" ok "a list without the peer's certificate" works strongswan
extra="$crls
revocation: strict" ok "likewise when there must be a list" works simplon
extra="crls: pki/revoked.crl" peer=revoked ok "revoked, strongSwan initiates" is_refused strongswan 'is revoked by'
extra="crls: pki/revoked.crl" peer=revoked ok "revoked, Simplon initiates" is_refused simplon 'is revoked by'
extra="crls: pki/revoked.crl
revocation: no" peer=revoked ok "control: the same with revocation: no" works strongswan
extra="revocation: strict" ok "strict without a list" is_refused strongswan 'needs a list of revoked ones'
for role in simplon strongswan; do
  peer=other ok "of another authority, $role initiates" is_refused $role 'is of no authority that we believe'
done
peer=expired ok "expired" is_refused strongswan 'expired on'
# strongSwan never says a name that its certificate has not: here it says the one that is there.
peer=wrong id_b_own=c.example ok "the certificate of another name" is_refused strongswan 'c\.example|identit'
for role in simplon strongswan; do
  send_cert=never ok "the peer does not send its certificate, $role initiates" is_refused $role 'sends no certificate'
done
send_cert=never theirs=", certificate: pki/b-p256.pem" ok "and need not where we have it" works strongswan
ok "after all of that it works" works simplon

# ---- renewal ----

ike_spis() { ctl gwA sas --json | tr -d ' \n' | grep -o '"initiator-spi":"[0-9a-f]*"' | sort -u | tr '\n' ' '; }
before=$(ike_spis)
renewed() {
  local old; old=$(sha256sum <"$pki/a-p256.pem")
  leaf a-p256 p256 a.example && [ "$old" != "$(sha256sum <"$pki/a-p256.pem")" ] && shown ctl gwA reload
}
ok "our certificate and key are renewed, and reloaded" renewed
ok "the IKE SA lives on" test -n "$before" -a "$before" = "$(ike_spis)"
ok "and so does the tunnel" pinged hostA 198.18.2.10
ok "the new certificate works" works simplon

# ---- other ways to sign ----

again() { # CHARON-LINES
  down
  stop gwB
  peer=p256 strongswan_files
  CHARON=$1 strongswan_start gwB
}
again "rsa_pss = yes" || exit 1
for role in simplon strongswan; do
  cert=rsa rsa=pss scheme=RSA_EMSA_PSS ok "RSA-PSS, $role initiates" works $role
done
cert=rsa rsa=pkcs1 scheme=RSA_EMSA_PSS ok "a peer that signs first is answered with what it used" works strongswan

# What we do not go on with it forgets soon.
again "signature_authentication = no
  half_open_timeout = 2" || exit 1
for role in simplon strongswan; do
  ok "without RFC 7427: ECDSA, $role initiates" works $role
  cert=rsa ok "without RFC 7427: RSA is with SHA-1, and refused, $role initiates" is_refused $role 'SHA-1.*legacy: allow'
  cert=rsa extra="legacy: allow" ok "and works with legacy: allow, $role initiates" works $role
done
ok "all of it went through ESP" nothing_in_clear
lab_end
