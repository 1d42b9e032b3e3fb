#include "dp/crypto.h"

#include <rte_mbuf.h>

#include <bit>
#include <cstring>

namespace simplon::dp {
namespace {

// The member `sym` is an array of no elements, which g++ does not let anyone index.
rte_crypto_sym_op* sym_of(rte_crypto_op* op) {
  return rte_crypto_op_ctod_offset(op, rte_crypto_sym_op*, sizeof(rte_crypto_op));
}

constexpr unsigned kIvOffset = sizeof(rte_crypto_op) + sizeof(rte_crypto_sym_op);
constexpr unsigned kEspHeader = 8;
// Below this run length one session alone does not fill the lanes of the multi-buffer device (chosen by its
// lane count, not yet by measurement).
constexpr unsigned kShortRun = 6;
constexpr unsigned kMostPolls = 1u << 20;  // of a device that has swallowed what it was given

struct Xforms {
  std::array<rte_crypto_sym_xform, 2> chain{};
  rte_crypto_sym_xform* first = &chain[0];

  explicit Xforms(const SaSpec& sa) {
    const bool out = sa.direction == Direction::kOut;
    if (sa.suite.encr->aead())
      aead(sa, out);
    else
      cipher_and_auth(sa, out);
  }
  void aead(const SaSpec& sa, bool out) {
    chain[0].type = RTE_CRYPTO_SYM_XFORM_AEAD;
    chain[0].aead = {.op = out ? RTE_CRYPTO_AEAD_OP_ENCRYPT : RTE_CRYPTO_AEAD_OP_DECRYPT,
                     .algo = RTE_CRYPTO_AEAD_AES_GCM,
                     .key = {.data = sa.encr_key.bytes().data(), .length = sa.suite.encr->key},
                     .iv = {.offset = kIvOffset, .length = 12},
                     .digest_length = sa.suite.encr->icv,
                     .aad_length = kEspHeader};
  }
  void cipher_and_auth(const SaSpec& sa, bool out) {
    rte_crypto_sym_xform &cipher = chain[out ? 0 : 1], &auth = chain[out ? 1 : 0];
    chain[0].next = &chain[1];
    cipher.type = RTE_CRYPTO_SYM_XFORM_CIPHER;
    cipher.cipher = {.op = out ? RTE_CRYPTO_CIPHER_OP_ENCRYPT : RTE_CRYPTO_CIPHER_OP_DECRYPT,
                     .algo = RTE_CRYPTO_CIPHER_AES_CBC,
                     .key = {.data = sa.encr_key.bytes().data(), .length = sa.suite.encr->key},
                     .iv = {.offset = kIvOffset, .length = 16},
                     .dataunit_len = 0};
    auth.type = RTE_CRYPTO_SYM_XFORM_AUTH;
    auth.auth = {.op = out ? RTE_CRYPTO_AUTH_OP_GENERATE : RTE_CRYPTO_AUTH_OP_VERIFY,
                 .algo = algorithm(sa.suite.integ->id),
                 .key = {.data = sa.integ_key.bytes().data(), .length = sa.suite.integ->key},
                 .iv = {},
                 .digest_length = sa.suite.integ->icv};
  }
  static rte_crypto_auth_algorithm algorithm(IntegId id) {
    switch (id) {
      case IntegId::kSha384_192:
        return RTE_CRYPTO_AUTH_SHA384_HMAC;
      case IntegId::kSha512_256:
        return RTE_CRYPTO_AUTH_SHA512_HMAC;
      default:
        return RTE_CRYPTO_AUTH_SHA256_HMAC;
    }
  }
};

bool can(std::uint8_t device, const SaSpec& sa) {
  rte_cryptodev_sym_capability_idx index{};
  index.type = sa.suite.encr->aead() ? RTE_CRYPTO_SYM_XFORM_AEAD : RTE_CRYPTO_SYM_XFORM_CIPHER;
  if (sa.suite.encr->aead())
    index.algo.aead = RTE_CRYPTO_AEAD_AES_GCM;
  else
    index.algo.cipher = RTE_CRYPTO_CIPHER_AES_CBC;
  return rte_cryptodev_sym_capability_get(device, &index) != nullptr;
}

Result<void> start(std::uint8_t id, const std::string& name, unsigned workers, rte_mempool* sessions) {
  rte_cryptodev_info info{};
  rte_cryptodev_info_get(id, &info);
  if (info.max_nb_queue_pairs < workers)
    return fail(name + " has " + std::to_string(info.max_nb_queue_pairs) + " queue pairs for " +
                std::to_string(workers) +
                " workers; give it more with max_nb_queue_pairs=" + std::to_string(workers));
  rte_cryptodev_config config{
      .socket_id = SOCKET_ID_ANY, .nb_queue_pairs = static_cast<std::uint16_t>(workers), .ff_disable = 0};
  if (rte_cryptodev_configure(id, &config) < 0) return fail(name + ": cannot be configured");
  const rte_cryptodev_qp_conf queue{.nb_descriptors = 256, .mp_session = sessions};
  for (unsigned q = 0; q < workers; ++q)
    if (rte_cryptodev_queue_pair_setup(id, static_cast<std::uint16_t>(q), &queue, SOCKET_ID_ANY) < 0)
      return fail(name + ": queue pair " + std::to_string(q) + " cannot be set up");
  if (rte_cryptodev_start(id) < 0) return fail(name + ": cannot be started");
  return {};
}

}  // namespace

CryptoSession::~CryptoSession() {
  if (session != nullptr) rte_cryptodev_sym_session_free(device, session);
}

Result<std::unique_ptr<CryptoDevices>> CryptoDevices::open(const std::vector<std::string>& names,
                                                           unsigned workers, unsigned sessions) {
  auto devices = std::make_unique<CryptoDevices>();
  for (const std::string& full : names) {
    const std::string name = full.substr(0, full.find(','));
    const int id = rte_cryptodev_get_dev_id(name.c_str());
    if (id < 0)
      return fail("there is no crypto device '" + name + "'; is its driver installed, its name right?");
    Device device{.id = static_cast<std::uint8_t>(id), .name = name};
    device.sessions = rte_cryptodev_sym_session_pool_create(
        ("sessions-" + std::to_string(id)).c_str(), sessions,
        rte_cryptodev_sym_get_private_session_size(device.id), 0, 0, SOCKET_ID_ANY);
    if (device.sessions == nullptr)
      return fail(name + ": no memory for the keys of " + std::to_string(sessions) +
                  " SAs; raise 'memory' or lower 'buffers'");
    if (auto done = start(device.id, name, workers, device.sessions); !done)
      return std::unexpected(done.error());
    rte_cryptodev_info info{};
    rte_cryptodev_info_get(device.id, &info);
    device.cpu = (info.feature_flags & RTE_CRYPTODEV_FF_SYM_CPU_CRYPTO) != 0;
    devices->devices_.push_back(std::move(device));
  }
  return devices;
}

CryptoDevices::~CryptoDevices() {
  for (const Device& device : devices_) {
    rte_cryptodev_stop(device.id);
    rte_cryptodev_close(device.id);
    rte_mempool_free(device.sessions);
  }
}

Result<std::unique_ptr<const CryptoSession>> CryptoDevices::make_session(const SaSpec& sa) const {
  Xforms xforms(sa);
  bool full = false;
  for (const Device& device : devices_) {
    if (!can(device.id, sa)) continue;
    void* made = rte_cryptodev_sym_session_create(device.id, xforms.first, device.sessions);
    if (made == nullptr) {
      full = full || rte_mempool_empty(device.sessions) != 0;
      continue;
    }
    auto session = std::make_unique<CryptoSession>();
    session->device = device.id;
    session->aead = sa.suite.encr->aead();
    session->cpu = device.cpu;
    session->session = made;
    return std::unique_ptr<const CryptoSession>(std::move(session));
  }
  if (full) return fail("there is no room for the keys of another SA; raise 'memory'");
  return fail("no crypto device takes " + std::string(sa.suite.encr->name) +
              (sa.suite.integ ? "-" + std::string(sa.suite.integ->name) : "") + "; see the key 'crypto'");
}

Result<std::unique_ptr<Crypto>> Crypto::make(std::uint16_t queue) {
  rte_mempool* ops =
      rte_crypto_op_pool_create(("ops-" + std::to_string(queue)).c_str(), RTE_CRYPTO_OP_TYPE_SYMMETRIC,
                                4 * kBurst - 1, 0, 16, SOCKET_ID_ANY);
  if (ops == nullptr) return fail("no memory for crypto operations");
  return std::unique_ptr<Crypto>(new Crypto(queue, ops));
}

Crypto::~Crypto() {
  if (dead_.none()) rte_mempool_free(ops_);
}

std::uint32_t Crypto::run(CryptoJob* jobs, unsigned n) {
  std::uint32_t good = 0;
  for (unsigned i = 0; i < n;) {
    unsigned end = i + 1;
    while (end < n && jobs[end].session == jobs[i].session) ++end;
    if (dead_[jobs[i].session->device]) {
      i = end;
      continue;
    }
    if (jobs[i].session->cpu && (jobs[i].session->aead || end - i >= kShortRun || n == 1)) {
      good |= run_cpu(jobs + i, end - i) << i;
      i = end;
      continue;
    }
    // Short runs of a multi-buffer suite go together, whatever their sessions, as far as they share the
    // device.
    while (end < n && jobs[end].session->device == jobs[i].session->device && !jobs[end].session->aead) ++end;
    good |= run_queue(jobs + i, end - i) << i;
    i = end;
  }
  return good;
}

std::uint32_t Crypto::run_cpu(CryptoJob* jobs, unsigned n) {
  std::array<rte_crypto_vec, kBurst> segments;
  std::array<rte_crypto_sgl, kBurst> sgl;
  std::array<rte_crypto_va_iova_ptr, kBurst> iv, digest, aad;
  std::array<std::int32_t, kBurst> status;
  const CryptoSession& session = *jobs[0].session;
  for (unsigned i = 0; i < n; ++i) {
    CryptoJob& job = jobs[i];
    // An AEAD is given the ciphertext alone, the others all that is authenticated.
    const std::uint16_t from = session.aead ? job.payload : 0;
    segments[i] = {.base = job.esp + from,
                   .iova = 0,
                   .len = static_cast<std::uint32_t>(job.payload - from + job.length),
                   .tot_len = 0};
    sgl[i] = {.vec = &segments[i], .num = 1};
    iv[i] = {.va = job.nonce.data(), .iova = 0};
    digest[i] = {.va = job.icv, .iova = 0};
    aad[i] = {.va = job.esp, .iova = 0};
    status[i] = -1;
  }
  rte_crypto_sym_vec vec{};
  vec.num = n;
  vec.src_sgl = sgl.data();
  vec.iv = iv.data();
  vec.digest = digest.data();
  vec.aad = aad.data();
  vec.status = status.data();
  rte_crypto_sym_ofs offsets{};
  if (!session.aead) offsets.ofs.cipher.head = jobs[0].payload;
  rte_cryptodev_sym_cpu_crypto_process(session.device, session.session, offsets, &vec);
  std::uint32_t good = 0;
  for (unsigned i = 0; i < n; ++i) good |= static_cast<std::uint32_t>(status[i] == 0) << i;
  return good;
}

void Crypto::fill(rte_crypto_op* op, const CryptoJob& job, unsigned index) const {
  sym_of(op)->session = job.session->session;
  op->sess_type = RTE_CRYPTO_OP_WITH_SESSION;
  std::memcpy(rte_crypto_op_ctod_offset(op, void*, kIvOffset), job.nonce.data(), 16);
  sym_of(op)->m_src = job.mbuf;
  sym_of(op)->m_dst = nullptr;
  op->status = RTE_CRYPTO_OP_STATUS_NOT_PROCESSED;
  op->private_data_offset = static_cast<std::uint16_t>(index);  // ours: which job it was
  const std::uint8_t* first = rte_pktmbuf_mtod(job.mbuf, std::uint8_t*);
  const auto at = static_cast<std::uint32_t>(job.esp - first);
  const auto address = [&](const std::uint8_t* p) {  // as the device sees it
    return rte_pktmbuf_iova_offset(job.mbuf, static_cast<std::size_t>(p - first));
  };
  if (job.session->aead) {
    sym_of(op)->aead.data = {.offset = at + job.payload, .length = job.length};
    sym_of(op)->aead.aad = {job.esp, address(job.esp)};
    sym_of(op)->aead.digest = {job.icv, address(job.icv)};
  } else {
    sym_of(op)->cipher.data = {.offset = at + job.payload, .length = job.length};
    sym_of(op)->auth.data = {.offset = at, .length = static_cast<std::uint32_t>(job.payload + job.length)};
    sym_of(op)->auth.digest = {job.icv, address(job.icv)};
  }
}

std::uint32_t Crypto::run_queue(CryptoJob* jobs, unsigned n) {
  std::array<rte_crypto_op*, kBurst> ops;
  if (rte_crypto_op_bulk_alloc(ops_, RTE_CRYPTO_OP_TYPE_SYMMETRIC, ops.data(),
                               static_cast<std::uint16_t>(n)) != n)
    return 0;
  for (unsigned i = 0; i < n; ++i) fill(ops[i], jobs[i], i);
  const std::uint8_t device = jobs[0].session->device;
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
void Crypto::abandon(std::uint8_t device, const CryptoJob* jobs, std::uint32_t inside) {
  dead_.set(device);
  for (; inside != 0; inside &= inside - 1) rte_mbuf_refcnt_update(jobs[std::countr_zero(inside)].mbuf, 1);
}

}  // namespace simplon::dp
