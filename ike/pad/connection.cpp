#include "ike/pad/connection.h"

namespace simplon::ike {

bool Connection::same_peer(const Connection& o) const {
  const bool same_psk = (psk == nullptr) == (o.psk == nullptr) &&
                        (psk == nullptr || equal_in_constant_time(psk->bytes(), o.psk->bytes()));
  return name == o.name && local_addrs == o.local_addrs && remote_addrs == o.remote_addrs &&
         remote_port == o.remote_port && local_id == o.local_id && remote_id == o.remote_id && same_psk &&
         proposals == o.proposals && rekey_time == o.rekey_time && over_time == o.over_time &&
         dpd_delay == o.dpd_delay && force_encap == o.force_encap && retransmission == o.retransmission;
}

}  // namespace simplon::ike
