// SPDX-License-Identifier: Apache-2.0
#include "dp/crypto/direct_gmac.h"

#include <string.h>  // explicit_bzero

#include <array>

namespace simplon::dp {
namespace {

constexpr unsigned kIcv = 16, kNonce = 12;

struct GmacSession final : CryptoSession {
  bool out = false;
  aes_gmac_init_t init = nullptr;
  aes_gmac_update_t update = nullptr;
  aes_gmac_finalize_t finalize = nullptr;
  alignas(64) gcm_key_data key;

  GmacSession() : CryptoSession(Lane::kGmac) {}
  ~GmacSession() override { explicit_bzero(&key, sizeof key); }

  void set(aes_gmac_init_t i, aes_gmac_update_t u, aes_gmac_finalize_t f) {
    init = i, update = u, finalize = f;
  }
};

// RFC 4543 §3.3: SPI and sequence number, then IV and payload, all in clear. Of AH it is the packet from its
// beginning.
void authenticate(const GmacSession& session, const CryptoJob& job, std::uint8_t* tag) {
  std::array<std::uint8_t, kEsnAadBytes> aad;
  copy_aad(job, aad.data());
  gcm_context_data context;
  session.init(&session.key, &context, job.nonce.data(), kNonce);
  session.update(&session.key, &context, aad.data(), aad_bytes(job));
  session.update(&session.key, &context, job.esp + kAadBytes,
                 job.payload - kAadBytes + job.length + 0u + job.tail);
  session.finalize(&session.key, &context, tag, kIcv);
}

}  // namespace

std::unique_ptr<const CryptoSession> make_gmac_session(const IMB_MGR& manager, const SaSpec& sa) {
  if (sa.suite.encr->id != EncrId::kNullAesGmac) return nullptr;
  auto session = std::make_unique<GmacSession>();
  session->out = sa.direction == Direction::kOut;
  const std::uint8_t* key = sa.encr_key.bytes().data();
  switch (sa.suite.encr->key) {
    case IMB_KEY_128_BYTES:
      IMB_AES128_GCM_PRE(&manager, key, &session->key);
      session->set(manager.gmac128_init, manager.gmac128_update, manager.gmac128_finalize);
      return session;
    case IMB_KEY_192_BYTES:
      IMB_AES192_GCM_PRE(&manager, key, &session->key);
      session->set(manager.gmac192_init, manager.gmac192_update, manager.gmac192_finalize);
      return session;
    case IMB_KEY_256_BYTES:
      IMB_AES256_GCM_PRE(&manager, key, &session->key);
      session->set(manager.gmac256_init, manager.gmac256_update, manager.gmac256_finalize);
      return session;
    default:  // no key of AES
      return nullptr;
  }
}

std::uint32_t run_gmac(const CryptoJob* jobs, unsigned n) {
  std::uint32_t good = 0;
  for (unsigned i = 0; i < n; ++i) {
    const auto& session = static_cast<const GmacSession&>(*jobs[i].session);
    std::array<std::uint8_t, kIcv> tag;
    authenticate(session, jobs[i], session.out ? jobs[i].icv : tag.data());
    good |= static_cast<std::uint32_t>(session.out || is_equal_icv(tag.data(), jobs[i].icv, kIcv)) << i;
  }
  return good;
}

}  // namespace simplon::dp
