// The first message of every connection, in plain text: which protocol, what
// for, which session. It only decides whether to go on: nothing in it is
// believed until the TLS handshake that follows has confirmed it (the
// preamble is part of the TLS identity, see TlsIdentity).
//
//   preamble, 48 bytes             answer, 16 bytes
//    0  magic, 8 bytes              0  magic, 8 bytes
//    8  u16 newest version          8  u16 verdict
//   10  u16 oldest version         10  u16 newest version of the acceptor
//   12  u16 purpose                12  u16 oldest version of the acceptor
//   14  u16 0                      14  u16 0
//   16  session id, 16 bytes
//   32  0, 16 bytes                                     all little endian
#ifndef SSI_PROTO_PREAMBLE_H_
#define SSI_PROTO_PREAMBLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "proto/version.h"

namespace ssi::proto {

inline constexpr std::size_t kPreambleSize = 48;
inline constexpr std::size_t kAnswerSize = 16;
inline constexpr std::size_t kMagicSize = 8;

// Random, made by the home supervisor for one stay of one process.
using SessionId = std::array<std::byte, 16>;

enum class Purpose : std::uint16_t {
  kPeer = 1,   // daemon to daemon
  kCalls = 2,  // to a guest supervisor: call frames
  kBulk = 3,   // to a guest supervisor: pages
};

struct Preamble {
  std::uint16_t version = kVersion;
  std::uint16_t min_version = kMinVersion;
  Purpose purpose = Purpose::kPeer;
  SessionId session{};  // zero for kPeer

  bool operator==(const Preamble&) const = default;
};

enum class Verdict : std::uint16_t {
  kOk = 0,
  kWrongVersion = 1,
  kUnknownSession = 2,
  kBusy = 3,
};

struct Answer {
  Verdict verdict = Verdict::kOk;
  std::uint16_t version = kVersion;
  std::uint16_t min_version = kMinVersion;

  bool operator==(const Answer&) const = default;
};

std::array<std::byte, kPreambleSize> EncodePreamble(const Preamble& preamble);
std::array<std::byte, kAnswerSize> EncodeAnswer(const Answer& answer);

// kProtocol for anything that no version of ssi sends. A preamble of a version
// that this program does not speak is decoded (CommonVersion refuses it).
Result<Preamble> DecodePreamble(std::span<const std::byte> bytes);
Result<Answer> DecodeAnswer(std::span<const std::byte> bytes);

// False as soon as these first bytes cannot become a preamble or an answer,
// so that a stranger on the port is turned away at once.
bool CanBecomeOurs(std::span<const std::byte> first_bytes);

// The newest version that both speak; kUnsupported with both ranges in words.
Result<std::uint16_t> CommonVersion(const Preamble& mine,
                                    std::uint16_t their_version,
                                    std::uint16_t their_min_version);
// The connecting side's reading of the answer: the version to speak, or why
// not, in words for the user (kUnsupported, kDenied, kRetry).
Result<std::uint16_t> CheckAnswer(const Preamble& mine, const Answer& answer);

// The TLS identity that belongs to this connection. Each side makes it from
// what it sent or received, so a preamble that was altered on its way (a
// downgrade, another purpose) ends in a failed handshake.
std::string TlsIdentity(const Preamble& preamble, std::uint16_t version);

}  // namespace ssi::proto

#endif  // SSI_PROTO_PREAMBLE_H_
