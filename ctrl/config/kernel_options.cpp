// SPDX-License-Identifier: Apache-2.0
// `kernel` of a child or of an entry: what its SAs and policies have in Linux alone
// (dp/base/kernel_options.h).
#include "ctrl/backend/xfrm/options.h"
#include "ctrl/config/kernel_words.h"
#include "ctrl/config/parts.h"

namespace simplon::ctrl {
namespace {

constexpr std::size_t kLongestDevice = 15;  // of the kernel's names of interfaces (IFNAMSIZ)

void read_device(const Value& value, KernelOptions& out) {
  const auto name = value.text();
  if (!name) return;
  if (name->size() > kLongestDevice || name->find('/') != std::string::npos)
    return value.error("'" + name->substr(0, 40) + "' is no name of an interface");
  out.device = *name;
}

}  // namespace

// The data path would decide about a packet before the kernel does, and by its selectors alone.
void read_kernel_options(const Value& value, Mode mode, const KernelSas& sas, KernelOptions& out) {
  if (!value) return;
  if (mode == Mode::kDataPath)
    return value.error(
        "is for mode 'kernel': the data path has no marks, xfrm interfaces and offloads; leave it away");
  Section section(value);
  if (const auto mark = section.get("mark").parsed<PacketMark>(parse_mark)) out.mark = *mark;
  if (const auto mark = section.get("set_mark").parsed<PacketMark>(parse_mark)) out.set_mark = *mark;
  if (const auto id = section.get("if_id").parsed<std::uint32_t>(parse_if_id)) out.if_id = *id;
  if (const auto kind = section.get("offload").choice<Offload>(kOffloads)) out.offload = *kind;
  read_device(section.get("device"), out);
  section.finish();
  const auto encapsulation = sas.always_udp ? Encapsulation::kUdp : Encapsulation::kNone;
  if (const auto able = possible_options(out, sas.protocol, sas.tunnel, encapsulation); !able)
    value.error(able.error().what);
}

}  // namespace simplon::ctrl
