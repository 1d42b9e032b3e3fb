// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/chain.h"

#include <openssl/err.h>

#include <algorithm>
#include <set>
#include <utility>

#include "ike/crypto/public_key.h"
#include "ike/crypto/revocation.h"
#include "ike/crypto/revocation_status.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

using namespace openssl;

constexpr int kMostBetween = 8;    // certificates between the peer's and the authority
constexpr int kLeastSecurity = 2;  // OpenSSL's level of 112 bits: no SHA-1, no MD5, RSA of 2048 bits
constexpr int kLeastWeakSecurity = 0;

struct StackOnly {  // the certificates have other owners
  void operator()(STACK_OF(X509) * s) const { sk_X509_free(s); }
};
using Certificates = std::unique_ptr<STACK_OF(X509), StackOnly>;

Store store_of(const std::vector<Buffer>& authorities) {
  Store out(X509_STORE_new());
  for (const Buffer& der : authorities) {
    const X509Certificate authority = load_certificate(der);
    if (!out || !authority || X509_STORE_add_cert(out.get(), authority.get()) != 1) return nullptr;
  }
  return out;
}

std::string error_text(X509_STORE_CTX* context) {
  const int error = X509_STORE_CTX_get_error(context);
  const X509* at = X509_STORE_CTX_get_current_cert(context);
  if (at == nullptr) at = X509_STORE_CTX_get0_cert(context);
  const std::string which = certificate_text(at) + " ";
  if (const auto text = revocation_text(error, at)) return which + *text;
  switch (error) {
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return which + "is valid from " + time_text(X509_get0_notBefore(at)) + " on";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return which + "expired on " + time_text(X509_get0_notAfter(at));
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return which + "is signed by itself: such a one is believed only when it is pinned";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return which + "is of no authority that we believe: issuer " + name_text(X509_get_issuer_name(at));
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return which + "is signed with a weak hash (SHA-1 or MD5); legacy: allow permits it";
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
      return which + "has a key that is too short (" + key_text(X509_get0_pubkey(at)) + ")";
    default:
      return which + "is not believed: " + X509_verify_cert_error_string(error);
  }
}

// What OpenSSL does not ask.
std::string kept_chain_refusal(X509_STORE_CTX* context, WeakAlgorithms weak) {
  const auto* const chain = X509_STORE_CTX_get0_chain(context);
  const int length = sk_X509_num(chain);
  // An authority itself: its key is for certificates.
  if (length < 2)
    return certificate_text(X509_STORE_CTX_get0_cert(context)) +
           " is an authority's own: such a one is believed only when it is pinned";
  for (int i = 0; i < length; ++i) {
    const X509* const at = sk_X509_value(chain, i);
    const EVP_PKEY* const key = X509_get0_pubkey(at);
    if (key == nullptr) return certificate_text(at) + " has a key of an unknown kind";
    if (!kind_of(key)) continue;  // of an authority; OpenSSL could check with it
    if (const std::string why = key_refusal(key, weak); !why.empty())
      return certificate_text(at) + " has a key that " + why;
  }
  return {};
}

bool set_rules(X509_STORE_CTX* context, WeakAlgorithms weak) {
  X509_VERIFY_PARAM* const rules = X509_STORE_CTX_get0_param(context);
  if (rules == nullptr) return false;
  X509_VERIFY_PARAM_set_depth(rules, kMostBetween);
  X509_VERIFY_PARAM_set_auth_level(rules,
                                   weak == WeakAlgorithms::kAllow ? kLeastWeakSecurity : kLeastSecurity);
  // Any authority of ours ends the chain, not only one that signed itself (RFC 5280 §6.1.1 (d)).
  return X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN) == 1;
}

struct ChainFree {
  void operator()(STACK_OF(X509) * s) const { sk_X509_pop_free(s, X509_free); }
};
struct Walk {
  std::string why;
  std::unique_ptr<STACK_OF(X509), ChainFree> chain = nullptr;  // when there is no why: from leaf to authority
  std::set<int> unlisted = {};                                 // depths at which there is no list
};
constexpr const char* kUnreadable =
    "the authorities or the lists of revoked ones of the configuration cannot be read";

