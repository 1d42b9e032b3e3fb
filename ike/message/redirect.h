// SPDX-License-Identifier: Apache-2.0
// The data of REDIRECT and REDIRECTED_FROM (RFC 5685 §7.2, §7.3): which gateway, and in IKE_SA_INIT the nonce
// that the response is for.
#pragma once

#include <optional>
#include <string_view>

#include "dp/base/address.h"
#include "dp/base/bytes.h"

namespace simplon::ike {

struct Redirect {
  std::optional<IpAddress> gateway;  // none: it has a name (FQDN), which we do not resolve
  Buffer nonce;                      // of the initiator; empty but in IKE_SA_INIT
};

// None: the lengths or the kind of identity are not possible.
std::optional<Redirect> parse_redirect(Bytes data);
Buffer redirect_data(const IpAddress& gateway, Bytes nonce = {});
// A gateway by its name (FQDN), of at most 255 octets.
Buffer redirect_data(std::string_view name, Bytes nonce = {});

}  // namespace simplon::ike
