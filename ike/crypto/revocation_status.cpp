// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/revocation_status.h"

#include <algorithm>
#include <optional>

#include "ike/crypto/lookup.h"
#include "ike/crypto/ocsp.h"
#include "ike/crypto/revocation.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

using namespace openssl;

constexpr std::size_t kMostWanted = 8;

// Those that the peer stapled (RFC 4806) and those that were fetched are worth the same.
std::vector<OcspBasic> responses(const Sent& sent, const std::vector<Fetched>& fetched) {
  std::vector<OcspBasic> out;
  out.reserve(sent.ocsp.size() + fetched.size());
  for (const Buffer& der : sent.ocsp)
    if (auto response = load_ocsp(der)) out.push_back(std::move(*response));
  for (const Fetched& one : fetched) {
    if (one.wanted.kind != FetchKind::kOcsp || one.body.empty()) continue;
    if (auto response = load_ocsp(one.body)) out.push_back(std::move(*response));
  }
  return out;
}

OcspStatus status_of(const Link& link, const std::vector<OcspBasic>& responses, WeakAlgorithms weak) {
  OcspStatus out = OcspStatus::kNoAnswer;
  for (const OcspBasic& response : responses) {
    const OcspStatus said = ocsp_answer(response.get(), link.certificate, link.issuer, weak).status;
    if (said == OcspStatus::kRevoked) return said;
    if (said == OcspStatus::kGood) out = said;
  }
  return out;
}

// Why what was fetched does not decide, of a sentence that begins with it.
std::string fault(const Fetched& got, const Link& link, WeakAlgorithms weak) {
  if (got.body.empty()) return "cannot be got (" + got.why + ")";
  if (got.wanted.kind == FetchKind::kOcsp) {
    const auto response = load_ocsp(got.body);
    if (!response) return response.error().what;
    return ocsp_answer(response->get(), link.certificate, link.issuer, weak).why;
  }
  const auto list = load_list_of(got.body, link.issuer, weak);
  return list ? "is not valid now, or not about this certificate" : list.error().what;
}

// What is to be looked up next about a certificate of which nobody says anything.
struct Lookup {
  std::optional<Wanted> next;  // none: all has been tried
  std::string tried;           // the end of a sentence about that
};
Lookup look_up(const Link& link, RevocationSources sources, WeakAlgorithms weak,
               const std::vector<Fetched>& fetched) {
  Lookup out;
  const auto asked = [&](Wanted wanted, const std::string& what) {
    const auto got = std::ranges::find(fetched, wanted, &Fetched::wanted);
    if (got != fetched.end())
      out.tried += "; " + what + " " + wanted.url + " " + fault(*got, link, weak);
    else
      out.next = std::move(wanted);
    return out.next.has_value();
  };
  if (sources.ocsp) {
    if (auto url = ocsp_url(link.certificate)) {
      Wanted wanted{FetchKind::kOcsp, std::move(*url), ocsp_request(link.certificate, link.issuer)};
      if (asked(std::move(wanted), "the OCSP response of")) return out;
    } else {
      out.tried += "; it names no OCSP responder at an http:// address";
    }
  }
  if (sources.crl) {
    if (auto url = crl_url(link.certificate)) {
      if (asked({FetchKind::kCrl, std::move(*url), {}}, "the list at")) return out;
    } else {
      out.tried += "; it names no list at an http:// address";
    }
  }
  return out;
}

}  // namespace

std::vector<X509Crl> fetched_lists(const std::vector<Fetched>& fetched, const std::vector<Link>& links,
                                   WeakAlgorithms weak) {
  std::vector<X509Crl> out;
  out.reserve(fetched.size());
  for (const Fetched& one : fetched) {
    if (one.wanted.kind != FetchKind::kCrl || one.body.empty()) continue;
    for (const Link& link : links) {
      auto list = load_list_of(one.body, link.issuer, weak);
      if (!list) continue;
      out.push_back(std::move(*list));
      break;
    }
  }
  return out;
}

ChainVerdict judge_links(std::vector<Link> links, const Sent& sent, const Trust& trust,
                         RevocationSources sources, const std::vector<Fetched>& fetched) {
  const std::vector<OcspBasic> said = responses(sent, fetched);
  for (Link& link : links) {
    const OcspStatus status = status_of(link, said, trust.weak);
    if (status == OcspStatus::kRevoked)
      return {certificate_text(link.certificate) + " is revoked by " +
                  name_text(X509_get_issuer_name(link.certificate)) + " (OCSP)",
              {}};
    link.good = link.good || status == OcspStatus::kGood;
  }
  ChainVerdict out;
  out.wanted.reserve(std::min(links.size(), kMostWanted));
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (links[i].good) continue;
    Lookup lookup = i < kMostWanted ? look_up(links[i], sources, trust.weak, fetched) : Lookup();
    if (lookup.next) {
      out.wanted.push_back(std::move(*lookup.next));
    } else if (trust.revocation == Revocation::kStrict) {  // then the others need not be looked up
      return {certificate_text(links[i].certificate) +
                  " needs a list of revoked ones that is valid now, of " +
                  name_text(X509_get_issuer_name(links[i].certificate)) +
                  ", or an OCSP response (revocation: strict)" + lookup.tried,
              {}};
    }
  }
  return out;
}

}  // namespace simplon::ike
