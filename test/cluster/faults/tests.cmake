# Each of them runs four clusters at once.
ssi_test(fault_runs_test LABEL cluster TIMEOUT 600 PROCESSORS 2
  SOURCES cluster/faults/faults_table_test.cc cluster/faults/fault_run.cc
          cluster/faults/fault_judge.cc cluster/faults/scenario.cc
          cluster/faults/twice.cc
  DEPS ssi_test_support ssi::base)
add_dependencies(fault_runs_test ssid ssirun ssictl)
