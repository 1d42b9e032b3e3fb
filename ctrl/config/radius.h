// SPDX-License-Identifier: Apache-2.0
// The sections `radius` of the configuration and of the secrets file, as plain values.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/config/value.h"
#include "dp/base/address.h"
#include "dp/base/secret.h"

namespace simplon::ctrl {

struct RadiusServer {
  IpAddress address;
  Port port{1812}, accounting_port{1813};
  SharedSecret secret;
  friend bool operator==(const RadiusServer&, const RadiusServer&) = default;
};

// Servers that know the same users.
struct RadiusGroup {
  std::string name;
  std::vector<RadiusServer> servers;  // at least one; tried in this order
  std::optional<IpAddress> source;    // none: what the kernel takes
  std::string nas_identifier = "simplon";
  std::chrono::milliseconds timeout{2000};  // of one try
  bool accounting = false;
  std::optional<std::chrono::seconds> interim;  // counts more than what the server asks for (RFC 2869 §2.1)
  std::optional<Port> dynamic_authorization;  // where the servers' orders are heard (RFC 5176); none: nowhere
  friend bool operator==(const RadiusGroup&, const RadiusGroup&) = default;
};
using RadiusGroups = std::map<std::string, RadiusGroup, std::less<>>;
using RadiusSecrets = std::map<IpAddress, SharedSecret>;

// ---- for ctrl/config/ only ----

// One item of `radius` in the secrets file; read_secret() is that of secrets.cpp.
void read_radius_secret(const Value& item, SharedSecret (*read_secret)(const Value&), RadiusSecrets& out);
// `radius` of the main file. Null: the secrets could not be read, which is an error already.
RadiusGroups read_radius(const Value& value, const RadiusSecrets* secrets);

}  // namespace simplon::ctrl
