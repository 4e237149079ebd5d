ssi_test(errors_test LABEL cluster TIMEOUT 200 ALL_SAMPLE
  SOURCES cluster/errors/errors_test.cc cluster/errors/errors_support.cc
          cluster/errors/cpu_limit_test.cc cluster/errors/dumpable_test.cc
          cluster/errors/extra_node.cc cluster/errors/faults_test.cc
          cluster/errors/features_test.cc cluster/errors/lingering_test.cc
          cluster/errors/memory_test.cc cluster/errors/version_test.cc
  DEPS ssi_test_support ssi::base ssi::proto)
add_dependencies(errors_test ssid ssirun ssictl)

# ssid of another release: the same program but for the files that say which
# version it is. What these define, the linker does not take from the library.
function(ssi_other_ssid name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEFINITIONS")
  list(TRANSFORM arg_SOURCES PREPEND ${PROJECT_SOURCE_DIR}/)
  add_executable(${name} ${PROJECT_SOURCE_DIR}/bin/ssid.cc ${arg_SOURCES})
  target_compile_definitions(${name} PRIVATE ${arg_DEFINITIONS})
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O1>)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${name} PRIVATE ssi::node CLI11::CLI11)
  target_compile_definitions(${name} PRIVATE
    _GNU_SOURCE BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_dependencies(errors_test ${name})
endfunction()
ssi_other_ssid(ssid_of_next_protocol
  SOURCES src/proto/preamble.cc src/proto/greeting.cc src/node/peers.cc
          src/node/self.cc src/remote/guest_supervisor.cc
  DEFINITIONS SSI_TEST_PROTOCOL=4 SSI_VERSION="99.9")
ssi_other_ssid(ssid_of_other_release
  SOURCES src/migration/compatibility.cc src/node/self.cc
  DEFINITIONS SSI_VERSION="99.9")

# Executes a program that finds some feature of the kernel missing.
add_executable(without cluster/errors/without.cc)
target_compile_definitions(without PRIVATE _GNU_SOURCE)
target_link_libraries(without PRIVATE PkgConfig::seccomp)
set_target_properties(without PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
add_dependencies(errors_test without)
