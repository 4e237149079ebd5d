ssi_test(errors_test LABEL cluster TIMEOUT 200
  SOURCES cluster/errors/errors_test.cc
  DEPS ssi_test_support ssi::base)
add_dependencies(errors_test ssid ssirun ssictl)
