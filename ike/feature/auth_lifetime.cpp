// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/auth_lifetime.h"

#include <algorithm>

namespace simplon::ike {
namespace {

// So much earlier we reauthenticate: a tenth of the lifetime, but not less than this; and of a short lifetime
// no more than half.
constexpr seconds kEarlier{30};
// Sooner than this we do not, whatever the peer says: it could keep us at it without end.
constexpr seconds kSoonest{10};

}  // namespace

void offer_auth_lifetime(const IkeSa& sa, MessageKind kind, PayloadWriter& out) {
  if (kind.exchange != Exchange::kIkeAuth || !kind.response || sa.peer().reauth_time.count() == 0) return;
  Writer lifetime;
  lifetime.be32(static_cast<std::uint32_t>(std::min<std::int64_t>(sa.peer().reauth_time.count(), ~0U)));
  out.notify(NotifyType::kAuthLifetime, lifetime.view());
}

void accept_auth_lifetime(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  const bool in_auth = kind.exchange == Exchange::kIkeAuth && kind.response;
  const bool later = kind.exchange == Exchange::kInformational && !kind.response && sa.times().auth.ours;
  const Notify* said = in_auth || later ? payloads.find(NotifyType::kAuthLifetime) : nullptr;
  if (said == nullptr) return;
  if (said->data.size() != 4)
    return sa.log(LogLevel::kWarning, "the peer's AUTH_LIFETIME has another length: it is ignored");
  const seconds lifetime{load_be32(said->data.data())};
  const seconds earlier = std::min(std::max(lifetime / 10, kEarlier), lifetime / 2);
  // It was heard with this message.
  sa.reauthenticate_by(sa.times().heard + std::max(lifetime - earlier, kSoonest));
}

}  // namespace simplon::ike
