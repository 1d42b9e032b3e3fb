#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Exchanges with strongSwan in which much can be lost: Simplon is gateway A, and traffic runs through the tunnel meanwhile.
#   exchanges_test.sh gateways    strongSwan is gateway B: reauthentication by each side, IKE SAs without a child at first, several
#                                 children in one IKE SA, EAP alone (RFC 5998), each in both roles
#   exchanges_test.sh clients     strongSwan is a user's device with an address of a pool, behind a router that maps it anew, and
#                                 that moves (MOBIKE): one TCP connection lives through all of it
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB    (site.sh)
#             2001:db8:a::/64                                                     2001:db8:b::/64
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .254,.253 nat .1 --- 192.0.2.0/24 --- .2,.9 gwB
#                                                                                              198.18.64.x of the pool
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
case ${1:-} in gateways | clients) ;; *) echo "usage: exchanges_test.sh gateways|clients"; exit 2 ;; esac
command -v openssl >/dev/null || skip "it needs the openssl command"
lab_begin "exch$1"
source "$here/pki.sh"

# ---- what both have ----

shown() { "$@" >"$run/answer" 2>&1 || { cat "$run/answer"; return 1; }; }
said() { tail -n +$((log_at + 1)) "$run/gwA.log"; }
charon_said() { tail -n +$((charon_at + 1)) "$run/gwB/charon.log"; }
marked() { log_at=$(wc -l <"$run/gwA.log") charon_at=$(wc -l <"$run/gwB/charon.log"); }
what_they_said() { echo "--- gwA said:"; said | tail -n 25; echo "--- gwB said:"; charon_said | tail -n 40; }
heard() { charon_said | grep -qE -- "$1"; } # PATTERN : of strongSwan's log
pinged() { on "$1" ping -q -c 3 -i 0.05 -W 5 "$2" >"$run/answer" 2>&1 || { cat "$run/answer"; return 1; }; }
ike_spis() { ctl gwA sas --json | tr -d ' \n' | grep -o '"initiator-spi":"[0-9a-f]*"' | sort -u | tr '\n' ' '; }
children() { ctl gwA sas --json | tr -d ' \n' | grep -o '"spi-in":"[0-9a-f]*"' | sort -u | wc -l; }
has_children() { [ "$(children)" = "$1" ] && [ "$(ike_spis | wc -w)" = 1 ]; }
another_alone() { local now; now=$(ike_spis); [ "$(wc -w <<<"$now")" = 1 ] && [ "$now" != "$1" ]; } # BEFORE
gone() { [ -z "$(swan gwB --list-sas)" ] && [ -z "$(ike_spis)" ]; }
down() {
  swan gwB --terminate --ike sites --timeout 3 >/dev/null 2>&1
  ctl gwA terminate --ike sites >/dev/null 2>&1
  wait_for 10 gone
}
prepared() { # both get what the environment says; no SA is there then
  down && simplon_file >"$run/gwA.yaml" && shown ctl gwA reload && strongswan_files &&
    shown swan gwB --load-all --clear --noprompt && marked
}
initiated() { # simplon|strongswan CHILD
  if [ "$1" = simplon ]; then shown timeout 20 "$build/simplonctl" --socket "$run/gwA.vici" initiate sites $2
  else shown swan gwB --initiate --child "$2" --timeout 15; fi
}
certified() {
  root root && new_key issuing p256 &&
    sign root issuing /O=Example/CN=issuing basicConstraints=critical,CA:TRUE,pathlen:0 keyUsage=critical,keyCertSign,cRLSign &&
    authority issuing && leaf a p256 a.example && user b issuing b.example && user bob issuing bob.example && root other &&
    user stranger other b.example
}
user() { # NAME AUTHORITY DNS-NAME : may be either end of TLS
  new_key "$1" p256 && sign "$2" "$1" "/O=Example/CN=$3" basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
    extendedKeyUsage=clientAuth,serverAuth "subjectAltName=DNS:$3"
}

