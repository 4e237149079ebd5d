ssi_test(job_control_test LABEL cluster TIMEOUT 60
  SOURCES cluster/signals/job_control_test.cc cluster/signals/terminal.cc
  DEPS ssi_test_support util)
ssi_test(death_test LABEL cluster TIMEOUT 60
  SOURCES cluster/signals/death_test.cc cluster/signals/subject.cc
  DEPS ssi_test_support)
add_dependencies(job_control_test ssid ssirun ssictl)
add_dependencies(death_test ssid ssirun ssictl)
