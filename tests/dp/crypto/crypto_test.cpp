// The cryptography of both directions against published vectors, and every way of running it against one job
// at a time.
#include "dp/crypto/crypto.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/dp/hex.h"
#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

std::unique_ptr<const CryptoSession> session(Direction direction, const EspSuite& suite, Bytes encr_key,
                                             Bytes integ_key = {}) {
  SaSpec sa;
  sa.direction = direction;
  sa.suite = suite;
  sa.encr_key = Secret(encr_key);
  sa.integ_key = Secret(integ_key);
  auto made = Shared::get().crypto->make_session(sa);
  EXPECT_TRUE(made) << (made ? "" : made.error().what);
  return made ? std::move(*made) : nullptr;
}

// One ESP packet in an mbuf, from the SPI on, and the job that treats it.
class EspMbuf {
 public:
  explicit EspMbuf(const Buffer& packet) : m_(rte_pktmbuf_alloc(Shared::get().buffers)) {
    std::memcpy(rte_pktmbuf_append(m_, static_cast<std::uint16_t>(packet.size())), packet.data(),
                packet.size());
  }
  ~EspMbuf() { rte_pktmbuf_free(m_); }
  EspMbuf(const EspMbuf&) = delete;
  EspMbuf& operator=(const EspMbuf&) = delete;

  CryptoJob job(const CryptoSession& s, const EspSuite& suite, Bytes nonce) const {
    CryptoJob job;
    job.session = &s;
    job.mbuf = m_;
    job.esp = bytes_of(m_);
    job.payload = static_cast<std::uint16_t>(kEspBytes + suite.iv());
    job.length = static_cast<std::uint16_t>(rte_pktmbuf_data_len(m_) - job.payload - suite.icv());
    job.icv = job.esp + job.payload + job.length;
    std::ranges::copy(nonce, job.nonce.begin());
    return job;
  }
  Buffer bytes() const { return {bytes_of(m_), bytes_of(m_) + rte_pktmbuf_data_len(m_)}; }
  void flip(std::size_t at) { bytes_of(m_)[at] ^= 0x10; }

 private:
  rte_mbuf* m_;
};

struct Vector {
  const char *suite, *key, *header, *nonce, *plain, *cipher, *icv;
};
// draft-mcgrew-gcm-test-01 §3, §7 and others: those without extended sequence numbers.
constexpr Vector kGcm[] = {
    {"aes128gcm16", "feffe9928665731c6d6a8f9467308308", "0000a5f80000000a", "cafebabefacedbaddecaf888",
     "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d0010000010000000000000373697009637962657263"
     "69747902646b00000100010001",
     "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642cfbb85"
     "a5b47e48a4ec3b9ba95d918bd1",
     "83b70d3aa8bc6ee4c309e9d85a41ad4a"},
    {"aes192gcm16", "feffe9928665731c6d6a8f9467308308feffe9928665731c", "0000a5f80000000a",
     "cafebabefacedbaddecaf888",
     "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
     "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77",
     "95457b9652037f5318027b5b4cd7a636"},
    {"aes256gcm16", "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "4a2cbfe300000002",
     "112233440102030405060708",
     "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b4010104020102"
     "0201",
     "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99def84"
     "2d8e",
     "b335f4eecfdbf831824b4c4915956c96"},
    {"aes128gcm16", "7d773d00c144c525ac619d18c84a3f47", "335467aeffffffff", "d966426743457e9182443bc6",
     "01020201", "437f866b", "cb3f699fe9b0822bac961c4504bef270"},
};
// RFC 3602 §4, cases 7 and 8 (tunnel mode). They have no ICV; this one is Python's HMAC-SHA-256 (RFC 4868)
// under the key 64 65 … 83.
constexpr Vector kCbc[] = {
    {"aes128", "0123456789abcdef0123456789abcdef", "0000876500000002", "f4e765244f6407adf13dc1380f673f37",
     "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f10111213141516"
     "1718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536370102030405060708090a0a04",
     "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e"
     "94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
     "7d24a78d2b7bbb20c8268047375a687f"},
    {"aes128", "0123456789abcdef0123456789abcdef", "0000876500000005", "85d47224b5f3dd5d2101d4ea8dffab22",
     "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffff0102030405060708090a0a04",
     "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639b7eb7d"
     "fb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892",
     "c37cec2ebf5176fd0a27124fa41d43d8"},
};

