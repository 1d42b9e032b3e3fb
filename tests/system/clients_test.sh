#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Clients: Simplon is gateway A, Debian's strongSwan on gateway B's place (site.sh draws them) is a user's device. It proves
# itself by EAP (a password, a certificate, a RADIUS server), gets addresses of a pool and what there is to know beside, moves
# to another address of its own, and is ended by the RADIUS server.
#
#   hostA .10 --- 198.18.1.0/24 --- gwA (Simplon) --- 198.51.100.0/24 --- gwB (client: 198.18.64.x, 2001:db8:64::x)
#   FreeRADIUS
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
command -v openssl >/dev/null || skip "it needs the openssl command"
[ -x /usr/sbin/freeradius ] && command -v radclient >/dev/null || skip "it needs freeradius and freeradius-utils"
lab_begin clients
source "$here/pki.sh"

user() { # NAME AUTHORITY
  new_key "$1" p256 && sign "$2" "$1" "/O=Example/CN=bob.example" basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
    extendedKeyUsage=clientAuth subjectAltName=DNS:bob.example
}
everything() {
  root root && new_key issuing p256 &&
    sign root issuing /O=Example/CN=issuing basicConstraints=critical,CA:TRUE,pathlen:0 keyUsage=critical,keyCertSign,cRLSign &&
    authority issuing && leaf gw p256 a.example && user bob issuing && root other && user mallory other
}
ok "openssl makes an authority and certificates" everything
[ "$failed" = 0 ] || lab_end

# Environment: how (of the users).
simplon_file() {
  site_simplon_ports gwA
  cat <<YAML
secrets: gwA.secrets.yaml
radius:
  corp:
    servers: [{address: 198.18.1.99}, {address: 198.18.1.10}]
    source: 198.18.1.1
    timeout: 200ms
    accounting: true
    dynamic_authorization: {port: 3799}
pools:
  clients:
    addresses: [198.18.64.0/24, "2001:db8:64::/120"]
    dns: [198.18.1.53]
    domains: [corp.example]
connections:
  users:
    local: {address: 198.51.100.1, auth: pubkey, certificate: [pki/gw.pem, pki/issuing.pem], key: pki/gw.key}
    remote: {id: "%any", auth: eap, ${how:-eap: [mschapv2, tls], authorities: pki/root.pem}, pools: clients}
    dpd_delay: 0
    children:
      net: {local_ts: [198.18.1.0/24, "2001:db8:a::/64"]}
YAML
}
(umask 077; cat >"$run/gwA.secrets.yaml" <<YAML
users:
  - {name: alice, password: "the password of alice"}
radius:
  - {server: 198.18.1.10, secret: a-secret-of-both-ends}
  - {server: 198.18.1.99, secret: another-one-0123456789}
YAML
)

# Environment: auth, user, password, cert.
client_files() {
  local dir=$run/gwB/swanctl
  strongswan_credentials gwB ${cert:-}
  cat >"$dir/swanctl.conf" <<CONF
connections { users {
  remote_addrs = 198.51.100.1
  vips = 0.0.0.0, ::
  version = 2
  local { auth = ${auth:-eap-mschapv2}
    ${cert:+certs = $cert.pem}
    id = ${user:-alice}
    eap_id = ${user:-alice} }
  remote { auth = pubkey
    id = a.example }
  children { net {
    remote_ts = 198.18.1.0/24, 2001:db8:a::/64 } }
} }
secrets { eap-user { id = ${user:-alice}
  secret = "${password:-the password of alice}" } }
CONF
}

shown() { "$@" >"$run/answer" 2>&1 || { cat "$run/answer"; return 1; }; }
gone() { [ -z "$(swan gwB --list-sas)" ] && ! ctl gwA sas --json | grep -q initiator-spi; }
prepared() {
  swan gwB --terminate --ike users --timeout 3 >/dev/null 2>&1
  ctl gwA terminate --ike users >/dev/null 2>&1
  wait_for 10 gone || return 1
  simplon_file >"$run/gwA.yaml" && shown ctl gwA reload && client_files && shown swan gwB --load-all --clear --noprompt || return 1
  log_at=$(wc -l <"$run/gwA.log") charon_at=$(wc -l <"$run/gwB/charon.log")
}
said() { tail -n +$((log_at + 1)) "$run/gwA.log"; }
what_they_said() { echo "--- gwA said:"; said | tail -n 25; echo "--- gwB said:"; tail -n +$((charon_at + 1)) "$run/gwB/charon.log" | tail -n 40; }
told() { said | grep -qiE -- "$1"; }
address() { ip -n "$lab-gwB" -o "-$1" addr show | grep -oE "$2[0-9a-f.:]*/(32|128)" | cut -d/ -f1 | head -n 1; }
pinged() { on "$1" ping -q -c 3 -i 0.05 -W 2 ${3:+-I "$3"} "$2" >"$run/answer" 2>&1 || { cat "$run/answer"; return 1; }; }
both_ways() {
  vip=$(address 4 198.18.64.) vip6=$(address 6 2001:db8:64::)
  [ -n "$vip" ] && [ -n "$vip6" ] || { echo "no addresses: '$vip' '$vip6'"; return 1; }
  pinged gwB 198.18.1.10 "$vip" && pinged hostA "$vip" && pinged gwB 2001:db8:a::10 "$vip6" && pinged hostA "$vip6"
}
comes_up() { prepared && shown swan gwB --initiate --child net --timeout 20 && both_ways || { what_they_said; return 1; }; }
is_refused() { # PATTERN : the log tells why, of each host once a second
  prepared || return 1
  sleep 1.1
  if swan gwB --initiate --child net --timeout 20 >/dev/null 2>&1; then echo "it came up"; what_they_said; return 1; fi
  wait_for 5 told "$1" || { what_they_said; return 1; }
  ! tells gwA INSTALLED sas || { echo "there is a child nevertheless"; return 1; }
}

