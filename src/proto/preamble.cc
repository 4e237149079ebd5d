#include "proto/preamble.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ssi::proto {

namespace {

// Neither text nor a TLS record (those start with 0x16), and broken by any
// transfer that touches line ends.
constexpr std::array<unsigned char, kMagicSize> kMagic = {
    0xf5, 's', 's', 'i', '\r', '\n', 0x1a, 0x01};

struct PreambleLayout {
  std::array<unsigned char, kMagicSize> magic;
  std::uint16_t version;
  std::uint16_t min_version;
  std::uint16_t purpose;
  std::uint16_t zero;
  SessionId session;
  std::array<unsigned char, 16> reserved;
};
static_assert(sizeof(PreambleLayout) == kPreambleSize);

struct AnswerLayout {
  std::array<unsigned char, kMagicSize> magic;
  std::uint16_t verdict;
  std::uint16_t version;
  std::uint16_t min_version;
  std::uint16_t zero;
};
static_assert(sizeof(AnswerLayout) == kAnswerSize);
static_assert(std::endian::native == std::endian::little);

template <typename Layout>
Result<Layout> Overlay(std::span<const std::byte> bytes, const char* what) {
  Layout layout{};
  if (bytes.size() != sizeof layout) {
    return Fail(ErrorCode::kProtocol, "{} of {} bytes instead of {}", what,
                bytes.size(), sizeof layout);
  }
  std::memcpy(&layout, bytes.data(), sizeof layout);
  if (layout.magic != kMagic) {
    return Fail(ErrorCode::kProtocol, "the peer does not speak ssi");
  }
  if (layout.min_version == 0 || layout.min_version > layout.version) {
    return Fail(ErrorCode::kProtocol, "{} with versions {} to {}", what,
                layout.min_version, layout.version);
  }
  return layout;
}

template <typename Layout>
std::array<std::byte, sizeof(Layout)> BytesOf(const Layout& layout) {
  return std::bit_cast<std::array<std::byte, sizeof(Layout)>>(layout);
}

std::string RangeText(std::uint16_t min_version, std::uint16_t version) {
  return min_version == version
             ? fmt::format("version {}", version)
             : fmt::format("versions {} to {}", min_version, version);
}

}  // namespace

std::array<std::byte, kPreambleSize> EncodePreamble(const Preamble& preamble) {
  PreambleLayout layout{};
  layout.magic = kMagic;
  layout.version = preamble.version;
  layout.min_version = preamble.min_version;
  layout.purpose = static_cast<std::uint16_t>(preamble.purpose);
  layout.session = preamble.session;
  return BytesOf(layout);
}

std::array<std::byte, kAnswerSize> EncodeAnswer(const Answer& answer) {
  AnswerLayout layout{};
  layout.magic = kMagic;
  layout.verdict = static_cast<std::uint16_t>(answer.verdict);
  layout.version = answer.version;
  layout.min_version = answer.min_version;
  return BytesOf(layout);
}

Result<Preamble> DecodePreamble(std::span<const std::byte> bytes) {
  SSI_ASSIGN(auto layout, Overlay<PreambleLayout>(bytes, "preamble"));
  Preamble preamble{layout.version, layout.min_version,
                    static_cast<Purpose>(layout.purpose), layout.session};
  // A later protocol may give the rest another meaning, and then says that it
  // no longer speaks ours.
  if (layout.min_version > kVersion) {
    return preamble;
  }
  if (layout.purpose < static_cast<std::uint16_t>(Purpose::kPeer) ||
      layout.purpose > static_cast<std::uint16_t>(Purpose::kBulk)) {
    return Fail(ErrorCode::kProtocol, "preamble with purpose {}",
                layout.purpose);
  }
  if (layout.zero != 0 || layout.reserved != decltype(layout.reserved){}) {
    return Fail(ErrorCode::kProtocol, "preamble with unknown contents");
  }
  return preamble;
}

Result<Answer> DecodeAnswer(std::span<const std::byte> bytes) {
  SSI_ASSIGN(auto layout, Overlay<AnswerLayout>(bytes, "answer"));
  if (layout.verdict > static_cast<std::uint16_t>(Verdict::kBusy) ||
      layout.zero != 0) {
    return Fail(ErrorCode::kProtocol, "answer with verdict {}", layout.verdict);
  }
  return Answer{static_cast<Verdict>(layout.verdict), layout.version,
                layout.min_version};
}

bool CanBecomeOurs(std::span<const std::byte> first_bytes) {
  auto magic = std::as_bytes(std::span(kMagic));
  std::size_t n = std::min(first_bytes.size(), magic.size());
  return std::ranges::equal(first_bytes.first(n), magic.first(n));
}

Result<std::uint16_t> CommonVersion(const Preamble& mine,
                                    std::uint16_t their_version,
                                    std::uint16_t their_min_version) {
  std::uint16_t common = std::min(mine.version, their_version);
  if (common < mine.min_version || common < their_min_version) {
    return Fail(ErrorCode::kUnsupported,
                "the peer speaks protocol {}, this node {}: install the same "
                "release of ssi on both",
                RangeText(their_min_version, their_version),
                RangeText(mine.min_version, mine.version));
  }
  return common;
}

Result<std::uint16_t> CheckAnswer(const Preamble& mine, const Answer& answer) {
  switch (answer.verdict) {
    case Verdict::kOk:
      break;
    case Verdict::kWrongVersion:
      // Says why in most cases; a peer that refuses a version that it claims
      // to speak falls through.
      SSI_TRY(CommonVersion(mine, answer.version, answer.min_version));
      return Fail(ErrorCode::kUnsupported, "the peer refuses protocol {}",
                  RangeText(mine.min_version, mine.version));
    case Verdict::kUnknownSession:
      return Fail(ErrorCode::kDenied, "the peer does not know this session");
    case Verdict::kBusy:
      return Fail(ErrorCode::kRetry, "the peer is busy");
  }
  return CommonVersion(mine, answer.version, answer.min_version);
}

std::string TlsIdentity(const Preamble& preamble, std::uint16_t version) {
  std::string text = fmt::format("ssi{} ", version);
  for (std::byte byte : EncodePreamble(preamble)) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

}  // namespace ssi::proto
