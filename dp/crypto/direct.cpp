// SPDX-License-Identifier: Apache-2.0
#include "dp/crypto/direct.h"

#include <string.h>  // explicit_bzero

#include <array>
#include <cstring>
#include <utility>

namespace simplon::dp {
namespace {

constexpr unsigned kGcmIcv = 16;  // the largest

struct GcmSession final : CryptoSession {
  bool out = false;
  std::uint8_t icv = kGcmIcv;
  aes_gcm_enc_dec_t call = nullptr;  // gcm128_enc or one of its kin
  alignas(64) gcm_key_data key;

  GcmSession() : CryptoSession(Lane::kGcm) {}
  ~GcmSession() override { explicit_bzero(&key, sizeof key); }
};

// The round keys, and the powers of the hash key that a small packet needs. The hardware fetches the rest of
// a stretch that is read in order.
void prefetch_key(const GcmSession& session) {
  constexpr unsigned kLines = 8, kLine = 64;
  const auto* key = reinterpret_cast<const std::uint8_t*>(&session.key);
  for (unsigned i = 0; i < kLines; ++i) __builtin_prefetch(key + i * kLine);
}

bool is_equal(const std::array<std::uint64_t, 2>& tag, const std::uint8_t* icv, unsigned bytes) {
  if (bytes != kGcmIcv) return is_equal_icv(reinterpret_cast<const std::uint8_t*>(tag.data()), icv, bytes);
  std::array<std::uint64_t, 2> have;
  static_assert(sizeof have == kGcmIcv);
  std::memcpy(have.data(), icv, sizeof have);
  return ((tag[0] ^ have[0]) | (tag[1] ^ have[1])) == 0;
}

bool is_gcm(EncrId id) {
  return id == EncrId::kAesGcm16 || id == EncrId::kAesGcm12 || id == EncrId::kAesGcm8 ||
         id == EncrId::kAesGcm16Iiv;
}

}  // namespace

std::string_view missing_imb_feature(std::uint64_t features) {
  constexpr std::pair<std::uint64_t, std::string_view> kNeeded[] = {
      {IMB_FEATURE_AESNI, "AES-NI"}, {IMB_FEATURE_PCLMULQDQ, "PCLMULQDQ"}, {IMB_FEATURE_SSE4_2, "SSE4.2"}};
  for (const auto& [feature, name] : kNeeded)
    if ((features & feature) == 0) return name;
  return {};
}

std::string_view missing_imb_feature() {
  const ImbManager manager(alloc_mb_mgr(0));
  return manager ? missing_imb_feature(manager->features) : std::string_view();
}

Result<ImbManager> make_imb_manager() {
  ImbManager manager(alloc_mb_mgr(0));
  if (!manager) return fail("IPsec-MB: no memory for its manager");
  if (!missing_imb_feature(manager->features).empty()) return nullptr;
  init_mb_mgr_auto(manager.get(), nullptr);
  if (const int error = imb_get_errno(manager.get()); error != 0)
    return fail(std::string("IPsec-MB does not start: ") + imb_get_strerror(error));
  return manager;
}

std::unique_ptr<const CryptoSession> make_gcm_session(const IMB_MGR& manager, const SaSpec& sa) {
  if (!is_gcm(sa.suite.encr->id)) return nullptr;
  auto session = std::make_unique<GcmSession>();
  session->icv = sa.suite.encr->icv;
  session->out = sa.direction == Direction::kOut;
  const std::uint8_t* key = sa.encr_key.bytes().data();
  switch (sa.suite.encr->key) {
    case IMB_KEY_128_BYTES:
      IMB_AES128_GCM_PRE(&manager, key, &session->key);
      session->call = session->out ? manager.gcm128_enc : manager.gcm128_dec;
      return session;
    case IMB_KEY_192_BYTES:
      IMB_AES192_GCM_PRE(&manager, key, &session->key);
      session->call = session->out ? manager.gcm192_enc : manager.gcm192_dec;
      return session;
    case IMB_KEY_256_BYTES:
      IMB_AES256_GCM_PRE(&manager, key, &session->key);
      session->call = session->out ? manager.gcm256_enc : manager.gcm256_dec;
      return session;
    default:  // no key of AES
      return nullptr;
  }
}

std::uint32_t run_gcm(const CryptoJob* jobs, unsigned n) {
  std::uint32_t good = 0;
  gcm_context_data context;
  for (unsigned i = 0; i < n; ++i) {
    const CryptoJob& job = jobs[i];
    const auto& session = static_cast<const GcmSession&>(*job.session);
    if (i + 1 < n && jobs[i + 1].session != &session)
      prefetch_key(static_cast<const GcmSession&>(*jobs[i + 1].session));
    std::uint8_t* data = job.esp + job.payload;
    std::array<std::uint8_t, kEsnAadBytes> long_aad;
    const std::uint8_t* aad = job.esp;
    if (job.esn) copy_aad(job, long_aad.data()), aad = long_aad.data();
    if (session.out) {
      session.call(&session.key, &context, data, data, job.length, job.nonce.data(), aad, aad_bytes(job),
                   job.icv, session.icv);
      good |= 1u << i;
    } else {
      std::array<std::uint64_t, 2> tag;
      session.call(&session.key, &context, data, data, job.length, job.nonce.data(), aad, aad_bytes(job),
                   reinterpret_cast<std::uint8_t*>(tag.data()), kGcmIcv);
      good |= static_cast<std::uint32_t>(is_equal(tag, job.icv, session.icv)) << i;
    }
  }
  return good;
}

}  // namespace simplon::dp
