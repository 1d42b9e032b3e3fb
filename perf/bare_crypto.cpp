// SPDX-License-Identifier: Apache-2.0
#include "perf/bare_crypto.h"

#include <rte_crypto.h>
#include <rte_cryptodev.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "dp/crypto/ipsec_mb.h"

namespace simplon::perf {
namespace {

// The member `sym` is an array of no elements, which g++ does not let anyone index.
rte_crypto_sym_op* sym_of(rte_crypto_op* op) {
  return rte_crypto_op_ctod_offset(op, rte_crypto_sym_op*, sizeof(rte_crypto_op));
}

constexpr unsigned kBurst = 32;
constexpr unsigned kIvOffset = sizeof(rte_crypto_op) + sizeof(rte_crypto_sym_op);
constexpr std::array<std::uint8_t, 64> kKey{1, 2, 3, 4, 5, 6, 7, 8, 9};

// One ESP-like packet: SPI, sequence number, IV, payload, ICV.
struct Layout {
  unsigned iv, payload, icv, aad = 8;
  unsigned cipher_at() const { return 8 + iv; }
  unsigned icv_at() const { return cipher_at() + payload; }
};

struct Xforms {
  std::array<rte_crypto_sym_xform, 2> chain{};
  explicit Xforms(const EspSuite& suite) {
    if (suite.encr->aead()) {
      chain[0].type = RTE_CRYPTO_SYM_XFORM_AEAD;
      chain[0].aead = {.op = RTE_CRYPTO_AEAD_OP_ENCRYPT,
                       .algo = RTE_CRYPTO_AEAD_AES_GCM,
                       .key = {.data = kKey.data(), .length = suite.encr->key},
                       .iv = {.offset = kIvOffset, .length = 12},
                       .digest_length = suite.encr->icv,
                       .aad_length = 8};
      return;
    }
    chain[0].type = RTE_CRYPTO_SYM_XFORM_CIPHER;
    chain[0].next = &chain[1];
    chain[0].cipher = {.op = RTE_CRYPTO_CIPHER_OP_ENCRYPT,
                       .algo = RTE_CRYPTO_CIPHER_AES_CBC,
                       .key = {.data = kKey.data(), .length = suite.encr->key},
                       .iv = {.offset = kIvOffset, .length = 16},
                       .dataunit_len = 0};
    chain[1].type = RTE_CRYPTO_SYM_XFORM_AUTH;
    chain[1].auth = {.op = RTE_CRYPTO_AUTH_OP_GENERATE,
                     .algo = RTE_CRYPTO_AUTH_SHA256_HMAC,
                     .key = {.data = kKey.data(), .length = suite.integ->key},
                     .iv = {},
                     .digest_length = suite.integ->icv};
  }
};

// Everything a cryptodev measurement needs, freed in reverse.
struct Device {
  int id = -1;
  rte_mempool *sessions = nullptr, *ops = nullptr, *buffers = nullptr;
  void* session = nullptr;
  std::array<rte_mbuf*, kBurst> mbufs{};
  std::array<rte_crypto_op*, kBurst> op{};

  ~Device() {
    if (session) rte_cryptodev_sym_session_free(static_cast<std::uint8_t>(id), session);
    if (op[0]) rte_mempool_put_bulk(ops, reinterpret_cast<void**>(op.data()), kBurst);
    for (rte_mbuf* m : mbufs) rte_pktmbuf_free(m);
    if (id >= 0) rte_cryptodev_stop(static_cast<std::uint8_t>(id));
    rte_mempool_free(buffers);
    rte_mempool_free(ops);
    rte_mempool_free(sessions);
  }

