// SPDX-License-Identifier: Apache-2.0
// How the two ends of a connection prove who they are, other than by a shared key (RFC 4301 §4.4.3.2): our
// certificate with its key, and whom we believe. Plain values in DER, made by the configuration, read by jobs
// in any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dp/base/secret.h"
#include "ike/message/identity.h"

namespace simplon::ike {

// A value that many connections have and none changes: it is compared by what it is, where it is not the very
// same.
template <class T>
class Shared {
 public:
  Shared() = default;
  Shared(T value) : value_(std::make_shared<const T>(std::move(value))) {}  // NOLINT: meant
  explicit operator bool() const { return value_ != nullptr; }
  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }
  const T* get() const { return value_.get(); }
  friend bool operator==(const Shared& a, const Shared& b) {
    if (a.value_ == b.value_) return true;
    return a.value_ && b.value_ && *a.value_ == *b.value_;
  }

 private:
  std::shared_ptr<const T> value_;
};

// kEap: of the initiator by EAP (RFC 7296 §2.16); of the responder by the key that EAP makes, and nothing
// else (RFC 5998).
// kNull: not at all (RFC 7619).
enum class AuthKind : std::uint8_t { kPsk, kPubkey, kEap, kNull };

// Of an RSA key (RFC 7427 §3, RFC 8017): which of the two a signature of ours has. A peer that signs first is
// answered with what it used.
enum class RsaPadding : std::uint8_t { kPss, kPkcs1 };

// Whether algorithms that are weak may be used, as `legacy: allow` says.
enum class WeakAlgorithms : std::uint8_t { kRefuse, kAllow };

struct Credential {
  std::vector<Buffer> chain;  // X.509, DER: our certificate, then those between it and the authority; or none
  SharedSecret key;           // PKCS #8, DER, without a passphrase; or, as text, where it is in a token:
                     // "pkcs11:...", with the PIN as pin-value (RFC 7512), or "handle:0x..." of a TPM
  RsaPadding padding = RsaPadding::kPss;
  WeakAlgorithms weak = WeakAlgorithms::kRefuse;  // signatures with SHA-1, for a peer that has only these
  std::vector<Identity> names;  // what our certificate says of us: subject and its other names
  friend bool operator==(const Credential&, const Credential&) = default;
};

// RFC 5280 §6.3. kNo: lists are not looked at. kIfPresent: a certificate whose issuer's list we have must not
// be on it. kStrict: for each certificate below the authority there must be a list, or an OCSP response, that
// is valid now.
enum class Revocation : std::uint8_t { kNo, kIfPresent, kStrict };
// Where it is looked up beside the lists of the configuration: what the certificates themselves name.
struct RevocationSources {
  bool ocsp = false;  // responders (RFC 6960), before lists
  bool crl = false;   // distribution points (RFC 5280 §4.2.1.13)
  friend bool operator==(const RevocationSources&, const RevocationSources&) = default;
};

// Whom we believe: who has a certificate of one of the authorities, or exactly one of these certificates.
struct Trust {
  std::vector<Buffer> authorities;  // X.509, DER
  std::vector<Buffer> pinned;       // certificates of the peer itself: no authority, no list of revoked ones
  Buffer request;  // what CERTREQ says of the authorities: SHA-1 of each one's public key (RFC 7296 §3.7)
  WeakAlgorithms weak = WeakAlgorithms::kRefuse;
  std::vector<Buffer> crls;  // X.509 CRL, DER
  Revocation revocation = Revocation::kIfPresent;
  RevocationSources fetch;
  friend bool operator==(const Trust&, const Trust&) = default;
};

enum class EapKind : std::uint8_t { kMsChapV2, kTls };
// Of users, by their names.
using Passwords = std::map<std::string, SharedSecret, std::less<>>;
struct EapSettings {
  std::vector<EapKind> methods;  // best first
  Shared<Passwords> passwords;   // as responder: the users of MSCHAPv2
  std::string radius;  // the group of RADIUS servers that is asked in our place; empty: we are the server
  // As initiator: who we are, to MSCHAPv2 and to Identity requests.
  std::string identity;
  SharedSecret password;
  friend bool operator==(const EapSettings&, const EapSettings&) = default;
};

}  // namespace simplon::ike
