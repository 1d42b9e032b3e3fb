// SPDX-License-Identifier: Apache-2.0
// The two ends of a connection: `local` and `remote`, and how each proves who it is.
#include <algorithm>

#include "ctrl/config/parts.h"
#include "ike/crypto/token_key.h"

namespace simplon::ctrl {
namespace {

using ike::Connection;

constexpr std::string_view kLinkLocal =
    "tunnels between link-local addresses are not supported; use global or unique local ones";

bool is_link_local(const IpAddress& a) { return !a.is_v4() && a.is_link_local(); }
bool is_link_local(const AddressRange& r) { return is_link_local(r.first); }

// `address` or `addresses`, one or several; "any" is what an absent key means too.
template <class T, class Parse>
std::vector<T> read_addresses(Section& side, Parse parse) {
  const Value one = side.get("address"), several = side.get("addresses");
  if (one && several) several.error("stands beside 'address'; use one of them");
  std::vector<T> out;
  const std::vector<Value> items = (one ? one : several).filled_list();
  for (const Value& item : items) {
    if (item.node()->text == "any" || item.node()->text == "%any") {
      if (items.size() > 1) item.error("'any' stands alone");
      continue;
    }
    if (item.node()->text.find('%') != std::string::npos) {
      item.error(kLinkLocal);
      continue;
    }
    const std::optional<T> address = parse(item);
    if (address && is_link_local(*address))
      item.error(kLinkLocal);
    else if (address)
      out.push_back(*address);
  }
  return out;
}

using Auth = ike::AuthKind;

// Of both ends. Not `anonymous`: to prove nothing must be said of the very end.
Auth read_auth(Section& connection) {
  const auto auth = connection.get("auth").choice<Auth>(
      {{"psk", Auth::kPsk}, {"pubkey", Auth::kPubkey}, {"eap", Auth::kEap}});
  return auth.value_or(Auth::kPsk);
}
// `then_eap`: it is a list of that and eap.
Auth read_auth_of_end(const Value& rounds, Auth otherwise, bool& then_eap) {
  const std::vector<Value> items = rounds.list();
  if (items.size() > 1) {
    const auto text_of = [](const Value& item) { return item.text().value_or(""); };
    const std::string first = text_of(items[0]);
    then_eap = items.size() == 2 && (first == "psk" || first == "pubkey") && text_of(items[1]) == "eap";
    if (!then_eap) rounds.error("of several ways there are [pubkey, eap] and [psk, eap]");
    return first == "pubkey" ? Auth::kPubkey : Auth::kPsk;
  }
  const Value& value = items.empty() ? rounds : items[0];
  const auto auth = value.choice<Auth>(
      {{"psk", Auth::kPsk}, {"pubkey", Auth::kPubkey}, {"eap", Auth::kEap}, {"anonymous", Auth::kNull}});
  if (auth == Auth::kNull)
    value.warning("this end proves nothing: whoever stands between may be it, and read and change all");
  return auth.value_or(otherwise);
}

constexpr std::string_view kForPubkey = "is for 'auth: pubkey', which is not set for this end";
constexpr std::string_view kForNamed = "counts for nothing with 'auth: anonymous'; leave it away";
constexpr std::string_view kForEap = "is for 'auth: eap', which is not set for this end";

// What is there for another kind of authentication would be thought to count.
void refuse(Section& side, std::initializer_list<std::string_view> keys, std::string_view why) {
  for (const std::string_view key : keys)
    if (const Value value = side.get(key)) value.error(why);
}

// Who a certificate says we are: what the peer asks DNS for, else all that there is.
ike::Identity default_name(const ike::Credential& credential) {
  for (const ike::IdType type : {ike::IdType::kFqdn, ike::IdType::kDn})
    for (const ike::Identity& name : credential.names)
      if (name.type == type) return name;
  return credential.names.empty() ? ike::Identity{} : credential.names.front();
}

// RFC 4945 §3.1: whoever has our certificate looks for our identity in it.
void check_name(const Value& id, const Connection& c) {
  if (!c.credential || std::ranges::find(c.credential->names, c.local_id) != c.credential->names.end())
    return;
  std::string names;
  for (const ike::Identity& name : c.credential->names)
    names += (names.empty() ? "" : ", ") + shown(name.text());
  id.error("is not in our certificate; use one of its names: " + (names.empty() ? "it has none" : names));
}

void read_local_id(Section& local, Connection& out) {
  const Value value = local.get("id");
  if (out.local_auth == Auth::kNull) {
    if (value) value.error(kForNamed);
    out.local_id = {ike::IdType::kNull, {}};
    return;
  }
  const auto id = value.parsed<ike::Identity>(&ike::Identity::parse);
  const bool pubkey = out.local_auth == Auth::kPubkey;
  if (id && id->is_any())
    value.error("we must be somebody; '%any' is for the peer");
  else if (id)
    out.local_id = *id;
  if (out.local_id.data.empty() && value) return;
  if (pubkey && value) return check_name(value, out);
  if (value) return;
  if (pubkey) {
    if (out.credential) out.local_id = default_name(*out.credential);
  } else if (out.local_addrs.size() == 1) {
    out.local_id = *ike::Identity::parse(out.local_addrs[0].text());
  } else {
    local.require("id",
                  "without exactly one local address there is no default; use a name like gw.example.net");
  }
}

bool has_tls(const Connection& c) {
  return c.eap && std::ranges::find(c.eap->methods, ike::EapKind::kTls) != c.eap->methods.end();
}

std::vector<ike::EapKind> read_methods(const Value& value) {
  using Kind = ike::EapKind;
  if (!value) return {Kind::kMsChapV2};
  std::vector<Kind> out;
  const std::vector<Value> items = value.filled_list();
  out.reserve(items.size());
  for (const Value& item : items)
    if (const auto kind = item.choice<Kind>({{"mschapv2", Kind::kMsChapV2}, {"tls", Kind::kTls}}))
      out.push_back(*kind);
  return out;
}

// We are the user.
void read_own_eap(Section& local, const Ends& with, Connection& out) {
  ike::EapSettings eap{
      .methods = read_methods(local.get("eap")), .passwords = {}, .identity = {}, .password = {}};
  const Value user = local.get("eap_id");
  eap.identity = user.text().value_or(out.local_id.text());
  const bool by_password = std::ranges::find(eap.methods, ike::EapKind::kMsChapV2) != eap.methods.end();
  if (by_password && with.secrets != nullptr) {
    if (const SharedSecret* password = with.secrets->password(eap.identity))
      eap.password = *password;
    else
      (user ? user : local.value())
          .error("there is no password of " + shown(eap.identity) +
                 "; add users: - {name: ..., password: ...} to the secrets file");
  }
  out.eap = std::move(eap);
}

void read_local(Section local, const Ends& with, Connection& out) {
  out.local_addrs = read_addresses<IpAddress>(local, [](const Value& v) { return v.address(); });
  out.local_auth = read_auth_of_end(local.get("auth"), out.local_auth, out.local_then_eap);
  const bool eap = out.local_auth == Auth::kEap || out.local_then_eap;
  if (!eap) refuse(local, {"eap", "eap_id"}, kForEap);
  if (out.local_auth == Auth::kPubkey || (eap && local.has("certificate")))
    out.credential = with.certificates.credential(local);
  else
    refuse(local, {"certificate", "key", "rsa"}, kForPubkey);
  read_local_id(local, out);
  if (eap) read_own_eap(local, with, out);
  for (const Value& item : local.get("request_addresses").filled_list())
    if (const auto family = item.choice<Family>({{"ipv4", Family::kV4}, {"ipv6", Family::kV6}}))
      out.wanted_addresses.push_back(*family);
  local.finish();
}

void read_pool_names(const Value& value, const Ends& with, Connection& out) {
  for (const Value& item : value.filled_list()) {
    const auto name = item.text();
    if (!name) continue;
    const auto pool = with.pools.find(*name);
    if (pool == with.pools.end())
      item.error("there is no pool " + shown(*name) + "; add it to 'pools'");
    else
      out.pools.push_back(pool->second);
  }
}

bool is_in_token(const SharedSecret& key) {
  const Bytes text = key.bytes();
  return ike::is_token_key({reinterpret_cast<const char*>(text.data()), text.size()});
}

// By EAP alone it is EAP that shows who the gateway is, which MSCHAPv2 does not (RFC 5998 §4).
void check_eap(const Value& remote, const Connection& c) {
  const bool alone = c.remote_auth == Auth::kEap && c.local_auth == Auth::kEap;
  if (alone && (c.eap->methods.size() != 1 || !has_tls(c)))
    remote.error("by EAP alone both ends prove themselves; use eap: tls at 'local', or auth: pubkey here");
  if (has_tls(c) && !c.credential) remote.error("eap: tls needs a certificate of ours; give 'local' one");
  if (has_tls(c) && c.trust && c.trust->revocation == ike::Revocation::kStrict && c.trust->crls.empty())
    remote.warning(
        "eap: tls looks at 'crls' alone, nothing is fetched for it: with revocation: strict and "
        "without 'crls' nobody gets in");
  if (has_tls(c) && c.credential && is_in_token(c.credential->key))
    remote.error("eap: tls cannot be with a key in a token; name a file");
}

std::string read_group(const Value& value, const Ends& with) {
  const auto name = value.text();
  if (name && !with.radius.contains(*name))
    value.error("there are no servers " + shown(*name) + "; add them to 'radius'");
  return name.value_or("");
}

void read_remote_auth(Section& remote, const Ends& with, Connection& out) {
  out.remote_auth = read_auth_of_end(remote.get("auth"), out.remote_auth, out.remote_then_eap);
  const bool eap = out.remote_auth == Auth::kEap || out.remote_then_eap;
  const bool ours = out.local_auth == Auth::kEap || out.local_then_eap;
  const Value methods = remote.get("eap"), radius = remote.get("radius");
  for (const Value& value : {methods, radius})
    if (!eap && value) value.error(kForEap);
  for (const Value& value : {methods, radius})
    if (eap && ours && value)
      value.error("is not used where 'local' has auth: eap as well; give 'local' auth: pubkey");
  const bool anonymous = out.local_auth == Auth::kNull || out.remote_auth == Auth::kNull;
  if (eap && ours && (out.local_then_eap || out.remote_then_eap))
    remote.value().error("by EAP one end alone proves itself, where that is its second way");
  if (anonymous && (eap || ours))
    remote.value().error("by EAP nobody proves itself to an anonymous end; give that one auth: pubkey");
  if (methods && radius) methods.error("stands beside 'radius': its servers choose the method");
  if (eap && !ours && with.secrets != nullptr)
    out.eap = ike::EapSettings{.methods = read_methods(methods),
                               .passwords = with.secrets->passwords(),
                               .radius = read_group(radius, with),
                               .identity = {},
                               .password = {}};
  if (out.remote_auth == Auth::kPubkey || (eap && has_tls(out)))
    out.trust = with.certificates.trust(remote);
  else
    refuse(remote, {"authorities", "certificate"}, kForPubkey);
  if (out.eap) check_eap(remote.value(), out);
}

void read_remote(Section remote, const Ends& with, Connection& out) {
  out.remote_addrs = read_addresses<AddressRange>(
      remote, [](const Value& v) { return v.parsed<AddressRange>(&AddressRange::parse); });
  read_remote_auth(remote, with, out);
  const bool one = out.remote_addrs.size() == 1 && one_host(out.remote_addrs[0]);
  const Value id_value = remote.get("id");
  const auto id = id_value.parsed<ike::Identity>(&ike::Identity::parse_pattern);
  if (out.remote_auth == Auth::kNull && id && !id->is_any())
    id_value.error(kForNamed);
  else if (id)
    out.remote_id = *id;
  else if (out.remote_auth == Auth::kNull)
    out.remote_id = {};
  else if (!remote.has("id") && one)
    out.remote_id = *ike::Identity::parse(out.remote_addrs[0].first.text());
  else if (!remote.has("id"))
    remote.require(
        "id", "without exactly one remote address there is no default; use the peer's name, or \"%any\"");
  if (const auto port = remote.get("port").number(1, 65535))
    out.remote_port = Port{static_cast<std::uint16_t>(*port)};
  read_pool_names(remote.get("pools"), with, out);
  remote.finish();
}

}  // namespace

void read_ends(Section& connection, const Ends& with, Connection& out) {
  out.local_auth = out.remote_auth = read_auth(connection);
  read_local(Section(connection.require("local", "use {address: ..., id: ...}")), with, out);
  read_remote(Section(connection.require("remote", "use {address: ..., id: ...}")), with, out);
}

}  // namespace simplon::ctrl
