ssi_test(deputy_unit_test LABEL unit
  SOURCES unit/deputy/cpu_timer_dues_test.cc unit/deputy/history_test.cc
          unit/deputy/restarted_call_test.cc
  DEPS ssi::deputy)
