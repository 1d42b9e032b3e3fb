#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What IKE agrees on with strongSwan: suites, AH, transport mode, extended sequence numbers. Each child is made by Simplon,
# rekeyed by either side, and made by strongSwan; pings cross both ways; suite, mode and protocol are what strongSwan says of
# them. strongSwan leaves the packets to Linux, in User Mode Linux; Simplon does, there too, or to its data path:
#   suites_test.sh kernel|dp [CHILD...]
#   suites_test.sh kernel|dp all     every cipher, every integrity algorithm, AH with each of them; ESN in every second;
#                                    each child made by either side. GUEST_IN, with dp: what runs the guest (guest.sh)
#
#     198.18.1.N --- A 198.51.100.1 ----- 198.51.100.2 B   lo -- 198.18.2.N      child N in tunnel mode
#   (kernel: on lo;    198.51.100.11 ---- 198.51.100.12                          ESP in transport mode
#    dp: hostA)        198.51.100.21 ---- 198.51.100.22                          AH in transport mode
#                    Simplon                      strongSwan
here=$(dirname "$(realpath "$0")")
way=${1:-}
shift
case $way in
  kernel)
    [ "${1:-}" = inside ] || exec "$here/uml-run" -t 860 -m 768M -- "$0" kernel inside "$@"
    shift ;;
  dp) ;;
  *) echo "usage: suites_test.sh kernel|dp [all|CHILD...]"; exit 2 ;;
esac
wanted=" $* "
source "$here/../lab/lab.sh"
source "$here/site.sh"
source "$here/guest.sh"
[ -x /usr/sbin/charon-systemd ] || skip "there is no strongSwan"
command -v linux.uml >/dev/null || skip "there is no user-mode-linux"
lab_begin "suites$way"
modules="ah4 ccm ctr gcm chacha20poly1305 xcbc des_generic md5 sha1 sha512 authenc authencesn echainiv seqiv"

# NAME PROTOCOL PROPOSAL ESN EXPECTED: of children in tunnel mode, then of those in transport mode.
tunnels=(
  "gcm esp aes128gcm16-x25519 off TUNNEL,.ESP:AES_GCM_16-128"
  "esn esp aes256gcm16-x25519 require TUNNEL,.ESP:AES_GCM_16-256.*ESN"
  "ccm esp aes128ccm16 off TUNNEL,.ESP:AES_CCM_16-128"
  "chacha esp chacha20poly1305 off TUNNEL,.ESP:CHACHA20_POLY1305"
  "ctr esp aes128ctr-sha256 off TUNNEL,.ESP:AES_CTR-128/HMAC_SHA2_256_128"
  "auth-only esp null-sha256 off TUNNEL,.ESP:NULL/HMAC_SHA2_256_128"
  "gmac esp aes128gmac off TUNNEL,.ESP:NULL_AES_GMAC-128"
  "xcbc esp aes128-aesxcbc off TUNNEL,.ESP:AES_CBC-128/AES_XCBC_96"
  "cbc-esn esp aes128-sha256 require TUNNEL,.ESP:AES_CBC-128/HMAC_SHA2_256_128.*ESN"
  "3des esp 3des-sha1 off TUNNEL,.ESP:3DES_CBC/HMAC_SHA1_96"
  "des esp des-md5 off TUNNEL,.ESP:DES_CBC/HMAC_MD5_96"
  "ah ah sha256-x25519 off TUNNEL,.AH:HMAC_SHA2_256_128"
  "ah-esn ah sha512 require TUNNEL,.AH:HMAC_SHA2_512_256.*ESN")
transports=(
  "t-esp esp aes128gcm16-x25519 off TRANSPORT,.ESP:AES_GCM_16-128"
  "t-ah ah sha384-x25519 off TRANSPORT,.AH:HMAC_SHA2_384_192")