# Environment: auth_ours, auth_theirs, conn (lines of the connection).
simplon_file() {
  site_simplon_ports gwA
  cat <<YAML
secrets: gwA.secrets.yaml
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example, ${auth_ours:-auth: psk}}
    remote: {address: 198.51.100.2, id: b.example, ${auth_theirs:-auth: psk}}
    proposals: [aes128gcm16-prfsha256-x25519]
    dpd_delay: 0
    ${conn:-}
    children:
      net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24, esp_proposals: [aes128gcm16-x25519], start: none}
      net6: {local_ts: "2001:db8:a::/64", remote_ts: "2001:db8:b::/64", esp_proposals: [aes128gcm16-x25519], start: none}
YAML
}

# Environment: conn_ss (lines of the connection), auth_b, auth_a, cert_b.
strongswan_files() {
  local dir=$run/gwB/swanctl
  strongswan_credentials gwB "${cert_b:-b}"
  cat >"$dir/swanctl.conf" <<CONF
connections { sites {
  local_addrs = 198.51.100.2
  remote_addrs = 198.51.100.1
  version = 2
  proposals = aes128gcm16-prfsha256-x25519
  rekey_time = 0
  ${conn_ss:-}
  local { auth = ${auth_b:-psk}
    certs = ${cert_b:-b}.pem
    id = b.example }
  remote { auth = ${auth_a:-psk}
    id = a.example }
  children {
    net { local_ts = 198.18.2.0/24
      remote_ts = 198.18.1.0/24
      esp_proposals = aes128gcm16-x25519 }
    net6 { local_ts = 2001:db8:b::/64
      remote_ts = 2001:db8:a::/64
      esp_proposals = aes128gcm16-x25519 } }
} }
secrets { ike-1 { id-a = a.example
  id-b = b.example
  secret = "a-demonstration-secret-0123456789" }
eap-1 { id = alice
  secret = "the password of alice" } }
CONF
}

# ---- gateways ----

comes_up() { # ROLE
  prepared && initiated "$1" net && wait_for 10 has_children 1 && pinged hostA 198.18.2.10 && pinged hostB 198.18.1.10 ||
    { what_they_said; return 1; }
}

# A ping runs for so long; meanwhile another IKE SA takes the place of the first. Where Simplon asks for that, strongSwan sends by
# the new SA as it answers, and one packet may be there before the answer is read: that one alone may be missing.
reauthenticated() { # ROLE SECONDS
  local before count=$(($2 * 20))
  comes_up "$1" && before=$(ike_spis) || return 1
  on hostB ping -q -c "$count" -i 0.05 -W 5 198.18.1.10 >"$run/answer" 2>&1
  local least=$count; [ "$1" = simplon ] && least=$((count - 1))
  grep -qE "^$count packets transmitted, ($count|$least) received" "$run/answer" || { cat "$run/answer"; what_they_said; return 1; }
  another_alone "$before" && has_children 1 && pinged hostA 198.18.2.10 || { what_they_said; return 1; }
}

# RFC 6023: IKE_AUTH with a child has SA payloads, one without has none.
auth_request() { grep -hE '(generating|parsed) IKE_AUTH request 1 \[.*(TSi|AUTH)' <(charon_said) | tail -n 1; }
auth_had_child() { auth_request | grep -q ' SA TSi '; }
auth_had_none() { local said; said=$(auth_request); [ -n "$said" ] && ! grep -q ' TSi ' <<<"$said"; }
children_came() { # ROLE with|without
  comes_up "$1" || return 1
  if [ "$2" = with ]; then auth_had_child; else auth_had_none && heard 'CREATE_CHILD_SA'; fi || { what_they_said; return 1; }
}
childless() { # ROLE : an IKE SA alone, then a child of each side
  prepared || return 1
  if [ "$1" = simplon ]; then initiated simplon ""; else shown swan gwB --initiate --ike sites --timeout 15; fi &&
    wait_for 10 has_children 0 && auth_had_none || { what_they_said; return 1; }
  initiated simplon net && initiated strongswan net6 && wait_for 10 has_children 2 && carries_both || { what_they_said; return 1; }
}
carries_both() {
  pinged hostA 198.18.2.10 && pinged hostB 198.18.1.10 && pinged hostA 2001:db8:b::10 && pinged hostB 2001:db8:a::10
}
# strongSwan answers so, and forgets the IKE SA, where Simplon asks for a child that must come later.
is_ended() {
  prepared || return 1
  ! initiated simplon net >/dev/null 2>&1 && heard 'IKE_AUTH response 1 .*N\(INVAL_SYN\)' && wait_for 5 gone || { what_they_said; return 1; }
}
several() { # ROLE
  comes_up "$1" && initiated "$1" net6 && wait_for 10 has_children 2 && carries_both || { what_they_said; return 1; }
}
one_ends() { # ROLE : the other child stays
  if [ "$1" = simplon ]; then shown ctl gwA terminate --child net6; else shown swan gwB --terminate --child net6 --timeout 10; fi
  wait_for 10 has_children 1 && pinged hostA 198.18.2.10 && no_answer hostA 2001:db8:b::10 || { what_they_said; return 1; }
}
is_refused() { # ROLE PATTERN : Simplon's log or strongSwan's tells why
  prepared || return 1
  sleep 1.1
  if initiated "$1" net >/dev/null 2>&1; then echo "it came up"; what_they_said; return 1; fi
  { said; charon_said; } | grep -qiE -- "$2" && [ "$(children)" = 0 ] || { what_they_said; return 1; }
}
eap_alone() { # ROLE : no signature of a certificate crosses in IKE itself
  comes_up "$1" && heard 'EAP_ONLY|N\(EAP_ONLY\)' && heard 'EAP/RES/TLS|EAP method EAP_TLS|EAP_TLS' || { what_they_said; return 1; }
}

