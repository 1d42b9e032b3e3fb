// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/spd_tuple.h"

#include <algorithm>
#include <utility>

namespace simplon::dp {
namespace {

// A page with more is split: what a change copies stays below that.
constexpr std::size_t kFewestCells = 8, kMostCells = 256;
// Hashes that do not tell the keys apart make pages longer, not the list of parts.
constexpr std::size_t kKeysPerPart = 16;

bool has(const SpdCell& cell, std::uint64_t rank) {
  if (cell.chain == nullptr) return cell.first.rank == rank;
  return std::ranges::find(cell.chain->entries, rank, &SpdEntry::rank) != cell.chain->entries.end();
}

SpdChain without(const SpdChain& chain, std::uint64_t rank) {
  SpdChain out;
  out.entries.reserve(chain.entries.size());
  for (SpdEntry entry : chain.entries) {
    if (entry.rank == rank) continue;
    if (entry.ranges != 0) {
      out.ranges.push_back(chain.ranges[entry.ranges - 1]);
      entry.ranges = static_cast<std::uint32_t>(out.ranges.size());
    }
    out.entries.push_back(entry);
  }
  return out;
}

}  // namespace

SpdTuple::SpdTuple(std::uint8_t source_bits, std::uint8_t destination_bits, const SpdKey& mask)
    : mask_(mask), parts_(1), source_bits_(source_bits), destination_bits_(destination_bits) {
  auto page = std::make_shared<Page>();
  page->cells.resize(kFewestCells);
  place(0, page);
}

SpdCell& SpdTuple::Page::at(const SpdKey& key) {
  std::size_t i = hash(key);
  const std::size_t mask = cells.size() - 1;
  while (!cells[i & mask].empty() && cells[i & mask].key != key) ++i;
  return cells[i & mask];
}

void SpdTuple::Page::resize(std::size_t size) {
  const std::vector<SpdCell> before = std::exchange(cells, std::vector<SpdCell>(size));
  for (const SpdCell& cell : before)
    if (!cell.empty()) at(cell.key) = cell;
}

void SpdTuple::Page::find_best() {
  best = std::ranges::min(cells, {}, [](const SpdCell& c) { return c.first.rank; }).first.rank;
}

// Where the hash leads, and wherever else the page stands.
void SpdTuple::place(std::uint64_t hash, const std::shared_ptr<Page>& page) {
  const std::size_t places = std::size_t{1} << (depth() - page->depth);
  const std::size_t first = (hash >> 1 >> shift_) & ~(places - 1);
  for (std::size_t i = first; i < first + places; ++i)
    parts_[i] = {page->cells.data(), page->cells.size() - 1, page};
}

// A page that another version has as well is left to that one. Workers hold none, so the count is exact.
SpdTuple::Page& SpdTuple::page_to_change(std::uint64_t hash) {
  const std::shared_ptr<Page>& page = parts_[hash >> 1 >> shift_].page;
  if (page.use_count() == 1L << (depth() - page->depth)) return *page;
  auto copy = std::make_shared<Page>(*page);
  Page& out = *copy;
  place(hash, copy);
  return out;
}

void SpdTuple::double_parts() {
  std::vector<Part> twice;
  twice.reserve(parts_.size() * 2);
  for (const Part& part : parts_) {
    twice.push_back(part);
    twice.push_back(part);
  }
  parts_ = std::move(twice);
  --shift_;
}

void SpdTuple::split(std::uint64_t hash) {
  const std::shared_ptr<Page> page = parts_[hash >> 1 >> shift_].page;
  const std::uint64_t bit = std::uint64_t{1} << (63 - page->depth);
  for (const std::uint64_t side : {std::uint64_t{0}, bit}) {
    auto half = std::make_shared<Page>();
    half->depth = page->depth + 1;
    half->cells.resize(page->cells.size());
    for (const SpdCell& cell : page->cells) {
      if (cell.empty() || (SpdTuple::hash(cell.key) & bit) != side) continue;
      half->at(cell.key) = cell;
      ++half->keys;
      if (cell.chain == nullptr) continue;
      half->chains.push_back(*std::ranges::find(page->chains, cell.chain, &std::shared_ptr<SpdChain>::get));
    }
    half->find_best();
    place((hash & ~bit) | side, half);
  }
}

void SpdTuple::make_room(std::uint64_t hash) {
  Page& page = page_to_change(hash);
  const bool can_split = page.depth < depth() || (parts_.size() * 2 * kKeysPerPart <= keys_ && shift_ > 0);
  if (page.cells.size() < kMostCells || !can_split) {
    page.resize(page.cells.size() * 2);
    place(hash, std::shared_ptr<Page>(parts_[hash >> 1 >> shift_].page));
    return;
  }
  if (page.depth == depth()) double_parts();
  split(hash);
}

SpdChain& SpdTuple::chain_to_change(Page& page, SpdCell& cell) {
  auto known = std::ranges::find(page.chains, cell.chain, &std::shared_ptr<SpdChain>::get);
  if (cell.chain == nullptr) {
    auto fresh = std::make_shared<SpdChain>();
    if (!cell.empty()) fresh->entries.push_back(cell.first);
    known = page.chains.insert(page.chains.end(), std::move(fresh));
  } else if (known->use_count() > 1) {
    *known = std::make_shared<SpdChain>(**known);
  }
  cell.chain = known->get();
  return **known;
}

void SpdTuple::drop_chain(Page& page, SpdCell& cell) {
  std::erase_if(page.chains, [&](const auto& chain) { return chain.get() == cell.chain; });
  cell.chain = nullptr;
}

void SpdTuple::insert(const SpdKey& key, const SpdEntry& entry, const SpdRanges* ranges) {
  const std::uint64_t h = hash(key);
  if (find(key) == nullptr)
    for (const Page* page = parts_[h >> 1 >> shift_].page.get(); (page->keys + 1) * 2 > page->cells.size();
         page = parts_[h >> 1 >> shift_].page.get())
      make_room(h);
  Page& page = page_to_change(h);
  SpdCell& cell = page.at(key);
  const bool fresh = cell.empty();
  if (fresh) ++page.keys, ++keys_;
  if (fresh && ranges == nullptr) {
    cell.first = entry;
  } else {
    SpdChain& chain = chain_to_change(page, cell);
    SpdEntry own = entry;
    if (ranges != nullptr) {
      chain.ranges.push_back(*ranges);
      own.ranges = static_cast<std::uint32_t>(chain.ranges.size());
    }
    chain.entries.insert(std::ranges::upper_bound(chain.entries, own.rank, {}, &SpdEntry::rank), own);
    cell.first = chain.entries.front();
  }
  cell.key = key;
  page.best = std::min(page.best, entry.rank);
  best_ = std::min(best_, entry.rank);
}

std::size_t SpdTuple::erase(const SpdKey& key, std::uint64_t rank) {
  const SpdCell* known = find(key);
  if (known == nullptr || !has(*known, rank)) return 0;
  const std::uint64_t h = hash(key);
  Page& page = page_to_change(h);
  SpdCell& cell = page.at(key);
  SpdChain left = cell.chain == nullptr ? SpdChain{} : without(*cell.chain, rank);
  const std::size_t gone = cell.chain == nullptr ? 1 : cell.chain->entries.size() - left.entries.size();
  cell.first = left.entries.empty() ? SpdEntry{} : left.entries.front();
  if (left.entries.size() < 2 && left.ranges.empty())
    drop_chain(page, cell);
  else
    chain_to_change(page, cell) = std::move(left);
  if (cell.empty()) {
    --page.keys, --keys_;
    const bool sparse = page.keys * 8 < page.cells.size() && page.cells.size() > kFewestCells;
    page.resize(sparse ? page.cells.size() / 2 : page.cells.size());
    place(h, std::shared_ptr<Page>(parts_[h >> 1 >> shift_].page));
  }
  const auto best_of = [](const Part& part) { return part.page->best; };
  if (rank == page.best) page.find_best();
  if (rank == best_) best_ = best_of(std::ranges::min(parts_, {}, best_of));
  return gone;
}

}  // namespace simplon::dp