void expect_both_ways(const Vector& v, const Integ* integ) {
  SCOPED_TRACE(std::string(v.suite) + " " + v.header);
  const EspSuite suite{find_encr(v.suite), integ};
  const Buffer integ_key = [&] {
    Buffer k(integ ? integ->key : 0u);
    for (std::size_t i = 0; i < k.size(); ++i) k[i] = static_cast<std::uint8_t>(100 + i);
    return k;
  }();
  const Buffer nonce = hex(v.nonce);
  // The IV travels: the last 8 octets of an AEAD's nonce, the whole of CBC's.
  const std::string head = v.header + std::string(v.nonce).substr(suite.encr->aead() ? 8 : 0);
  const Buffer clear = hex(head + v.plain + std::string(2 * suite.icv(), '0'));
  const Buffer sealed = hex(head + v.cipher + v.icv);

  auto crypto = std::move(*Crypto::make(0));
  const auto out = session(Direction::kOut, suite, hex(v.key), integ_key);
  const EspMbuf packet(clear);
  CryptoJob job = packet.job(*out, suite, nonce);
  ASSERT_EQ(crypto->run(&job, 1), 1u);
  EXPECT_EQ(packet.bytes(), sealed);

  const auto in = session(Direction::kIn, suite, hex(v.key), integ_key);
  const EspMbuf received(sealed);
  job = received.job(*in, suite, nonce);
  ASSERT_EQ(crypto->run(&job, 1), 1u);
  const Buffer opened = received.bytes();
  EXPECT_TRUE(
      std::equal(opened.begin(), opened.end() - static_cast<std::ptrdiff_t>(suite.icv()), clear.begin()));
}

TEST(Rfc4106, PublishedVectors) {
  for (const Vector& v : kGcm) expect_both_ways(v, nullptr);
}
TEST(Rfc3602_4, PublishedTunnelModeVectorsWithHmacSha256) {
  for (const Vector& v : kCbc) expect_both_ways(v, find_integ("sha256"));
}

// A burst of many SAs and suites in any order, runs of any length: each job as if it had been alone; and of
// forged ones just the forged ones are refused.
TEST(Crypto, AMixedBurstIsWhatItsJobsAreOneByOne) {
  std::mt19937 random(7);
  const auto any = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  struct Keyed {
    EspSuite suite;
    std::unique_ptr<const CryptoSession> out, in;
  };
  std::vector<Keyed> sas;
  for (const Encr& encr : kEncrs)
    for (const Integ& integ : kIntegs) {
      const EspSuite suite{&encr, encr.aead() ? nullptr : &integ};
      const auto fill = [&](unsigned n) {
        Buffer k(n);
        for (auto& b : k) b = static_cast<std::uint8_t>(random());
        return k;
      };
      const Buffer e = fill(encr.key), i = fill(suite.integ ? integ.key : 0u);
      sas.push_back({suite, session(Direction::kOut, suite, e, i), session(Direction::kIn, suite, e, i)});
      if (encr.aead()) break;
    }
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
      CryptoJob job = alone[i]->job(*keyed[i]->out, suite, Bytes(nonce).first(suite.encr->aead() ? 12 : 16));
      ASSERT_EQ(crypto->run(&job, 1), 1u);
      packets.push_back(std::make_unique<EspMbuf>(clear[i]));
      jobs[i] = packets[i]->job(*keyed[i]->out, suite, Bytes(nonce).first(suite.encr->aead() ? 12 : 16));
    }
    const std::uint32_t all = n == 32 ? ~0u : (1u << n) - 1;
    ASSERT_EQ(crypto->run(jobs.data(), n), all);
    for (unsigned i = 0; i < n; ++i) ASSERT_EQ(packets[i]->bytes(), alone[i]->bytes()) << i << " of " << n;

    std::uint32_t forged = 0;
    for (unsigned i = 0; i < n; ++i) {
      const EspSuite& suite = keyed[i]->suite;
      if (any(4) == 0) {
        // Not in the IV: it is the nonce's copy that the cipher sees.
        const unsigned head = suite.encr->aead() ? kEspBytes + suite.iv() : 0;
        packets[i]->flip(head + any(static_cast<unsigned>(clear[i].size()) - head));
        forged |= 1u << i;
      }
      jobs[i] = packets[i]->job(*keyed[i]->in, suite, Bytes(nonce).first(suite.encr->aead() ? 12 : 16));
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
  // Two sessions by turns, which go through the queue.
  const auto s = session(Direction::kOut, suite, encr, integ),
             t = session(Direction::kOut, suite, encr, integ), gcm = session(Direction::kOut, other, encr);
  auto crypto = std::move(*Crypto::make(2));
  std::vector<std::unique_ptr<EspMbuf>> packets;
  std::array<CryptoJob, 4> jobs;
  packets.reserve(jobs.size());
  for (CryptoJob& job : jobs) {
    packets.push_back(std::make_unique<EspMbuf>(bytes));
    job = packets.back()->job(packets.size() % 2 == 0 ? *s : *t, suite, nonce);
  }
  auto& dequeue = rte_crypto_fp_ops[s->device].dequeue_burst;
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
    auto made = Shared::get().crypto->make_session(sa);
    if (!made) {
      EXPECT_NE(made.error().what.find("raise 'memory'"), std::string::npos) << made.error().what;
      break;
    }
    kept.push_back(std::move(*made));
  }
  EXPECT_GT(kept.size(), 100u);
}

}  // namespace
}  // namespace simplon::dp::test
