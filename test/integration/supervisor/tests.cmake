ssi_test(supervisor_kernel_test LABEL integration
  SOURCES integration/supervisor/filter_kernel_test.cc
          integration/supervisor/wait_round_trip_test.cc
  DEPS ssi::supervisor)
