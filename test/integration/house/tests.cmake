ssi_test(manual_test LABEL integration
  SOURCES integration/house/manual_test.cc
  DEPS ssi_test_support)
add_dependencies(manual_test ssid ssirun ssictl)
