ssi_test(process_unit_test LABEL unit
  SOURCES unit/process/cpu_timers_test.cc unit/process/thread_call_test.cc
  DEPS ssi::process)
