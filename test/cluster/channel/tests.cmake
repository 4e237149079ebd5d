ssi_test(channel_test LABEL cluster TIMEOUT 200
  SOURCES cluster/channel/cuts_test.cc cluster/channel/proxy.cc
          cluster/channel/silence_test.cc cluster/channel/behind_proxy.cc
  DEPS ssi_test_support)
add_dependencies(channel_test ssid ssirun ssictl)
