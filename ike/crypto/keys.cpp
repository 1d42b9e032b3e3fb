// SPDX-License-Identifier: Apache-2.0
// OpenSSL lives here.
#include "ike/crypto/keys.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "ike/crypto/hmac.h"
#include "ike/crypto/mac.h"

namespace simplon::ike {
namespace {

constexpr std::string_view kKeyPad = "Key Pad for IKEv2";  // §2.15

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

}  // namespace

Secret prf(PrfId id, Bytes key, Bytes data) { return Secret(prf_of(id, key, data)); }

Secret prf_plus(PrfId id, Bytes key, Bytes seed, std::size_t bytes) {
  Buffer out;
  out.reserve(bytes);
  Secret t;
  for (std::uint8_t n = 1; out.size() < bytes; ++n) {
    t = prf(id, key, joined({t.bytes(), seed, Bytes(&n, 1)}).bytes());
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
  const auto part = [&](Bytes nonce) { return nonce.first(prf_nonce_bytes(keys.prf, nonce.size())); };
  const Secret nonces = joined({part(ni), part(nr)});
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

Buffer auth_octets(const IkeKeys& keys, bool signer_is_initiator, Bytes message, Bytes peer_nonce, Bytes id) {
  const Secret maced = prf(keys.prf, (signer_is_initiator ? keys.sk_pi : keys.sk_pr).bytes(), id);
  Writer out;
  out.bytes(message);
  out.bytes(peer_nonce);
  out.bytes(maced.bytes());
  return out.take();
}

Buffer psk_auth(const IkeKeys& keys, bool signer_is_initiator, Bytes psk, Bytes message, Bytes peer_nonce,
                Bytes id) {
  const Secret padded =
      prf(keys.prf, psk, Bytes(reinterpret_cast<const std::uint8_t*>(kKeyPad.data()), kKeyPad.size()));
  return prf_of(keys.prf, padded.bytes(), auth_octets(keys, signer_is_initiator, message, peer_nonce, id));
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
