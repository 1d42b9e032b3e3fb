// SPDX-License-Identifier: Apache-2.0
#include "dp/crypto/direct_hmac.h"

#include <string.h>  // explicit_bzero

#include <bit>
#include <optional>

#include "dp/crypto/aes_keys.h"
#include "dp/crypto/hmac_pads.h"

namespace simplon::dp {
namespace {

// What the packets of one burst of the library have in common.
struct Kind {
  IMB_CIPHER_MODE cipher = IMB_CIPHER_CBC;
  IMB_HASH_ALG hash = IMB_AUTH_NULL;
  IMB_KEY_SIZE_BYTES key = IMB_KEY_128_BYTES;
  IMB_CIPHER_DIRECTION direction = IMB_DIR_ENCRYPT;
  friend bool operator==(const Kind&, const Kind&) = default;
};

struct HmacSession final : CryptoSession {
  Kind kind;
  std::uint8_t icv = 0, nonce = 0;
  alignas(64) std::array<std::uint32_t, kMostRoundKeys> round_keys{};
  alignas(64) std::array<std::uint8_t, IMB_SHA512_DIGEST_SIZE_IN_BYTES> inner{}, outer{};  // hashed pads

  HmacSession() : CryptoSession(Lane::kHmac) {}
  ~HmacSession() override {
    explicit_bzero(round_keys.data(), sizeof round_keys);
    explicit_bzero(inner.data(), sizeof inner);
    explicit_bzero(outer.data(), sizeof outer);
  }
};

const HmacSession& session_of(const CryptoJob& job) { return static_cast<const HmacSession&>(*job.session); }

// None: the library has no bursts for it.
std::optional<HmacHash> hash_of(const IMB_MGR& manager, IntegId id) {
  return id == IntegId::kMd5_96 ? std::nullopt : hmac_hash(manager, id);
}

std::optional<IMB_CIPHER_MODE> cipher_of(EncrId id) {
  if (id == EncrId::kAesCbc) return IMB_CIPHER_CBC;
  if (id == EncrId::kAesCtr) return IMB_CIPHER_CNTR;
  return {};
}

// Both schedules are made together; a session needs one. CTR encrypts in either direction.
void expand(const IMB_MGR& manager, const SaSpec& sa, HmacSession& session) {
  alignas(16) std::array<std::uint32_t, kMostRoundKeys> other{};
  const bool out = sa.direction == Direction::kOut || session.kind.cipher == IMB_CIPHER_CNTR;
  std::uint32_t *encrypt = out ? session.round_keys.data() : other.data(),
                *decrypt = out ? other.data() : session.round_keys.data();
  expand_aes(manager, sa.encr_key.bytes().data(), session.kind.key, encrypt, decrypt);
  explicit_bzero(other.data(), sizeof other);
}

void prefetch_keys(const HmacSession& session) {
  for (unsigned i = 0; i < 4; ++i) __builtin_prefetch(session.round_keys.data() + 16 * i);
  __builtin_prefetch(session.inner.data());
  __builtin_prefetch(session.outer.data());
}

void fill(IMB_JOB& to, const CryptoJob& job, void* tag) {
  const HmacSession& session = session_of(job);
  const bool out = session.kind.direction == IMB_DIR_ENCRYPT;
  to.enc_keys = to.dec_keys = session.round_keys.data();
  to.key_len_in_bytes = session.kind.key;
  to.src = job.esp;
  to.dst = job.esp + job.payload;
  to.cipher_start_src_offset_in_bytes = job.payload;
  to.msg_len_to_cipher_in_bytes = job.length;
  to.hash_start_src_offset_in_bytes = 0;
  to.msg_len_to_hash_in_bytes = job.payload + job.length + 0u + job.tail;
  to.iv = job.nonce.data();
  to.iv_len_in_bytes = session.nonce;
  to.auth_tag_output = out ? job.icv : static_cast<std::uint8_t*>(tag);
  to.auth_tag_output_len_in_bytes = session.icv;
  to.u.HMAC._hashed_auth_key_xor_ipad = session.inner.data();
  to.u.HMAC._hashed_auth_key_xor_opad = session.outer.data();
  to.cipher_mode = session.kind.cipher;
  to.cipher_direction = session.kind.direction;
  to.hash_alg = session.kind.hash;
  to.chain_order = out ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
  to.status = IMB_STATUS_BEING_PROCESSED;
}

}  // namespace

std::unique_ptr<const CryptoSession> make_hmac_session(IMB_MGR& manager, const SaSpec& sa) {
  const auto cipher = cipher_of(sa.suite.encr->id);
  if (!cipher || sa.suite.integ == nullptr) return nullptr;
  const auto hash = hash_of(manager, sa.suite.integ->id);
  if (!hash) return nullptr;
  auto session = std::make_unique<HmacSession>();
  session->kind = {*cipher, hash->algorithm, static_cast<IMB_KEY_SIZE_BYTES>(sa.suite.encr->key),
                   sa.direction == Direction::kOut ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT};
  session->icv = sa.suite.integ->icv;
  session->nonce = *cipher == IMB_CIPHER_CNTR ? 12 : 16;  // RFC 3686 §4: with 12 the counter begins with 1
  expand(manager, sa, *session);
  hmac_pads(*hash, sa.integ_key.bytes(), session->inner.data(), session->outer.data());
  return session;
}

Result<std::unique_ptr<HmacRun>> HmacRun::make() {
  auto manager = make_imb_manager();
  if (!manager) return std::unexpected(manager.error());
  return std::unique_ptr<HmacRun>(new HmacRun(std::move(*manager)));
}

std::uint32_t HmacRun::run(const CryptoJob* jobs, unsigned n) {
  std::uint32_t good = 0;
  for (unsigned i = 0, end = 0; i < n; i = end) {
    const Kind kind = session_of(jobs[i]).kind;
    const HmacSession* last = nullptr;
    for (end = i; end < n && session_of(jobs[end]).kind == kind; ++end) {
      const HmacSession& session = session_of(jobs[end]);
      if (&session != last) prefetch_keys(session), last = &session;
      fill(jobs_[end - i], jobs[end], tags_[end - i].data());
    }
    good |= (kind.direction == IMB_DIR_ENCRYPT ? encrypt(end - i) : decrypt(jobs + i, end - i)) << i;
  }
  return good;
}

std::uint32_t HmacRun::encrypt(unsigned n) {
  const auto all = static_cast<std::uint32_t>((std::uint64_t{1} << n) - 1);
  return cipher(0, n) && hash(n) ? all : 0;
}

std::uint32_t HmacRun::decrypt(const CryptoJob* jobs, unsigned n) {
  if (!hash(n)) return 0;
  std::uint32_t good = 0;
  for (unsigned i = 0; i < n; ++i)
    good |= static_cast<std::uint32_t>(is_equal_icv(reinterpret_cast<const std::uint8_t*>(tags_[i].data()),
                                                    jobs[i].icv, session_of(jobs[i]).icv))
            << i;
  for (unsigned i = 0, end = 0; i < n; i = end + 1) {  // stretches of good ones
    for (end = i; end < n && (good >> end & 1) != 0;) ++end;
    if (end > i && !cipher(i, end - i))
      good &= ~(static_cast<std::uint32_t>((std::uint64_t{1} << (end - i)) - 1) << i);
  }
  return good;
}

// Bursts of one kind, cipher or hash, need no session of the library's. Not checked by it: what it would
// check is right by construction, and of CBC lengths are whole blocks.
bool HmacRun::cipher(unsigned first, unsigned n) {
  IMB_JOB& job = jobs_[first];
  return IMB_SUBMIT_CIPHER_BURST_NOCHECK(manager_.get(), &job, n, job.cipher_mode, job.cipher_direction,
                                         static_cast<IMB_KEY_SIZE_BYTES>(job.key_len_in_bytes)) == n;
}
bool HmacRun::hash(unsigned n) {
  return IMB_SUBMIT_HASH_BURST_NOCHECK(manager_.get(), jobs_.data(), n, jobs_[0].hash_alg) == n;
}

}  // namespace simplon::dp
