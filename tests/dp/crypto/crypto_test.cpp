// SPDX-License-Identifier: Apache-2.0
// Bursts of many SAs, and devices that fail.
#include <gtest/gtest.h>

#include <random>

#include "tests/dp/crypto/esp_mbuf.h"
#include "tests/dp/hex.h"

namespace simplon::dp::test {
namespace {

struct Keyed {
  EspSuite suite;
  CryptoBackend backend;
  std::unique_ptr<const CryptoSession> out, in;
};

// An SA of every suite by every back end that takes it, with keys of its own.
std::vector<Keyed> all_keyed(std::mt19937& random) {
  const auto key = [&](unsigned n) {
    Buffer k(n);
    for (auto& b : k) b = static_cast<std::uint8_t>(random());
    return k;
  };
  std::vector<Keyed> sas;
  for (const EspSuite& suite : all_suites())
    for (const CryptoBackend backend : kBackends) {
      const Buffer e = key(suite.encr->key), i = key(suite.integ ? suite.integ->key : 0u);
      auto out = session(Direction::kOut, suite, e, i, backend);
      if (out != nullptr)
        sas.push_back({suite, backend, std::move(out), session(Direction::kIn, suite, e, i, backend)});
    }
  return sas;
}

// A burst of many SAs, suites and back ends in any order, runs of any length: each job as if it had been
// alone; and of forged ones just the forged ones are refused.
TEST(Crypto, AMixedBurstIsWhatItsJobsAreOneByOne) {
  std::mt19937 random(7);
  const auto any = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const std::vector<Keyed> sas = all_keyed(random);
  auto crypto = std::move(*Crypto::make(0));
  const Buffer nonce = hex("000102030405060708090a0b0c0d0e0f");
  for (unsigned round = 0; round < 200; ++round) {
    const unsigned n = 1 + any(kBurst), longest_run = 1 + any(12);
    std::vector<const Keyed*> keyed;
    while (keyed.size() < n)
      keyed.insert(keyed.end(), 1 + any(longest_run), &sas[any(static_cast<unsigned>(sas.size()))]);
    std::vector<Buffer> clear(n);
    std::vector<std::unique_ptr<EspMbuf>> packets, alone;
    std::array<CryptoJob, kBurst> jobs;
    for (unsigned i = 0; i < n; ++i) {
      const EspSuite& suite = keyed[i]->suite;
      clear[i].resize(kEspBytes + suite.iv() + suite.encr->block * (1 + any(40)) + suite.icv());
      for (auto& b : clear[i]) b = static_cast<std::uint8_t>(random());
      alone.push_back(std::make_unique<EspMbuf>(clear[i]));
      CryptoJob job = alone[i]->job(*keyed[i]->out, suite, Bytes(nonce).first(nonce_of(suite)));
      ASSERT_EQ(crypto->run(&job, 1), 1u);
      packets.push_back(std::make_unique<EspMbuf>(clear[i]));
      jobs[i] = packets[i]->job(*keyed[i]->out, suite, Bytes(nonce).first(nonce_of(suite)));
    }
    const std::uint32_t all = n == 32 ? ~0u : (1u << n) - 1;
    ASSERT_EQ(crypto->run(jobs.data(), n), all);
    for (unsigned i = 0; i < n; ++i)
      ASSERT_EQ(packets[i]->bytes(), alone[i]->bytes())
          << i << " of " << n << ", " << suite_name(keyed[i]->suite) << " by " << name(keyed[i]->backend);

    std::uint32_t forged = 0;
    for (unsigned i = 0; i < n; ++i) {
      const EspSuite& suite = keyed[i]->suite;
      if (any(4) == 0) {
        // Not in the IV: it is the nonce's copy that the cipher sees.
        const unsigned head = suite.encr->aead() ? kEspBytes + suite.iv() : 0;
        packets[i]->flip(head + any(static_cast<unsigned>(clear[i].size()) - head));
        forged |= 1u << i;
      }
      jobs[i] = packets[i]->job(*keyed[i]->in, suite, Bytes(nonce).first(nonce_of(suite)));
    }
    ASSERT_EQ(crypto->run(jobs.data(), n), all & ~forged) << n;
    for (unsigned i = 0; i < n; ++i) {
      if (forged >> i & 1) continue;
      const Buffer got = packets[i]->bytes();
      ASSERT_TRUE(std::equal(clear[i].begin(),
                             clear[i].end() - static_cast<std::ptrdiff_t>(keyed[i]->suite.icv()),
                             got.begin()));
    }
  }
}

// What a silent device was given is never touched again, nor taken for the answer to something else: neither
// packets nor operations come back into use, and no later job of that device succeeds.
TEST(Crypto, ADeviceThatGivesNothingBackIsDeadAndKeepsWhatItHas) {
  const EspSuite suite{find_encr("aes128"), find_integ("sha256")}, other{find_encr("aes128gcm16"), nullptr};
  const Buffer bytes(kEspBytes + suite.iv() + 64 + suite.icv()), nonce(16), integ(32), encr(16);
  const auto by_queue = [&](const EspSuite& of, Bytes integ_key) {
    return session(Direction::kOut, of, encr, integ_key, CryptoBackend::kQueue);
  };
  const auto s = by_queue(suite, integ), t = by_queue(suite, integ), gcm = by_queue(other, {});
  auto crypto = std::move(*Crypto::make(2));
  std::vector<std::unique_ptr<EspMbuf>> packets;
  std::array<CryptoJob, 4> jobs;
  packets.reserve(jobs.size());
  for (CryptoJob& job : jobs) {
    packets.push_back(std::make_unique<EspMbuf>(bytes));
    job = packets.back()->job(packets.size() % 2 == 0 ? *s : *t, suite, nonce);
  }
  auto& dequeue = rte_crypto_fp_ops[static_cast<const DeviceSession&>(*s).device].dequeue_burst;
  const auto real = std::exchange(
      dequeue, [](void*, rte_crypto_op**, std::uint16_t) { return static_cast<std::uint16_t>(0); });
  EXPECT_EQ(crypto->run(jobs.data(), 2), 0u);
  dequeue = real;
  for (unsigned i = 0; i < 2; ++i) EXPECT_EQ(rte_mbuf_refcnt_read(jobs[i].mbuf), 2) << "leaked on purpose";
  EXPECT_EQ(crypto->run(jobs.data() + 2, 2), 0u) << "the device has two results, of other jobs";
  EXPECT_EQ(rte_mbuf_refcnt_read(jobs[2].mbuf), 1);
  const EspMbuf alone(Buffer(kEspBytes + other.iv() + 64 + other.icv()));
  CryptoJob job = alone.job(*gcm, other, Bytes(nonce).first(12));
  EXPECT_EQ(crypto->run(&job, 1), 1u) << "the other device lives";
}

TEST(Crypto, NoRoomForAnotherSaIsNotToldAsAnAlgorithmThatIsNotThere) {
  SaSpec sa;
  sa.suite = {find_encr("aes128"), find_integ("sha256")};
  sa.encr_key = Secret(Buffer(16)), sa.integ_key = Secret(Buffer(32));
  std::vector<std::unique_ptr<const CryptoSession>> kept;
  for (;;) {
    auto made = Shared::get().crypto->make_session(sa, CryptoBackend::kQueue);
    if (!made) {
      EXPECT_NE(made.error().what.find("raise 'memory'"), std::string::npos) << made.error().what;
      break;
    }
    kept.push_back(std::move(*made));
  }
  EXPECT_GT(kept.size(), 100u);
}

TEST(Crypto, WhatTheProcessorLacksForIpsecMbIsNamed) {
  constexpr std::uint64_t kAll = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SSE4_2;
  EXPECT_EQ(missing_imb_feature(kAll), "");
  EXPECT_EQ(missing_imb_feature(kAll & ~IMB_FEATURE_AESNI), "AES-NI");
  EXPECT_EQ(missing_imb_feature(kAll & ~IMB_FEATURE_PCLMULQDQ), "PCLMULQDQ");
  EXPECT_EQ(missing_imb_feature(0), "AES-NI");
  EXPECT_EQ(missing_imb_feature(), "") << "or these tests would not run";
}

}  // namespace
}  // namespace simplon::dp::test
