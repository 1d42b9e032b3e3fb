// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/signature_names.h"

#include "ike/crypto/signature_scheme.h"

namespace simplon::ike {

std::vector<Buffer> signature_algorithms() {
  std::vector<Buffer> out;
  const auto schemes = signature_schemes();
  out.reserve(schemes.size());
  for (const SignatureScheme& scheme : schemes) out.push_back(algorithm_identifier(scheme));
  return out;
}

std::optional<NamedSignature> named_signature(Bytes algorithm_identifier) {
  const SignatureScheme* const scheme = scheme_of(algorithm_identifier);
  if (scheme == nullptr) return std::nullopt;
  NamedSignature out{.hash = scheme->hash, .padding = std::nullopt};
  if (scheme->kind == SignatureKind::kPss) out.padding = RsaPadding::kPss;
  if (scheme->kind == SignatureKind::kPkcs1) out.padding = RsaPadding::kPkcs1;
  return out;
}

}  // namespace simplon::ike