// `lists` null: none is looked at.
Walk walk(X509* leaf, const Sent& sent, const Trust& trust, STACK_OF(X509_CRL) * lists) {
  Walk out;
  const Store store = store_of(trust.authorities);
  const Certificates between(sk_X509_new_null());
  const StoreContext context(X509_STORE_CTX_new());
  bool ready = store && between && context;
  for (const X509Certificate& c : sent.between) ready = ready && sk_X509_push(between.get(), c.get()) > 0;
  ready = ready && X509_STORE_CTX_init(context.get(), store.get(), leaf, between.get()) == 1 &&
          set_rules(context.get(), trust.weak) &&
          (lists == nullptr || check_revocation(context.get(), out.unlisted, lists));
  if (!ready) return {kUnreadable};
  const bool good = X509_verify_cert(context.get()) == 1;
  out.why = good ? kept_chain_refusal(context.get(), trust.weak) : error_text(context.get());
  if (out.why.empty()) out.chain.reset(X509_STORE_CTX_get1_chain(context.get()));
  ERR_clear_error();
  if (out.why.empty() && !out.chain) return {kUnreadable};
  return out;
}

std::vector<Link> links_of(const STACK_OF(X509) * chain) {
  std::vector<Link> out;
  const int length = sk_X509_num(chain);
  out.reserve(static_cast<std::size_t>(std::max(length, 0)));
  for (int i = 0; i + 1 < length; ++i)
    out.push_back({.certificate = sk_X509_value(chain, i), .issuer = sk_X509_value(chain, i + 1)});
  return out;
}

// Why not, when these lists are asked; of whom there is one that is valid now is good.
std::string ask_lists(const Crls& lists, X509* leaf, const Sent& sent, const Trust& trust,
                      std::vector<Link>& links) {
  if (!lists) return kUnreadable;
  const Walk walked = walk(leaf, sent, trust, lists.get());
  if (!walked.why.empty()) return walked.why;
  for (std::size_t i = 0; i < links.size(); ++i)
    links[i].good = links[i].good || !walked.unlisted.contains(static_cast<int>(i));
  return {};
}

ChainVerdict judge(X509* leaf, const Sent& sent, const Trust& trust, RevocationSources sources,
                   const std::vector<Fetched>& fetched) {
  static const std::vector<X509Crl> kNone;
  // For who is of no authority no list is read: they may be large.
  Walk bare = walk(leaf, sent, trust, nullptr);
  if (!bare.why.empty() || trust.revocation == Revocation::kNo) return {std::move(bare.why), {}};
  std::vector<Link> links = links_of(bare.chain.get());
  // A walk for each origin of lists: of several of one issuer OpenSSL asks the newest alone, and whom one
  // names, an older one of ours too, is not to be cleared by one that somebody else gave us.
  std::string why;
  if (!trust.crls.empty()) why = ask_lists(lists_of(trust.crls, kNone), leaf, sent, trust, links);
  if (why.empty() && !sent.crls.empty())
    why = ask_lists(lists_of(trust.crls, sent.crls), leaf, sent, trust, links);
  const std::vector<X509Crl> found = fetched_lists(fetched, links, trust.weak);
  if (why.empty() && !found.empty()) why = ask_lists(lists_of({}, found), leaf, sent, trust, links);
  if (!why.empty()) return {std::move(why), {}};
  return judge_links(std::move(links), sent, trust, sources, fetched);
}

}  // namespace

std::string date_refusal(const X509* certificate) {
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) >= 0)
    return "is valid from " + time_text(X509_get0_notBefore(certificate)) + " on";
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
    return "expired on " + time_text(X509_get0_notAfter(certificate));
  return {};
}

ChainVerdict judge_chain(X509* leaf, const Sent& sent, const Trust& trust,
                         const std::vector<Fetched>& fetched) {
  return judge(leaf, sent, trust, trust.fetch, fetched);
}

std::string chain_refusal(X509* leaf, const Sent& sent, const Trust& trust) {
  return judge(leaf, sent, trust, {}, {}).why;
}

}  // namespace simplon::ike
