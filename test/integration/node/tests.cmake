ssi_test(check_test LABEL integration
  SOURCES integration/node/check_test.cc integration/node/check_rows_test.cc
          integration/node/check_support.cc
  DEPS ssi::node)
target_include_directories(check_test PRIVATE
  ${CMAKE_CURRENT_SOURCE_DIR}/integration/node)
