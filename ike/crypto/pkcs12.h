// SPDX-License-Identifier: Apache-2.0
// PKCS#12 files (RFC 7292): a certificate with its key, and those between it and the authority, in one file
// with a passphrase. For the configuration.
#pragma once

#include <vector>

#include "dp/base/result.h"
#include "dp/base/secret.h"

namespace simplon::ike {

struct Pkcs12 {
  std::vector<Buffer> chain;  // X.509, DER: that of the key first, the others as the file has them; no root
  SharedSecret key;           // PKCS #8, DER
};
// Whether it is such a file, whatever its passphrase is.
bool is_pkcs12(Bytes file);
// A file without a passphrase may be opened with none. Both the key and its certificate must be in it.
Result<Pkcs12> read_pkcs12(Bytes file, Bytes passphrase);

}  // namespace simplon::ike
