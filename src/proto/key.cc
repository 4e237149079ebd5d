#include "proto/key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace ssi::proto {

namespace {

constexpr std::size_t kHexSize = 2 * kKeySize;
constexpr std::string_view kHexDigits = "0123456789abcdef";
// Part of the protocol: see version.h.
constexpr std::string_view kDeriveSalt = "ssi key 1";

// Text of a key on its way from or to a file; wiped at the end.
struct FileText {
  std::array<char, kHexSize + 2> chars{};  // one more than the longest
  FileText() = default;
  FileText(const FileText&) = delete;
  FileText& operator=(const FileText&) = delete;
  FileText(FileText&&) = delete;
  FileText& operator=(FileText&&) = delete;
  ~FileText() { OPENSSL_cleanse(chars.data(), chars.size()); }
};

int HexValue(char digit) {
  if (digit >= 'A' && digit <= 'F') {
    digit = static_cast<char>(digit - 'A' + 'a');
  }
  auto at = kHexDigits.find(digit);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

bool FromHex(std::string_view text, std::span<std::byte, kKeySize> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    int high = HexValue(text[2 * i]);
    int low = HexValue(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      return false;
    }
    out[i] = static_cast<std::byte>(high * 16 + low);
  }
  return true;
}

Status CheckKeyFile(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    return FailErrno(errno, "key file {}", path);
  }
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kInvalid, "key file {} is not a regular file", path);
  }
  if (info.st_uid != ::geteuid()) {
    return Fail(ErrorCode::kDenied,
                "key file {} belongs to user {}, not to you (user {})", path,
                info.st_uid, ::geteuid());
  }
  if ((info.st_mode & 077) != 0) {
    return Fail(ErrorCode::kDenied,
                "key file {} is open to other users (mode {:04o}); run: "
                "chmod 600 {}",
                path, info.st_mode & 07777, path);
  }
  return {};
}

// At most the size of `text`; 0 and up is what was read.
Result<std::size_t> ReadText(int fd, FileText& text, const std::string& path) {
  std::size_t size = 0;
  while (size < text.chars.size()) {
    ssize_t n = ::read(fd, text.chars.data() + size, text.chars.size() - size);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return FailErrno(errno, "key file {}", path);
    }
    if (n == 0) {
      break;
    }
    size += static_cast<std::size_t>(n);
  }
  return size;
}

}  // namespace

Result<Key> Key::Load(const std::string& path) {
  // Non-blocking, so that a FIFO at that place does not hang us.
  auto fd = Open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) {
    return std::unexpected(fd.error().WithContext("key file"));
  }
  SSI_TRY(CheckKeyFile(fd->get(), path));
  FileText text;
  SSI_ASSIGN(std::size_t size, ReadText(fd->get(), text, path));
  Key key;
  if (size == kKeySize) {
    std::ranges::copy(std::as_bytes(std::span(text.chars).first<kKeySize>()),
                      key.bytes_.begin());
    return key;
  }
  std::string_view hex(text.chars.data(), size);
  if (hex.ends_with('\n')) {
    hex.remove_suffix(1);
  }
  if (hex.size() != kHexSize || !FromHex(hex, key.bytes_)) {
    return Fail(ErrorCode::kInvalid,
                "key file {} is not a key: it must hold {} hexadecimal digits "
                "(or {} raw bytes)",
                path, kHexSize, kKeySize);
  }
  return key;
}

Result<Key> Key::Generate(const std::string& path) {
  SSI_ASSIGN(Key key, Random());
  FileText text;
  for (std::size_t i = 0; i < kKeySize; ++i) {
    auto value = std::to_integer<unsigned>(key.bytes_[i]);
    text.chars[2 * i] = kHexDigits[value / 16];
    text.chars[2 * i + 1] = kHexDigits[value % 16];
  }
  text.chars[kHexSize] = '\n';

  auto fd = Open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOCTTY, 0600);
  if (!fd) {
    if (fd.error().sys_errno == EEXIST) {
      return Fail(ErrorCode::kInvalid,
                  "{} exists already; a key is never overwritten", path);
    }
    return std::unexpected(fd.error().WithContext("key file"));
  }
  Status written = WriteAll(fd->get(), text.chars.data(), kHexSize + 1);
  if (written && ::fsync(fd->get()) != 0) {
    written = FailErrno(errno, "fsync {}", path);
  }
  if (!written) {
    ::unlink(path.c_str());  // ours: O_EXCL made it
    return std::unexpected(written.error().WithContext("key file " + path));
  }
  return key;
}

Result<Key> Key::Random() {
  Key key;
  SSI_TRY(RandomBytes(key.bytes_));
  return key;
}

Key Key::FromBytes(std::span<const std::byte, kKeySize> bytes) {
  Key key;
  std::ranges::copy(bytes, key.bytes_.begin());
  return key;
}

Key::Key(Key&& other) noexcept : bytes_(other.bytes_) {
  other.Wipe();
}

Key& Key::operator=(Key&& other) noexcept {
  if (this != &other) {
    bytes_ = other.bytes_;
    other.Wipe();
  }
  return *this;
}

Key::~Key() {
  Wipe();
}

void Key::Wipe() {
  OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

Key Key::Copy() const {
  return FromBytes(bytes_);
}

Key Key::Derive(std::string_view label) const {
  Key derived;
  Hkdf(bytes_, std::as_bytes(std::span(kDeriveSalt)),
       std::as_bytes(std::span(label)), derived.bytes_);
  return derived;
}

void Hkdf(std::span<const std::byte> secret, std::span<const std::byte> salt,
          std::span<const std::byte> info, std::span<std::byte> out) {
  using Kdf = std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)>;
  using KdfContext = std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)>;
  Kdf kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr), &EVP_KDF_free);
  KdfContext context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr,
                     &EVP_KDF_CTX_free);
  SSI_CHECK(context != nullptr, "OpenSSL has no HKDF");
  // OSSL_PARAM holds pointers to non-const; they are only read here.
  auto octets = [](const char* name, std::span<const std::byte> bytes) {
    return OSSL_PARAM_construct_octet_string(
        name, const_cast<std::byte*>(bytes.data()), bytes.size());
  };
  std::string digest = "SHA256";
  std::array params = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      octets(OSSL_KDF_PARAM_KEY, secret),
      octets(OSSL_KDF_PARAM_SALT, salt),
      octets(OSSL_KDF_PARAM_INFO, info),
      OSSL_PARAM_construct_end(),
  };
  int done = EVP_KDF_derive(context.get(),
                            reinterpret_cast<unsigned char*>(out.data()),
                            out.size(), params.data());
  ERR_clear_error();
  SSI_CHECK(done == 1, "HKDF of {} bytes", out.size());
}

}  // namespace ssi::proto
