ssi_test(supervisor_test LABEL unit
  SOURCES unit/supervisor/allocation_test.cc
          unit/supervisor/call_table_test.cc
          unit/supervisor/call_tally_test.cc
          unit/supervisor/class_test.cc
          unit/supervisor/differential_test.cc
          unit/supervisor/filter_test.cc
          unit/supervisor/hostile_test.cc
          unit/supervisor/kernel_abi_test.cc
          unit/supervisor/marshal_test.cc
          unit/supervisor/payload_test.cc
          unit/supervisor/pieces_test.cc
          unit/supervisor/round_trip_data_test.cc
          unit/supervisor/round_trip_files_test.cc
          unit/supervisor/round_trip_process_test.cc
          unit/supervisor/round_trip_wait_test.cc
          unit/supervisor/timed_calls_test.cc
  DEPS ssi::supervisor)
