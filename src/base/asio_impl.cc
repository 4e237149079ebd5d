// Asio's own code, compiled once (BOOST_ASIO_SEPARATE_COMPILATION).
#include "base/asio.h"

#include <boost/asio/impl/src.hpp>
