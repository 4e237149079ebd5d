ssi_test(docs_test LABEL unit
  SOURCES unit/house/docs_test.cc
  DEPS ssi::supervisor)

# Writes the table in docs/semantics.md anew.
add_executable(write_semantics EXCLUDE_FROM_ALL unit/house/write_semantics.cc)
target_link_libraries(write_semantics PRIVATE ssi_flags ssi::supervisor)
target_include_directories(write_semantics PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
set_target_properties(write_semantics PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
add_custom_target(semantics
  COMMAND write_semantics ${PROJECT_SOURCE_DIR}/docs/semantics.md)
