ssi_test(signal_state_test LABEL integration
  SOURCES integration/signals/signal_state_test.cc
  DEPS ssi::process)