  Result<void> open(const EspSuite& suite, const Layout& layout) {
    const char* driver = suite.encr->aead() ? "crypto_aesni_gcm" : "crypto_aesni_mb";
    id = rte_cryptodev_get_dev_id(driver);
    if (id < 0) return fail(std::string("no crypto device ") + driver);
    const auto dev = static_cast<std::uint8_t>(id);
    sessions = rte_cryptodev_sym_session_pool_create(
        "bare_sessions", 4, rte_cryptodev_sym_get_private_session_size(dev), 0, 0, 0);
    ops = rte_crypto_op_pool_create("bare_ops", RTE_CRYPTO_OP_TYPE_SYMMETRIC, 255, 0, 32, 0);
    buffers = rte_pktmbuf_pool_create("bare_buffers", 127, 0, 0, 2176, 0);
    if (!sessions || !ops || !buffers) return fail("no memory for the crypto pools");
    rte_cryptodev_config config{.socket_id = 0, .nb_queue_pairs = 1, .ff_disable = 0};
    rte_cryptodev_qp_conf queue{.nb_descriptors = 1024, .mp_session = sessions};
    if (rte_cryptodev_configure(dev, &config) < 0 || rte_cryptodev_queue_pair_setup(dev, 0, &queue, 0) < 0 ||
        rte_cryptodev_start(dev) < 0)
      return fail(std::string(driver) + " cannot be configured");
    Xforms xforms(suite);
    session = rte_cryptodev_sym_session_create(dev, xforms.chain.data(), sessions);
    if (!session) return fail(std::string(driver) + " refuses the suite");
    if (rte_pktmbuf_alloc_bulk(buffers, mbufs.data(), kBurst) < 0) return fail("no buffers");
    for (rte_mbuf* m : mbufs) rte_pktmbuf_append(m, static_cast<std::uint16_t>(layout.icv_at() + layout.icv));
    return {};
  }
};

template <class Round>
double measure(unsigned packets, Round round) {
  const unsigned rounds = packets / kBurst + 1;
  for (unsigned i = 0; i < rounds / 10 + 1; ++i) round();
  const std::uint64_t begin = rte_rdtsc();
  for (unsigned i = 0; i < rounds; ++i) round();
  return static_cast<double>(rte_rdtsc() - begin) / (rounds * kBurst);
}

Result<double> async(const EspSuite& suite, const Layout& layout, unsigned packets) {
  Device device;
  if (auto done = device.open(suite, layout); !done) return std::unexpected(done.error());
  const auto dev = static_cast<std::uint8_t>(device.id);
  if (rte_crypto_op_bulk_alloc(device.ops, RTE_CRYPTO_OP_TYPE_SYMMETRIC, device.op.data(), kBurst) != kBurst)
    return fail("no operations");
  const bool aead = suite.encr->aead();
  return measure(packets, [&] {
    for (unsigned i = 0; i < kBurst; ++i) {
      rte_crypto_op* op = device.op[i];
      rte_mbuf* m = device.mbufs[i];
      op->status = RTE_CRYPTO_OP_STATUS_NOT_PROCESSED;
      sym_of(op)->session = device.session;
      op->sess_type = RTE_CRYPTO_OP_WITH_SESSION;
      sym_of(op)->m_src = m;
      std::memset(rte_crypto_op_ctod_offset(op, void*, kIvOffset), static_cast<int>(i), 16);
      if (aead) {
        sym_of(op)->aead.data = {.offset = layout.cipher_at(), .length = layout.payload};
        sym_of(op)->aead.aad.data = rte_pktmbuf_mtod(m, std::uint8_t*);
        sym_of(op)->aead.aad.phys_addr = 0;
        sym_of(op)->aead.digest = {rte_pktmbuf_mtod_offset(m, std::uint8_t*, layout.icv_at()), 0};
      } else {
        sym_of(op)->cipher.data = {.offset = layout.cipher_at(), .length = layout.payload};
        sym_of(op)->auth.data = {.offset = 0, .length = layout.icv_at()};
        sym_of(op)->auth.digest = {rte_pktmbuf_mtod_offset(m, std::uint8_t*, layout.icv_at()), 0};
      }
    }
    unsigned sent = 0, got = 0;
    while (sent < kBurst)
      sent += rte_cryptodev_enqueue_burst(dev, 0, device.op.data() + sent,
                                          static_cast<std::uint16_t>(kBurst - sent));
    while (got < kBurst)
      got += rte_cryptodev_dequeue_burst(dev, 0, device.op.data() + got,
                                         static_cast<std::uint16_t>(kBurst - got));
  });
}

Result<double> cpu(const EspSuite& suite, const Layout& layout, unsigned packets) {
  Device device;
  if (auto done = device.open(suite, layout); !done) return std::unexpected(done.error());
  const auto dev = static_cast<std::uint8_t>(device.id);
  const bool aead = suite.encr->aead();
  std::array<rte_crypto_vec, kBurst> segments{};
  std::array<rte_crypto_sgl, kBurst> sgl{};
  std::array<rte_crypto_va_iova_ptr, kBurst> iv{}, digest{}, aad{};
  std::array<std::int32_t, kBurst> status{};
  std::array<std::array<std::uint8_t, 16>, kBurst> ivs{};
  rte_crypto_sym_vec vec{};
  vec.num = kBurst;
  vec.src_sgl = sgl.data();
  vec.iv = iv.data();
  vec.digest = digest.data();
  vec.aad = aad.data();
  vec.status = status.data();
  // An AEAD sees the payload; a cipher and an authentication see the whole, the cipher from its offset on.
  rte_crypto_sym_ofs offsets{};
  if (!aead) offsets.ofs.cipher.head = static_cast<std::uint16_t>(layout.cipher_at());
  return measure(packets, [&] {
    for (unsigned i = 0; i < kBurst; ++i) {
      auto* data = rte_pktmbuf_mtod(device.mbufs[i], std::uint8_t*);
      ivs[i][0] = static_cast<std::uint8_t>(i);
      const unsigned from = aead ? layout.cipher_at() : 0;
      segments[i] = {.base = data + from, .iova = 0, .len = layout.icv_at() - from, .tot_len = 0};
      sgl[i] = {.vec = &segments[i], .num = 1};
      iv[i].va = ivs[i].data();
      digest[i].va = data + layout.icv_at();
      aad[i].va = data;
    }
    rte_cryptodev_sym_cpu_crypto_process(dev, device.session, offsets, &vec);
  });
}

struct MbKeys {
  DECLARE_ALIGNED(gcm_key_data gcm, 64);
  DECLARE_ALIGNED(std::uint32_t enc[15 * 4], 16);
  DECLARE_ALIGNED(std::uint32_t dec[15 * 4], 16);
  DECLARE_ALIGNED(std::uint8_t ipad[64], 16);
  DECLARE_ALIGNED(std::uint8_t opad[64], 16);
};

void prepare(IMB_MGR* mb, MbKeys& keys, const EspSuite& suite) {
  if (suite.encr->aead()) {
    if (suite.encr->key == 16) IMB_AES128_GCM_PRE(mb, kKey.data(), &keys.gcm);
    if (suite.encr->key == 24) IMB_AES192_GCM_PRE(mb, kKey.data(), &keys.gcm);
    if (suite.encr->key == 32) IMB_AES256_GCM_PRE(mb, kKey.data(), &keys.gcm);
    return;
  }
  IMB_AES_KEYEXP_128(mb, kKey.data(), keys.enc, keys.dec);
  std::array<std::uint8_t, 64> pad{};
  for (unsigned i = 0; i < 64; ++i) pad[i] = static_cast<std::uint8_t>((i < 32 ? kKey[i] : 0) ^ 0x36);
  IMB_SHA256_ONE_BLOCK(mb, pad.data(), keys.ipad);
  for (std::uint8_t& b : pad) b = static_cast<std::uint8_t>(b ^ 0x36 ^ 0x5c);
  IMB_SHA256_ONE_BLOCK(mb, pad.data(), keys.opad);
}

// What all packets of an SA have in common.
IMB_JOB job_of(const MbKeys& keys, const EspSuite& suite, const Layout& layout) {
  IMB_JOB job{};
  job.cipher_direction = IMB_DIR_ENCRYPT;
  job.cipher_start_src_offset_in_bytes = layout.cipher_at();
  job.msg_len_to_cipher_in_bytes = layout.payload;
  job.auth_tag_output_len_in_bytes = layout.icv;
  job.key_len_in_bytes = suite.encr->key;
  if (suite.encr->aead()) {
    job.cipher_mode = IMB_CIPHER_GCM;
    job.hash_alg = IMB_AUTH_AES_GMAC;
    job.chain_order = IMB_ORDER_CIPHER_HASH;
    job.enc_keys = job.dec_keys = &keys.gcm;
    job.iv_len_in_bytes = 12;
    job.u.GCM.aad_len_in_bytes = layout.aad;
    job.hash_start_src_offset_in_bytes = layout.cipher_at();
    job.msg_len_to_hash_in_bytes = layout.payload;
  } else {
    job.cipher_mode = IMB_CIPHER_CBC;
    job.hash_alg = IMB_AUTH_HMAC_SHA_256;
    job.chain_order = IMB_ORDER_CIPHER_HASH;
    job.enc_keys = keys.enc;
    job.dec_keys = keys.dec;
    job.iv_len_in_bytes = 16;
    job.u.HMAC._hashed_auth_key_xor_ipad = keys.ipad;
    job.u.HMAC._hashed_auth_key_xor_opad = keys.opad;
    job.hash_start_src_offset_in_bytes = 0;
    job.msg_len_to_hash_in_bytes = layout.icv_at();
  }
  return job;
}

void aim(IMB_JOB& job, bool aead, const Layout& layout, std::uint8_t* data, const std::uint8_t* iv) {
  job.src = data;
  job.dst = data + layout.cipher_at();
  job.iv = iv;
  job.auth_tag_output = data + layout.icv_at();
  if (aead) job.u.GCM.aad = data;
}

Result<double> burst(const EspSuite& suite, const Layout& layout, unsigned packets) {
  const std::unique_ptr<IMB_MGR, decltype(&free_mb_mgr)> mb(alloc_mb_mgr(0), &free_mb_mgr);
  if (!mb) return fail("IPsec-MB has no memory");
  init_mb_mgr_auto(mb.get(), nullptr);
  const auto keys = std::make_unique<MbKeys>();
  prepare(mb.get(), *keys, suite);
  IMB_JOB sample = job_of(*keys, suite, layout);
  dp::make_burst_job(mb.get(), &sample);
  std::vector<std::array<std::uint8_t, 2048>> buffers(kBurst);
  std::array<std::array<std::uint8_t, 16>, kBurst> ivs{};
  std::array<IMB_JOB*, kBurst> jobs{};
  bool failed = false;
  const double cycles = measure(packets, [&] {
    const std::uint32_t n = IMB_GET_NEXT_BURST(mb.get(), kBurst, jobs.data());
    for (std::uint32_t i = 0; i < n; ++i) {
      *jobs[i] = sample;
      aim(*jobs[i], suite.encr->aead(), layout, buffers[i].data(), ivs[i].data());
    }
    std::uint32_t done = IMB_SUBMIT_BURST(mb.get(), n, jobs.data());
    while (done < n) {
      const std::uint32_t more = IMB_FLUSH_BURST(mb.get(), n - done, jobs.data());
      if (more == 0) break;
      done += more;
    }
    failed |= n != kBurst || done != n;
  });
  if (failed)
    return fail("IPsec-MB refused the burst: " + std::string(imb_get_strerror(imb_get_errno(mb.get()))));
  return cycles;
}

}  // namespace

std::string_view name(Way way) {
  switch (way) {
    case Way::kAsync:
      return "cryptodev async";
    case Way::kCpu:
      return "cryptodev CPU";
    case Way::kBurst:
      return "IPsec-MB burst";
  }
  return "?";
}

Result<double> bare_crypto(Way way, const EspSuite& suite, unsigned bytes, unsigned packets) {
  const Layout layout{
      .iv = suite.iv(), .payload = bytes / suite.encr->block * suite.encr->block, .icv = suite.icv()};
  switch (way) {
    case Way::kAsync:
      return async(suite, layout, packets);
    case Way::kCpu:
      return cpu(suite, layout, packets);
    case Way::kBurst:
      return burst(suite, layout, packets);
  }
  return fail("unknown way");
}

}  // namespace simplon::perf
