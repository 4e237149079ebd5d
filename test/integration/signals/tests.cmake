ssi_test(signal_state_test LABEL integration
  SOURCES integration/signals/signal_state_test.cc
  DEPS ssi::process)
ssi_test(signal_order_test LABEL integration
  SOURCES integration/signals/signal_order_test.cc
  DEPS ssi::process)
