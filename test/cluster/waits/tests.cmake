ssi_test(waits_test LABEL cluster TIMEOUT 120 ALL_SAMPLE
  SOURCES cluster/waits/timed_waits_test.cc
          cluster/waits/whole_writes_test.cc cluster/errors/errors_support.cc
  DEPS ssi_test_support ssi::base ssi::process
  GUESTS timed_wait whole_writes)
ssi_test(interrupted_calls_test LABEL cluster TIMEOUT 120 PROCESSORS 2
  SOURCES cluster/waits/interrupted_calls_test.cc
  DEPS ssi_test_support ssi::base
  GUESTS interrupted_calls)
add_dependencies(interrupted_calls_test ssid ssirun ssictl)
add_dependencies(waits_test ssid ssirun ssictl)
