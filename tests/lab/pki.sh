# SPDX-License-Identifier: Apache-2.0
# Sourced after lab.sh: authorities and certificates by openssl, in $pki.
#
#   root NAME                          an authority of its own: $pki/NAME.pem and .key
#   new_key NAME KIND                  a private key: rsa, p256, p384, p521, ed25519, ed448
#   sign AUTHORITY NAME SUBJECT EXTENSION...   the certificate of a key that is there
#   leaf NAME KIND DNS-NAME [AUTHORITY]        a key and its certificate for IKE; AUTHORITY: issuing
#   strongswan_credentials NAME [CERTIFICATE]  what strongSwan there believes and has
#   authority NAME                     what openssl ca needs for an authority whose certificate is there; its empty list
pki=$run/pki
mkdir -p "$pki"

quiet() { "$@" >"$run/openssl.log" 2>&1 || { echo "failed: $*"; cat "$run/openssl.log"; return 1; }; }

new_key() { # NAME rsa|p256|p384|p521|ed25519|ed448
  local how
  case $2 in
    rsa) how="-algorithm RSA -pkeyopt rsa_keygen_bits:2048" ;;
    p*) how="-algorithm EC -pkeyopt ec_paramgen_curve:P-${2#p}" ;;
    *) how="-algorithm $2" ;;
  esac
  (umask 077; quiet openssl genpkey $how -out "$pki/$1.key")
}

authority() { # NAME : $pki/NAME.pem is its certificate, made already
  mkdir -p "$pki/$1.new"
  : >"$pki/$1.index"
  echo 01 >"$pki/$1.crlnumber"
  cat >"$pki/$1.cnf" <<CONF
[ca]
default_ca = this
[this]
database = $pki/$1.index
new_certs_dir = $pki/$1.new
certificate = $pki/$1.pem
private_key = $pki/$1.key
crlnumber = $pki/$1.crlnumber
rand_serial = yes
unique_subject = no
default_md = sha256
default_days = 365
default_crl_days = 1
policy = any
[any]
organizationName = optional
commonName = supplied
CONF
  quiet openssl ca -config "$pki/$1.cnf" -batch -gencrl -out "$pki/$1.crl"
}

root() { # NAME
  new_key "$1" p256 &&
    quiet openssl req -x509 -new -key "$pki/$1.key" -sha256 -days 3650 -subj "/O=Example/CN=$1" \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -out "$pki/$1.pem" &&
    authority "$1"
}

# Environment: san (else the name), days: -startdate and -enddate.
sign() { # AUTHORITY NAME SUBJECT EXTENSION...
  local by=$1 name=$2 subject=$3; shift 3
  printf '%s\n' "$@" >"$pki/$name.ext"
  quiet openssl req -new -key "$pki/$name.key" -subj "$subject" -out "$pki/$name.csr" &&
    quiet openssl ca -config "$pki/$by.cnf" -batch -notext ${days:-} -extfile "$pki/$name.ext" -in "$pki/$name.csr" -out "$pki/$name.pem"
}
leaf() { # NAME KIND DNS-NAME [AUTHORITY]
  new_key "$1" "$2" && sign "${4:-issuing}" "$1" "/O=Example/CN=$3" basicConstraints=critical,CA:FALSE \
    keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth,1.3.6.1.5.5.7.3.17 "subjectAltName=DNS:$3"
}

# What strongSwan there believes, and proves itself by: its folder has nothing else then.
strongswan_credentials() { # NAME [CERTIFICATE]
  local dir=$run/$1/swanctl
  rm -rf "$dir"
  mkdir -p "$dir/x509" "$dir/x509ca" "$dir/private"
  cp "$pki/root.pem" "$dir/x509ca/"
  [ -z "${2:-}" ] || { cp "$pki/issuing.pem" "$pki/$2.pem" "$dir/x509/" && cp "$pki/$2.key" "$dir/private/"; }
}
