// OpenSSL lives here.
#include "ike/crypto/keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace simplon::ike {
namespace {

constexpr std::string_view kKeyPad = "Key Pad for IKEv2";  // §2.15

// Null: an identifier that is none of ours.
const EVP_MD* digest(PrfId id) {
  switch (id) {
    case PrfId::kSha256:
      return EVP_sha256();
    case PrfId::kSha384:
      return EVP_sha384();
    case PrfId::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

const EVP_MD* digest(IntegId id) {
  switch (id) {
    case IntegId::kSha256_128:
      return EVP_sha256();
    case IntegId::kSha384_192:
      return EVP_sha384();
    case IntegId::kSha512_256:
      return EVP_sha512();
  }
  return nullptr;
}

// An OpenSSL that cannot hash must not look like one: an empty HMAC would equal an empty AUTH.
Buffer hmac(const EVP_MD* md, Bytes key, Bytes data) {
  Buffer out(EVP_MAX_MD_SIZE);
  unsigned length = 0;
  static constexpr std::uint8_t kNothing = 0;
  const bool done = HMAC(md, key.empty() ? &kNothing : key.data(), static_cast<int>(key.size()), data.data(),
                         data.size(), out.data(), &length) != nullptr;
  if (!done || length == 0) std::abort();
  out.resize(length);
  return out;
}

std::size_t prf_bytes(PrfId id) { return static_cast<std::size_t>(EVP_MD_get_size(digest(id))); }

// Reserved first: a buffer that grew would leave key material behind.
Secret joined(std::initializer_list<Bytes> parts) {
  std::size_t size = 0;
  for (const Bytes p : parts) size += p.size();
  Buffer out;
  out.reserve(size);
  for (const Bytes p : parts) out.insert(out.end(), p.begin(), p.end());
  return Secret(std::move(out));
}

// Cuts KEYMAT into its pieces, one after the other.
class Cutter {
 public:
  explicit Cutter(const Secret& from) : rest_(from.bytes()) {}
  Secret next(std::size_t n) {
    const Bytes head = rest_.first(n);
    rest_ = rest_.subspan(n);
    return Secret(head);
  }

 private:
  Bytes rest_;
};

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

using Cipher = const EVP_CIPHER* (*)();
Cipher by_length(const Encr& encr, Cipher aes128, Cipher aes192, Cipher aes256) {
  return encr.key == 16 ? aes128 : encr.key == 24 ? aes192 : encr.key == 32 ? aes256 : nullptr;
}

// Null: a row that OpenSSL has no cipher for; nothing is encrypted under another one's name.
const EVP_CIPHER* cipher(const Encr& encr) {
  Cipher found = nullptr;
  switch (encr.id) {
    case EncrId::kAesGcm16:
      found = by_length(encr, &EVP_aes_128_gcm, &EVP_aes_192_gcm, &EVP_aes_256_gcm);
      break;
    case EncrId::kAesCbc:
      found = by_length(encr, &EVP_aes_128_cbc, &EVP_aes_192_cbc, &EVP_aes_256_cbc);
      break;
  }
  return found != nullptr ? found() : nullptr;
}

// RFC 5282 §4: nonce = salt | IV; the salt stands behind the key.
std::array<std::uint8_t, 12> nonce(Bytes key, const Encr& encr, Bytes iv) {
  std::array<std::uint8_t, 12> out{};
  std::ranges::copy(key.subspan(encr.key, encr.salt), out.begin());
  std::ranges::copy(iv, out.begin() + encr.salt);
  return out;
}

// In place; `icv` is written. False: OpenSSL fails, or has no such cipher.
bool aead_encrypt(const Encr& encr, Bytes key, Bytes iv, Bytes aad, MutableBytes text, MutableBytes icv) {
  const Context c(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  const auto n = nonce(key, encr, iv);
  int length = 0;
  return EVP_EncryptInit_ex(c.get(), cipher(encr), nullptr, key.data(), n.data()) == 1 &&
         EVP_EncryptUpdate(c.get(), nullptr, &length, aad.data(), static_cast<int>(aad.size())) == 1 &&
         EVP_EncryptUpdate(c.get(), text.data(), &length, text.data(), static_cast<int>(text.size())) == 1 &&
         EVP_EncryptFinal_ex(c.get(), text.data() + length, &length) == 1 &&
         EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(icv.size()), icv.data()) == 1;
}

bool aead_decrypt(const Encr& encr, Bytes key, Bytes iv, Bytes aad, MutableBytes text, Bytes icv) {
  const Context c(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  const auto n = nonce(key, encr, iv);
  int length = 0;
  return EVP_DecryptInit_ex(c.get(), cipher(encr), nullptr, key.data(), n.data()) == 1 &&
         EVP_DecryptUpdate(c.get(), nullptr, &length, aad.data(), static_cast<int>(aad.size())) == 1 &&
         EVP_DecryptUpdate(c.get(), text.data(), &length, text.data(), static_cast<int>(text.size())) == 1 &&
         EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(icv.size()),
                             const_cast<std::uint8_t*>(icv.data())) == 1 &&
         EVP_DecryptFinal_ex(c.get(), text.data() + length, &length) == 1;
}

bool cbc(const Encr& encr, bool encrypt, Bytes key, Bytes iv, MutableBytes text) {
  const Context c(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int length = 0;
  return EVP_CipherInit_ex(c.get(), cipher(encr), nullptr, key.data(), iv.data(), encrypt ? 1 : 0) == 1 &&
         EVP_CIPHER_CTX_set_padding(c.get(), 0) == 1 &&
         EVP_CipherUpdate(c.get(), text.data(), &length, text.data(), static_cast<int>(text.size())) == 1;
}

Buffer icv_of(const Integ& integ, Bytes key, Bytes message) {
  Buffer full = hmac(digest(integ.id), key, message);
  full.resize(integ.icv);
  return full;
}

}  // namespace

Secret prf(PrfId id, Bytes key, Bytes data) { return Secret(hmac(digest(id), key, data)); }

Secret prf_plus(PrfId id, Bytes key, Bytes seed, std::size_t bytes) {
  Buffer out;
  out.reserve(bytes);
  Secret t;
  for (std::uint8_t n = 1; out.size() < bytes; ++n) {
    t = Secret(hmac(digest(id), key, joined({t.bytes(), seed, Bytes(&n, 1)}).bytes()));
    const Bytes wanted = t.bytes().first(std::min(t.size(), bytes - out.size()));
    out.insert(out.end(), wanted.begin(), wanted.end());
  }
  return Secret(std::move(out));
}

IkeKeys derive_keys(const Proposal& chosen, Bytes shared, Bytes ni, Bytes nr, std::uint64_t spi_i,
                    std::uint64_t spi_r, const IkeKeys* old) {
  IkeKeys keys{.encr = chosen.encrs[0],
               .integ = chosen.integs.empty() ? nullptr : chosen.integs[0],
               .prf = chosen.prfs[0]};
  const Secret nonces = joined({ni, nr});
  // §2.18: the old SA's PRF makes the new SKEYSEED, the new one's all that follows.
  const Secret seed = old ? prf(old->prf, old->sk_d.bytes(), joined({shared, ni, nr}).bytes())
                          : prf(keys.prf, nonces.bytes(), shared);
  std::array<std::uint8_t, 16> spis;
  store_be64(spis.data(), spi_i);
  store_be64(spis.data() + 8, spi_r);
  const std::size_t p = prf_bytes(keys.prf), a = keys.integ ? keys.integ->key : 0,
                    e = keys.encr->key + keys.encr->salt;
  const Secret material =
      prf_plus(keys.prf, seed.bytes(), joined({ni, nr, spis}).bytes(), 3 * p + 2 * a + 2 * e);
  Cutter cut(material);
  keys.sk_d = cut.next(p);
  keys.sk_ai = cut.next(a);
  keys.sk_ar = cut.next(a);
  keys.sk_ei = cut.next(e);
  keys.sk_er = cut.next(e);
  keys.sk_pi = cut.next(p);
  keys.sk_pr = cut.next(p);
  return keys;
}

ChildKeys derive_child(const IkeKeys& keys, const EspSuite& suite, Bytes shared, Bytes ni, Bytes nr) {
  const Secret material =
      prf_plus(keys.prf, keys.sk_d.bytes(), joined({shared, ni, nr}).bytes(), 2 * suite.keymat());
  Cutter cut(material);
  ChildKeys out;
  for (ChildKeys::One* one : {&out.initiator, &out.responder}) {
    one->encr = cut.next(suite.encr->key);
    one->salt = cut.next(suite.encr->salt);
    one->integ = cut.next(suite.integ ? suite.integ->key : 0);
  }
  return out;
}

Buffer psk_auth(const IkeKeys& keys, bool signer_is_initiator, Bytes psk, Bytes message, Bytes peer_nonce,
                Bytes id) {
  const Secret padded =
      prf(keys.prf, psk, Bytes(reinterpret_cast<const std::uint8_t*>(kKeyPad.data()), kKeyPad.size()));
  const Secret maced = prf(keys.prf, (signer_is_initiator ? keys.sk_pi : keys.sk_pr).bytes(), id);
  return hmac(digest(keys.prf), padded.bytes(), joined({message, peer_nonce, maced.bytes()}).bytes());
}

Buffer seal(const IkeKeys& keys, bool sender_is_initiator, const Header& header,
            const PayloadWriter& payloads, Bytes iv) {
  const Encr& encr = *keys.encr;
  const std::size_t icv = keys.integ ? keys.integ->icv : encr.icv;
  const std::size_t block = encr.aead() ? 1 : encr.block;
  const std::size_t text = (payloads.bytes().size() + 1 + block - 1) / block * block;
  Header with_sk = header;
  with_sk.next = static_cast<std::uint8_t>(PayloadType::kSk);
  Writer out;
  write_header(out, with_sk);
  out.u8(payloads.first());
  out.u8(0);
  out.be16(static_cast<std::uint16_t>(4 + iv.size() + text + icv));
  out.bytes(iv);
  out.bytes(payloads.bytes());
  out.zeros(text - payloads.bytes().size() - 1);
  out.u8(static_cast<std::uint8_t>(text - payloads.bytes().size() - 1));  // pad length
  out.zeros(icv);
  out.patch_be32(24, static_cast<std::uint32_t>(out.size()));
  Buffer message = out.take();
  const MutableBytes all(message);
  const std::size_t at = kHeaderBytes + 4 + iv.size();
  const Bytes key = (sender_is_initiator ? keys.sk_ei : keys.sk_er).bytes();
  bool done = false;
  if (encr.aead()) {
    done = aead_encrypt(encr, key, iv, all.first(kHeaderBytes + 4), all.subspan(at, text), all.last(icv));
  } else {
    done = cbc(encr, true, key, iv, all.subspan(at, text));
    const Buffer mac = icv_of(*keys.integ, (sender_is_initiator ? keys.sk_ai : keys.sk_ar).bytes(),
                              all.first(message.size() - icv));
    std::ranges::copy(mac, all.last(icv).begin());
  }
  return done ? message : Buffer{};
}

std::optional<Opened> open(const IkeKeys& keys, bool sender_is_initiator, Bytes message,
                           const SkPayload& sk) {
  const Encr& encr = *keys.encr;
  const std::size_t icv = keys.integ ? keys.integ->icv : encr.icv;
  if (sk.body > message.size() || message.size() - sk.body < encr.iv + icv + 1) return std::nullopt;
  const std::size_t text = message.size() - sk.body - encr.iv - icv;
  const Bytes iv = message.subspan(sk.body, encr.iv), body = message.subspan(sk.body + encr.iv, text);
  const Bytes key = (sender_is_initiator ? keys.sk_ei : keys.sk_er).bytes();
  Buffer plain(body.begin(), body.end());
  if (encr.aead()) {
    if (!aead_decrypt(encr, key, iv, message.first(sk.body), plain, message.last(icv))) return std::nullopt;
  } else {
    if (keys.integ == nullptr) return std::nullopt;  // a cipher alone proves nothing
    const Buffer want = icv_of(*keys.integ, (sender_is_initiator ? keys.sk_ai : keys.sk_ar).bytes(),
                               message.first(message.size() - icv));
    if (!equal_in_constant_time(want, message.last(icv))) return std::nullopt;
    if (text % encr.block != 0 || !cbc(encr, false, key, iv, plain)) return std::nullopt;
  }
  const std::size_t pad = plain.back();
  if (pad + 1 > plain.size()) return std::nullopt;
  plain.resize(plain.size() - pad - 1);
  return Opened{.first = sk.first, .chain = std::move(plain)};
}

Buffer nat_hash(std::uint64_t spi_i, std::uint64_t spi_r, const SocketAddress& where) {
  Writer data;
  data.be64(spi_i);
  data.be64(spi_r);
  data.bytes(where.address.bytes());
  data.be16(static_cast<std::uint16_t>(where.port));
  Buffer out(SHA_DIGEST_LENGTH);
  if (EVP_Digest(data.view().data(), data.size(), out.data(), nullptr, EVP_sha1(), nullptr) != 1)
    std::ranges::fill(out, 0);  // of no address: a NAT is seen
  return out;
}

Buffer cookie(Bytes secret, std::uint32_t version, Bytes ni, const IpAddress& from, std::uint64_t spi_i) {
  Writer data;
  data.bytes(ni);
  data.bytes(from.bytes());
  data.be64(spi_i);
  Writer out;
  out.be32(version);
  out.bytes(hmac(EVP_sha256(), secret, data.view()));
  return out.take();
}

}  // namespace simplon::ike
