// SPDX-License-Identifier: Apache-2.0
#include "dp/crypto/direct_jobs.h"

#include <string.h>  // explicit_bzero

#include <algorithm>

#include "dp/crypto/aes_keys.h"
#include "dp/crypto/hmac_pads.h"

namespace simplon::dp {
namespace {

struct JobsSession final : CryptoSession {
  // Whole but for what is a packet's own.
  IMB_JOB job{};
  std::uint8_t icv = 0;
  bool aead = false;
  std::uint8_t nonce_from = 0;  // into CryptoJob::nonce
  struct Keys {
    alignas(16) std::array<std::uint32_t, kMostRoundKeys> encrypt, decrypt;
    std::array<std::array<std::uint64_t, IMB_DES_KEY_SCHED_SIZE / 8>, 3> des;
    std::array<const void*, 3> des_schedules;
    alignas(16) std::array<std::uint32_t, kMostRoundKeys> mac;  // of XCBC and CMAC
    alignas(16) std::array<std::uint8_t, 16> mac_2, mac_3;
    alignas(64) std::array<std::uint8_t, IMB_SHA512_DIGEST_SIZE_IN_BYTES> inner, outer;
  } keys{};

  JobsSession() : CryptoSession(Lane::kJobs) {}
  ~JobsSession() override { explicit_bzero(&keys, sizeof keys); }
};

const JobsSession& session_of(const CryptoJob& job) { return static_cast<const JobsSession&>(*job.session); }

void set_aes(const IMB_MGR& manager, const std::uint8_t* key, unsigned bytes, JobsSession& s) {
  std::uint32_t *encrypt = s.keys.encrypt.data(), *decrypt = s.keys.decrypt.data();
  expand_aes(manager, key, bytes, encrypt, decrypt);
  s.job.enc_keys = encrypt;
  s.job.dec_keys = decrypt;
  s.job.key_len_in_bytes = bytes;
}

// One key, or three.
void set_des(const IMB_MGR& manager, const SaSpec& sa, JobsSession& s) {
  const unsigned count = sa.suite.encr->key / IMB_DES_BLOCK_SIZE;
  for (unsigned i = 0; i < count; ++i) {
    IMB_DES_KEYSCHED(&manager, s.keys.des[i].data(), sa.encr_key.bytes().data() + i * IMB_DES_BLOCK_SIZE);
    s.keys.des_schedules[i] = s.keys.des[i].data();
  }
  s.job.enc_keys = s.job.dec_keys =
      count == 1 ? static_cast<const void*>(s.keys.des[0].data()) : s.keys.des_schedules.data();
  s.job.key_len_in_bytes = sa.suite.encr->key;
}

void set_cipher(JobsSession& s, IMB_CIPHER_MODE mode, unsigned iv) {
  s.job.cipher_mode = mode;
  s.job.iv_len_in_bytes = iv;
}

void set_aead(JobsSession& s, IMB_CIPHER_MODE mode, IMB_HASH_ALG hash, const Encr& encr) {
  constexpr unsigned kIv = 8, kSalt = 4;  // in CryptoJob::nonce
  set_cipher(s, mode, encr.salt + kIv);
  s.nonce_from = static_cast<std::uint8_t>(kSalt - encr.salt);
  s.job.hash_alg = hash;
  s.aead = true;
}

// False: the library has no such cipher.
bool set_encr(const IMB_MGR& manager, const SaSpec& sa, JobsSession& s) {
  const Encr& encr = *sa.suite.encr;
  const std::uint8_t* key = sa.encr_key.bytes().data();
  switch (encr.id) {
    case EncrId::kAesCbc:
      set_cipher(s, IMB_CIPHER_CBC, 16);
      return set_aes(manager, key, encr.key, s), true;
    case EncrId::kAesCtr:
      set_cipher(s, IMB_CIPHER_CNTR, 12);  // RFC 3686 §4: the counter begins with 1
      return set_aes(manager, key, encr.key, s), true;
    case EncrId::kAesCcm8:
    case EncrId::kAesCcm12:
    case EncrId::kAesCcm16:
    case EncrId::kAesCcm8Iiv:
      if (encr.key == IMB_KEY_192_BYTES) return false;
      set_aead(s, IMB_CIPHER_CCM, IMB_AUTH_AES_CCM, encr);
      return set_aes(manager, key, encr.key, s), true;
    case EncrId::kChaCha20Poly1305:
    case EncrId::kChaCha20Poly1305Iiv:
      set_aead(s, IMB_CIPHER_CHACHA20_POLY1305, IMB_AUTH_CHACHA20_POLY1305, encr);
      std::memcpy(s.keys.encrypt.data(), key, encr.key);
      s.job.enc_keys = s.job.dec_keys = s.keys.encrypt.data();
      s.job.key_len_in_bytes = encr.key;
      return true;
    case EncrId::kDes:
      set_cipher(s, IMB_CIPHER_DES, 8);
      return set_des(manager, sa, s), true;
    case EncrId::k3Des:
      set_cipher(s, IMB_CIPHER_DES3, 8);
      return set_des(manager, sa, s), true;
    case EncrId::kNull:
      set_cipher(s, IMB_CIPHER_NULL, 0);
      s.job.key_len_in_bytes = IMB_KEY_128_BYTES;  // of no meaning; the library looks its way up by it
      return true;
    case EncrId::kAesGcm8:
    case EncrId::kAesGcm12:
    case EncrId::kAesGcm16:
    case EncrId::kAesGcm16Iiv:
    case EncrId::kNullAesGmac:
    case EncrId::kCamelliaCbc:
      return false;
  }
  return false;
}

void set_hmac(const IMB_MGR& manager, const SaSpec& sa, JobsSession& s) {
  const HmacHash hash = *hmac_hash(manager, sa.suite.integ->id);
  s.job.hash_alg = hash.algorithm;
  hmac_pads(hash, sa.integ_key.bytes(), s.keys.inner.data(), s.keys.outer.data());
  s.job.u.HMAC._hashed_auth_key_xor_ipad = s.keys.inner.data();
  s.job.u.HMAC._hashed_auth_key_xor_opad = s.keys.outer.data();
}

void set_xcbc(const IMB_MGR& manager, const SaSpec& sa, JobsSession& s) {
  s.job.hash_alg = IMB_AUTH_AES_XCBC;
  IMB_AES_XCBC_KEYEXP(&manager, sa.integ_key.bytes().data(), s.keys.mac.data(), s.keys.mac_2.data(),
                      s.keys.mac_3.data());
  s.job.u.XCBC._k1_expanded = s.keys.mac.data();
  s.job.u.XCBC._k2 = s.keys.mac_2.data();
  s.job.u.XCBC._k3 = s.keys.mac_3.data();
}

void set_cmac(const IMB_MGR& manager, const SaSpec& sa, JobsSession& s) {
  s.job.hash_alg = IMB_AUTH_AES_CMAC;
  alignas(16) std::array<std::uint32_t, kMostRoundKeys> decrypt{};
  expand_aes(manager, sa.integ_key.bytes().data(), IMB_KEY_128_BYTES, s.keys.mac.data(), decrypt.data());
  explicit_bzero(decrypt.data(), sizeof decrypt);
  IMB_AES_CMAC_SUBKEY_GEN_128(&manager, s.keys.mac.data(), s.keys.mac_2.data(), s.keys.mac_3.data());
  s.job.u.CMAC._key_expanded = s.keys.mac.data();
  s.job.u.CMAC._skey1 = s.keys.mac_2.data();
  s.job.u.CMAC._skey2 = s.keys.mac_3.data();
}

void set_integ(const IMB_MGR& manager, const SaSpec& sa, JobsSession& s) {
  switch (sa.suite.integ->id) {
    case IntegId::kMd5_96:
    case IntegId::kSha1_96:
    case IntegId::kSha256_128:
    case IntegId::kSha384_192:
    case IntegId::kSha512_256:
      return set_hmac(manager, sa, s);
    case IntegId::kAesXcbc96:
      return set_xcbc(manager, sa, s);
    case IntegId::kAesCmac96:
      return set_cmac(manager, sa, s);
    case IntegId::kAes128Gmac:  // in no suite: ah_suite()
    case IntegId::kAes192Gmac:
    case IntegId::kAes256Gmac:
      return;
  }
}

// What the library must do first. CCM's ICV is of the plaintext, every other of the ciphertext.
IMB_CHAIN_ORDER order(const JobsSession& s, bool out) {
  return out == (s.job.cipher_mode != IMB_CIPHER_CCM) ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
}

// IPsec-MB 2.0 enciphers several packets of DES at once wrongly (with AVX-512), one after the other rightly.
bool goes_alone(const JobsSession& s) {
  return s.job.cipher_mode == IMB_CIPHER_DES || s.job.cipher_mode == IMB_CIPHER_DES3;
}

void fill(IMB_JOB& to, const CryptoJob& job, unsigned index, std::uint8_t* aad, std::uint8_t* tag) {
  const JobsSession& s = session_of(job);
  to = s.job;
  to.src = job.esp;
  to.dst = job.esp + job.payload;
  to.cipher_start_src_offset_in_bytes = job.payload;
  to.msg_len_to_cipher_in_bytes = job.length;
  to.iv = job.nonce.data() + s.nonce_from;
  to.auth_tag_output = s.job.cipher_direction == IMB_DIR_ENCRYPT ? job.icv : tag;
  if (s.aead) {
    copy_aad(job, aad);
    static_assert(sizeof to.u.CCM == 2 * sizeof(void*));
    if (s.job.cipher_mode == IMB_CIPHER_CCM)
      to.u.CCM = {aad, aad_bytes(job)};
    else
      to.u.CHACHA20_POLY1305 = {aad, aad_bytes(job), nullptr};
    to.hash_start_src_offset_in_bytes = job.payload;
    to.msg_len_to_hash_in_bytes = job.length;
  } else {
    to.hash_start_src_offset_in_bytes = 0;
    to.msg_len_to_hash_in_bytes = job.payload + job.length + 0u + job.tail;
  }
  to.user_data = reinterpret_cast<void*>(std::uintptr_t{index});
}

}  // namespace

std::unique_ptr<const CryptoSession> make_jobs_session(IMB_MGR& manager, const SaSpec& sa) {
  auto session = std::make_unique<JobsSession>();
  if (!set_encr(manager, sa, *session)) return nullptr;
  if (!session->aead) set_integ(manager, sa, *session);
  const bool out = sa.direction == Direction::kOut;
  session->icv = static_cast<std::uint8_t>(sa.suite.icv());
  session->job.auth_tag_output_len_in_bytes = session->icv;
  session->job.cipher_direction = out ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
  session->job.chain_order = order(*session, out);
  return session;
}

Result<std::unique_ptr<JobsRun>> JobsRun::make() {
  auto manager = make_imb_manager();
  if (!manager) return std::unexpected(manager.error());
  return std::unique_ptr<JobsRun>(new JobsRun(std::move(*manager)));
}

std::uint32_t JobsRun::run(const CryptoJob* jobs, unsigned n) {
  std::uint32_t good = 0;
  const auto finish = [&](const IMB_JOB& done) {
    const auto i = static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(done.user_data));
    const JobsSession& s = session_of(jobs[i]);
    const bool fine =
        done.status == IMB_STATUS_COMPLETED &&
        (s.job.cipher_direction == IMB_DIR_ENCRYPT || is_equal_icv(tags_[i].data(), jobs[i].icv, s.icv));
    good |= static_cast<std::uint32_t>(fine) << i;
  };
  const auto flush = [&] {
    while (const IMB_JOB* done = IMB_FLUSH_JOB(manager_.get())) finish(*done);
  };
  for (unsigned i = 0; i < n; ++i) {
    fill(*IMB_GET_NEXT_JOB(manager_.get()), jobs[i], i, aads_[i].data(), tags_[i].data());
    if (const IMB_JOB* done = IMB_SUBMIT_JOB(manager_.get())) finish(*done);
    if (goes_alone(session_of(jobs[i]))) flush();
  }
  flush();
  return good;
}

}  // namespace simplon::dp
