// SPDX-License-Identifier: Apache-2.0
#include "dp/base/sa_record.h"

namespace simplon {
namespace {

template <class T>
void put(RecordWriter& to, const T& value) {
  FieldWriter codec(to);
  codec(value);
}

template <class T>
std::optional<T> get(RecordReader& from) {
  FieldReader codec(from);
  T value;
  codec(value);
  return from.ok() ? std::optional(std::move(value)) : std::nullopt;
}

bool is_version(RecordReader& from, std::uint8_t version) {
  if (from.u8() != version) from.fail();
  return from.ok();
}

// So that nobody reads past the end of one.
bool keys_fit(const SaSpec& sa) {
  return sa.suite.valid() && sa.encr_key.size() == sa.suite.encr->key &&
         sa.salt.size() == sa.suite.encr->salt &&
         sa.integ_key.size() == (sa.suite.integ != nullptr ? sa.suite.integ->key : 0u);
}

}  // namespace

void write(RecordWriter& to, const SaSpec& sa) {
  to.u8(kSaRecordVersion);
  put(to, sa);
}
std::optional<SaSpec> read_sa(RecordReader& from) {
  if (!is_version(from, kSaRecordVersion)) return std::nullopt;
  auto sa = get<SaSpec>(from);
  if (!sa || keys_fit(*sa)) return sa;
  from.fail();
  return std::nullopt;
}

void write(RecordWriter& to, const PolicySpec& policy) {
  to.u8(kPolicyRecordVersion);
  put(to, policy);
}
std::optional<PolicySpec> read_policy(RecordReader& from) {
  return is_version(from, kPolicyRecordVersion) ? get<PolicySpec>(from) : std::nullopt;
}

void write(RecordWriter& to, const IpAddress& address) { put(to, address); }
std::optional<IpAddress> read_address(RecordReader& from) { return get<IpAddress>(from); }
void write(RecordWriter& to, const SocketAddress& address) { put(to, address); }
std::optional<SocketAddress> read_socket_address(RecordReader& from) { return get<SocketAddress>(from); }
void write(RecordWriter& to, const Selectors& selectors) { put(to, selectors); }
std::optional<Selectors> read_selectors(RecordReader& from) { return get<Selectors>(from); }
void write(RecordWriter& to, const EspSuite& suite) { put(to, suite); }
std::optional<EspSuite> read_suite(RecordReader& from) { return get<EspSuite>(from); }

}  // namespace simplon
