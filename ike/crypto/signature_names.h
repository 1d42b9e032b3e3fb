// SPDX-License-Identifier: Apache-2.0
// What AlgorithmIdentifiers of AUTH method 14 say (RFC 7427 Appendix A), for who announces them (RFC 9593).
#pragma once

#include <optional>
#include <vector>

#include "ike/crypto/signature.h"

namespace simplon::ike {

// All that we can check, in DER.
std::vector<Buffer> signature_algorithms();

struct NamedSignature {
  HashId hash{};
  std::optional<RsaPadding> padding;  // none: it is not RSA
};
// None: it is none of ours.
std::optional<NamedSignature> named_signature(Bytes algorithm_identifier);

}  // namespace simplon::ike
