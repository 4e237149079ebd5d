#include "fs/file_hash.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include <openssl/evp.h>

#include "base/check.h"

namespace ssi {

namespace {

using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Context Begin() {
  Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  SSI_CHECK(EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1,
            "no SHA-256");
  return context;
}

std::string End(const Context& context) {
  std::string digest(kSha256Size, '\0');
  unsigned size = 0;
  SSI_CHECK(EVP_DigestFinal_ex(context.get(),
                               reinterpret_cast<unsigned char*>(digest.data()),
                               &size) == 1,
            "no SHA-256");
  return digest;
}

std::int64_t Nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Result<FileIdentity> IdentifyFile(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    return FailErrno(errno, "stat");
  }
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kInvalid, "not a regular file");
  }
  return FileIdentity{info.st_dev, info.st_ino,
                      static_cast<std::uint64_t>(info.st_size),
                      Nanoseconds(info.st_mtim), Nanoseconds(info.st_ctim)};
}

Result<std::string> Sha256OfFile(int fd, std::uint64_t size) {
  Context context = Begin();
  std::vector<std::byte> buffer(std::size_t{256} << 10);
  std::uint64_t done = 0;
  while (done < size) {
    ssize_t n = ::pread(fd, buffer.data(),
                        std::min<std::uint64_t>(buffer.size(), size - done),
                        static_cast<off_t>(done));
    if (n < 0) {
      return FailErrno(errno, "read");
    }
    if (n == 0) {
      return Fail(ErrorCode::kRetry, "the file became shorter");
    }
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(n));
    done += static_cast<std::uint64_t>(n);
  }
  return End(context);
}

std::string Sha256Of(const void* data, std::size_t size) {
  Context context = Begin();
  EVP_DigestUpdate(context.get(), data, size);
  return End(context);
}

}  // namespace ssi
