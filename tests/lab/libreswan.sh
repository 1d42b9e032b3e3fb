# SPDX-License-Identifier: Apache-2.0
# Sourced after lab.sh: libreswan, Debian 13's; as gateway B in a guest (guest.sh), or beside Simplon.
#
#   libreswan_connection US N THEM N   its connection "sites", of the gateway of US; libreswan_auth: its lines of who proves
#                        himself by what
#   libreswan_begin      of the guest's script: what starts it, with the connection "sites"; its log is $dir/peer.log.
#                        libreswan_more: further lines of the connection, indented; libreswan_keys: a command that puts its
#                        certificates where it has them, as libreswan_certificates
#   libreswan_certificates DIR NAME  of the guest: those of DIR (pki.sh), of which NAME.p12 is its own
#   libreswan_children   "SPI-IN/SPI-OUT" of each child that it has

libreswan=/usr/libexec/ipsec/pluto

libreswan_connection() { # US N THEM N
  cat <<CONF
conn sites
  left=198.51.100.$2
  leftid=@$1.example
  leftsubnet=198.18.$2.0/24
  right=198.51.100.$4
  rightid=@$3.example
  rightsubnet=198.18.$4.0/24
  ${libreswan_auth:-authby=secret}
  ike=aes_gcm128-sha2_256-dh31
  esp=aes_gcm128-none-dh31
CONF
}

libreswan_begin() {
  cat <<SH
cat >/etc/ipsec.conf <<'CONF'
config setup
  logfile=$dir/peer.log
$(libreswan_connection b 2 a 1)
  auto=add
${libreswan_more:-}
CONF
echo '@a.example @b.example : PSK "a-demonstration-secret-0123456789"' >/etc/ipsec.secrets
chmod 600 /etc/ipsec.secrets
ipsec checknss
${libreswan_keys:-}
$libreswan --config /etc/ipsec.conf --logfile $dir/peer.log
for ((i = 0; i < 100; i++)); do ipsec whack --status >/dev/null 2>&1 && break; sleep 0.1; done
ipsec add sites
SH
}

# NSS calls a certificate of its own by the name that the file has; what is above it is an authority without being believed.
libreswan_certificates() { # DIR NAME
  cat <<SH
certutil -A -d sql:/var/lib/ipsec/nss -n root -t CT,, -i $1/root.pem
certutil -A -d sql:/var/lib/ipsec/nss -n issuing -t ,, -i $1/issuing.pem
pk12util -i $1/$2.p12 -d sql:/var/lib/ipsec/nss -W "" -K ""
SH
}

# A line of it names first the SPI that it sends with, by the address of gateway A; without leading zeros.
libreswan_children() {
  local in out
  guest ipsec whack --showstates | sed -n 's/.* esp\.\([0-9a-f]*\)@198.51.100.1 esp\.\([0-9a-f]*\)@198.51.100.2.*/\2 \1/p' |
    while read -r in out; do printf '%08x/%08x\n' "0x$in" "0x$out"; done
}
