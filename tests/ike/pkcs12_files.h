// SPDX-License-Identifier: Apache-2.0
// PKCS#12 files: made by OpenSSL as a test goes, and one of old.
#pragma once

#include <openssl/evp.h>
#include <openssl/pkcs12.h>

#include <string>
#include <vector>

#include "tests/ike/certificates.h"

namespace simplon::ike::test {

// A part of `own` that is empty is left out; `others` are certificates alone.
inline Buffer pkcs12(const Issued& own, const std::vector<Issued>& others, const std::string& passphrase) {
  EVP_PKEY* const key = own.key.empty() ? nullptr : detail::key_of(own.key);
  X509* const certificate = own.der.empty() ? nullptr : detail::x509_of(own.der);
  STACK_OF(X509)* const rest = sk_X509_new_null();
  for (const Issued& one : others) sk_X509_push(rest, detail::x509_of(one.der));
  PKCS12* const file =
      detail::need(PKCS12_create(passphrase.c_str(), "gw", key, certificate, rest, 0, 0, 0, 0, 0));
  Buffer out = detail::der_of<PKCS12>(file, i2d_PKCS12);
  PKCS12_free(file);
  sk_X509_pop_free(rest, X509_free);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return out;
}

// With RC2 of 40 bits and the passphrase "hush-hush", as programs wrote them until 2021.
inline Buffer old_pkcs12() {
  // clang-format off
  constexpr std::string_view kText =
      "MIIDcgIBAzCCAzgGCSqGSIb3DQEHAaCCAykEggMlMIIDITCCAhcGCSqGSIb3DQEHBqCCAggwggIEAgEAMIIB/QYJKoZIhvcNAQcBMBwG"
      "CiqGSIb3DQEMAQYwDgQIycRTEHJ7SUkCAggAgIIB0Ovu0tC2ccLh8ba4J44Ld2FPg2Voz0bIKvROJNxWctvAbh+Hi3j+NvwjDQzecT2s"
      "me/e4SeuJmK3ROFUHkJtWaNJ7fxh1keri4zKt0+jFMb4xLDRUekGoQ7XNM+zfkcUXLrhRYl7KLs7k5+fU6keoiXGQ/mWPyy+/7XSVDpo"
      "C5hp4G0fzTHXT0tTcsIoq7FZdUetq70xau5lx+pTlTMviXCd/S9gmU/6oqmybdIqvgUSox10A5Her9DHauxj1Wb/i4/wRujuON5t3ngS"
      "ZBba7pE8P800XEnTx29I/FHhcx3jsmRD2p/nUvWjUdQO/IameZh25vCyBYvjG862TuG2eHacutXuhsothOkAOt2o2PIfCpIH/GlxDcQi"
      "rOwB4eo1H2ILhiPEfc9vpufUQ6LhmSDOLPbeytcTglIV8ecG3W/K6a5rF4his1Vayry61+uxzbb9AahL6DxLHBwXfoo1OPqjoY+llj6W"
      "cqEkDC8adoRy6XtbLwStvoWNSOVh5gCDKKaHOs4cz0Hhrc12+zTgSBLJYfMT0qXC1/6rWK3PBz5pE6dyZ4c2biYQ3OuqwqrgcGVDEdvb"
      "wLXOo2/oic30m/blyn9yMlGropGd1KmEBa36MIIBAgYJKoZIhvcNAQcBoIH0BIHxMIHuMIHrBgsqhkiG9w0BDAoBAqCBtDCBsTAcBgoq"
      "hkiG9w0BDAEDMA4ECNLuL9kmKWsAAgIIAASBkNuc29ESXJ8TDMHTMZ02+4NbqYTpnI+mWkE4ibO6pSqOOpprdUgP+qUn6kVv+2S8aBic"
      "BdHiG5wM9uGIzOlw+PpsFwafrMasOST7krMZ3CW1AWoghE2ZjJx04Z6mXpG0wt8BM0uxNx1EjXafuRoCWnUsCZgTF1/d04SAmATkcTfF"
      "qsQlvdejkkKuU8Sb0Zog+jElMCMGCSqGSIb3DQEJFTEWBBRRy+dIDYeBFbrZlCoq/G43DADb9TAxMCEwCQYFKw4DAhoFAAQUWKm6ZISQ"
      "AOFyzUqekr5msHuQ5XEECAn0vEA5EywTAgIIAA==";
  // clang-format on
  Buffer out(kText.size());
  const int length = EVP_DecodeBlock(out.data(), reinterpret_cast<const unsigned char*>(kText.data()),
                                     static_cast<int>(kText.size()));
  const auto padding = static_cast<std::size_t>(kText.ends_with("==") ? 2 : kText.ends_with('=') ? 1 : 0);
  out.resize(static_cast<std::size_t>(length) - padding);
  return out;
}

}  // namespace simplon::ike::test
