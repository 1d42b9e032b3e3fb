// SPDX-License-Identifier: Apache-2.0
// The peer's proof: its certificate, whom it names, who vouches for it, and the signature by its key.
#include "ike/crypto/certificate.h"

#include <algorithm>

#include "ike/crypto/chain.h"
#include "ike/crypto/signature_check.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

using namespace openssl;

// A chain is short; what is longer is there to cost us time.
constexpr std::size_t kMostSent = 16, kMostCertificateBytes = 16384;
constexpr std::size_t kMostNamesShown = 5;

VerifyAuthResult refused(std::string why) { return {.ok = false, .why = std::move(why), .padding = {}}; }

std::string name_refusal(X509* certificate, const Identity& id) {
  if (speaks_for(certificate, id)) return {};
  std::string others;
  std::size_t shown = 0;
  for (const Identity& name : names_of(certificate)) {
    if (shown++ == kMostNamesShown) break;
    others += (others.empty() ? "" : ", ") + name.text();
  }
  return certificate_text(certificate) + " is not for " + id.text() +
         ", but for other names: " + (others.empty() ? "none" : others) +
         (shown > kMostNamesShown ? ", ..." : "");
}

bool pinned(const Trust& trust, Bytes der) {
  return std::ranges::any_of(trust.pinned, [&](const Buffer& p) { return std::ranges::equal(p, der); });
}

// RFC 7296 §3.6: the first certificate is the peer's own; what we do not know is skipped.
struct Proof {
  X509Certificate own;
  Bytes own_der;  // of the payload
  Sent others;
};
Result<Proof> read_sent(const std::vector<Certificate>& payloads) {
  Proof out;
  std::size_t count = 0;
  out.others.between.reserve(std::min(payloads.size(), kMostSent));
  out.others.crls.reserve(std::min(payloads.size(), kMostSent));
  out.others.ocsp.reserve(std::min(payloads.size(), kMostSent));
  for (const Certificate& payload : payloads) {
    if (payload.encoding != CertEncoding::kX509 && payload.encoding != CertEncoding::kCrl &&
        payload.encoding != CertEncoding::kOcsp)
      continue;
    if (++count > kMostSent)
      return fail("the peer sends more than " + std::to_string(kMostSent) + " certificates");
    if (payload.encoding == CertEncoding::kOcsp) {
      out.others.ocsp.push_back(payload.data);
      continue;
    }
    if (payload.encoding == CertEncoding::kCrl) {
      // What cannot be read vouches for nobody.
      if (X509Crl crl = load_crl(payload.data)) out.others.crls.push_back(std::move(crl));
      continue;
    }
    if (payload.data.size() > kMostCertificateBytes)
      return fail("the peer sends a certificate that is too large");
    X509Certificate certificate = load_certificate(payload.data);
    if (!certificate) return fail("the peer sends a certificate that is malformed");
    if (out.own) {
      out.others.between.push_back(std::move(certificate));
    } else {
      out.own = std::move(certificate);
      out.own_der = payload.data;
    }
  }
  return out;
}

// Certificate, identity, signature, chain: the first that fails is told. What costs most comes last, for
// anybody can make a certificate.
VerifyAuthResult check(X509* own, bool is_pinned, const Sent& others, const VerifyAuth& work) {
  const std::string which = certificate_text(own) + " ";
  EVP_PKEY* const key = X509_get0_pubkey(own);
  if (key == nullptr) return refused(which + "has a key of an unknown kind");
  if (const std::string why = key_refusal(key, work.trust->weak); !why.empty())
    return refused(which + "has a key that " + why);
  if (const std::string why = usage_refusal(own); !why.empty()) return refused(which + why);
  if (std::string why = name_refusal(own, work.id); !why.empty()) return refused(std::move(why));
  VerifyAuthResult proved = check_signature(work.auth, work.octets, key, work.trust->weak);
  if (!proved.ok) return proved;
  if (is_pinned) {
    if (const std::string why = date_refusal(own); !why.empty()) return refused(which + why);
    return proved;
  }
  ChainVerdict chain = judge_chain(own, others, *work.trust, work.fetched);
  if (!chain.why.empty()) return refused(std::move(chain.why));
  if (chain.wanted.empty()) return proved;
  VerifyAuthResult later = refused("whether " + which + "or one above it is revoked has to be looked up");
  later.wanted = std::move(chain.wanted);
  return later;
}

// The peer sent none: one that we have of it.
VerifyAuthResult check_pinned(const VerifyAuth& work) {
  VerifyAuthResult last =
      refused("the peer sends no certificate, and none that is pinned is for " + work.id.text());
  for (const Buffer& der : work.trust->pinned) {
    const X509Certificate own = load_certificate(der);
    if (!own || !speaks_for(own.get(), work.id)) continue;
    last = check(own.get(), true, {}, work);
    if (last.ok) return last;  // a certificate and its successor may be pinned
  }
  return last;
}

}  // namespace

VerifyAuthResult run(const VerifyAuth& work) {
  if (!work.trust) return refused("no authority and no certificate is configured to believe the peer");
  const auto sent = read_sent(work.certificates);
  if (!sent) return refused(sent.error().what);
  if (!sent->own) return check_pinned(work);
  return check(sent->own.get(), pinned(*work.trust, sent->own_der), sent->others, work);
}

}  // namespace simplon::ike
