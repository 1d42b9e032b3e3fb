// SPDX-License-Identifier: Apache-2.0
// Keys and requests (RFC 2986), and files of them.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "ike/crypto/issue.h"
#include "ike/crypto/public_key.h"
#include "ike/crypto/x509_make.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

using namespace openssl;
using KeyInfo = Owner<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using BasicConstraints = Owner<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>;

Key new_key(NewKey kind) {
  switch (kind) {
    case NewKey::kEd25519:
      return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    case NewKey::kEcdsa256:
      return Key(EVP_EC_gen("P-256"));
    case NewKey::kEcdsa384:
      return Key(EVP_EC_gen("P-384"));
    case NewKey::kRsa3072:
      return Key(EVP_RSA_gen(3072));
    case NewKey::kRsa4096:
      return Key(EVP_RSA_gen(4096));
  }
  return nullptr;
}

// What a block of PEM is made of; the memory of the BIO is wiped when it is freed.
Bio pem_block(const char* label, Bytes der) {
  Bio out(BIO_new(BIO_s_mem()));
  if (out && PEM_write_bio(out.get(), label, "", der.data(), static_cast<long>(der.size())) <= 0) out.reset();
  return out;
}
Bytes content_of(BIO* memory) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(memory, &data);
  return {reinterpret_cast<const std::uint8_t*>(data), static_cast<std::size_t>(std::max(length, 0L))};
}

bool add_names(X509_REQ* request, const std::vector<Identity>& names) {
  if (names.empty()) return true;
  const AlternativeNames general = alternative_names(names);
  STACK_OF(X509_EXTENSION)* raw = nullptr;
  const bool made =
      general && X509V3_add1_i2d(&raw, NID_subject_alt_name, general.get(), 0, X509V3_ADD_DEFAULT) == 1;
  const Extensions extensions(raw);
  return made && X509_REQ_add_extensions(request, extensions.get()) == 1;
}

// Twice, or malformed: the same as asking for what we do not issue.
template <class T>
Result<T> extension(const STACK_OF(X509_EXTENSION) * all, int nid) {
  constexpr int kAbsent = -1;
  int critical = kAbsent;
  T out(static_cast<typename T::pointer>(X509V3_get_d2i(all, nid, &critical, nullptr)));
  ERR_clear_error();
  if (!out && critical != kAbsent) return fail("the request has a malformed extension");
  return out;
}

}  // namespace

Result<SharedSecret> generate_key(NewKey kind) {
  const Key key = new_key(kind);
  const KeyInfo info(key ? EVP_PKEY2PKCS8(key.get()) : nullptr);
  Secret out(info ? der_of(info.get(), i2d_PKCS8_PRIV_KEY_INFO) : Buffer());
  if (out.empty()) return fail("no key can be made: " + last_error());
  return SharedSecret(std::move(out));
}

Result<std::string> to_pem(PemLabel label, Bytes der) {
  const char* text = PEM_STRING_X509;
  if (label == PemLabel::kRequest) text = PEM_STRING_X509_REQ;
  if (label == PemLabel::kCrl) text = PEM_STRING_X509_CRL;
  const Bio out = pem_block(text, der);
  if (!out) return fail("PEM cannot be written: " + last_error());
  const Bytes content = content_of(out.get());
  return std::string(content.begin(), content.end());
}

Result<Secret> private_key_pem(const SharedSecret& key) {
  const Bio out = pem_block(PEM_STRING_PKCS8INF, key.bytes());
  if (!out) return fail("PEM cannot be written: " + last_error());
  return Secret(content_of(out.get()));
}

Result<Buffer> make_request(const std::string& name, const std::vector<Identity>& names,
                            const SharedSecret& key) {
  const Name subject = common_name(name);
  if (!subject) return fail("'" + name + "' cannot be a common name: it has 1 to 64 characters");
  const Key own = load_private_key(key.bytes());
  const Request request(X509_REQ_new());
  const bool made = own && request && X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
                    X509_REQ_set_subject_name(request.get(), subject.get()) == 1 &&
                    X509_REQ_set_pubkey(request.get(), own.get()) == 1 && add_names(request.get(), names) &&
                    X509_REQ_sign(request.get(), own.get(), signing_hash(own.get())) > 0;
  if (!made) return fail("the request cannot be made: " + last_error());
  return der_of(request.get(), i2d_X509_REQ);
}

Result<Buffer> read_request(Bytes file) {
  if (load_request(file)) return Buffer(file.begin(), file.end());
  Request request;
  if (const Bio in = file.empty() ? nullptr : reader(file))
    request.reset(PEM_read_bio_X509_REQ(in.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!request) return fail("there is no certificate request in it, neither as PEM nor as DER");
  return der_of(request.get(), i2d_X509_REQ);
}

Result<RequestFacts> request_facts(Bytes der) {
  const Request request = load_request(der);
  EVP_PKEY* const key = request ? X509_REQ_get0_pubkey(request.get()) : nullptr;
  if (key == nullptr) return fail("not a certificate request whose key can be read");
  if (X509_REQ_verify(request.get(), key) != 1) {
    ERR_clear_error();
    return fail("the request is not signed by its own key");
  }
  if (const std::string why = key_refusal(key, WeakAlgorithms::kRefuse); !why.empty())
    return fail("the key of the request " + why);
  const Extensions extensions(X509_REQ_get_extensions(request.get()));
  const auto constraints = extension<BasicConstraints>(extensions.get(), NID_basic_constraints);
  if (!constraints) return std::unexpected(constraints.error());
  if (*constraints && (*constraints)->ca != 0)
    return fail(
        "the request asks for a certificate of an authority (CA:TRUE); only those of gateways and clients "
        "are issued");
  const auto general = extension<AlternativeNames>(extensions.get(), NID_subject_alt_name);
  if (!general) return std::unexpected(general.error());
  auto names = identities_of(general->get());
  if (!names) return fail("the request has " + names.error().what);
  const X509_NAME* const subject = X509_REQ_get_subject_name(request.get());
  if (names->empty() && X509_NAME_entry_count(subject) == 0) return fail("the request has no name at all");
  return RequestFacts{.subject = name_text(subject), .names = std::move(*names), .key = key_text(key)};
}

}  // namespace simplon::ike
