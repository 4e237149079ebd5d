// The headers that nearly every test reads, compiled once for all of them.
// Never included by hand: each file still includes what it uses.
#ifndef SSI_TEST_SUPPORT_PRECOMPILED_H_
#define SSI_TEST_SUPPORT_PRECOMPILED_H_

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <expected>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "support/places.h"

#endif  // SSI_TEST_SUPPORT_PRECOMPILED_H_
