// A guest's memory for tests: ranges with their rights, anywhere.
#ifndef SSI_TEST_UNIT_SUPERVISOR_FAKE_MEMORY_H_
#define SSI_TEST_UNIT_SUPERVISOR_FAKE_MEMORY_H_

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "supervisor/guest_memory.h"

namespace ssi::supervisor {

class FakeMemory final : public GuestMemory {
 public:
  enum class Access { kReadOnly, kReadWrite };

  // Ranges may touch each other and must not overlap.
  void Map(std::uint64_t at, std::size_t size,
           Access access = Access::kReadWrite) {
    areas_[at] = {std::vector<std::byte>(size), access};
  }
  void Put(std::uint64_t at, std::span<const std::byte> bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      *Find(at + i, false) = bytes[i];
    }
  }
  void Put(std::uint64_t at, std::string_view text) {
    Put(at, std::as_bytes(std::span(text)));
  }
  template <typename T>
  void PutValue(std::uint64_t at, const T& value) {
    Put(at, std::as_bytes(std::span(&value, 1)));
  }
  std::vector<std::byte> Get(std::uint64_t at, std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
      bytes[i] = *Find(at + i, false);
    }
    return bytes;
  }
  template <typename T>
  T GetValue(std::uint64_t at) {
    T value{};
    std::memcpy(&value, Get(at, sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::size_t Read(RemoteAddr from, std::span<std::byte> into) override {
    ++reads;
    std::size_t i = 0;
    for (; i < into.size(); ++i) {
      const std::byte* at = Find(Raw(from) + i, false);
      if (at == nullptr) {
        break;
      }
      into[i] = *at;
    }
    bytes_read += i;
    return i;
  }
  std::size_t Write(RemoteAddr to, std::span<const std::byte> data) override {
    std::size_t i = 0;
    for (; i < data.size(); ++i) {
      std::byte* at = Find(Raw(to) + i, true);
      if (at == nullptr) {
        break;
      }
      *at = data[i];
    }
    bytes_written += i;
    return i;
  }

  std::size_t reads = 0;
  std::size_t bytes_read = 0;
  std::size_t bytes_written = 0;

 private:
  struct Area {
    std::vector<std::byte> bytes;
    Access access = Access::kReadWrite;
  };
  std::byte* Find(std::uint64_t at, bool to_write) {
    auto area = areas_.upper_bound(at);
    if (area == areas_.begin()) {
      return nullptr;
    }
    --area;
    std::uint64_t offset = at - area->first;
    bool allowed = !to_write || area->second.access == Access::kReadWrite;
    return allowed && offset < area->second.bytes.size()
               ? &area->second.bytes[offset]
               : nullptr;
  }
  std::map<std::uint64_t, Area> areas_;
};

}  // namespace ssi::supervisor

#endif  // SSI_TEST_UNIT_SUPERVISOR_FAKE_MEMORY_H_
