// SPDX-License-Identifier: Apache-2.0
// Whether the certificates of a chain are revoked, when all that can say so is put together: lists, OCSP
// responses, and what could still be fetched. For ike/crypto alone.
#pragma once

#include <string>
#include <vector>

#include "ike/crypto/chain.h"
#include "ike/crypto/openssl.h"

namespace simplon::ike {

// A certificate of a chain below the authority.
struct Link {
  X509* certificate = nullptr;
  X509* issuer = nullptr;
  bool good = false;  // somebody who may say so says that it is not revoked
};

// The lists among `fetched` that are to be believed of the issuers of these.
std::vector<openssl::X509Crl> fetched_lists(const std::vector<Fetched>& fetched,
                                            const std::vector<Link>& links, WeakAlgorithms weak);

// No list names one of `links`, the peer's own first. Who is revoked by an OCSP response is not good by a
// list; of whom nobody says anything is looked up in `sources`, and then it is as Trust::revocation says.
ChainVerdict judge_links(std::vector<Link> links, const Sent& sent, const Trust& trust,
                         RevocationSources sources, const std::vector<Fetched>& fetched);

}  // namespace simplon::ike
