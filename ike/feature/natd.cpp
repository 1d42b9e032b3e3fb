// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/natd.h"

namespace simplon::ike {
namespace {

// A NAT that is only pretended: a source hash of no address.
SocketAddress source(const IkeSa& sa) {
  const SocketAddress& local = sa.path().local;
  return sa.handshake()->pretend_nat ? SocketAddress{IpAddress::any(local.address.family()), Port{0}} : local;
}

}  // namespace

void offer_nat_detection(const IkeSa& sa, MessageKind kind, PayloadWriter& out) {
  if (kind.exchange != Exchange::kIkeSaInit) return;
  const std::uint64_t spi_r = kind.response ? sa.spi_r() : 0;
  out.notify(NotifyType::kNatDetectionSourceIp, nat_hash(sa.spi_i(), spi_r, source(sa)));
  out.notify(NotifyType::kNatDetectionDestinationIp, nat_hash(sa.spi_i(), spi_r, sa.path().remote));
}

void accept_nat_detection(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  if (kind.exchange != Exchange::kIkeSaInit) return;
  Path& path = sa.path();
  const std::uint64_t spi_r = kind.response ? sa.spi_r() : 0;
  const Buffer ours = nat_hash(sa.spi_i(), spi_r, path.local),
               theirs = nat_hash(sa.spi_i(), spi_r, path.remote);
  bool said = false, fits = false;
  for (const Notify& n : payloads.notifies) {
    if (n.type == NotifyType::kNatDetectionSourceIp) said = true, fits |= n.data == theirs;
    if (n.type == NotifyType::kNatDetectionDestinationIp) path.nat_local = n.data != ours;
  }
  path.nat_remote = said && !fits;
  path.forced = sa.handshake()->pretend_nat && said;
  if (!kind.response || !path.nat()) return;
  path.local.port = kNatTraversalPort;  // the initiator goes to port 4500 from here on
  if (path.remote.port == kIkePort) path.remote.port = kNatTraversalPort;
}

}  // namespace simplon::ike
