ssi_guest(counting)
ssi_test(figures_test LABEL cluster TIMEOUT 100 ALONE ALL_SAMPLE
  SOURCES cluster/figures/figures_test.cc
  DEPS ssi_test_support ssi::proto
  GUESTS counting)
add_dependencies(figures_test ssid ssirun ssictl)
