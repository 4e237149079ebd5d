// Catch2 2's main, compiled once for all tests.
#define CATCH_CONFIG_MAIN  // NOLINT: Catch2's name
#include <catch2/catch.hpp>
