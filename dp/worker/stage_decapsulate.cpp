// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/stage_decapsulate.h"

#include <rte_cycles.h>

#include <utility>

#include "dp/ipsec/ah.h"
#include "dp/ipsec/esp_in.h"
#include "dp/packet/martian.h"
#include "dp/worker/punt.h"
#include "dp/worker/sa_limits.h"
#include "dp/worker/stage_receive.h"

namespace simplon::dp {
namespace {

// Consecutive jobs of one kind.
struct Run {
  SaKind kind;
  std::uint8_t end;  // index of the first job behind the run
};
struct Runs {
  std::array<Run, kBurst> items;
  unsigned count = 0;
};

constexpr unsigned kMoveReports = 10;  // of one SA in a second

bool is_replay(Drop reason) { return reason == Drop::kReplayed || reason == Drop::kTooOld; }

// As the ESP or AH header says it.
std::uint32_t sequence_of(const PacketInfo& packet, const DecapsulateWork& work) {
  return load_be32(bytes_of(packet.m) + work.header + (packet.headers.protocol == kAh ? 8 : 4));
}

[[gnu::noinline]] void refuse(const DecapsulateWork& work, Drop bad, const PacketInfo& packet,
                              const DecapsulateOutputs& out) {
  work.sa->replayed += is_replay(bad);
  out.audit.record(bad, packet, work.spi, sequence_of(packet, work), work.sa->id);
  drop(packet.m, bad, out.counters);
}

// A packet that this worker does not decrypt.
void turn_away(const DecapsulateWork& work, Burst& burst, const Tables& tables,
               const DecapsulateOutputs& out) {
  const PacketInfo& packet = burst.packets[work.packet];
  if (work.sa == nullptr) {
    if (tables.routes->local(destination_of(ip_of(packet), packet.headers.v4))) {
      out.audit.record(Drop::kUnknownSpi, packet, work.spi, sequence_of(packet, work), SaId{});
      return drop(packet.m, Drop::kUnknownSpi, out.counters);
    }
    return burst.wait_for_classify(work.packet);  // in transit to somebody else: the policies decide
  }
  if (!tables.gateway_on) return drop(packet.m, Drop::kGatewayOff, out.counters);
  if (work.sa->owner == kOfKernel)
    return punt_ip(packet, packet.port, PuntClass::kRest, tables, {out.control, out.counters});
  const unsigned owner = work.sa->owner & ~kInBundle;
  if (owner == out.mailboxes.self()) return refuse(work, Drop::kNotInBundle, packet, out);
  out.mailboxes.hand_over(packet, owner);
}

// RFC 4301 §4.5, §5.2: a bundle is applied as a whole. Whether this SA is ours and one of a bundle, and the
// packet came out of an SA of the entry that is over its own.
[[gnu::noinline]] bool completes_bundle(const DecapsulateWork& work, const PacketInfo& packet,
                                        const Tables& tables, unsigned self) {
  const InboundSa* sa = work.sa;
  return tables.gateway_on && sa->owner == (self | kInBundle) && packet.origin == Origin::kDecrypted &&
         came_by(packet.m) == sa->over;
}

// A packet of ESP or AH that was inside another SA. What comes out of a tunnel interface is that link's, and
// for the host.
[[gnu::noinline]] void sort_inner(const DecapsulateJob& job, const Tables& tables, Burst& burst,
                                  const DecapsulateOutputs& out) {
  PacketInfo& packet = burst.packets[job.packet];
  if (is_tunnel(packet.port)) return burst.wait_for_classify(job.packet);
  set_came_by(packet.m, job.sa->policy);
  sort(job.packet, tables, burst, out.counters);
}

// From work item `i` on, as long as the SAs are ours and of this kind; the first item that is not.
template <SaKind kKind>
inline unsigned begin_run(Burst& burst, unsigned i, unsigned n, unsigned& jobs,
                          const DecapsulateOutputs& out) {
  const unsigned self = out.mailboxes.self();
  InboundSa* sa = burst.decapsulate[i].sa;
  do {
    const DecapsulateWork& work = burst.decapsulate[i];
    const PacketInfo& packet = burst.packets[work.packet];
    DecapsulateJob& job = burst.decapsulating[jobs];
    Drop bad;
    if constexpr (is_ah(kKind))
      bad = ah_decapsulate_begin(packet.m, packet.headers, work.header, *sa, job.esp, burst.jobs[jobs]);
    else
      bad = decapsulate_begin<kKind>(packet.m, packet.headers, work.header, *sa, job.esp, burst.jobs[jobs]);
    if (bad == Drop::kNone) {
      job.sa = sa;
      job.packet = work.packet;
      ++jobs;
    } else {
      refuse(work, bad, packet, out);
    }
    if (++i == n) break;
    sa = burst.decapsulate[i].sa;
  } while (sa != nullptr && sa->owner == self && sa->kind == kKind);
  return i;
}

// The peer's own packets alone cause it, and a few times a second at most.
[[gnu::noinline]] void report_move(InboundSa& sa, const PacketInfo& packet, ControlChannel& control) {
  const IpAddress source = source_of(ip_of(packet), packet.headers.v4);
  if (!is_one_host(source)) return;  // whoever is on the path chooses it
  const std::uint64_t now = rte_rdtsc();
  if (sa.move_reported != 0 && now - sa.move_reported < rte_get_tsc_hz() / kMoveReports) return;
  const Headers& h = packet.headers;
  if (control.send({.kind = WorkerEvent::Kind::kMoved,
                    .sport = h.sport,
                    .sa = static_cast<std::uint64_t>(sa.id),
                    .source = source,
                    .destination = {}}))
    sa.move_reported = now;
}

// What becomes of a packet whose ICV was good: a function for each of them.
enum class Finish : std::uint8_t { kEspTunnel, kEspTransport, kEspAggfrag, kAh };

template <Finish kFinish>
inline Drop take_off(rte_mbuf* m, const EspPacket& packet, InboundSa& sa, Headers& headers) {
  if constexpr (kFinish == Finish::kEspTunnel)
    return decapsulate_finish<SaMode::kTunnel>(m, packet, sa, headers);
  else if constexpr (kFinish == Finish::kEspTransport)
    return decapsulate_finish<SaMode::kTransport>(m, packet, sa, headers);
  else if constexpr (kFinish == Finish::kEspAggfrag)
    return decapsulate_aggfrag(m, packet, sa, headers);
  else
    return ah_decapsulate_finish(m, packet, sa, headers);
}

template <Finish kFinish>
inline Drop finish(const DecapsulateJob& job, bool good, PacketInfo& packet, const Crypto& crypto,
                   const DecapsulateOutputs& out) {
  InboundSa& sa = *job.sa;
  if (!good) {
    if (crypto.dead(*sa.session)) return Drop::kCryptoError;
    ++sa.bad_icv;
    return Drop::kBadIcv;
  }
  if ((sa.packets >= sa.check_at_packets || sa.bytes >= sa.check_at_bytes) && !within_limits(sa, out.control))
    return Drop::kLifetimeExpired;
  if (has_moved(sa, ip_of(packet), packet.headers, job.esp.seq)) [[unlikely]]
    report_move(sa, packet, out.control);
  const Drop bad = take_off<kFinish>(packet.m, job.esp, sa, packet.headers);
  if (bad != Drop::kNone && bad != Drop::kFragment) {
    sa.replayed += is_replay(bad);
    sa.selector_mismatch += bad == Drop::kSelectorMismatch;
    return bad;
  }
  ++sa.packets;
  sa.bytes += packet.headers.length;
  return bad;
}

// A packet that finish() did not pass; with kFragment it is good, and its datagram is checked when it is
// whole.
[[gnu::noinline]] void turn_away(const DecapsulateJob& job, Drop bad, Burst& burst,
                                 const DecapsulateOutputs& out) {
  PacketInfo& packet = burst.packets[job.packet];
  if (bad != Drop::kFragment) {
    out.audit.record(bad, packet, job.sa->spi, static_cast<std::uint32_t>(job.esp.seq), job.sa->id);
    return drop(packet.m, bad, out.counters);
  }
  packet.origin = Origin::kDecrypted;
  packet.spi = job.sa->spi;
  ++out.counters.decrypted;
  burst.wait_for_reassemble(job.packet, job.sa, static_cast<std::uint32_t>(job.esp.seq));
}

template <Finish kFinish>
inline void finish_run(Burst& burst, unsigned i, unsigned end, std::uint32_t good, const Crypto& crypto,
                       const Tables& tables, const DecapsulateOutputs& out) {
  unsigned decrypted = 0;
  for (; i < end; ++i) {
    const DecapsulateJob& job = burst.decapsulating[i];
    PacketInfo& packet = burst.packets[job.packet];
    if (const Drop bad = finish<kFinish>(job, (good >> i & 1) != 0, packet, crypto, out);
        bad != Drop::kNone) {
      turn_away(job, bad, burst, out);
      continue;
    }
    ++decrypted;
    packet.origin = Origin::kDecrypted;
    packet.spi = job.sa->spi;
    if (packet.headers.protocol == kEsp || packet.headers.protocol == kAh) [[unlikely]]
      sort_inner(job, tables, burst, out);
    else
      burst.wait_for_classify(job.packet);
  }
  out.counters.decrypted += decrypted;
}

// Payloads of AGGFRAG. One that is something else, but authentic, keeps its place in the order.
[[gnu::noinline]] void finish_payloads(Burst& burst, unsigned i, unsigned end, std::uint32_t good,
                                       const Crypto& crypto, const DecapsulateOutputs& out) {
  for (; i < end; ++i) {
    const DecapsulateJob& job = burst.decapsulating[i];
    PacketInfo& packet = burst.packets[job.packet];
    const Drop bad = finish<Finish::kEspAggfrag>(job, (good >> i & 1) != 0, packet, crypto, out);
    if (bad == Drop::kNone) {
      ++out.counters.decrypted;
      out.aggfrag.receive(packet, *job.sa, job.esp);
      continue;
    }
    if (bad == Drop::kDummy || bad == Drop::kBadPadding || bad == Drop::kBadNextHeader)
      out.aggfrag.skip(*job.sa, job.esp.seq);
    turn_away(job, bad, burst, out);
  }
}

// They arrive by the tunnel interface of their SA, if it has one.
[[gnu::noinline]] void set_tunnels(Burst& burst, unsigned jobs) {
  for (unsigned i = 0; i < jobs; ++i) {
    const DecapsulateJob& job = burst.decapsulating[i];
    if (is_tunnel(job.sa->tunnel)) burst.packets[job.packet].port = job.sa->tunnel;
  }
}

}  // namespace

void decapsulate(Burst& burst, const Tables& tables, Crypto& crypto, const DecapsulateOutputs& out,
                 StageClock* clock) {
  const unsigned n = burst.decapsulate.take();
  for (unsigned i = 0; i < n; ++i) {
    DecapsulateWork& work = burst.decapsulate[i];
    work.sa = tables.sad->find(work.spi, work.key);
  }
  // Before the cryptography: a function for each run of packets of one kind.
  Runs runs;
  unsigned jobs = 0;
  for (unsigned i = 0; i < n;) {
    const InboundSa* sa = burst.decapsulate[i].sa;
    if (sa == nullptr || !tables.gateway_on || sa->owner != out.mailboxes.self()) {
      const DecapsulateWork& work = burst.decapsulate[i];
      if (sa == nullptr ||
          !completes_bundle(work, burst.packets[work.packet], tables, out.mailboxes.self())) {
        turn_away(work, burst, tables, out);
        ++i;
        continue;
      }
    }
    const SaKind kind = sa->kind;
    i = with_kind(kind, [&]<SaKind kKind>() -> unsigned {
      if constexpr (is_dressed(kKind))
        std::unreachable();  // outbound alone, see sa_kind()
      else
        return begin_run<kKind>(burst, i, n, jobs, out);
    });
    runs.items[runs.count++] = {kind, static_cast<std::uint8_t>(jobs)};
  }
  mark(clock, Stage::kSa);
  if (jobs == 0) return;
  const std::uint32_t good = crypto.run(burst.jobs.data(), jobs);
  mark(clock, Stage::kCrypto);
  if (tables.tunnels) set_tunnels(burst, jobs);
  // After it, run by run again.
  for (unsigned i = 0, r = 0; r < runs.count; i = runs.items[r++].end) {
    const SaKind kind = runs.items[r].kind;
    const unsigned end = runs.items[r].end;
    if (is_ah(kind))
      finish_run<Finish::kAh>(burst, i, end, good, crypto, tables, out);
    else if (is_aggfrag(kind))
      finish_payloads(burst, i, end, good, crypto, out);
    else if (mode_of(kind) == SaMode::kTunnel)
      finish_run<Finish::kEspTunnel>(burst, i, end, good, crypto, tables, out);
    else
      finish_run<Finish::kEspTransport>(burst, i, end, good, crypto, tables, out);
  }
  mark(clock, Stage::kPost);
}

}  // namespace simplon::dp
