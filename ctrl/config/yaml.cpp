// SPDX-License-Identifier: Apache-2.0
#include "ctrl/config/yaml.h"

#include <string.h>  // explicit_bzero
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <utility>

namespace simplon::ctrl {
namespace {

// No section of the configuration is nested deeper; more of it only costs stack.
constexpr std::size_t kDeepest = 16;
// Nobody reads more problems than this of one file; a hostile one must not cost more.
constexpr std::size_t kMostProblems = 20;

Place place(const YAML::Mark& mark) {
  // yaml-cpp's null mark is -1, -1.
  return {mark.line < 0 ? 1 : mark.line + 1, mark.column < 0 ? 1 : mark.column + 1};
}

// Builds the tree from yaml-cpp's events: they still show aliases, tags and double keys, its nodes do not.
class Builder final : public YAML::EventHandler {
 public:
  Yaml root;
  std::vector<Problem> problems;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2) complain(place(mark), "the document ended before this; one file is one document");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { value(make(Yaml::Kind::kNull, mark)); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    complain(place(mark), "aliases ('*name') are not supported; write the value out");
    value(make(Yaml::Kind::kNull, mark));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& text) override {
    check(mark, tag);
    Yaml node = make(Yaml::Kind::kScalar, mark);
    node.text = text;
    value(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    check(mark, tag);
    open(make(Yaml::Kind::kList, mark));
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    check(mark, tag);
    open(make(Yaml::Kind::kMap, mark));
  }
  void OnMapEnd() override { close(); }
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    if (!name.empty()) complain(place(mark), "anchors ('&name') are not supported; write the value out");
  }

 private:
  // A container that is not complete yet; of a map, the key that waits for its value.
  struct Open {
    Yaml node;
    bool has_key = false;
    std::string key;
    Place key_place;
  };

  static Yaml make(Yaml::Kind kind, const YAML::Mark& mark) {
    Yaml node;
    node.kind = kind;
    node.place = place(mark);
    return node;
  }

  void complain(Place at, std::string what) {
    if (problems.size() < kMostProblems) problems.push_back({at, std::move(what)});
  }

  void check(const YAML::Mark& mark, const std::string& tag) {
    // "?" is a plain value, "!" a quoted one.
    if (!tag.empty() && tag != "?" && tag != "!")
      complain(place(mark), "tags ('!name') are not supported; leave it away");
  }

  void open(Yaml node) {
    if (open_.size() == kDeepest) complain(node.place, "nested deeper than any section of a configuration");
    open_.push_back({std::move(node), false, {}, {}});
  }

  void close() {
    Yaml done = std::move(open_.back().node);
    open_.pop_back();
    if (open_.size() < kDeepest) value(std::move(done));
  }

  void value(Yaml node) {
    if (open_.empty()) {
      if (documents_ == 1) root = std::move(node);
      return;
    }
    Open& top = open_.back();
    if (top.node.kind == Yaml::Kind::kList) {
      top.node.items.push_back(std::move(node));
    } else if (top.has_key) {
      top.node.members.push_back({std::move(top.key), top.key_place, std::move(node)});
      top.has_key = false;
    } else {
      if (node.kind != Yaml::Kind::kScalar) complain(node.place, "a key must be a plain text");
      top.has_key = true;
      top.key = std::move(node.text);
      top.key_place = node.place;
    }
  }

  std::vector<Open> open_;
  int documents_ = 0;
};

// The length of the UTF-8 sequence at the front of `text` (RFC 3629: shortest form, no surrogates); 0 when it
// is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf5 ? 0 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f)) return 0;
  if ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)) return 0;
  return length;
}

// The first byte that no text may have, if there is one. Tabs pass: YAML itself knows where they are allowed.
std::vector<Problem> binary(std::string_view text) {
  Place at;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_length(text.substr(i));
    const bool control = (c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f;
    if (length == 0 || control)
      return {{at, "byte " + std::to_string(c) + " is no text; the file must be YAML in UTF-8"}};
    at = c == '\n' ? Place{at.line + 1, 1} : Place{at.line, at.column + 1};
    i += length;
  }
  return {};
}

}  // namespace

std::expected<Yaml, std::vector<Problem>> parse_yaml(std::string_view text) {
  if (auto problems = binary(text); !problems.empty()) return std::unexpected(std::move(problems));
  Builder builder;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    // A second call shows whether there is another document. Never a third: before some tokens (a comma at
    // the top) yaml-cpp does not advance and finds a new document each time.
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
  } catch (const YAML::Exception& e) {
    builder.problems.push_back({place(e.mark), "not YAML: " + e.msg});
  } catch (const std::exception& e) {
    builder.problems.push_back({{}, std::string("not YAML: ") + e.what()});
  }
  if (!builder.problems.empty()) return std::unexpected(std::move(builder.problems));
  return std::move(builder.root);
}

void wipe(Yaml& node) {
  if (!node.text.empty()) explicit_bzero(node.text.data(), node.text.size());
  for (Yaml& item : node.items) wipe(item);
  for (Yaml::Member& member : node.members) wipe(member.value);
}

}  // namespace simplon::ctrl
