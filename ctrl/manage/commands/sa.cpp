// SPDX-License-Identifier: Apache-2.0
// SAs by hand: sa-add, sa-remove, sa-list, which has those of another IKE daemon as well. Keys are copied
// into a Secret at once and are never listed or logged.
#include <algorithm>
#include <array>

#include "ctrl/config/rules.h"
#include "ctrl/config/tunnel_words.h"
#include "ctrl/manage/commands/message.h"
#include "ctrl/manage/commands/read_sa.h"
#include "ctrl/manage/commands/table.h"

namespace simplon::ctrl {
namespace {

using vici::List;
using vici::Message;

constexpr std::uint64_t kMost = ~std::uint64_t{0};

std::string sa_text(Direction direction, Spi spi, const IpAddress& source, const IpAddress& destination) {
  return std::string(direction == Direction::kOut ? "outbound" : "inbound") + " SA " + spi_text(spi) + ", " +
         source.text() + " to " + destination.text();
}

Answer sa_add(Call& call) {
  Result<SaSpec> sa = read_sa(call);
  if (!sa) return failed(sa.error().what);
  const std::string what = sa_text(sa->direction, sa->spi, sa->source, sa->destination);
  const Result<SaId> id = call.gateway.add_sa(std::move(*sa));
  if (!id) return failed(id.error().what);
  call.log_change(what + " added by hand");
  return succeeded().add("id", static_cast<std::uint64_t>(*id));
}

Answer sa_remove(Call& call) {
  Arguments in(call.arguments());
  const std::uint64_t id = in.number("id", 1, kMost, 0), spi = in.number("spi", 1, 0xffffffff, 0);
  if ((id == 0) == (spi == 0)) in.refuse("give the id or the spi of an SA");
  if (!in.ok()) return failed(in.error());
  std::vector<SaRef> found = call.gateway.manual_sas();
  std::erase_if(found, [&](const SaRef& sa) {
    return id != 0 ? static_cast<std::uint64_t>(sa->id) != id : static_cast<std::uint32_t>(sa->spi) != spi;
  });
  if (found.empty()) return failed("there is no such SA by hand; IKE's SAs are ended with terminate");
  if (found.size() > 1) return failed("several SAs have that SPI; give the id");
  const Result<void> removed = call.gateway.remove_sa(found.front()->id);
  if (!removed) return failed(removed.error().what);
  const SaSpec& sa = *found.front();
  call.log_change(sa_text(sa.direction, sa.spi, sa.source, sa.destination) + " removed");
  return succeeded();
}

void add_lifetime(Message& m, const std::string& kind, const Lifetime& life) {
  if (life.time.count() > 0) m.add(kind + "-time", static_cast<std::uint64_t>(life.time.count()));
  if (life.bytes != ByteCount{}) m.add(kind + "-bytes", static_cast<std::uint64_t>(life.bytes));
  if (life.packets != PacketCount{}) m.add(kind + "-packets", static_cast<std::uint64_t>(life.packets));
}

template <class T>
std::string_view word_for(std::initializer_list<std::pair<std::string_view, T>> words, T value) {
  return std::ranges::find(words, value, [](const auto& word) { return word.second; })->first;
}

void add_mtu_options(Message& m, const MtuOptions& mtu) {
  m.add("df", word_for(kDfBits, mtu.df)).add("fragment", word_for(kFragmentations, mtu.fragmentation));
  m.add("mss", mtu.mss == kMssAuto ? "auto" : mtu.mss == kMssOff ? "off" : std::to_string(mtu.mss));
}

void add_tunnel_options(Message& m, const TunnelOptions& options) {
  m.add("dscp", dscp_text(options.dscp)).add("ecn", word_for(kEcnModes, options.ecn));
  m.add("ttl", std::uint64_t{options.ttl}).add("flow-label", word_for(kFlowLabels, options.flow_label));
  m.add("tfc", tfc_text(options.tfc)).add("dummies", std::uint64_t{options.dummies});
}

void add_aggfrag(Message& m, const SaSpec& sa) {
  const AggfragOptions& a = sa.aggfrag;
  if (!a.on) return;
  m.add("aggfrag", a.whole ? "whole" : "on");
  if (sa.direction == Direction::kIn) {
    m.add("aggfrag-window", a.window).add("aggfrag-wait", static_cast<std::uint64_t>(a.wait.count()));
    return;
  }
  if (a.packet != 0) m.add("aggfrag-packet", a.packet);
  if (a.rate != 0) m.add("aggfrag-rate", a.rate).add("aggfrag-padding", a.padding ? "on" : "off");
  if (a.congestion) m.add("aggfrag-congestion", a.controlled ? "control" : "report");
}

Message sa_message(const SaSpec& sa, const SaCounters& counters) {
  Message m;
  m.add("direction", sa.direction == Direction::kOut ? "out" : "in").add("spi", spi_text(sa.spi));
  m.add("source", sa.source.text()).add("destination", sa.destination.text());
  if (sa.udp)
    m.add("udp-source", static_cast<std::uint64_t>(sa.udp->source))
        .add("udp-destination", static_cast<std::uint64_t>(sa.udp->destination));
  m.add("protocol", name(sa.protocol)).add("mode", name(sa.mode));
  m.add("suite", suite_name(sa.suite, sa.protocol))
      .add_if(!counters.crypto.empty(), "crypto", counters.crypto)
      .add_if(sa.esn == Esn::kOn, "esn", "on")
      .add("policy", static_cast<std::uint64_t>(sa.policy))
      .add_if(sa.dscp_class != 0, "dscp-class", std::to_string(sa.dscp_class));
  if (sa.direction == Direction::kIn) m.add("replay-window", sa.replay_window);
  if (sa.direction == Direction::kOut) add_mtu_options(m, sa.mtu);
  if (sa.direction == Direction::kOut && sa.mode == SaMode::kTunnel) add_tunnel_options(m, sa.tunnel);
  add_aggfrag(m, sa);
  add_kernel_options(m, sa.kernel);
  add_lifetime(m, "soft", sa.soft);
  add_lifetime(m, "hard", sa.hard);
  m.add("packets", counters.packets).add("bytes", counters.bytes).add("sequence", counters.sequence);
  m.add("replayed", counters.replayed).add("bad-icv", counters.bad_icv);
  m.add("selector-mismatch", counters.selector_mismatch);
  if (counters.mtu != 0) m.add("mtu", counters.mtu);
  if (counters.aggfrag && sa.direction == Direction::kIn) m.add("aggfrag-lost", counters.aggfrag->lost);
  add_selectors(m, sa.selectors);
  return m;
}

// One whose algorithms we do not know has no suite, and so little that could be told of it.
Message followed_message(const FollowedSa& followed, const SaCounters& counters) {
  const SaSpec& sa = followed.sa;
  Message m;
  if (sa.suite.valid())
    m = sa_message(sa, counters);
  else
    m.add("direction", "?")
        .add("spi", spi_text(sa.spi))
        .add("source", sa.source.text())
        .add("destination", sa.destination.text());
  m.add("from", followed.from);
  if (!followed.why_not.empty()) m.add("why-not", followed.why_not);
  return m;
}

Answer sa_list(Call& call) {
  auto sas = std::make_shared<const std::vector<SaRef>>(call.gateway.manual_sas());
  auto followed = std::make_shared<const std::vector<FollowedSa>>(
      call.gateway.followed_sas ? call.gateway.followed_sas() : std::vector<FollowedSa>{});
  auto next = [sas, followed, counters = call.gateway.sa_counters,
               at = std::size_t{0}]() mutable -> std::optional<Message> {
    const std::size_t i = at++;
    if (i >= sas->size() + followed->size()) return std::nullopt;
    const SaSpec& sa = i < sas->size() ? *(*sas)[i] : (*followed)[i - sas->size()].sa;
    const SaCounters count = counters(sa.id).value_or(SaCounters{});
    return Message().add(
        std::to_string(static_cast<std::uint64_t>(sa.id)),
        i < sas->size() ? sa_message(sa, count) : followed_message((*followed)[i - sas->size()], count));
  };
  return Stream{call.row.event, std::move(next), {}};
}

constexpr std::array kHandlers{Handler{"sa-add", sa_add}, Handler{"sa-remove", sa_remove},
                               Handler{"sa-list", sa_list}};

}  // namespace

std::span<const Handler> sa_commands() { return kHandlers; }

}  // namespace simplon::ctrl
