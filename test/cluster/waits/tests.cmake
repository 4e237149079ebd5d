ssi_test(waits_test LABEL cluster TIMEOUT 120 ALL_SAMPLE
  SOURCES cluster/waits/timed_waits_test.cc
          cluster/waits/whole_writes_test.cc cluster/errors/errors_support.cc
  DEPS ssi_test_support ssi::base
  GUESTS timed_wait whole_writes)
add_dependencies(waits_test ssid ssirun ssictl)
