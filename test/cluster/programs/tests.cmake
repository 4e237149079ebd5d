ssi_guest(openmp OPENMP)
ssi_test(programs_test LABEL cluster TIMEOUT 300 ALONE
  SOURCES cluster/programs/programs_test.cc
          cluster/programs/threads_test.cc
  DEPS ssi_test_support
  GUESTS openmp)
add_dependencies(programs_test ssid ssirun ssictl)
foreach(waits perl* python3* gzip*)
  ssi_test_older_kernel(programs_test long 300 SPEC ${waits} ALONE)
endforeach()
ssi_test(suites_test LABEL cluster TIMEOUT 300
  SOURCES cluster/programs/suites_test.cc
  DEPS ssi_test_support)
add_dependencies(suites_test ssid ssirun ssictl)
