ssi_test(programs_test LABEL cluster TIMEOUT 300 ALONE
  SOURCES cluster/programs/programs_test.cc
  DEPS ssi_test_support)
add_dependencies(programs_test ssid ssirun ssictl)