# What strongSwan calls a suite of ours.
peers_name() { # SUITE
  local out= part
  for part in ${1//-/ }; do
    case $part in
      aes*gcm*) out+=/AES_GCM_${part##*gcm}-${part:3:3} ;;
      aes*ccm*) out+=/AES_CCM_${part##*ccm}-${part:3:3} ;;
      aes*gmac) out+=/NULL_AES_GMAC-${part:3:3} ;;
      aes*ctr) out+=/AES_CTR-${part:3:3} ;;
      aesxcbc) out+=/AES_XCBC_96 ;;
      aescmac) out+=/AES_CMAC_96 ;;
      aes*) out+=/AES_CBC-${part:3} ;;
      camellia*) out+=/CAMELLIA_CBC-${part:8} ;;
      chacha*) out+=/CHACHA20_POLY1305 ;;
      3des) out+=/3DES_CBC ;;
      des) out+=/DES_CBC ;;
      null) out+=/NULL ;;
      md5) out+=/HMAC_MD5_96 ;;
      sha1) out+=/HMAC_SHA1_96 ;;
      sha256) out+=/HMAC_SHA2_256_128 ;;
      sha384) out+=/HMAC_SHA2_384_192 ;;
      sha512) out+=/HMAC_SHA2_512_256 ;;
    esac
  done
  echo "${out#/}"
}
all_tunnels() {
  local ciphers macs suite n=0 esn
  ciphers=(aes{128,192,256}gcm{16,12,8} aes{128,256}ccm{16,12,8} chacha20poly1305 aes{128,192,256}gmac aes{128,192,256}-sha256
    aes{128,192,256}ctr-sha256 null-sha256 3des-sha256 des-sha256 aes128-{sha384,sha512,sha1,aesxcbc,aescmac,md5})
  macs=(sha256 sha384 sha512 sha1 aesxcbc aescmac md5)
  if [ $way = kernel ]; then
    ciphers+=(aes192ccm{16,12,8} camellia{128,192,256}-sha256)
  else
    echo "   Simplon's data path has no aes192ccm16, aes192ccm12, aes192ccm8, camellia128, camellia192, camellia256"
  fi
  echo "   strongSwan has no aes128gcm16iiv and the like (RFC 8750), and none of AES-GMAC for AH"
  tunnels=()
  for suite in "${ciphers[@]}" "${macs[@]/#/ah:}"; do
    n=$((n + 1)) esn=off
    [ $((n % 2)) = 0 ] && esn=require
    case $suite in
      ah:*) tunnels+=("n$n ah ${suite#ah:} $esn TUNNEL,.AH:$(peers_name "${suite#ah:}")") ;;
      *) tunnels+=("n$n esp $suite $esn TUNNEL,.ESP:$(peers_name "$suite")") ;;
    esac
    [ $esn = off ] || tunnels[-1]+=.*ESN
  done
}
[ "$wanted" != " all " ] || all_tunnels