gateways() {
  site_up
  site_kernel_addresses gwB
  site_secrets gwA >/dev/null
  echo 'users: [{name: alice, password: "the password of alice"}]' >>"$run/gwA.secrets.yaml"
  simplon_file >"$run/gwA.yaml"
  simplon_start gwA || { tail -n 20 "$run/gwA.log"; exit 1; }
  strongswan_files
  CHARON="make_before_break = yes" strongswan_start gwB || exit 1
  marked
  ok "the capture sees what is sent in clear on purpose" site_watch_clear
  local role tls

  for role in simplon strongswan; do
    ok "several children in one IKE SA, $role initiates" several $role
    ok "and one ends, by $role" one_ends $role
  done

  conn_ss="childless = never" ok "RFC 6023: IKE_AUTH has a child, strongSwan initiates" children_came strongswan with
  conn_ss="childless = never" ok "RFC 6023: IKE_AUTH has a child, Simplon initiates" children_came simplon with
  conn_ss="childless = force" ok "RFC 6023: strongSwan makes all children later" children_came strongswan without
  for role in simplon strongswan; do
    conn_ss="childless = force" ok "RFC 6023: an IKE SA without a child, $role initiates" childless $role
  done
  conn_ss="childless = force" ok "RFC 7296 §2.21.2: INVALID_SYNTAX in IKE_AUTH ends the IKE SA" is_ended

  tls="auth: eap, eap: tls"
  local ours="$tls, certificate: [pki/a.pem, pki/issuing.pem], key: pki/a.key" theirs="auth: eap, authorities: pki/root.pem"
  for role in simplon strongswan; do
    auth_ours=$ours auth_theirs=$theirs auth_a=eap-tls auth_b=eap-tls ok "RFC 5998: EAP-TLS alone, $role initiates" eap_alone $role
    auth_ours=$ours auth_theirs=$theirs auth_a=eap-tls auth_b=eap-tls cert_b=stranger \
      ok "control: with a certificate of another authority it is refused, $role initiates" \
      is_refused $role 'of no authority that we believe'
  done

  conn_ss="reauth_time = 8s
  over_time = 60s
  rand_time = 0" ok "strongSwan reauthenticates, and no packet is lost" reauthenticated strongswan 13
  ok "control: it was a new authentication, not a rekey" heard 'reauthenticating IKE_SA'
  # strongSwan says the time to clients that prove themselves by EAP; else it reauthenticates by itself.
  ours="auth: eap, eap: mschapv2, eap_id: alice" theirs="auth: pubkey, authorities: pki/root.pem"
  conn_ss="reauth_time = 30s
  over_time = 60s
  rand_time = 0" auth_ours=$ours auth_theirs=$theirs auth_a=eap-mschapv2 auth_b=pubkey \
    ok "Simplon, by MSCHAPv2, reauthenticates when strongSwan says so (RFC 4478), and no packet is lost" reauthenticated simplon 20
  ok "control: strongSwan told the time" heard 'AUTH_LFT'
  conn="reauth_time: 60s" ok "Simplon reauthenticates by its own time, and no packet is lost" reauthenticated simplon 65
  ok "control: the log tells" test 1 = "$(said | grep -c reauthenticated)"
  ok "all of it went through ESP" nothing_in_clear
}

