ssi_test(agent_test LABEL integration
  SOURCES integration/process/agent_test.cc
  DEPS ssi::process)
ssi_test(vdso_test LABEL integration
  SOURCES integration/process/vdso_test.cc
  DEPS ssi::process)
