ssi_test(guests_test LABEL cluster TIMEOUT 400
  SOURCES cluster/guests/guests_test.cc cluster/guests/own_page_test.cc
          cluster/guests/supervisor_death_test.cc
          cluster/guests/coming_home_test.cc cluster/guests/let_go_test.cc
          cluster/guests/carried_vdso_test.cc
          cluster/guests/all_modes.cc cluster/guests/guest_list.cc
          cluster/guests/guest_run.cc
  DEPS ssi_test_support ssi::proto ssi::supervisor)
add_dependencies(guests_test ssid ssirun ssictl guests)
ssi_test_older_kernel(guests_test long 400 SPEC "guests: *")
