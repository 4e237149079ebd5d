ssi_test(explain_test LABEL cluster TIMEOUT 200
  SOURCES cluster/explain/explain_test.cc cluster/explain/explain_life_test.cc
          cluster/explain/explained.cc cluster/guests/guest_list.cc
  DEPS ssi_test_support ssi::proto)
add_dependencies(explain_test ssirun guests)