site_up
site_kernel_addresses gwB
simplon_file >"$run/gwA.yaml"
simplon_start gwA || { tail -n 20 "$run/gwA.log"; exit 1; }
client_files
strongswan_start gwB || exit 1
ok "the capture sees what is sent in clear on purpose" site_watch_clear

# ---- a password ----

ok "MSCHAPv2: a user has addresses of both families, and pings go both ways" comes_up
first=$(address 4 198.18.64.)
ok "and knows its DNS server" wait_for 5 grep -q 198.18.1.53 "$run/gwB/resolv.conf"
ok "the console shows who it is" tells gwA alice sas
ok "who comes again has the same address" comes_up
ok "$first" test "$first" = "$(address 4 198.18.64.)"
password="a wrong one" ok "a wrong password is refused" is_refused 'by EAP failed'
user=carol ok "and so is a user that is not there" is_refused 'by EAP failed'

# ---- a certificate ----

auth=eap-tls cert=bob user=bob.example ok "EAP-TLS" comes_up
auth=eap-tls cert=mallory user=bob.example ok "EAP-TLS with a certificate of another authority is refused" is_refused 'authorit|EAP'

# ---- the client moves ----

moved() {
  comes_up || return 1
  on gwB sysctl -qw net.ipv4.conf.wan0.promote_secondaries=1
  ip -n "$lab-gwB" addr add 198.51.100.9/24 dev wan0 && ip -n "$lab-gwB" addr del 198.51.100.2/24 dev wan0
  wait_for 20 tells gwA 198.51.100.9 sas && wait_for 20 both_ways || { what_they_said; return 1; }
}
ok "MOBIKE: the client has another address of its own, and goes on" moved
ok "with the IKE SA that it had" test 1 = "$(said | grep -c 'IKE SA up')"
ip -n "$lab-gwB" addr add 198.51.100.2/24 dev wan0

# ---- RADIUS ----

fr=$run/freeradius
cp -r /etc/freeradius/3.0 "$fr" && mkdir -p "$fr/log/radacct"
sed -i "s,^raddbdir = .*,raddbdir = $fr,; s,^run_dir = .*,run_dir = $fr,; s,^logdir = .*,logdir = $fr/log,;
  s/^\tuser = .*//; s/^\tgroup = .*//" "$fr/radiusd.conf"
cat >"$fr/clients.conf" <<CONF
client gwA { ipaddr = 198.18.1.1
  secret = a-secret-of-both-ends
  require_message_authenticator = yes }
CONF
printf 'dora Cleartext-Password := "the password of dora"\n\tFramed-IP-Address = 198.18.64.77, Session-Timeout = 600, Class = 0x0102\n' \
  >"$fr/mods-config/files/authorize"
start hostA freeradius freeradius -X -d "$fr"
ok "FreeRADIUS is up" wait_for 30 grep -q "Ready to process" "$run/freeradius.log"
radius() { how="radius: corp" user=dora "$@"; }
accounted() { grep -q "Acct-Status-Type = $1" "$run/freeradius.log"; }
password="the password of dora" ok "RADIUS lets a user in; the first server is not there" radius comes_up
ok "it has the address that the server gives" test 198.18.64.77 = "$(address 4 198.18.64.)"
ok "the session is accounted for" wait_for 10 accounted Start
disconnected() {
  echo "User-Name=dora,Event-Timestamp=$(date +%s)" |
    on hostA radclient -r 2 -t 2 198.18.1.1:3799 disconnect a-secret-of-both-ends >"$run/answer" 2>&1
  grep -q Disconnect-ACK "$run/answer" && wait_for 10 gone || { cat "$run/answer"; what_they_said; return 1; }
}
ok "the server ends the session" disconnected
ok "and is told so" wait_for 10 accounted Stop
password="a wrong one" ok "RADIUS refuses a wrong password" radius is_refused 'RADIUS|EAP'
stop freeradius
password="the password of dora" ok "no server answers: nobody is let in" radius is_refused 'RADIUS'
ok "all of it went through ESP" nothing_in_clear
lab_end
