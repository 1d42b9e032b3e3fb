// SPDX-License-Identifier: Apache-2.0
#include "ike/pad/connection.h"

#include <algorithm>

namespace simplon::ike {

const ChildConfig* Connection::child(std::string_view child_name) const {
  const auto found = std::ranges::find(children, child_name, &ChildConfig::name);
  return found == children.end() ? nullptr : &*found;
}

bool Peer::may_be_at(const IpAddress& address) const {
  return remote_addrs.empty() ||
         std::ranges::any_of(remote_addrs, [&](const AddressRange& r) { return r.contains(address); });
}

namespace {

// What stays of a credential when it is renewed.
Shared<Credential> without_renewable(const Shared<Credential>& from) {
  return from ? Shared(Credential{.names = from->names}) : from;
}
Shared<Trust> without_renewable(const Shared<Trust>& from) {
  if (!from) return from;
  Trust out = *from;
  out.crls.clear();
  return out;
}
Shared<EapSettings> without_renewable(const Shared<EapSettings>& from) {
  if (!from) return from;
  EapSettings out = *from;
  out.passwords = {};
  return out;
}

}  // namespace

bool Peer::like(const Peer& other) const {
  if (*this == other) return true;
  Peer a = *this, b = other;
  for (Peer* p : {&a, &b}) {
    p->credential = without_renewable(p->credential);
    p->trust = without_renewable(p->trust);
    p->eap = without_renewable(p->eap);
  }
  return a == b;
}

}  // namespace simplon::ike
