// SPDX-License-Identifier: Apache-2.0
// Files with certificates, lists of revoked ones and private keys.
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "ike/crypto/certificate.h"
#include "ike/crypto/public_key.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

using namespace openssl;

struct OpensslFree {
  template <class T>
  void operator()(T* p) const {
    OPENSSL_free(p);
  }
};
template <class T>
using Octets = std::unique_ptr<T, OpensslFree>;

// The blocks of a PEM file that have one of these labels; it may have others. None at all: an empty list.
Result<std::vector<Buffer>> blocks(Bytes file, std::span<const std::string_view> labels) {
  std::vector<Buffer> out;
  if (file.empty()) return out;
  const Bio in = reader(file);
  ERR_clear_error();
  while (in) {
    char *label = nullptr, *header = nullptr;
    unsigned char* data = nullptr;
    long length = 0;
    if (PEM_read_bio(in.get(), &label, &header, &data, &length) != 1) break;
    const Octets<char> owned_label(label), owned_header(header);
    const Octets<unsigned char> owned_data(data);
    if (std::ranges::count(labels, std::string_view(label)) > 0) out.emplace_back(data, data + length);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) return fail("a PEM block is damaged");
  return out;
}

// DER of one, or PEM with at least one.
template <auto load>
Result<std::vector<Buffer>> read(Bytes file, std::span<const std::string_view> labels,
                                 const std::string& what) {
  if (load(file)) return std::vector<Buffer>{Buffer(file.begin(), file.end())};
  auto out = blocks(file, labels);
  if (!out) return out;
  if (out->empty()) return fail("there is no " + what + " in it, neither as PEM nor as DER");
  for (std::size_t i = 0; i < out->size(); ++i)
    if (!load((*out)[i])) return fail("PEM block " + std::to_string(i + 1) + " is not a " + what);
  return out;
}

// OpenSSL would ask at the terminal if nobody answered it.
struct Passphrase {
  Bytes octets;
  bool asked = false;
};
int answer(char* out, int size, int /*writing*/, void* from) {
  auto* const passphrase = static_cast<Passphrase*>(from);
  passphrase->asked = true;
  if (passphrase->octets.empty() || passphrase->octets.size() > static_cast<std::size_t>(size)) return -1;
  std::ranges::copy(passphrase->octets, out);
  return static_cast<int>(passphrase->octets.size());
}

// Whatever form it has; null: none that we can read.
Key read_any(Bytes file, Passphrase& passphrase) {
  if (Key key = load_private_key(file)) return key;
  if (const Bio in = reader(file))
    if (Key key{d2i_PKCS8PrivateKey_bio(in.get(), nullptr, answer, &passphrase)}) return key;
  if (const Bio in = reader(file))
    return Key(PEM_read_bio_PrivateKey(in.get(), nullptr, answer, &passphrase));
  return nullptr;
}

}  // namespace

Result<std::vector<Buffer>> read_certificates(Bytes file) {
  constexpr std::array<std::string_view, 2> kLabels{PEM_STRING_X509, PEM_STRING_X509_OLD};
  return read<load_certificate>(file, kLabels, "certificate");
}

Result<std::vector<Buffer>> read_crls(Bytes file) {
  constexpr std::array<std::string_view, 1> kLabels{PEM_STRING_X509_CRL};
  return read<load_crl>(file, kLabels, "list of revoked certificates");
}

Result<SharedSecret> read_private_key(Bytes file, Bytes given) {
  Passphrase passphrase{.octets = given};
  const Key key = read_any(file, passphrase);
  ERR_clear_error();
  if (!key && passphrase.asked)
    return fail(given.empty() ? "the private key is encrypted; it needs its passphrase"
                              : "the passphrase does not open the private key");
  if (!key) return fail("there is no private key in it, neither as PEM nor as DER");
  if (const std::string why = key_refusal(key.get(), WeakAlgorithms::kAllow); !why.empty())
    return fail("the private key " + why);
  return to_pkcs8(key.get());
}

}  // namespace simplon::ike
