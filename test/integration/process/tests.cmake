ssi_test(agent_test LABEL integration
  SOURCES integration/process/agent_test.cc
  DEPS ssi::process)