# ---- clients ----

net_up() {
  ns hostA gwA nat gwB
  wire hostA eth0 gwA lan0
  wire gwA wan0 nat out0
  wire nat in0 gwB wan0
  site_host A 1 a
  on nat sysctl -qw net.ipv4.ip_forward=1
  ip -n "$lab-nat" addr add 192.0.2.1/24 dev in0
  on gwB sysctl -qw net.ipv4.conf.wan0.promote_secondaries=1
  client_at 192.0.2.2
}
client_at() { # ADDRESS : the client's only one from now on
  local old; old=$(ip -n "$lab-gwB" -o -4 addr show dev wan0 | grep -oE '192\.0\.2\.[0-9]+/24' | grep -v "$1/")
  ip -n "$lab-gwB" addr add "$1/24" dev wan0 || return 1
  [ -z "$old" ] || ip -n "$lab-gwB" addr del "$old" dev wan0
  ip -n "$lab-gwB" route replace default via 192.0.2.1
}

# From now on the router maps what comes from inside to that, also what it has mapped before; without PORTS it maps nothing.
map() { # ADDRESS [FIRST-PORT-LAST-PORT]
  ip -n "$lab-nat" addr show dev out0 | grep -q " $1/" ||
    { ip -n "$lab-nat" -4 addr flush dev out0 scope global; ip -n "$lab-nat" addr add "$1/24" dev out0; } || return 1
  on nat nft -f - <<NFT || return 1
table ip nat
delete table ip nat
table ip nat {
  chain out {
    type nat hook postrouting priority srcnat
    ${2:+oifname out0 ip saddr 192.0.2.0/24 meta l4proto udp masquerade to :$2}
  }
  chain in {
    type filter hook input priority filter
    iifname out0 meta l4proto udp drop
  }
}
NFT
  on nat /usr/bin/python3 - <<'PY'
import socket, struct
NETLINK_NETFILTER, CTNETLINK_DELETE, REQUEST_ACK = 12, 1 << 8 | 2, 5
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
s.send(struct.pack('=IHHIIBBH', 20, CTNETLINK_DELETE, REQUEST_ACK, 1, 0, socket.AF_UNSPEC, 0, 0))
error = struct.unpack('=i', s.recv(4096)[16:20])[0]
assert error == 0, error
PY
}

client_simplon() {
  site_simplon_ports gwA
  cat <<YAML
secrets: gwA.secrets.yaml
routes: [{to: 192.0.2.0/24, via: 198.51.100.254}]
pools:
  clients: {addresses: 198.18.64.0/24}
connections:
  users:
    local: {address: 198.51.100.1, auth: pubkey, certificate: [pki/a.pem, pki/issuing.pem], key: pki/a.key}
    remote: {id: "%any", auth: eap, pools: clients}
    dpd_delay: 0
    children:
      net: {local_ts: 198.18.1.0/24}
YAML
}
client_strongswan() {
  local dir=$run/gwB/swanctl
  mkdir -p "$dir/x509ca"
  cp "$pki/root.pem" "$dir/x509ca/"
  cat >"$dir/swanctl.conf" <<CONF
connections { users {
  remote_addrs = 198.51.100.1
  vips = 0.0.0.0
  version = 2
  dpd_delay = 5s
  local { auth = eap-mschapv2
    id = alice
    eap_id = alice }
  remote { auth = pubkey
    id = a.example }
  children { net { remote_ts = 198.18.1.0/24 } }
} }
secrets { eap-1 { id = alice
  secret = "the password of alice" } }
CONF
}

