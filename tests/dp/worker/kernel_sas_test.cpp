// SPDX-License-Identifier: Apache-2.0
// SAs that the kernel has beside ours (dp/tables/registry_kernel.cpp): what arrives by one goes to the TAP,
// as it came, and so does what its entry sends.
#include <gtest/gtest.h>

#include "dp/worker/worker.h"
#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

const char *const kA = "198.18.1.0/24", *const kB = "198.18.2.0/24";

SaRef sa(Direction direction, std::uint64_t id, bool of_left, std::optional<UdpPorts> udp = {}) {
  SaOptions o{.udp = udp, .id = id};
  o.spi = Spi{static_cast<std::uint32_t>(0x1000 + id)};
  o.selectors = of_left ? selectors(kA, kB) : selectors(kB, kA);
  return make_sa(direction, o);
}

// Left encrypts for an SA of right's kernel.
struct Sites {
  Lab left{0, true}, right{1, false};
  std::optional<UdpPorts> udp;

  explicit Sites(std::optional<UdpPorts> ports = {}) : udp(ports) {
    left.protect(selectors(kA, kB));
    right.protect(selectors(kB, kA));
    EXPECT_TRUE(left.registry().add_sa(sa(Direction::kOut, 1, true, udp)));
  }
  Buffer seal() {
    const auto frames = left.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan);
    EXPECT_EQ(frames.size(), 1u);
    return frames.empty() ? Buffer{} : ip_of(frames[0]);
  }
  void add_kernel_sa(const SaRef& one) {
    EXPECT_TRUE(right.registry().add_kernel_sa(*one));
    EXPECT_TRUE(right.registry().commit());
  }
};

TEST(KernelSas, WhatArrivesByOneGoesToTheTapOfItsPortAsItCame) {
  for (const auto& udp : {std::optional<UdpPorts>{}, std::optional(UdpPorts{Port{4500}, Port{4500}})}) {
    Sites sites(udp);
    const Buffer esp = sites.seal();
    EXPECT_TRUE(sites.right.pass(esp, Origin::kUnprotected, kWan).empty());
    EXPECT_TRUE(sites.right.punted().empty());
    EXPECT_EQ(sites.right.dropped(Drop::kUnknownSpi), 1u) << "nobody has the SA";
    const SaRef one = sa(Direction::kIn, 1, false, udp);
    sites.add_kernel_sa(one);
    EXPECT_TRUE(sites.right.pass(esp, Origin::kUnprotected, kWan).empty());
    EXPECT_TRUE(sites.right.punted_first().empty()) << "IKE does not wait behind it";
    const auto punted = sites.right.punted_by_port();
    ASSERT_EQ(punted.size(), 1u);
    EXPECT_EQ(punted[0].first, kWan);
    EXPECT_EQ(ip_of(punted[0].second), esp);
    sites.right.registry().set_gateway(false);
    ASSERT_TRUE(sites.right.registry().commit());
    sites.right.pass(esp, Origin::kUnprotected, kWan);
    EXPECT_EQ(sites.right.dropped(Drop::kGatewayOff), 1u);
    sites.right.registry().set_gateway(true);
    sites.right.registry().remove_kernel_sa(one->id);
    ASSERT_TRUE(sites.right.registry().commit());
    sites.right.pass(esp, Origin::kUnprotected, kWan);
    EXPECT_TRUE(sites.right.punted().empty());
    EXPECT_EQ(sites.right.dropped(Drop::kUnknownSpi), 2u);
  }
}

TEST(KernelSas, AnSpiIsOursOrTheKernels) {
  Sites sites;
  const SaRef one = sa(Direction::kIn, 1, false);
  ASSERT_TRUE(sites.right.registry().add_sa(one));
  EXPECT_FALSE(sites.right.registry().add_kernel_sa(*one));
  EXPECT_EQ(sites.right.pass(sites.seal(), Origin::kUnprotected, kWan).size(), 1u);
}

// The newest outbound SA of an entry takes its packets, wherever it is; what was before may stay.
TEST(KernelSas, AnEntrysPacketsGoByTheNewestOfItsSas) {
  Lab lab{0, true};
  lab.protect(selectors(kA, kB));
  const auto goes_to_kernel = [&] {
    const auto frames = lab.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan);
    const auto punted = lab.punted_by_port();
    EXPECT_EQ(frames.size() + punted.size(), 1u);
    return !punted.empty() && punted[0].first == kLan;
  };
  const auto in_kernel = [&](std::uint64_t id) {
    EXPECT_TRUE(lab.registry().add_kernel_sa(*sa(Direction::kOut, id, true)));
    EXPECT_TRUE(lab.registry().commit());
  };
  ASSERT_TRUE(lab.registry().add_sa(sa(Direction::kOut, 2, true)));
  EXPECT_FALSE(goes_to_kernel());
  in_kernel(4);
  EXPECT_TRUE(goes_to_kernel());
  lab.registry().remove_sa(SaId{2});
  ASSERT_TRUE(lab.registry().commit());
  EXPECT_TRUE(goes_to_kernel());
  ASSERT_TRUE(lab.registry().add_sa(sa(Direction::kOut, 6, true)));
  ASSERT_TRUE(lab.registry().commit());
  EXPECT_FALSE(goes_to_kernel());
  lab.registry().remove_kernel_sa(SaId{4});
  ASSERT_TRUE(lab.registry().commit());
  EXPECT_FALSE(goes_to_kernel());
  // An inbound one alone takes none.
  ASSERT_TRUE(lab.registry().add_kernel_sa(*sa(Direction::kIn, 9, true)));
  ASSERT_TRUE(lab.registry().commit());
  EXPECT_FALSE(goes_to_kernel());
}

}  // namespace
}  // namespace simplon::dp::test
