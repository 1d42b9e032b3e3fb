// The SA's owner at work: bursts through open, crypto, close; and through seal, crypto, route.
#include "dp/worker.h"

namespace simplon::dp {

void Worker::decrypt() {
  const unsigned n = std::exchange(job_count_, 0);
  if (clock_) clock_->mark(Stage::kSa);
  const std::uint32_t good = setup_.crypto->run(jobs_.data(), n);
  if (clock_) clock_->mark(Stage::kCrypto);
  for (unsigned i = 0; i < n; ++i) decrypted(i, (good >> i & 1) != 0);
  if (clock_) clock_->mark(Stage::kPost);
}

void Worker::decrypted(unsigned index, bool good) {
  InboundSa& sa = *opening_[index];
  rte_mbuf* m = jobs_[index].mbuf;
  if (!good) {
    ++sa.bad_icv;
    return drop(m, Drop::kBadIcv);
  }
  if (!allowed(sa)) return drop(m, Drop::kLifetimeExpired);
  Clear& clear = clear_[clear_count_];
  if (const Drop bad = close(m, esp_[index], sa, clear.headers); bad != Drop::kNone) {
    sa.replayed += bad == Drop::kReplayed;
    sa.selector_mismatch += bad == Drop::kSelectorMismatch;
    return drop(m, bad);
  }
  ++sa.packets;
  sa.bytes += clear.headers.length;
  ++counters_.decrypted;
  clear.m = m;
  clear.origin = Origin::kProtected;
  clear.port = esp_port_[index];
  ++clear_count_;
}

void Worker::encrypt() {
  std::array<OutboundSa*, kBurst> sas;
  const unsigned n = seal_all(sas);
  if (clock_) clock_->mark(Stage::kEsp);
  if (n == 0) return;
  const std::uint32_t good = setup_.crypto->run(jobs_.data(), n);
  if (clock_) clock_->mark(Stage::kCrypto);
  for (unsigned i = 0; i < n; ++i) {
    if ((good >> i & 1) == 0) {
      drop(jobs_[i].mbuf, Drop::kCryptoError);
      continue;
    }
    ++counters_.encrypted;
    finish_udp(jobs_[i].mbuf, *sas[i]);
    route_esp(jobs_[i].mbuf, *sas[i]);
  }
  if (clock_) clock_->mark(Stage::kRoute);
}

// Sequence numbers are taken here, one after the other by the one owner (RFC 4303 §3.3.3).
unsigned Worker::seal_all(std::array<OutboundSa*, kBurst>& sas) {
  unsigned n = 0;
  const unsigned count = std::exchange(protected_count_, 0);
  for (unsigned i = 0; i < count; ++i) {
    const Protected& p = protected_[i];
    const OutboundSlot& slot = (*tables_->outbound)[p.slot];
    OutboundSa* sa = slot.sa.read();
    if (sa == nullptr) {
      acquire(p, slot);
      drop(p.m, Drop::kNoSa);
      continue;
    }
    if ((sa->next_seq > sa->check_at_packets || sa->bytes >= sa->check_at_bytes) && !allowed(*sa)) {
      drop(p.m, sa->next_seq > kLastSequence ? Drop::kSequenceExhausted : Drop::kLifetimeExpired);
      continue;
    }
    if (p.headers.length + esp_overhead(*sa, p.headers.length) > sa->mtu) {
      drop(p.m, Drop::kTooBig);
      continue;
    }
    if (const Drop bad = seal(p.m, p.headers, p.hop, sa->next_seq, *sa, ivs_, jobs_[n]); bad != Drop::kNone) {
      drop(p.m, bad);
      continue;
    }
    ++sa->next_seq;
    sa->bytes += p.headers.length;
    sas[n++] = sa;
  }
  return n;
}

bool Worker::allowed(OutboundSa& sa) {
  tell_limit(sa.limits, sa.limits.reached(sa.next_seq - 1, sa.bytes), sa.id);
  sa.check_at_packets = sa.limits.next_packets();
  sa.check_at_bytes = sa.limits.next_bytes();
  return !sa.limits.expired;
}

bool Worker::allowed(InboundSa& sa) {
  if (sa.packets < sa.check_at_packets && sa.bytes < sa.check_at_bytes) return true;
  tell_limit(sa.limits, sa.limits.reached(sa.packets, sa.bytes), sa.id);
  sa.check_at_packets = sa.limits.next_packets();
  sa.check_at_bytes = sa.limits.next_bytes();
  return !sa.limits.expired;
}

void Worker::tell_limit(SaLimits& limits, SaLimits::News news, SaId id) {
  if (news == SaLimits::News::kNothing) return;
  if (!tell({.kind = news == SaLimits::News::kHard ? WorkerEvent::Kind::kHard : WorkerEvent::Kind::kSoft,
             .sa = static_cast<std::uint64_t>(id)}))
    limits.untold(news);
}

// At most one a second and policy (two policies that share the place in the table wait for each other).
void Worker::acquire(const Protected& p, const OutboundSlot& slot) {
  std::uint64_t& last = acquired_[p.slot % acquired_.size()];
  const std::uint64_t now = rte_rdtsc();
  if (last != 0 && now - last < second_) return;
  last = now;
  const std::uint8_t* ip = bytes_of(p.m) + p.headers.ip;
  tell({.kind = WorkerEvent::Kind::kAcquire,
        .protocol = p.headers.protocol,
        .sport = p.headers.sport,
        .dport = p.headers.dport,
        .policy = slot.policy,
        .source = source_of(ip, p.headers.v4),
        .destination = destination_of(ip, p.headers.v4)});
}

}  // namespace simplon::dp
