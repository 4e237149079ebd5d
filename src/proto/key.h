// Secret keys: the cluster's, and one-time keys of sessions.
#ifndef SSI_PROTO_KEY_H_
#define SSI_PROTO_KEY_H_

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ssi::proto {

inline constexpr std::size_t kKeySize = 32;

// 32 secret bytes. Wiped when destroyed or moved from; copied only by Copy().
//
// File form: 64 hexadecimal digits and a newline (what Generate writes, easy
// to carry to another node by hand), or 32 raw bytes.
class Key {
 public:
  // kDenied where the file is readable by others or not ours, kInvalid where
  // it is not a key. Follows symbolic links; what they lead to is checked.
  static Result<Key> Load(const std::string& path);
  // Makes a new key in a new file of mode 0600. Never overwrites: kInvalid
  // where there is something at `path`.
  static Result<Key> Generate(const std::string& path);
  static Result<Key> Random();
  static Key FromBytes(std::span<const std::byte, kKeySize> bytes);

  Key(Key&& other) noexcept;
  Key& operator=(Key&& other) noexcept;
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key();

  [[nodiscard]] Key Copy() const;
  // An independent key for `label`: HKDF-SHA256 (RFC 5869). Who has it does
  // not learn this key nor the keys of other labels.
  [[nodiscard]] Key Derive(std::string_view label) const;
  [[nodiscard]] std::span<const std::byte, kKeySize> bytes() const {
    return bytes_;
  }

 private:
  Key() = default;
  void Wipe();

  std::array<std::byte, kKeySize> bytes_{};
};

// HKDF-SHA256, extract and expand. `out` at most 255 * 32 bytes.
void Hkdf(std::span<const std::byte> secret, std::span<const std::byte> salt,
          std::span<const std::byte> info, std::span<std::byte> out);

}  // namespace ssi::proto

#endif  // SSI_PROTO_KEY_H_
