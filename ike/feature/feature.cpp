// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/feature.h"

#include <array>

#include "ike/feature/natd.h"

namespace simplon::ike {
namespace {

constexpr std::array kFeatures{
    Feature{offer_nat_detection, accept_nat_detection},
};

}  // namespace

void offer(const IkeSa& sa, MessageKind kind, PayloadWriter& out) {
  for (const Feature& feature : kFeatures) feature.offer(sa, kind, out);
}

void accept(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  for (const Feature& feature : kFeatures) feature.accept(sa, kind, payloads);
}

}  // namespace simplon::ike
