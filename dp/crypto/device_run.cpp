// SPDX-License-Identifier: Apache-2.0
// The worker's half: jobs through the devices.
#include <rte_mbuf.h>

#include <bit>
#include <cstring>

#include "dp/crypto/device.h"
#include "dp/crypto/transforms.h"

namespace simplon::dp {
namespace {

// The member `sym` is an array of no elements, which g++ does not let anyone index.
rte_crypto_sym_op* sym_of(rte_crypto_op* op) {
  return rte_crypto_op_ctod_offset(op, rte_crypto_sym_op*, sizeof(rte_crypto_op));
}

const DeviceSession& session_of(const CryptoJob& job) {
  return static_cast<const DeviceSession&>(*job.session);
}

// RFC 3686 §4: salt, IV, and a counter that begins with 1.
void copy_counter_block(const CryptoJob& job, std::uint8_t* to) {
  std::memcpy(to, job.nonce.data(), 12);
  store_be32(to + 12, 1);
}

constexpr unsigned kMostPolls = 1u << 20;  // of a device that has swallowed what it was given

}  // namespace

Result<std::unique_ptr<DeviceRun>> DeviceRun::make(std::uint16_t queue) {
  rte_mempool* ops =
      rte_crypto_op_pool_create(("ops-" + std::to_string(queue)).c_str(), RTE_CRYPTO_OP_TYPE_SYMMETRIC,
                                4 * kBurst - 1, 0, kIvRoom + kAadRoom, SOCKET_ID_ANY);
  if (ops == nullptr) return fail("no memory for crypto operations");
  return std::unique_ptr<DeviceRun>(new DeviceRun(queue, ops));
}

DeviceRun::~DeviceRun() {
  if (dead_.none()) rte_mempool_free(ops_);
}

std::uint32_t DeviceRun::run_cpu(const CryptoJob* jobs, unsigned n) {
  std::uint32_t good = 0;
  for (unsigned i = 0, end = 0; i < n; i = end) {
    for (end = i + 1; end < n && jobs[end].session == jobs[i].session;) ++end;
    good |= cpu_session(jobs + i, end - i) << i;
  }
  return good;
}

std::uint32_t DeviceRun::run_queue(const CryptoJob* jobs, unsigned n) {
  std::uint32_t good = 0;
  for (unsigned i = 0, end = 0; i < n; i = end) {
    for (end = i + 1; end < n && session_of(jobs[end]).device == session_of(jobs[i]).device;) ++end;
    good |= queue_device(jobs + i, end - i) << i;
  }
  return good;
}

std::uint32_t DeviceRun::cpu_session(const CryptoJob* jobs, unsigned n) {
  const DeviceSession& session = session_of(jobs[0]);
  if (dead_[session.device]) return 0;
  for (unsigned i = 0; i < n; ++i) {
    const CryptoJob& job = jobs[i];
    // An AEAD is given the ciphertext alone, the others all that is authenticated.
    const std::uint16_t from = session.aead ? job.payload : 0;
    cpu_.segments[i].base = job.esp + from;
    cpu_.segments[i].len = static_cast<std::uint32_t>(job.payload - from + job.length + job.tail);
    cpu_.iv[i].va = const_cast<std::uint8_t*>(job.nonce.data());
    if (session.ctr) {
      copy_counter_block(job, cpu_.counters[i].data());
      cpu_.iv[i].va = cpu_.counters[i].data();
    }
    cpu_.digest[i].va = job.icv;
    cpu_.aad[i].va = job.esp;
    if (session.aead && job.esn) {
      copy_aad(job, cpu_.aads[i].data());
      cpu_.aad[i].va = cpu_.aads[i].data();
    }
    cpu_.status[i] = -1;
  }
  rte_crypto_sym_vec vec{};
  vec.num = n;
  vec.src_sgl = cpu_.sgl.data();
  vec.iv = cpu_.iv.data();
  vec.digest = cpu_.digest.data();
  vec.aad = cpu_.aad.data();
  vec.status = cpu_.status.data();
  rte_crypto_sym_ofs offsets{};
  if (!session.aead) {
    offsets.ofs.cipher.head = jobs[0].payload;
    offsets.ofs.cipher.tail = jobs[0].tail;
  }
  rte_cryptodev_sym_cpu_crypto_process(session.device, session.session, offsets, &vec);
  std::uint32_t good = 0;
  for (unsigned i = 0; i < n; ++i) good |= static_cast<std::uint32_t>(cpu_.status[i] == 0) << i;
  return good;
}

void DeviceRun::fill(rte_crypto_op* op, const CryptoJob& job, unsigned index) const {
  const DeviceSession& session = session_of(job);
  sym_of(op)->session = session.session;
  op->sess_type = RTE_CRYPTO_OP_WITH_SESSION;
  auto* iv = rte_crypto_op_ctod_offset(op, std::uint8_t*, kIvOffset);
  std::memcpy(iv, job.nonce.data(), kIvRoom);
  if (session.ctr) copy_counter_block(job, iv);
  sym_of(op)->m_src = job.mbuf;
  sym_of(op)->m_dst = nullptr;
  op->status = RTE_CRYPTO_OP_STATUS_NOT_PROCESSED;
  op->private_data_offset = static_cast<std::uint16_t>(index);  // ours: which job it was
  const std::uint8_t* first = rte_pktmbuf_mtod(job.mbuf, std::uint8_t*);
  const auto at = static_cast<std::uint32_t>(job.esp - first);
  const auto address = [&](const std::uint8_t* p) {  // as the device sees it
    return rte_pktmbuf_iova_offset(job.mbuf, static_cast<std::size_t>(p - first));
  };
  if (session.aead) {
    sym_of(op)->aead.data = {.offset = at + job.payload, .length = job.length};
    sym_of(op)->aead.aad = {job.esp, address(job.esp)};
    if (job.esn) {
      auto* aad = rte_crypto_op_ctod_offset(op, std::uint8_t*, kAadOffset);
      copy_aad(job, aad);
      sym_of(op)->aead.aad = {aad, rte_crypto_op_ctophys_offset(op, kAadOffset)};
    }
    sym_of(op)->aead.digest = {job.icv, address(job.icv)};
  } else {
    sym_of(op)->cipher.data = {.offset = at + job.payload, .length = job.length};
    sym_of(op)->auth.data = {.offset = at,
                             .length = static_cast<std::uint32_t>(job.payload + job.length + job.tail)};
    sym_of(op)->auth.digest = {job.icv, address(job.icv)};
  }
}

std::uint32_t DeviceRun::queue_device(const CryptoJob* jobs, unsigned n) {
  const std::uint8_t device = session_of(jobs[0]).device;
  if (dead_[device]) return 0;
  std::array<rte_crypto_op*, kBurst> ops;
  if (rte_crypto_op_bulk_alloc(ops_, RTE_CRYPTO_OP_TYPE_SYMMETRIC, ops.data(),
                               static_cast<std::uint16_t>(n)) != n)
    return 0;
  for (unsigned i = 0; i < n; ++i) fill(ops[i], jobs[i], i);
  std::uint32_t good = 0;
  std::uint32_t inside = 0;  // the device has it: bit by job
  unsigned sent = 0, got = 0;
  std::array<rte_crypto_op*, kBurst> done;
  for (unsigned polls = 0; got < n && polls < kMostPolls; ++polls) {
    const unsigned taken =
        rte_cryptodev_enqueue_burst(device, queue_, ops.data() + sent, static_cast<std::uint16_t>(n - sent));
    for (const unsigned end = sent + taken; sent < end; ++sent) inside |= 1u << sent;
    const unsigned more =
        rte_cryptodev_dequeue_burst(device, queue_, done.data(), static_cast<std::uint16_t>(n - got));
    for (unsigned i = 0; i < more; ++i) {
      const std::uint32_t bit = 1u << done[i]->private_data_offset;
      inside &= ~bit;
      if (done[i]->status == RTE_CRYPTO_OP_STATUS_SUCCESS) good |= bit;
    }
    got += more;
  }
  if (got < n) {
    abandon(device, jobs, inside);
    for (unsigned i = 0; i < n; ++i)
      if ((inside >> i & 1) == 0) rte_mempool_put(ops_, ops[i]);
    return good;
  }
  rte_mempool_put_bulk(ops_, reinterpret_cast<void**>(ops.data()), n);
  return good;
}

// The device may still read and write what it was given, now or whenever it wakes up.
void DeviceRun::abandon(std::uint8_t device, const CryptoJob* jobs, std::uint32_t inside) {
  dead_.set(device);
  for (; inside != 0; inside &= inside - 1) rte_mbuf_refcnt_update(jobs[std::countr_zero(inside)].mbuf, 1);
}

}  // namespace simplon::dp
