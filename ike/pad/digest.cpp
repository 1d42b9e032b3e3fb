// SPDX-License-Identifier: Apache-2.0
#include "ike/pad/digest.h"

#include "ike/message/record.h"

namespace simplon::ike {

template <class Codec, ValueOf<Retransmission> V>
void fields(Codec& codec, V& value) {
  auto& [first, longest, tries] = value;
  codec(first, longest, tries);
}
template <class Codec, ValueOf<AggfragConfig> V>
void fields(Codec& codec, V& value) {
  auto& [use, split, congestion_control, packet, rate, padding, window, wait] = value;
  codec(use, split, congestion_control, packet, rate, padding, window, wait);
}
template <class Codec, ValueOf<Peer> V>
void fields(Codec& codec, V& value) {
  // Without what proves an identity by certificates: whom we believe may have changed, but not who was
  // proved.
  auto& [name, local_addrs, remote_addrs, remote_port, local_id, remote_id, local_auth, remote_auth,
         local_then_eap, remote_then_eap, psk, credential, trust, eap, proposals, rekey_time, over_time,
         reauth_time, dpd_delay, wanted_addresses, force_encap, mobike, retransmission] = value;
  codec(name, local_addrs, remote_addrs, remote_port, local_id, remote_id, local_auth, remote_auth,
        local_then_eap, remote_then_eap, psk, proposals, rekey_time, over_time, reauth_time, dpd_delay,
        wanted_addresses, force_encap, mobike, retransmission);
}
template <class Codec, ValueOf<ChildConfig> V>
void fields(Codec& codec, V& value) {
  auto& [name, protocol, proposals, selectors, mode, transport_fallback, start, dpd, close, rekey, life,
         replay_window, mtu, aggfrag, tunnel, policy, interface, pfp, pfp_limit, fragments, spd, classes,
         kernel, other_half, over, dynamic_protocol] = value;
  codec(name, protocol, proposals, selectors, mode, transport_fallback, start, dpd, close, rekey, life,
        replay_window, mtu, aggfrag, tunnel, pfp, pfp_limit, fragments, spd, classes, kernel, other_half,
        dynamic_protocol);
}

namespace {

template <class T>
std::uint64_t digest(const T& value) {
  RecordWriter to;
  FieldWriter codec(to);
  codec(value);
  return to.sum();
}

}  // namespace

std::uint64_t digest_of(const Peer& peer) { return digest(peer); }
std::uint64_t digest_of(const ChildConfig& child) { return digest(child); }

}  // namespace simplon::ike
