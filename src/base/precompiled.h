// The headers that nearly every source reads, compiled once for all of them.
// Never included by hand: each file still includes what it uses.
#ifndef SSI_BASE_PRECOMPILED_H_
#define SSI_BASE_PRECOMPILED_H_

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <spdlog/spdlog.h>

#include "base/asio.h"

#endif  // SSI_BASE_PRECOMPILED_H_