first=100 # of N
kernel_up() {
  modprobe -a $modules 2>/dev/null
  ns gwA gwB
  ip link add wan0 netns "$lab-gwA" type veth peer name wan0 netns "$lab-gwB"
  local n side
  for side in "gwA 1 2" "gwB 2 1"; do
    set -- $side
    ip -n "$lab-$1" link set wan0 up
    for n in "$2" "1$2" "2$2"; do ip -n "$lab-$1" addr add "198.51.100.$n/24" dev wan0; done
    for ((n = 1; n <= ${#tunnels[@]}; n++)); do ip -n "$lab-$1" addr add "198.18.$2.$((first + n))/32" dev lo; done
    ip -n "$lab-$1" route add "198.18.$3.0/24" via "198.51.100.$3"
  done
  B() { on gwB "$@"; }
}
dp_up() {
  local n
  dir=$run/guest patience=100
  mkdir "$dir"
  site_up
  for ((n = 1; n <= ${#tunnels[@]}; n++)); do ip -n "$lab-hostA" addr add "198.18.1.$((first + n))/32" dev eth0; done
  guest_port gwB wan0 tap0
  {
    cat <<SH
ethtool -K vec0 tx off rx off tso off gso off gro off >/dev/null 2>&1
ip link set vec0 up
for n in 2 12 22; do ip addr add 198.51.100.\$n/24 dev vec0; done
for ((n = 1; n <= ${#tunnels[@]}; n++)); do ip addr add 198.18.2.\$(($first + n))/32 dev lo; done
ip route add 198.18.1.0/24 via 198.51.100.1
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.vec0.rp_filter=0
modprobe -a $modules 2>/dev/null
SH
    guest_orders
  } >"$dir/guest.sh"
  start gwB guest ${GUEST_IN:-} "$here/../uml/uml-run" -t 860 -m 384M -w "$run" -n tap0 -- bash "$dir/guest.sh"
  guest_ready 90 || exit 1
  B() { guest "$(printf '%q ' "$@")"; }
}
${way}_up

ike=aes128gcm16-prfsha256-x25519
children() { # simplon|strongswan
  local n=0 row name protocol proposal esn
  for row in "${tunnels[@]}"; do
    read -r name protocol proposal esn _ <<<"$row"
    n=$((n + 1))
    if [ "$1" = simplon ]; then
      echo "      $name: {local_ts: 198.18.1.$((first + n)), remote_ts: 198.18.2.$((first + n)), ${protocol}_proposals: [$proposal], esn: $esn, start: none}"
    else
      [ "$esn" = require ] && proposal+=-esn
      echo "$name { local_ts = 198.18.2.$((first + n))/32
        remote_ts = 198.18.1.$((first + n))/32
        ${protocol}_proposals = $proposal }"
    fi
  done
}
transport_of() { # NUMBER : 0, 1
  read -r name protocol proposal _ <<<"${transports[$1]}"
  end=198.51.100.$(($1 + 1))
}
{
  echo "legacy: allow"
  if [ $way = dp ]; then
    site_simplon_ports gwA | sed 's|198.51.100.1/24|&, 198.51.100.11/24, 198.51.100.21/24|'
  else
    printf 'gateway: {mode: kernel}\nmanagement: {socket: %s}\n' "$run/gwA.vici"
  fi
  site_secrets gwA
  cat <<YAML
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    proposals: [$ike]
    children:
$(children simplon)
YAML
  for i in 0 1; do
    transport_of $i
    cat <<YAML
  $name:
    local: {address: ${end}1, id: a.example}
    remote: {address: ${end}2, id: b.example}
    proposals: [$ike]
    children: {$name: {mode: transport, ${protocol}_proposals: [$proposal], esn: off, start: none}}
YAML
  done
} >"$run/gwA.yaml"
swanctl_connection() { # NAME LOCAL REMOTE CHILDREN
  echo "$1 { local_addrs = $2
    remote_addrs = $3
    version = 2
    proposals = $ike
    local { auth = psk
      id = b.example }
    remote { auth = psk
      id = a.example }
    children { $4 } }"
}
mkdir -p "$run/gwB/swanctl"
{
  echo "connections {"
  swanctl_connection sites 198.51.100.2 198.51.100.1 "$(children strongswan)"
  for i in 0 1; do
    transport_of $i
    swanctl_connection "$name" "${end}2" "${end}1" "$name { mode = transport
      ${protocol}_proposals = $proposal }"
  done
  echo '}
secrets { ike-1 { id-a = a.example
  id-b = b.example
  secret = "a-demonstration-secret-0123456789" } }'
} >"$run/gwB/swanctl/swanctl.conf"

"$build/simplond" --check "$run/gwA.yaml" || exit 1
simplon_start gwA || exit 1
# In a guest its console's socket is the guest's, and the rest of its files are shared.
KERNEL_IPSEC=netlink VICI=/tmp/$lab.vici strongswan_configure gwB
charon="env STRONGSWAN_CONF=$run/gwB/strongswan.conf SWANCTL_DIR=$run/gwB/swanctl"
swanctl() { B $charon /usr/sbin/swanctl "$@" --uri "unix:///tmp/$lab.vici"; }
if [ $way = dp ]; then guest "$charon /usr/sbin/charon-systemd >$run/charon.out 2>&1 &"; else start gwB charon $charon /usr/sbin/charon-systemd; fi
wait_for 60 swanctl --stats && swanctl --load-all --noprompt >"$run/load.log" 2>&1 || { cat "$run/load.log" "$run/gwB/charon.log"; exit 1; }

says() { swanctl --list-sas >"$run/sas" 2>&1; grep -E "^ *$1: .*INSTALLED, $2" "$run/sas" >"$run/line" && [ "$(wc -l <"$run/line")" = 1 ]; }
simplon_has_not() { tells_not gwA "^ *$1 #.*INSTALLED" sas; }
spi_of() { swanctl --list-sas | awk -v child="$1:" '$1 == child {found = 1} found && $1 == "in" {print $2; exit}'; }
rekeyed() { local now; now=$(spi_of "$1"); [ -n "$now" ] && [ "$now" != "$2" ] && says "$1" "$3"; }
pings() { # OUR-ADDRESS THEIRS
  on "$inside" ping -q -c 2 -i 0.1 -W 5 -I "$1" "$2" | grep -q ' 2 received' &&
    B ping -q -c 2 -i 0.1 -W 5 -I "$2" "$1" | grep -q ' 2 received'
}
by_simplon() { ctl gwA initiate "$1" "$2" && wait_for 30 says "$2" "$3" && wait_for 60 pings "$4" "$5"; }
by_strongswan() { swanctl --initiate --child "$2" && wait_for 30 says "$2" "$3" && wait_for 60 pings "$4" "$5"; }
deleted_by_simplon() { ctl gwA terminate --child "$1" && wait_for 30 gone "$1"; }
gone() { swanctl --list-sas >"$run/sas" && ! grep -q "^ *$1: .*INSTALLED" "$run/sas"; }
deleted_by_strongswan() { swanctl --terminate --child "$1" >/dev/null && wait_for 30 simplon_has_not "$1"; }
renewed() { # CHILD EXPECTED OURS THEIRS COMMAND...
  local before; before=$(spi_of "$1")
  "${@:5}" && wait_for 60 rekeyed "$1" "$before" "$2" && wait_for 60 pings "$3" "$4"
}
check() { # CONNECTION CHILD EXPECTED OURS THEIRS
  local connection=$1 child=$2
  [ "$wanted" = "  " ] || [[ $wanted = *" $child "* ]] || return
  ok "$child: nothing passes without it" no_answer "$inside" -I "$4" "$5"
  ok "$child: Simplon initiates" by_simplon "$@"
  ok "$child: Simplon rekeys" renewed "$child" "$3" "$4" "$5" ctl gwA rekey --child "$child"
  ok "$child: strongSwan rekeys" renewed "$child" "$3" "$4" "$5" swanctl --rekey --child "$child"
  ok "$child: Simplon deletes it" deleted_by_simplon "$child"
  ok "$child: strongSwan initiates" by_strongswan "$@"
  ok "$child: strongSwan deletes it" deleted_by_strongswan "$child"
}
check_suite() { # as check: what does not depend on the suite is left out
  [ "$wanted" = "  " ] || [[ $wanted = *" $2 "* ]] || return
  ok "$2: Simplon initiates" by_simplon "$@"
  ok "$2: Simplon rekeys" renewed "$2" "$3" "$4" "$5" ctl gwA rekey --child "$2"
  ctl gwA terminate --child "$2" >/dev/null
  ok "$2: strongSwan initiates" by_strongswan "$@"
}
# A child of each row, made by one side; all of them are up at once.
all_rows() { # WHO COMMAND...
  local who=$1 n=0 row name protocol suite esn expected; shift
  for row in "${tunnels[@]}"; do
    read -r name _ suite _ <<<"$row"
    "$@" "$name" >"$run/initiate.$name" 2>&1 || { echo "$name, $suite:"; tail -n 3 "$run/initiate.$name"; }
  done
  swanctl --list-sas >"$run/all" 2>&1
  for row in "${tunnels[@]}"; do
    read -r name protocol suite esn expected <<<"$row"
    n=$((n + 1))
    ok "$who: $protocol $suite, ESN $esn" eval 'grep -qE "^ *$name: .*INSTALLED, $expected" "$run/all" &&
      wait_for 60 pings "198.18.1.$((first + n))" "198.18.2.$((first + n))"'
  done
}
inside=gwA
if [ "$wanted" = " all " ]; then
  wanted="  "
  for i in 0 1; do
    transport_of $i
    check_suite "$name" "$name" "${transports[$i]##* }" "${end}1" "${end}2"
    ctl gwA terminate --ike "$name" >/dev/null
  done
  [ $way = dp ] && inside=hostA
  all_rows "Simplon initiates" ctl gwA initiate sites
  ok "Simplon deletes all of them" eval 'ctl gwA terminate --ike sites && wait_for 10 tells_not gwA INSTALLED sas'
  all_rows "strongSwan initiates" swanctl --initiate --child
  lab_end
fi
for i in 0 1; do
  transport_of $i
  check "$name" "$name" "${transports[$i]##* }" "${end}1" "${end}2"
done
[ $way = dp ] && inside=hostA
n=0
for row in "${tunnels[@]}"; do
  read -r name _ _ _ expected <<<"$row"
  n=$((n + 1)) how=check_suite
  case $name in gcm | ah) how=check ;; esac
  $how sites "$name" "$expected" "198.18.1.$((first + n))" "198.18.2.$((first + n))"
done
lab_end
