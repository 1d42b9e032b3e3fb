// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/natd.h"

namespace simplon::ike {

// A NAT that is only pretended: a source hash of no address.
void say_addresses(const IkeSa& sa, std::uint64_t spi_r, const SocketAddress& local,
                   const SocketAddress& remote, bool pretended, PayloadWriter& out) {
  const SocketAddress source =
      pretended ? SocketAddress{IpAddress::any(local.address.family()), Port{0}} : local;
  out.notify(NotifyType::kNatDetectionSourceIp, nat_hash(sa.spi_i(), spi_r, source));
  out.notify(NotifyType::kNatDetectionDestinationIp, nat_hash(sa.spi_i(), spi_r, remote));
}

bool compare_addresses(IkeSa& sa, std::uint64_t spi_r, const Payloads& payloads) {
  Path& path = sa.path();
  const Buffer ours = nat_hash(sa.spi_i(), spi_r, path.local),
               theirs = nat_hash(sa.spi_i(), spi_r, path.remote);
  bool said = false, fits = false;
  for (const Notify& n : payloads.notifies) {
    if (n.type == NotifyType::kNatDetectionSourceIp) said = true, fits |= n.data == theirs;
    if (n.type == NotifyType::kNatDetectionDestinationIp) path.nat_local = n.data != ours;
  }
  if (said) path.nat_remote = !fits;
  return said;
}

void offer_nat_detection(const IkeSa& sa, MessageKind kind, PayloadWriter& out) {
  if (kind.exchange != Exchange::kIkeSaInit) return;
  say_addresses(sa, kind.response ? sa.spi_r() : 0, sa.path().local, sa.path().remote,
                sa.handshake()->pretend_nat, out);
}

void accept_nat_detection(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  if (kind.exchange != Exchange::kIkeSaInit) return;
  Path& path = sa.path();
  path.nat_traversal = compare_addresses(sa, kind.response ? sa.spi_r() : 0, payloads);
  path.forced = sa.handshake()->pretend_nat && path.nat_traversal;
  if (!kind.response) return;
  const bool may_meet_nat = path.nat_traversal && sa.peer().mobike;  // on a path to come (RFC 4555 §3.3)
  if (!path.nat() && !may_meet_nat) return;
  path.local.port = kNatTraversalPort;  // the initiator goes to port 4500 from here on
  if (path.remote.port == kIkePort) path.remote.port = kNatTraversalPort;
}

}  // namespace simplon::ike