peer_at() { # ADDRESS FIRST-PORT LAST-PORT : gateway A's peer
  local at; at=$(ctl gwA sas --json | tr -d ' \n' | sed -n 's/.*"remote-host":"\([^"]*\)","remote-port":"*\([0-9]*\).*/\1 \2/p')
  [ "${at% *}" = "$1" ] && [ "${at#* }" -ge "$2" ] && [ "${at#* }" -le "$3" ]
}
# One TCP connection from the client's address of the pool to hostA.
stream() { /usr/bin/python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$run/stream.json" "$1"; }
stream_begin() {
  start hostA receiver /usr/bin/python3 "$here/stream.py" receive 5201 "$run/stream.json"
  wait_for 10 test -s "$run/stream.json" || return 1
  start gwB sender /usr/bin/python3 "$here/stream.py" send 198.18.1.10 5201 -
  flows 10
}
got_more() { [ "$(stream octets)" -gt $((octets_at + 100000)) ]; }
flows() { octets_at=$(stream octets); wait_for "$1" got_more; } # SECONDS : a hundred kilobytes more
same_stream() { [ "$(stream connections) $(stream wrong) $(stream reset)" = "1 0 0" ] && kill -0 "${pids[sender]}"; }
same_sa() { [ "$(ike_spis)" = "$first_sa" ] && [ "$(children)" = 1 ]; }

moves() { grep -c 'the peer has moved' "$run/gwA.log"; }
has_moved() { peer_at "$@" && [ "$(moves)" -gt "$moves_at" ]; }

# WHAT ADDRESS FIRST LAST COMMAND... : after COMMAND gateway A has its peer there, and all goes on
goes_on() {
  local what=$1 at="$2 $3 $4"; shift 4
  octets_at=$(stream octets) moves_at=$(moves)
  ok "$what" "$@"
  ok "$what: gateway A follows" wait_for 20 has_moved $at
  ok "$what: the stream goes on" flows 20
  ok "$what: as one connection, with nothing wrong in it" same_stream
  ok "$what: pings from hostA" pinged hostA "$vip"
  ok "$what: with the IKE SA that was there" same_sa
}

clients() {
  net_up
  (umask 077; echo 'users: [{name: alice, password: "the password of alice"}]' >"$run/gwA.secrets.yaml")
  map 198.51.100.254 || { echo "the router cannot route"; exit 1; }
  client_simplon >"$run/gwA.yaml"
  simplon_start gwA || { tail -n 20 "$run/gwA.log"; exit 1; }
  client_strongswan
  strongswan_start gwB || exit 1
  marked
  ok "the capture sees what is sent in clear on purpose" watch_clear nat out0 198.18.1.10 gwA wan0
  ok "the client comes up, without a NAT" shown swan gwB --initiate --child net --timeout 20
  vip=$(ip -n "$lab-gwB" -o -4 addr show | grep -oE '198\.18\.64\.[0-9]+' | head -n 1)
  ok "it has an address of the pool" test -n "$vip"
  [ "$failed" = 0 ] || { what_they_said; lab_end; }
  first_sa=$(ike_spis)
  ok "gateway A has it where it is" peer_at 192.0.2.2 1 65535
  ok "a stream begins" stream_begin
  goes_on "MOBIKE: another address" 192.0.2.9 1 65535 client_at 192.0.2.9
  goes_on "there is a NAT now" 198.51.100.254 20000 20999 map 198.51.100.254 20000-20999
  goes_on "the NAT takes another port" 198.51.100.254 30000 30999 map 198.51.100.254 30000-30999
  goes_on "the NAT takes another address" 198.51.100.253 40000 40999 map 198.51.100.253 40000-40999
  goes_on "MOBIKE: another address behind the NAT" 198.51.100.253 40000 40999 client_at 192.0.2.2
  ok "control: the client told of two moves, by MOBIKE; the others gateway A saw" updates 2
  ok "gateway A ends the IKE SA" shown ctl gwA terminate --ike users
  octets_at=$(stream octets)
  ok "control: without it the stream does not go on" stands_still
  ok "all of it went through ESP" nothing_in_clear
}
updates() { [ "$(charon_said | grep 'N(UPD_SA_ADDR)' | sed 's/.* request \([0-9]*\).*/\1/' | sort -u | wc -l)" = "$1" ]; }
stands_still() { sleep 1; ! flows 3 >/dev/null; }

ok "openssl makes certificates" certified
[ "$failed" = 0 ] || lab_end
"$1"
lab_end
