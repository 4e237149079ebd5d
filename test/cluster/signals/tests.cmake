ssi_guest(signal_steps)

# What users and other programs do to a program that is away, and what they see
# of it. Terminals are our own pseudo terminals.
ssi_test(job_control_test LABEL cluster TIMEOUT 60
  SOURCES cluster/signals/job_control_test.cc cluster/signals/terminal.cc
  DEPS ssi_test_support util)
ssi_test(death_test LABEL cluster TIMEOUT 120
  SOURCES cluster/signals/death_test.cc cluster/signals/subject.cc
  DEPS ssi_test_support)
ssi_test(signal_model_test LABEL cluster TIMEOUT 200
  SOURCES cluster/signals/model_test.cc cluster/signals/subject.cc
  DEPS ssi_test_support GUESTS signal_steps)
ssi_test(signal_delivery_test LABEL cluster TIMEOUT 60
  SOURCES cluster/signals/delivery_test.cc cluster/signals/subject.cc
          cluster/signals/unreceived_test.cc
  DEPS ssi_test_support)
ssi_test(launch_test LABEL cluster TIMEOUT 240
  SOURCES cluster/signals/launch_test.cc
  DEPS ssi_test_support)
ssi_test(orphaned_test LABEL cluster TIMEOUT 60 ALL_SAMPLE
  SOURCES cluster/signals/orphaned_test.cc cluster/signals/terminal.cc
  DEPS ssi_test_support util)
ssi_test(signal_view_test LABEL cluster TIMEOUT 60
  SOURCES cluster/signals/view_test.cc cluster/signals/subject.cc
          cluster/signals/terminal.cc
  DEPS ssi_test_support util)
foreach(test launch_test orphaned_test signal_view_test signal_delivery_test job_control_test death_test signal_model_test)
  add_dependencies(${test} ssid ssirun ssictl)
endforeach()
ssi_test_older_kernel(signal_delivery_test cluster 60 SPEC "[sample]")
ssi_test_older_kernel(death_test long 120 SPEC "[sample]")
ssi_test_older_kernel(signal_model_test long 200 SPEC "~[sample]~[.]")
