// SPDX-License-Identifier: Apache-2.0
// What the tests of dressed SAs (dp/ipsec/dressing.h) have in common: every suite, with and without ESN, and
// the SA in the worker's hands.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "dp/ipsec/dressing.h"
#include "tests/dp/suites.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {

using SuiteAndEsn = std::tuple<EspSuite, Esn>;
inline auto every_suite_and_esn() {
  return testing::Combine(testing::ValuesIn(taken_suites()), testing::Values(Esn::kOff, Esn::kOn));
}
inline std::string suite_and_esn_name(const testing::TestParamInfo<SuiteAndEsn>& info) {
  std::string out = suite_name(std::get<0>(info.param));
  if (std::get<1>(info.param) == Esn::kOn) out += "_esn";
  std::ranges::replace(out, '-', '_');
  return out;
}

inline OutboundSa& sa_of(Lab& lab, std::uint32_t slot = 0) {
  return *(*lab.registry().tables().read()->outbound)[slot].sa.read();
}

// As Dummies asks for one.
inline std::vector<Buffer> dummy_of(Lab& lab, std::uint32_t slot = 0) {
  rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
  m->hash.usr = static_cast<std::uint32_t>(Origin::kDummy);
  set_bundle_slot(m, (*lab.registry().tables().read()->outbound)[slot]);
  return lab.hand(m);
}

}  // namespace simplon::dp::test
