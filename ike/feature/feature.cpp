// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/feature.h"

#include <array>

#include "ike/feature/auth_lifetime.h"
#include "ike/feature/auth_methods.h"
#include "ike/feature/childless.h"
#include "ike/feature/fragmentation.h"
#include "ike/feature/mobike.h"
#include "ike/feature/multiple_auth.h"
#include "ike/feature/natd.h"
#include "ike/feature/redirect_support.h"
#include "ike/feature/signature_hashes.h"

namespace simplon::ike {
namespace {

constexpr std::array kFeatures{
    Feature{offer_nat_detection, accept_nat_detection},
    Feature{offer_fragmentation, accept_fragmentation},
    Feature{offer_childless, accept_childless},
    Feature{offer_auth_lifetime, accept_auth_lifetime},
    Feature{offer_redirect_support, accept_redirect_support},
    Feature{offer_signature_hashes, accept_signature_hashes},
    Feature{offer_auth_methods, accept_auth_methods},  // after the hashes, which it narrows
    Feature{offer_multiple_auth, accept_multiple_auth},
    Feature{offer_mobike, accept_mobike},
};

}  // namespace

void offer(const IkeSa& sa, MessageKind kind, PayloadWriter& out) {
  for (const Feature& feature : kFeatures) feature.offer(sa, kind, out);
}

void accept(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  for (const Feature& feature : kFeatures) feature.accept(sa, kind, payloads);
}

}  // namespace simplon::ike
