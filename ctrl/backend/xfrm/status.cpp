// SPDX-License-Identifier: Apache-2.0
// XfrmBackend: what an administrator may ask of the kernel's SAD and SPD, those of all programs together.
#include <array>
#include <cstring>

#include "ctrl/backend/xfrm/backend.h"

namespace simplon::ctrl {
namespace {

struct NumberName {
  std::uint16_t type;
  std::string_view name;
};
constexpr std::array kNotices{
    NumberName{XFRM_MSG_ACQUIRE, "acquire"},
    NumberName{XFRM_MSG_EXPIRE, "expire"},
    NumberName{XFRM_MSG_MAPPING, "mapping"},
    NumberName{XFRM_MSG_NEWSA, "new-sa"},
    NumberName{XFRM_MSG_UPDSA, "updated-sa"},
    NumberName{XFRM_MSG_DELSA, "deleted-sa"},
    NumberName{XFRM_MSG_FLUSHSA, "flushed-sas"},
    NumberName{XFRM_MSG_NEWPOLICY, "new-policy"},
    NumberName{XFRM_MSG_UPDPOLICY, "updated-policy"},
    NumberName{XFRM_MSG_DELPOLICY, "deleted-policy"},
    NumberName{XFRM_MSG_FLUSHPOLICY, "flushed-policies"},
    NumberName{XFRM_MSG_POLEXPIRE, "expired-policy"},
    NumberName{XFRM_MSG_GETDEFAULT, "default-policy"},
    NumberName{XFRM_MSG_MIGRATE, "migrate"},
    NumberName{XFRM_MSG_REPORT, "report"},
};

std::string name_of(std::uint16_t type) {
  for (const NumberName& known : kNotices)
    if (known.type == type) return std::string(known.name);
  return "unknown-" + std::to_string(type);
}

constexpr std::array kOptions{
    NumberName{XFRMA_MARK, "mark"},
    NumberName{XFRMA_SET_MARK, "set-mark"},
    NumberName{XFRMA_IF_ID, "if-id"},
    NumberName{XFRMA_OFFLOAD_DEV, "offload"},
};

// Those that somebody wanted: asking for the others would only fill the kernel's log.
std::string options_of(const KnownAttributes& known) {
  std::string out;
  for (const NumberName& option : kOptions)
    if (const auto asked = known.asked().find(option.type); asked != known.asked().end())
      out += (out.empty() ? "" : ", ") + std::string(asked->second ? "" : "no ") + std::string(option.name);
  return out.empty() ? "not wanted" : out;
}

// An attribute that is a structure of counts.
template <class T>
T read(const nlattr& a) {
  T out{};
  const Bytes data = bytes_of(a);
  if (data.size() >= sizeof out) std::memcpy(&out, data.data(), sizeof out);
  return out;
}

std::string text(const xfrmu_spdhthresh& t) {
  return std::to_string(t.lbits) + "/" + std::to_string(t.rbits);
}

std::string text(const xfrmu_spdinfo& n) {
  return "in " + std::to_string(n.incnt) + ", out " + std::to_string(n.outcnt) + ", forwarded " +
         std::to_string(n.fwdcnt) + ", of sockets " + std::to_string(n.inscnt + n.outscnt + n.fwdscnt);
}

void read_sad(const nlattr& a, StatusLines& out) {
  if (mnl_attr_get_type(&a) == XFRMA_SAD_CNT) out.emplace_back("sas", std::to_string(read<std::uint32_t>(a)));
  if (mnl_attr_get_type(&a) != XFRMA_SAD_HINFO) return;
  const auto table = read<xfrmu_sadhinfo>(a);
  out.emplace_back("sa-hash", std::to_string(table.sadhcnt) + " of " + std::to_string(table.sadhmcnt));
}

void read_spd(const nlattr& a, StatusLines& out) {
  switch (mnl_attr_get_type(&a)) {
    case XFRMA_SPD_INFO:
      out.emplace_back("policies", text(read<xfrmu_spdinfo>(a)));
      break;
    case XFRMA_SPD_HINFO:
      out.emplace_back("policy-hash", std::to_string(read<xfrmu_spdhinfo>(a).spdhcnt) + " of " +
                                          std::to_string(read<xfrmu_spdhinfo>(a).spdhmcnt));
      break;
    case XFRMA_SPD_IPV4_HTHRESH:
      out.emplace_back("hashed-from-v4", text(read<xfrmu_spdhthresh>(a)));
      break;
    case XFRMA_SPD_IPV6_HTHRESH:
      out.emplace_back("hashed-from-v6", text(read<xfrmu_spdhthresh>(a)));
      break;
    default:
      break;
  }
}

}  // namespace

void XfrmBackend::count_entries(StatusLines& out) {
  using Read = void (*)(const nlattr&, StatusLines&);
  for (const auto& [type, read] : {std::pair<std::uint16_t, Read>{XFRM_MSG_GETSADINFO, read_sad},
                                   std::pair<std::uint16_t, Read>{XFRM_MSG_GETSPDINFO, read_spd}}) {
    NetlinkMessage message(type, 0);
    message.header<std::uint32_t>();
    const auto done = requests_.request(message, "counting the kernel's entries", [&](const nlmsghdr& m) {
      for_attributes(m, sizeof(std::uint32_t), [&](const nlattr& a) { read(a, out); });
    });
    if (!done) out.emplace_back("error", done.error().what);
  }
}

StatusLines XfrmBackend::status() {
  StatusLines out;
  count_entries(out);
  out.emplace_back("default", default_blocks() ? "block" : "accept");
  out.emplace_back("sa-direction", has_.direction ? "checked" : "unknown");
  out.emplace_back("sa-options", options_of(known_attributes_));
  std::string notices;
  for (const auto& [type, count] : notices_)
    notices += (notices.empty() ? "" : ", ") + name_of(type) + " " + std::to_string(count);
  out.emplace_back("notices", notices.empty() ? "none" : notices);
  out.emplace_back("notices-lost", std::to_string(overruns_));
  return out;
}

}  // namespace simplon::ctrl
